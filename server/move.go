package server

import (
	"github.com/seed4ac54ce5/edge/netpoll"
)

// A conn that has not become a session may go to another loop, as that of a request about a session there. What is known of
// it goes along; the request is parsed again there.

// moved is what goes along with a conn.
type moved struct {
	session session // with the ticket of its address
	peer    address // as a balancer has told it
	tls     *secured
}

// move sends c to loop number to, with the request in hand. If something still waits for c, it goes when that has left. Whoever calls
// it leaves the request to the other loop.
func (l *loop) move(c *netpoll.Conn, s *session, to int) {
	l.flush(c)
	if c.Closing() {
		return
	}
	l.stays = true
	if l.net.Backlog(c) > 0 {
		l.net.Pause(c) // until Drained: it is read again then, and comes here again
		return
	}
	with := &moved{session: *s, tls: l.securedOf(c)}
	if s.has(flagProxied) {
		with.peer = *l.peers.At(c.Slot())
	}
	if !l.net.Move(c, to, with) {
		l.net.Close(c, netpoll.ClosedLocally) // it is at its end
		return
	}
	if with.tls != nil {
		l.secured[c.Slot()] = nil
	}
	*s = session{state: stateClosing} // nothing of it is ours any more
}

// Moved goes on with a conn that has come from another loop.
func (l *loop) Moved(c *netpoll.Conn, carry any) {
	with := carry.(*moved)
	s := l.sessions.Reserve(c.Slot())
	*s = with.session
	s.midway, s.partial = 0, 0
	s.clear(flagsOfRequest)
	if s.has(flagProxied) {
		*l.peers.Reserve(c.Slot()) = with.peer
	}
	if with.tls != nil {
		l.keepSecured(c, with.tls)
		with.tls.since = l.net.Patience()
	}
	l.net.SetTimer(c, l.server.config.HeadTimeout)
	l.shedding.add(l, l.net.ID(c))
	l.net.Resume(c) // a step of its TLS handshake has just been over
	if with.tls != nil && len(with.tls.plain) > 0 {
		l.again(c)
	}
}
