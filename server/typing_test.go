package server

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed4ac54ce5/edge/protocol"
)

// types is a call that says whether a client types in chat:a.
func types(id int, on bool) string {
	return fmt.Sprintf(`{"id":%d,"rpc":{"method":"edge.typing","data":{"channel":"chat:a","typing":%v}}}`, id, on)
}

// Whoever does not say again that it types has stopped, and an unsubscribe stops it too.
func TestTypingEnds(t *testing.T) {
	n := openNode(t, func(c *Config) {
		c.Rooms.Namespaces = []Namespace{{"chat", RoomOptions{TypingTTL: 50 * time.Millisecond}}}
	})
	typist, other := n.member("chat:a"), n.member("chat:a")
	defer typist.close()
	defer other.close()
	var want []string
	for _, on := range []bool{true, false} {
		want = append(want, fmt.Sprintf(`{"push":{"channel":"chat:a","pub":{"data":{"typing":%v},"info":{"user":"","client":"ID"},"tags":{"edge":"typing"}}}}`, on))
	}
	for _, stop := range []string{"", types(3, false), unsubscribe(3, "chat:a")} {
		typist.say(types(2, true))
		if stop != "" {
			typist.say(stop)
		}
		if got := other.hear(0, 2, false).pushes; !slices.Equal(got, want) {
			t.Errorf("after %q the room heard %q; want %q", stop, got, want)
		}
	}
}

// A socket stops it by leaving the room, or the namespace.
func TestTypingEndsWithASocket(t *testing.T) {
	for name, leave := range map[string]func(*node, *client, Socket){
		"the room": func(n *node, _ *client, k Socket) {
			if err := n.LeaveSocket(t.Context(), k, "a"); err != nil {
				t.Error(err)
			}
		},
		"the namespace": func(n *node, c *client, k Socket) {
			c.send(textOf("41"))
			n.await("the socket has left", func() bool { return n.JoinSocket(t.Context(), k) != nil })
		},
	} {
		a := newSocketApp()
		n := openSocketNode(t, a, func(c *Config) {
			c.SocketIO.RoomsAsChannels = []string{"/"}
			c.Rooms.WithoutNamespace.TypingTTL = time.Hour
		})
		other := n.member("a")
		c, all := a.enter(n, "/")
		if err := n.JoinSocket(t.Context(), all[0], "a"); err != nil {
			t.Fatal(err)
		}
		if err := n.SocketTypes(t.Context(), all[0], "a", true); err != nil {
			t.Fatal(err)
		}
		leave(n, c, all[0])
		n.mustPublish("a", `"end"`, PublishOptions{})
		got := other.hear(0, 2, false).pushes
		if !strings.Contains(got[0], `{"typing":true}`) || !strings.Contains(got[1], `{"typing":false}`) {
			t.Errorf("of one that leaves %s the room heard %q", name, got)
		}
		c.close()
		other.close()
	}
}

// A node that is behind with its rooms takes no typing, as it takes no publications.
func TestTypingWhileTheNodeIsFull(t *testing.T) {
	n := openNode(t, nil)
	c := n.member("chat:a")
	defer c.close()
	n.full.Add(1)
	c.say(types(2, true))
	if got, _ := c.nextText(); got != failed(2, protocol.ErrTooManyRequests) {
		t.Errorf("got %s; want error 111", got)
	}
	n.full.Add(-1)
	c.say(types(3, false))
	if got, _ := c.nextText(); got != `{"id":3,"rpc":{"data":{}}}` {
		t.Errorf("with room again: %s", got)
	}
}
