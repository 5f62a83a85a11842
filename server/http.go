package server

import (
	"bytes"
	"net/http"
	"strings"

	"github.com/seed4ac54ce5/edge/frame"
	"github.com/seed4ac54ce5/edge/internal/poison"
	"github.com/seed4ac54ce5/edge/metrics"
	"github.com/seed4ac54ce5/edge/netpoll"
)

// A conn speaks HTTP until a request makes a session of it: one request after the other, each served when it is whole. Who
// serves a request answers it, at once or, with hold, later; makes the conn a WebSocket or a stream; refuses it, which
// ends the conn; or moves the conn to the loop of the session that the request is about. Until there is an answer the
// next request of the conn is not looked at, so answers leave in the order of their requests.

var headLimits = frame.RequestLimits{Head: 16 << 10, Target: 8 << 10, Fields: 100}

// maxRequestsPerTurn is how many requests of one conn are served before others have their turn.
const maxRequestsPerTurn = 32

// httpRequest is a request that is whole. All its slices are good within the call.
type httpRequest struct {
	*frame.Request
	body   []byte
	behind bool // the client has sent on behind it
}

// checkUpgrade reports what keeps r from being the opening of a WebSocket, or nil.
func (r *httpRequest) checkUpgrade() *frame.HTTPError {
	if r.behind {
		return frame.ErrEarlyData
	}
	return frame.CheckUpgrade(r.Request)
}

// route is what is served under a path.
type route struct {
	path    string
	below   bool   // and under all that begin with it
	methods string // as the Allow field lists them; empty if the route judges them itself
	limit   int    // bytes of a body
	socket  bool   // takes requests for a WebSocket: those come as soon as their head is there
	only    bool   // takes nothing else, and judges all itself
	cors    bool   // pages of other sites may use it, those that may connect

	// head looks at a request with a body before that is there, and reports whether to go on: else it has answered, and ended the conn,
	// or moved it. May be nil.
	head  func(l *loop, c *netpoll.Conn, s *session, r *httpRequest) (goOn bool)
	serve func(l *loop, c *netpoll.Conn, s *session, r *httpRequest)
}

// publicRoutes returns what the public addresses serve.
func (s *Server) publicRoutes() []route {
	all := []route{{path: pathWebSocket, socket: true, only: true, serve: (*loop).serveWebSocket}}
	if s.config.Development || s.config.Echo {
		all = append(all, route{path: pathEcho, socket: true, only: true, serve: (*loop).serveEcho})
	}
	all = append(all, s.config.SocketIO.engineRoutes()...)
	all = append(all, s.streamRoutes()...)
	return append(all, s.config.routes...)
}

// routeOf returns what is served under a path, or nil.
func (s *Server) routeOf(path []byte) *route {
	for i := range s.public {
		r := &s.public[i]
		if string(path) == r.path || r.below && len(path) > len(r.path) && string(path[:len(r.path)]) == r.path {
			return r
		}
	}
	return nil
}

// body is how far a request has come whose head is whole. It holds no pointer.
type body struct {
	head    uint32 // bytes of the head; 0 if it is not whole either
	total   uint32 // of the whole request; 0 with chunks
	limit   uint32 // of the body
	chunked bool
	chunks  frame.Chunks
}

// readRequests serves the whole requests at the front of b.
func (l *loop) readRequests(c *netpoll.Conn, s *session, b []byte) (used, need int) {
	for range maxRequestsPerTurn {
		n, need := l.readRequest(c, s, b[used:])
		used += n
		if n == 0 || used == len(b) || s.state != stateHead || c.Closing() {
			return used, need
		}
		if l.due() >= flushAt && l.flushOrWait(c) {
			return used, 0
		}
	}
	l.again(c)
	return used, 0
}

// readRequest serves the request at the front of b, if it is whole, and returns its size.
func (l *loop) readRequest(c *netpoll.Conn, s *session, b []byte) (used, need int) {
	l.cors = l.cors[:0]
	if len(b) == 0 {
		return 0, 0
	}
	if s.has(flagIdle) {
		s.clear(flagIdle)
		l.net.SetTimer(c, l.server.config.HeadTimeout)
	}
	s.noteHead(b)
	if s.midway != 0 {
		return l.readBody(c, s, b, nil)
	}
	n, err := frame.ParseRequest(b, int(s.partial), &headLimits, &l.request)
	switch {
	case err != nil:
		l.refuse(c, s, err)
		return len(b), 0
	case n == 0:
		s.partial = uint32(len(b))
		return 0, 0
	}
	s.partial = 0
	return l.readRouted(c, s, b, n)
}

// noteHead keeps whether the request at the front of b is a HEAD, which shows before the rest of it has come or could be read.
func (s *session) noteHead(b []byte) {
	s.clear(flagHead)
	if bytes.HasPrefix(b, []byte("HEAD ")) {
		s.set(flagHead)
	}
}

// readRouted goes on with a request whose head, of n bytes, is whole.
func (l *loop) readRouted(c *netpoll.Conn, s *session, b []byte, n int) (used, need int) {
	l.http = httpRequest{Request: &l.request, behind: n < len(b)}
	r := &l.http
	route := l.server.routeOf(r.Path)
	if route == nil {
		err := frame.ErrNotFound
		if r.Upgrades() && r.behind {
			err = frame.ErrEarlyData
		}
		l.refuse(c, s, err)
		return len(b), 0
	}
	l.noteRequest(s, r.Request)
	if route.cors && !l.allowOrigin(r.Request) {
		l.refuse(c, s, frame.ErrForbidden)
		return len(b), 0
	}
	switch {
	case route.only || route.socket && r.Upgrades():
		return l.serve(route, c, s, r, n), 0
	case r.Upgrades():
		l.refuse(c, s, frame.ErrUpgrade)
		return len(b), 0
	case string(r.Method) == http.MethodOptions && route.cors:
		if r.HasBody() {
			s.set(flagLastRequest) // it is not read
		}
		l.preflight(c, s, r.Request, route)
		return n, 0
	case route.methods != "" && !listed(route.methods, r.Method):
		l.refuse(c, s, &frame.HTTPError{Status: frame.ErrMethod.Status, Reason: frame.ErrMethod.Reason, Header: "Allow: " + route.methods + "\r\n"})
		return len(b), 0
	case !r.HasBody():
		return l.serve(route, c, s, r, n), 0
	case r.Length() > int64(route.limit):
		l.refuse(c, s, frame.ErrBodyTooBig)
		return len(b), 0
	case route.head != nil && !route.head(l, c, s, r):
		return 0, 0
	}
	way := body{head: uint32(n), limit: uint32(route.limit), chunked: r.Chunked()}
	if !way.chunked {
		way.total = uint32(n) + uint32(r.Length())
	}
	return l.readBody(c, s, b, &way)
}

// listed reports whether a method is one of those in a list.
func listed(methods string, method []byte) bool {
	for m := range strings.SplitSeq(methods, ", ") {
		if m == string(method) {
			return true
		}
	}
	return false
}

// readBody goes on with the body of a request, and serves it when it is whole. fresh is where the body begins whose head has just
// been read into l.request, and nil for one that has begun in an earlier call.
func (l *loop) readBody(c *netpoll.Conn, s *session, b []byte, fresh *body) (used, need int) {
	way := fresh
	if way == nil {
		way = l.midway.body(&s.midway)
	}
	end, err := way.look(b)
	switch {
	case err != nil:
		if fresh == nil { // for whom the answer is
			_, _ = frame.ParseRequest(b, 0, &headLimits, &l.request)
			l.allowOrigin(&l.request)
		}
		l.refuse(c, s, err)
		return len(b), 0
	case end == 0 && fresh != nil:
		l.awaitBody(c, s, fresh)
		return 0, int(fresh.total)
	case end == 0:
		return 0, int(way.total)
	}
	done := *way
	l.midway.drop(&s.midway)
	if fresh == nil {
		_, _ = frame.ParseRequest(b, 0, &headLimits, &l.request) // it was good before
		l.noteRequest(s, &l.request)
	}
	return l.serveBody(c, s, b[:end], &done, end < len(b)), 0
}

// serve serves a request of n bytes and returns how many of them are used: none if it is to be read again.
func (l *loop) serve(route *route, c *netpoll.Conn, s *session, r *httpRequest, n int) (used int) {
	l.stays = false
	route.serve(l, c, s, r)
	if l.stays {
		return 0
	}
	return n
}

// look looks at what has come of the body of a request, which is at the front of b, and returns the size of the whole request, 0
// if it is not whole.
func (w *body) look(b []byte) (end int, err *frame.HTTPError) {
	if !w.chunked {
		if len(b) < int(w.total) {
			return 0, nil
		}
		return int(w.total), nil
	}
	n, whole, err := w.chunks.Scan(b[int(w.head)+w.chunks.Size():], int(w.limit))
	if err != nil || !whole || n == 0 {
		return 0, err
	}
	return int(w.head) + w.chunks.Size(), nil
}

// awaitBody remembers that only the head of a request has come, and asks for the rest if the client waits for that. A body has as
// much time as a message.
func (l *loop) awaitBody(c *netpoll.Conn, s *session, fresh *body) {
	*l.midway.body(&s.midway) = *fresh
	l.net.SetTimer(c, l.server.config.MessageTimeout)
	if l.request.ExpectsContinue() {
		l.out = append(l.out, frame.Continue...)
	}
}

// serveBody is serve for a request with a body; b is all of it.
func (l *loop) serveBody(c *netpoll.Conn, s *session, b []byte, way *body, behind bool) (used int) {
	l.http = httpRequest{Request: &l.request, body: b[way.head:], behind: behind}
	r := &l.http
	route := l.server.routeOf(r.Path)
	if route.cors {
		l.allowOrigin(r.Request)
	}
	if way.chunked {
		l.body = frame.AppendBody(l.body[:0], r.body)
		r.body = l.body
		defer func() {
			poison.Bytes(l.body)
			l.body = trim(l.body)
		}()
	}
	return l.serve(route, c, s, r, len(b))
}

// noteRequest keeps what the answer to a request depends on.
func (l *loop) noteRequest(s *session, r *frame.Request) {
	s.clear(flagsOfRequest)
	if r.Closes() || l.shedding.order.number == everybody {
		s.set(flagLastRequest)
	}
	switch frame.SelectCoding(r) {
	case frame.Gzip:
		s.set(flagGzip)
	case frame.Zlib:
		s.set(flagZlib)
	}
}

// endWaiting ends a conn whose next request has not come in time, or not whole. One that still takes its answers is not read, so its
// request cannot be late: it is the stall limit that holds for it.
func (l *loop) endWaiting(c *netpoll.Conn, s *session) {
	if l.net.Backlog(c) > 0 {
		l.net.SetTimer(c, l.server.config.KeepAliveTimeout)
		return
	}
	if s.has(flagIdle) {
		s.finish()
		l.net.Close(c, netpoll.ClosedLocally)
		return
	}
	l.hangUp(c, s, metrics.RejectHeadTimeout)
}

// answer is what a request gets.
type answer struct {
	status int
	kind   string // Content-Type; empty for none
	header string // further header lines, each with its CRLF
	body   []byte // good within the call
	packs  bool   // may be compressed, if it is large
	close  bool   // ends the conn
}

// packFrom is the size of a body from which it is worth compressing.
const packFrom = 1024

// answer answers the request in hand. The conn stays for the next one, unless one of both sides wants it closed.
func (l *loop) answer(c *netpoll.Conn, s *session, a *answer) {
	a.close = a.close || s.has(flagLastRequest)
	l.out = l.appendAnswer(l.out, s, a, l.cors)
	if a.close {
		s.finish()
		l.lastWord(c)
		return
	}
	l.awaitRequest(c, s)
}

// hold says that the answer to the request in hand comes later: see answerHeld. Until then the conn is not read, and has no timer;
// its end is noticed, as ever.
func (l *loop) hold(c *netpoll.Conn, s *session) {
	l.flush(c) // answers to earlier requests: this one does not go with them
	s.state = stateHeld
	l.net.StopTimer(c)
	l.net.Pause(c)
	if len(l.cors) > 0 {
		l.heldCORS[l.net.ID(c)] = bytes.Clone(l.cors)
	}
}

// answerHeld answers a request that was held, and goes on with those behind it. It may be called whatever conn is in hand.
func (l *loop) answerHeld(c *netpoll.Conn, s *session, a *answer) {
	if s.state != stateHeld || c.Closing() {
		return
	}
	a.close = a.close || s.has(flagLastRequest) || l.shedding.order.number == everybody
	id := l.net.ID(c)
	out := l.appendAnswer(l.heldOut[:0], s, a, l.heldCORS[id])
	delete(l.heldCORS, id)
	if a.close {
		s.finish()
		l.shutdown(c, out)
	} else {
		l.awaitRequest(c, s)
		l.write(c, out)
		l.readOn(c, s)
	}
	poison.Bytes(out)
	l.heldOut = trim(out)
}

// awaitRequest makes s wait for the next request of its conn.
func (l *loop) awaitRequest(c *netpoll.Conn, s *session) {
	s.state = stateHead
	s.partial = 0
	s.clear(flagsOfRequest)
	s.set(flagIdle)
	l.net.SetTimer(c, l.server.config.KeepAliveTimeout)
}

// appendAnswer appends a's bytes as s's client takes them.
func (l *loop) appendAnswer(dst []byte, s *session, a *answer, cors []byte) []byte {
	l.header = append(append(l.header[:0], a.header...), cors...)
	body, coding := a.body, s.coding()
	if a.packs && len(body) >= packFrom && coding != frame.Identity {
		l.packed = frame.AppendPacked(l.packed[:0], coding, body)
		body = l.packed
		l.header = append(append(append(l.header, "Content-Encoding: "...), coding.String()...), "\r\nVary: Accept-Encoding\r\n"...)
	}
	whole := frame.Answer{Status: a.status, Type: a.kind, Header: l.header, Body: body, Close: a.close, Head: s.has(flagHead)}
	dst = whole.Append(dst)
	l.packed, l.header = trim(l.packed), trim(l.header)
	return dst
}

// coding returns how s's client takes the answer to its request compressed.
func (s *session) coding() frame.Coding {
	switch {
	case s.has(flagGzip):
		return frame.Gzip
	case s.has(flagZlib):
		return frame.Zlib
	}
	return frame.Identity
}

// putError makes e the answer to the request in hand.
func (l *loop) putError(s *session, e *frame.HTTPError, more ...byte) {
	if s.has(flagHead) {
		l.out = frame.AppendHTTPErrorHead(l.out, e, more...)
		return
	}
	l.out = frame.AppendHTTPError(l.out, e, more...)
}

// allowOrigin reports whether the page that a request comes from may use the node, and makes l.cors what its browser is to be told
// then (Fetch standard, section 3.2).
func (l *loop) allowOrigin(r *frame.Request) bool {
	if !l.originAllowed(r.Origin, r.Host) {
		return false
	}
	if len(r.Origin) > 0 {
		l.cors = append(append(l.cors[:0], "Access-Control-Allow-Origin: "...), r.Origin...)
		l.cors = append(l.cors, "\r\nAccess-Control-Allow-Credentials: true\r\nVary: Origin\r\n"...)
	}
	return true
}

// preflight answers a browser that asks what a page of another site may send.
func (l *loop) preflight(c *netpoll.Conn, s *session, r *frame.Request, route *route) {
	header := "Access-Control-Allow-Methods: " + route.methods + "\r\nAccess-Control-Max-Age: 300\r\n"
	if asked := r.Header("access-control-request-headers"); frame.IsTokenList(asked) && len(asked) > 0 {
		header += "Access-Control-Allow-Headers: " + string(asked) + "\r\n"
	}
	l.answer(c, s, &answer{status: http.StatusNoContent, header: header})
}
