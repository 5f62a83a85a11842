package server

import (
	"context"
	"testing"

	"github.com/seed4ac54ce5/edge/hub"
	"github.com/seed4ac54ce5/edge/netpoll"
)

// BenchmarkDeliver is what a delivery costs besides its system call: the conn has been closed in this very turn.
func BenchmarkDeliver(b *testing.B) {
	n := openNode(b, nil)
	c := n.member("room")
	defer c.close()
	pub := hub.NewPublication()
	pub.Data = append(pub.Data, `"sixteen bytes .."`...)
	pub.Room = append(pub.Room, "room"...)
	err := n.onLoops(context.Background(), func(l *loop) {
		var member hub.Member
		l.net.Each(func(c *netpoll.Conn) {
			if s := l.sessions.At(c.Slot()); s.state == stateReady {
				member = hub.NewMember(c.Slot(), s.form(false))
				l.net.Close(c, netpoll.ClosedLocally)
			}
		})
		pubs := []*hub.Publication{pub}
		wire := l.Join(nil, pubs, member.Form())
		for b.Loop() {
			l.Deliver(member, wire, pubs)
		}
	})
	if err != nil {
		b.Error(err)
	}
}
