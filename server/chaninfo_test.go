package server

import (
	"fmt"
	"strings"
	"testing"
)

// TestChanInfoIsOfOneRoom has the application tell rooms different things about a client: a publication shows what is
// true of its own room, for as long as the client is there.
func TestChanInfoIsOfOneRoom(t *testing.T) {
	n := openNode(t, func(c *Config) {
		c.Handler.Subscribe = func(_ Client, r *SubscribeRequest) (SubscribeReply, error) {
			if r.Room == "plain" {
				return SubscribeReply{}, nil
			}
			return SubscribeReply{Info: fmt.Appendf(nil, `{"in":%q}`, r.Room)}, nil
		}
	})
	c := n.open(pathWebSocket)
	defer c.close()
	c.say(hello)
	c.nextText()
	for i, room := range []string{"a", "b", "plain"} {
		c.say(subscribe(i+2, room))
		c.nextText()
	}
	shown := func(room, want string) {
		t.Helper()
		c.say(fmt.Sprintf(`{"id":9,"publish":{"channel":%q,"data":1}}`, room))
		h := c.hear(1, 1, false)
		if want = `"info":{"user":"","client":"ID"` + want + `}}`; !strings.Contains(strings.Join(h.pushes, ""), want) {
			t.Errorf("published in %s: %q; want %s", room, h.pushes, want)
		}
	}
	shown("a", `,"chan_info":{"in":"a"}`)
	shown("b", `,"chan_info":{"in":"b"}`)
	shown("plain", "")
	c.say(`{"id":5,"unsubscribe":{"channel":"a"}}`)
	c.nextText()
	shown("b", `,"chan_info":{"in":"b"}`)
	if err := n.onLoops(t.Context(), func(l *loop) {
		if infos := l.chanInfos; len(infos) != 1 {
			t.Errorf("%d conns have infos; want 1", len(infos))
		}
	}); err != nil {
		t.Error(err)
	}
}
