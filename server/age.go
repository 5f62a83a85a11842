package server

import (
	"time"

	"github.com/seed4ac54ce5/edge/netpoll"
	"github.com/seed4ac54ce5/edge/protocol"
)

// A session may be told to connect anew when it has reached an age, so that clients spread over nodes that have come since. The
// ages differ by a tenth to either side: those who came together do not go together.

// setAge sets when a session that begins is to connect anew.
func (l *loop) setAge(c *netpoll.Conn) {
	if age := l.server.config.MaxConnectionAge; age > 0 {
		after := age - age/10 + time.Duration(l.random.Int64N(int64(age/5)+1))
		*l.ages.Reserve(c.Slot()) = uint32((l.net.Now()+after)/time.Second) + 1
	}
}

// ageLimit returns when a session is to connect anew, and whether it ever is.
func (l *loop) ageLimit(c *netpoll.Conn) (at time.Duration, ok bool) {
	if l.server.config.MaxConnectionAge <= 0 {
		return 0, false
	}
	return time.Duration(*l.ages.At(c.Slot())) * time.Second, true
}

// tooOld reports whether it is time.
func (l *loop) tooOld(c *netpoll.Conn) bool {
	at, ok := l.ageLimit(c)
	return ok && l.net.Now() >= at
}

// renew ends a session that is to connect anew, as soon as nothing is under way for it.
func (l *loop) renew(c *netpoll.Conn, s *session) {
	if s.has(flagOffloaded) {
		l.net.SetTimer(c, refreshAgain)
		s.set(flagLastTimer)
		return
	}
	l.disconnect(c, s, protocol.DisconnectForceReconnect)
}
