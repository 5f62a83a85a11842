package server

import (
	"time"

	"github.com/seed4ac54ce5/edge/hub"
	"github.com/seed4ac54ce5/edge/netpoll"
)

// typing is that a client types in a room, until it says otherwise, leaves, or has not said so again for the room's
// typing_ttl: a client that crashes stops typing by itself.
type typing struct {
	room  string
	until time.Duration // on the loop's clock
}

// What a room receives of it, as ephemeral publications with the typist's client info.
var (
	typingOn  = []byte(`{"typing":true}`)
	typingOff = []byte(`{"typing":false}`)
)

// The tag that tells them from other publications.
var (
	typingTag = []byte("edge")
	typingKey = []byte("typing")
)

// setTyping takes a client's word that it types, or types no more, and passes it on.
func (l *loop) setTyping(c *netpoll.Conn, s *session, room string, ns *namespace, on bool) {
	id := l.net.ID(c)
	for i, t := range l.typists[id] {
		if t.room != room {
			continue
		}
		if on {
			l.typists[id][i].until = l.net.Now() + ns.TypingTTL
		} else {
			l.dropTyping(id, i)
		}
		l.publishTyping(c, s, room, on)
		return
	}
	if on {
		l.typists[id] = append(l.typists[id], typing{room, l.net.Now() + ns.TypingTTL})
		l.keepTime()
		l.publishTyping(c, s, room, true)
	}
}

// dropTyping forgets one room in which a client types.
func (l *loop) dropTyping(id netpoll.ConnID, i int) {
	rooms := l.typists[id]
	rooms[i] = rooms[len(rooms)-1]
	if rooms = rooms[:len(rooms)-1]; len(rooms) == 0 {
		delete(l.typists, id)
	} else {
		l.typists[id] = rooms
	}
}

// stopTyping ends what a client types: in one room, or with "" in all.
func (l *loop) stopTyping(c *netpoll.Conn, s *session, room string) {
	id := l.net.ID(c)
	for i := len(l.typists[id]) - 1; i >= 0; i-- {
		if t := l.typists[id][i]; room == "" || t.room == room {
			l.dropTyping(id, i)
			l.publishTyping(c, s, t.room, false)
		}
	}
}

// typingStep is the time between two looks at who types, which take as long as there are typists.
const typingStep = 100 * time.Millisecond

// expireTyping ends what has not been renewed in time.
func (l *loop) expireTyping() {
	if l.net.Now() < l.typingDue {
		return
	}
	l.typingDue = l.net.Now() + typingStep
	for id, rooms := range l.typists {
		c := l.net.Conn(id)
		for i := len(rooms) - 1; i >= 0; i-- {
			if t := rooms[i]; l.net.Now() >= t.until {
				l.dropTyping(id, i)
				l.publishTyping(c, l.sessions.At(c.Slot()), t.room, false)
			}
		}
	}
}

// publishTyping tells a room about c.
func (l *loop) publishTyping(c *netpoll.Conn, s *session, room string, on bool) {
	ns := l.spaces().of([]byte(room))
	if ns == nil {
		return // taken away by a reload
	}
	pub := hub.NewPublication()
	pub.Data = append(pub.Data, typingOff...)
	if on {
		pub.Data = append(pub.Data[:0], typingOn...)
	}
	pub.Tags = pub.Tags.Append(typingTag, typingKey)
	pub.Info = l.appendPublisher(pub.Info, c, s, []byte(room))
	pub.Sender = uint64(l.net.ID(c))
	pub.Key = append(pub.Key, typingKey...)
	_, _ = l.server.hub.Publish(ns.id, []byte(room), pub, hub.PublishOptions{SkipHistory: true}) // it is not stored
}
