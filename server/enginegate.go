package server

import (
	"net/http"
	"net/netip"

	"github.com/seed4ac54ce5/edge/engineio"
	"github.com/seed4ac54ce5/edge/frame"
	"github.com/seed4ac54ce5/edge/metrics"
	"github.com/seed4ac54ce5/edge/netpoll"
)

// engineRoutes returns what is served under the paths of Engine.IO.
func (c *SocketIO) engineRoutes() (all []route) {
	if c == nil {
		return nil
	}
	if c.App != nil {
		all = append(all, c.engineRoute(c.Path, 0))
	}
	if c.EchoPath != "" {
		all = append(all, c.engineRoute(c.EchoPath, engineEcho))
	}
	return all
}

// engineRoute is the route for sessions that begin with flags.
func (c *SocketIO) engineRoute(path string, flags uint32) route {
	return route{
		path: path, below: true, limit: c.MaxPayload, socket: true,
		head: func(l *loop, conn *netpoll.Conn, s *session, r *httpRequest) bool {
			return l.headEngine(conn, s, r, flags)
		},
		serve: func(l *loop, conn *netpoll.Conn, s *session, r *httpRequest) { l.serveEngine(conn, s, r, flags) },
	}
}

// serveEngine serves a request that is whole, and one for a WebSocket.
func (l *loop) serveEngine(c *netpoll.Conn, s *session, r *httpRequest, flags uint32) {
	q := engineio.ParseQuery(r.RawQuery)
	if r.Upgrades() {
		l.upgradeEngine(c, s, r, &q, flags)
		return
	}
	if l.allowOrigin(r.Request) && len(r.Origin) > 0 && string(r.Method) == http.MethodOptions {
		l.preflight(c, s, r.Request, &enginePreflight)
		return
	}
	d, err := l.checkEngine(c, s, r, &q, flags)
	switch {
	case l.stays: // the request is another loop's
	case err != nil:
		l.endPost(c, s)
		l.refuseRequest(c, s, err)
	case d == nil:
		l.beginPolling(c, s, r, &q, flags)
	case string(r.Method) == http.MethodGet:
		l.servePoll(c, s, d, l.sessions.At(d.Slot()))
	case string(r.Method) == http.MethodPost:
		l.takePost(c, s, d, r)
	default:
		l.answer(c, s, &answer{status: http.StatusInternalServerError})
	}
}

// enginePreflight has the methods that the reference tells browsers of.
var enginePreflight = route{methods: "GET, HEAD, PUT, PATCH, POST, DELETE"}

// takePost serves a POST, once it has been let in.
func (l *loop) takePost(c *netpoll.Conn, s *session, d *netpoll.Conn, r *httpRequest) {
	ds := l.sessions.At(d.Slot())
	if err := l.admitPost(c, d, ds, r); err != nil {
		l.endPost(c, s)
		l.refuseRequest(c, s, err)
		return
	}
	l.servePost(c, s, d, ds, r.body)
}

// headEngine looks at a request of whose body not all is there. It reports whether to go on with that.
func (l *loop) headEngine(c *netpoll.Conn, s *session, r *httpRequest, flags uint32) (goOn bool) {
	l.stays = false
	l.allowOrigin(r.Request)
	q := engineio.ParseQuery(r.RawQuery)
	d, err := l.checkEngine(c, s, r, &q, flags)
	if l.stays {
		return false
	}
	post := err == nil && d != nil && string(r.Method) == http.MethodPost
	if post {
		err = l.admitPost(c, d, l.sessions.At(d.Slot()), r)
	}
	if err != nil {
		s.set(flagLastRequest) // the body is not read
		l.refuseRequest(c, s, err)
		return false
	}
	if post {
		if ds := l.sessions.At(d.Slot()); ds.state == stateEngine {
			l.beginPost(c, s, ds)
		}
	}
	return true
}

// admitPost returns what a POST is refused for, which ends its session.
func (l *loop) admitPost(c, d *netpoll.Conn, ds *session, r *httpRequest) *engineio.Error {
	if ds.state != stateEngine {
		return nil
	}
	p := l.pollings.At(l.engineOf(ds).polling)
	switch {
	case p.post != 0 && p.post != l.net.ID(c):
		l.failEngine(d, ds, reasonTransportError)
		return engineio.ErrBusy
	case !isText(r.Header("content-type")):
		l.failEngine(d, ds, reasonTransportError)
		return engineio.ErrContentType
	}
	return nil
}

// isText reports whether a body of a type may be a payload: what clients and curl send.
func isText(kind []byte) bool {
	const form = "application/x-www-form-urlencoded"
	return kind == nil || hasPrefixFold(kind, "text/") || hasPrefixFold(kind, form)
}

// hasPrefixFold reports whether b begins with a prefix in lower case, in any case of letters.
func hasPrefixFold(b []byte, prefix string) bool {
	if len(b) < len(prefix) {
		return false
	}
	for i := range len(prefix) {
		c := b[i]
		if 'A' <= c && c <= 'Z' {
			c |= 0x20
		}
		if c != prefix[i] {
			return false
		}
	}
	return true
}

// checkEngine returns the conn of the session that a request belongs to, nil for one that is to begin, or what it is refused for, in
// the order of the protocol. A request that belongs to another loop goes there: see l.stays.
func (l *loop) checkEngine(c *netpoll.Conn, s *session, r *httpRequest, q *engineio.Query, flags uint32) (of *netpoll.Conn, err *engineio.Error) {
	if !l.server.config.SocketIO.serves(q.Transport) {
		return nil, engineio.ErrTransport
	}
	if !q.Begins() {
		if of = l.sessionOf(c, s, q, flags); of == nil {
			return nil, engineio.ErrSession
		}
		return of, l.checkVisit(of, r, q)
	}
	switch {
	case string(r.Method) != http.MethodGet:
		return nil, engineio.ErrMethod
	case q.Transport == engineio.WebSocket && !r.Upgrades():
		return nil, engineio.ErrNoUpgrade
	case q.Transport == engineio.Polling && r.Upgrades():
		return nil, engineio.ErrNoUpgrade
	case q.JSONP:
		return nil, engineio.ErrJSONP
	case !l.originAllowed(r.Origin, r.Host):
		return nil, engineio.ErrForbidden
	case !q.Version:
		return nil, engineio.ErrVersion
	}
	return nil, nil
}

// serves reports whether a transport may be used.
func (c *SocketIO) serves(t engineio.Transport) bool {
	return t == engineio.Polling && !c.NoPolling || t == engineio.WebSocket && !c.NoWebSocket
}

// checkVisit returns what a request is refused for that belongs to the session of a conn.
func (l *loop) checkVisit(of *netpoll.Conn, r *httpRequest, q *engineio.Query) *engineio.Error {
	switch {
	case !r.Upgrades() && (!of.Detached() || q.Transport != engineio.Polling):
		return engineio.ErrMismatch
	case r.Upgrades() && q.Transport != engineio.WebSocket:
		return engineio.ErrNoUpgrade
	case q.JSONP:
		return engineio.ErrJSONP
	case !l.originAllowed(r.Origin, r.Host):
		return engineio.ErrForbidden
	case !q.Version:
		return engineio.ErrMismatch
	}
	return nil
}

// sessionOf returns the conn of the session that a request names, nil for none. What is due for it comes first: its end by the
// clock, and that of a poll whose client has gone. The request goes to the session's loop, if that is another: see l.stays.
func (l *loop) sessionOf(c *netpoll.Conn, s *session, q *engineio.Query, flags uint32) *netpoll.Conn {
	sid, ok := q.Session()
	if !ok {
		return nil
	}
	conn, serial, ok := l.engineIDs.parse(&l.idSpace, sid)
	if !ok || serial != 0 {
		return nil
	}
	id := netpoll.ConnID(conn)
	if id.Loop() != l.net.Number() {
		if id.Loop() < len(l.server.loops) {
			l.move(c, s, id.Loop())
		}
		return nil
	}
	d := l.net.Conn(id)
	if d == nil || d.Closing() {
		return nil
	}
	ds := l.sessions.At(d.Slot())
	if ds.state == stateEngine {
		if l.engineOf(ds).flags&engineEcho != flags&engineEcho {
			return nil
		}
		l.catchUpEngine(d, ds)
	}
	if d.Closing() || ds.state != stateEngine && (ds.state != stateClosing || !d.Detached()) {
		return nil
	}
	return d
}

// catchUpEngine has happen to a session what has become due.
func (l *loop) catchUpEngine(d *netpoll.Conn, ds *session) {
	e := l.engineOf(ds)
	now := l.net.Patience()
	if now >= e.beat || e.limit != 0 && now >= e.limit {
		l.engineTimer(d, ds)
	}
	if ds.state != stateEngine || e.polling == 0 {
		return
	}
	if p := l.net.Conn(l.pollings.At(e.polling).poll); p != nil && l.net.HungUp(p) {
		l.net.Close(p, netpoll.ClosedByPeer)
		l.leave(p, l.sessions.At(p.Slot()), closedConnection)
	}
}

// limitedAddress is the address whose limits hold for who comes from there.
func limitedAddress(from netip.AddrPort) netip.Addr {
	if from.Addr().IsLoopback() {
		return netip.Addr{}
	}
	return from.Addr()
}

// refuseSocket answers a request for a WebSocket with an error.
func (l *loop) refuseSocket(c *netpoll.Conn, s *session, e *engineio.Error) {
	l.reject(c, rejectionOfEngine(e))
	s.finish()
	l.out = e.AppendUpgradeError(l.out, l.cors)
	l.lastWord(c)
}

// rejectionOfEngine returns the counter for an error.
func rejectionOfEngine(e *engineio.Error) metrics.Rejection {
	if e == engineio.ErrForbidden {
		return metrics.RejectOrigin
	}
	return metrics.RejectBadRequest
}

// acceptSocket answers a request for a WebSocket with one; what is wrong with the request is returned.
func (l *loop) acceptSocket(s *session, r *httpRequest) *frame.HTTPError {
	if err := r.checkUpgrade(); err != nil {
		return err
	}
	if _, err := frame.SelectProtocol(r.Protocols); err != nil {
		return err
	}
	if _, err := frame.NegotiateDeflate(r.Extensions); err != nil {
		return err
	}
	s.clear(flagsOfRequest)
	l.out = frame.AppendUpgrade(l.out, r.Key, "", frame.DeflateParams{})
	return nil
}
