package server

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// TestRoomsTellWhomTheyMay has a namespace that lets every client publish and ask. Rooms that not everybody may enter
// tell nothing to those who are not in them.
func TestRoomsTellWhomTheyMay(t *testing.T) {
	n := openNode(t, func(c *Config) {
		c.Development, c.Access.Anonymous = false, true
		c.Handler.Connect = func(r *ConnectRequest) (ConnectReply, error) { return ConnectReply{User: string(r.Token)}, nil }
		c.Rooms.WithoutNamespace = RoomOptions{
			HistorySize: 10, HistoryTTL: time.Minute, Presence: true, AllowUserLimitedChannels: true,
			AllowSubscribeForClient: true, AllowPublishForClient: true, AllowPresenceForClient: true, AllowHistoryForClient: true,
		}
		c.Rooms.Namespaces = []Namespace{{"closed", RoomOptions{HistorySize: 10, HistoryTTL: time.Minute, Presence: true}}}
	})
	c := n.open(pathWebSocket)
	defer c.close()
	c.say(`{"id":1,"connect":{"token":"ann"}}`)
	c.nextText()
	answer := func(command, room string) string {
		extra := map[string]string{"publish": `,"data":1`}[command]
		c.say(fmt.Sprintf(`{"id":2,%q:{"channel":%q%s}}`, command, room, extra))
		text, _ := c.nextText()
		if _, rest, failed := strings.Cut(text, `"code":`); failed {
			return rest[:3]
		}
		return "ok"
	}
	for _, row := range []struct{ room, subscribe, presence, history, publish string }{
		{"open", "ok", "ok", "ok", "ok"},
		{"$secret", "103", "103", "103", "ok"},
		{"to#bob", "103", "103", "103", "ok"},
		{"closed:room", "103", "103", "103", "103"},
		{"unknown:room", "102", "102", "102", "102"},
		{"to#bob,ann", "ok", "ok", "ok", "ok"},
	} {
		got := []string{answer("subscribe", row.room), answer("presence", row.room), answer("history", row.room)}
		if want := []string{row.subscribe, row.presence, row.history}; fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s: subscribe, presence, history are answered %v; want %v", row.room, got, want)
		}
		if row.subscribe == "ok" {
			if got := answer("unsubscribe", row.room); got != "ok" {
				t.Errorf("%s: unsubscribe is answered %s", row.room, got)
			}
		}
		if got := answer("publish", row.room); got != row.publish {
			t.Errorf("%s: publish is answered %s; want %s", row.room, got, row.publish)
		}
	}
}
