package server

import (
	"net/http"
	"net/netip"
	"time"

	"github.com/seed4ac54ce5/edge/admission"
	"github.com/seed4ac54ce5/edge/frame"
	"github.com/seed4ac54ce5/edge/metrics"
	"github.com/seed4ac54ce5/edge/netpoll"
	"github.com/seed4ac54ce5/edge/proxyproto"
)

// turnedAwayFor is how long a conn that is turned away has to read why.
const turnedAwayFor = time.Second

// Opened begins the life of a conn. All that comes before a whole request head, a balancer's header and a TLS handshake included,
// has one deadline.
func (l *loop) Opened(c *netpoll.Conn) {
	s := l.sessions.Reserve(c.Slot())
	*s = session{}
	l.net.SetTimer(c, l.server.config.HeadTimeout)
	l.shedding.add(l, l.net.ID(c))
	peer := l.net.Peer(c)
	switch {
	case !l.server.config.ProxyProtocol.Enabled:
		l.arrive(c, s, peer.Addr(), peer.Addr().IsLoopback())
	case peer.IsValid() && !l.server.trusted.Contains(peer.Addr()): // on a Unix socket its permissions decide
		l.hangUp(c, s, metrics.RejectProxyPeer)
	default:
		s.state = stateProxy
	}
}

// hangUp closes a conn that has said nothing that could be answered.
func (l *loop) hangUp(c *netpoll.Conn, s *session, why metrics.Rejection) {
	l.reject(c, why)
	s.finish()
	l.net.Close(c, netpoll.ClosedLocally)
}

// readProxy waits for the whole header of a balancer, which says where the conn really comes from, and returns its size.
func (l *loop) readProxy(c *netpoll.Conn, s *session, b []byte) (used int) {
	h, n, err := proxyproto.Parse(b)
	switch {
	case err != nil:
		l.hangUp(c, s, metrics.RejectProxyHeader)
		return len(b)
	case n == 0:
		return 0
	case h.Local: // the balancer's own: a health check
		l.arrive(c, s, l.net.Peer(c).Addr(), true)
	default:
		l.peers.Reserve(c.Slot()).set(h.Source)
		s.set(flagProxied)
		l.arrive(c, s, h.Source.Addr(), false)
	}
	return n
}

// arrive lets a conn in, if there is room for one more from its address. Limits for an address do not hold for local ones.
func (l *loop) arrive(c *netpoll.Conn, s *session, from netip.Addr, local bool) {
	if local {
		from = netip.Addr{}
	}
	ticket, v := l.server.admission.Admit(from, l.net.Now())
	if !v.Admitted() {
		l.turnAway(c, s, v)
		return
	}
	s.ticket = ticket
	s.set(flagAdmitted)
	s.state = stateHead
	if l.server.tls != nil {
		l.secure(c, s)
	}
}

// turnAway tells a client when to come again, before anything is spent on it.
func (l *loop) turnAway(c *netpoll.Conn, s *session, v admission.Verdict) {
	l.reject(c, rejectionOfVerdict[v.Reason])
	s.finish()
	if l.server.tls != nil {
		l.net.Close(c, netpoll.ClosedLocally) // it could not be told without a handshake
		return
	}
	status := http.StatusServiceUnavailable
	if v.Reason == admission.AddressConnections || v.Reason == admission.AddressRate {
		status = http.StatusTooManyRequests
	}
	l.out = frame.AppendRetryLater(l.out, status, int(v.RetryAfter))
	l.net.Shutdown(c, l.out, turnedAwayFor)
	l.out = trim(l.out)
}

// rejectionOfVerdict are the counters for who is not let in.
var rejectionOfVerdict = [admission.Reasons]metrics.Rejection{
	admission.NodeConnections:    metrics.RejectConnections,
	admission.NodeRate:           metrics.RejectConnectRate,
	admission.Memory:             metrics.RejectMemory,
	admission.AddressConnections: metrics.RejectAddressConnections,
	admission.AddressRate:        metrics.RejectAddressRate,
	admission.UserConnections:    metrics.RejectUserConnections,
}

// depart gives back what arrive took.
func (l *loop) depart(c *netpoll.Conn, s *session) {
	if s.has(flagAdmitted) {
		s.clear(flagAdmitted)
		l.server.admission.Release(s.ticket, l.net.Now())
	}
	l.unsecure(c)
}

// address is a peer's, as a balancer has told it, without Go pointers.
type address struct {
	ip   [16]byte
	port uint16
}

func (a *address) set(p netip.AddrPort) { a.ip, a.port = p.Addr().As16(), p.Port() }

// addressOf returns where a conn comes from; the zero value for a Unix socket.
func (l *loop) addressOf(c *netpoll.Conn, s *session) netip.AddrPort {
	if !s.has(flagProxied) {
		return l.net.Peer(c)
	}
	a := l.peers.At(c.Slot())
	return netip.AddrPortFrom(netip.AddrFrom16(a.ip).Unmap(), a.port)
}
