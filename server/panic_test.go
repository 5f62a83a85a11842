package server

import (
	"log/slog"
	"testing"

	"github.com/seed4ac54ce5/edge/internal/testutil"
)

// setIDs gives n's loops the ids. Without a key they panic when a session needs one: in connect and in publish.
func (n *node) setIDs(ids clientIDs) {
	n.counts() // no session is being served any more, and the loops need their ids for nothing else
	for _, l := range n.loops {
		l.ids = ids
	}
	n.counts() // every loop sees them from here on
}

// A panic in a session ends that session with 1011. It is counted and logged, and nobody else notices.
func TestX07PanicEndsItsSession(t *testing.T) {
	var book testutil.Book
	n := openNode(t, func(c *Config) { c.Log = slog.New(slog.NewTextHandler(&book, nil)) })
	standing := n.member("room")
	defer standing.close()

	n.setIDs(clientIDs{})
	moved := n.rejections(func() {
		c := n.open(pathWebSocket)
		c.say(hello)
		if got := c.rest(); len(got) != 1 || got[0] != "close 1011" {
			t.Errorf("a session whose connect panics got %s; want close 1011", got)
		}
		c.close()
		publisher := n.open(pathWebSocket)
		publisher.say(hello)
		publisher.rest()
		publisher.close()
	})
	checkMoved(t, moved, none, 0)
	c := n.counts()
	if c.Panics != 2 || c.Disconnects[11] != 2 {
		t.Errorf("%d panics counted, %d sessions ended with 1011; want two", c.Panics, c.Disconnects[11])
	}
	testutil.Eventually(t, patience, func() bool { return book.Count("session ended by a fault") > 0 && book.Count("connect") > 0 }, "the log has the fault and its stack")

	n.setIDs(n.ids)
	n.checkNeighbour()
	standing.say(publish(3, "room", "1"))
	if h := standing.hear(1, 1, false); len(h.pushes) != 1 {
		t.Errorf("a member of a room heard %q after the panic", h)
	}
}

// Of a read that fails half-way nothing is answered: what the session would hear of it might not be true.
func TestPanicInTheMiddle(t *testing.T) {
	n := openNode(t, nil)
	c := n.member("room")
	defer c.close()
	n.setIDs(clientIDs{})
	c.say(subscribe(3, "other") + "\n" + publish(4, "room", "1") + "\n" + unsubscribe(5, "room"))
	if got := c.rest(); len(got) != 1 || got[0] != "close 1011" {
		t.Errorf("got %s; want close 1011 alone", got)
	}
	n.setIDs(n.ids)
	n.checkNeighbour()
}
