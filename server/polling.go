package server

import (
	"bytes"
	"net/http"
	"time"
	"unicode/utf8"

	"github.com/seed4ac54ce5/edge/engineio"
	"github.com/seed4ac54ce5/edge/frame"
	"github.com/seed4ac54ce5/edge/internal/slab"
	"github.com/seed4ac54ce5/edge/metrics"
	"github.com/seed4ac54ce5/edge/netpoll"
	"github.com/seed4ac54ce5/edge/protocol"
)

// polling is what a session has beside engine as long as its client polls.
type polling struct {
	poll  netpoll.ConnID // whose GET is held; 0 for none
	post  netpoll.ConnID // whose POST is under way, or held
	probe netpoll.ConnID // the WebSocket that the client tries out
	noop  time.Duration  // when the poll that is held ends for that
	ends  time.Duration  // when that must be over
	next  uint32
}

// pollings are the records of a loop.
type pollings = slab.Slab[polling, *polling]

// Link returns the field that the free list runs through.
func (p *polling) Link() *uint32 { return &p.next }

// closeGrace is how long a session that the server has ended waits for a poll that can be told.
const closeGrace = 30 * time.Second

// The answers to requests of a session.
const (
	pollType  = "text/plain; charset=UTF-8"
	postType  = "text/html"
	errorType = "application/json"
	notStored = "Cache-Control: no-store\r\n"
)

// beginPolling answers the request in hand with a session of its own, if there is room for one more.
func (l *loop) beginPolling(c *netpoll.Conn, s *session, r *httpRequest, q *engineio.Query, flags uint32) {
	config := l.server.config.SocketIO
	if !l.roomForHandshake(flags) {
		l.turnAwayPoll(c, s, metrics.RejectMemory)
		return
	}
	d, ds := l.openDetached(c, s)
	if d == nil {
		return
	}
	if len(r.Origin) == 0 {
		ds.set(flagNoOrigin)
	}
	if q.Base64 {
		flags |= engineBase64
	}
	ds.set(flagPolling)
	open := l.openEngine(d, ds, flags, !config.NoUpgrades && !config.NoWebSocket)
	l.answer(c, s, &answer{status: http.StatusOK, kind: pollType, header: notStored, body: open})
}

// openDetached returns a conn without a socket for the client of the request in hand, which is refused if there is no room.
func (l *loop) openDetached(c *netpoll.Conn, s *session) (*netpoll.Conn, *session) {
	if int(l.counts.Connections[metrics.SocketPolling]) >= l.server.config.SocketIO.Limits.Sessions {
		l.turnAwayPoll(c, s, metrics.RejectConnections)
		return nil, nil
	}
	from := l.addressOf(c, s)
	ticket, v := l.server.admission.Admit(limitedAddress(from), l.net.Now())
	if !v.Admitted() {
		l.turnAwayPoll(c, s, rejectionOfVerdict[v.Reason])
		return nil, nil
	}
	d, err := l.net.OpenDetached()
	if err != nil {
		l.server.admission.Release(ticket, l.net.Now())
		l.turnAwayPoll(c, s, metrics.RejectMemory)
		return nil, nil
	}
	ds := l.sessions.Reserve(d.Slot())
	*ds = session{ticket: ticket}
	ds.set(flagAdmitted)
	if from.IsValid() {
		l.peers.Reserve(d.Slot()).set(from)
		ds.set(flagProxied)
	}
	l.shedding.add(l, l.net.ID(d))
	return d, ds
}

// turnAwayPoll answers a handshake for which there is no room.
func (l *loop) turnAwayPoll(c *netpoll.Conn, s *session, why metrics.Rejection) {
	l.reject(c, why)
	s.finish()
	l.putError(s, frame.ErrUnavailable)
	l.lastWord(c)
}

// servePoll answers a GET with what waits for its session, or holds it until something does.
func (l *loop) servePoll(c *netpoll.Conn, s *session, d *netpoll.Conn, ds *session) {
	if ds.state == stateClosing {
		l.answerLast(c, s, d)
		return
	}
	e := l.engineOf(ds)
	p := l.pollings.At(e.polling)
	if p.poll != 0 {
		l.failEngine(d, ds, reasonTransportError)
		l.refuseRequest(c, s, engineio.ErrBusy)
		return
	}
	if body := l.takePayload(d); len(body) > 0 {
		l.answer(c, s, &answer{status: http.StatusOK, kind: pollType, header: notStored, body: body, packs: true})
		return
	}
	l.hold(c, s)
	p.poll, s.engine = l.net.ID(c), ds.engine
	e.clear(engineLatePoll)
	if e.has(engineProbed) {
		e.set(engineLatePoll)
		l.aimNoop(p)
	}
}

// takePayload returns what waits for a session that polls, as a payload; good until the next call.
func (l *loop) takePayload(d *netpoll.Conn) []byte {
	l.payload = l.net.TakeQueue(d, trim(l.payload))
	return bytes.TrimSuffix(l.payload, []byte{engineio.Separator})
}

// wakePoll has the poll of a session answered at the end of the turn, if one is held: what comes until then goes with it.
func (l *loop) wakePoll(d *netpoll.Conn, e *engine) {
	if !e.has(engineDue) && l.pollings.At(e.polling).poll != 0 {
		e.set(engineDue)
		l.duePolls = append(l.duePolls, l.net.ID(d))
	}
}

// answerPolls answers the polls for which something has come in this turn.
func (l *loop) answerPolls() {
	for _, id := range l.duePolls {
		d := l.net.Conn(id)
		if d == nil || d.Closing() {
			continue
		}
		if ds := l.sessions.At(d.Slot()); ds.state == stateEngine {
			e := l.engineOf(ds)
			e.clear(engineDue)
			if body := l.pollBody(d, e); len(body) > 0 {
				l.answerPoll(e, body)
			}
		}
	}
	l.duePolls = l.duePolls[:0]
}

// pollBody returns what waits for a session of which a poll is held; nothing if there is none.
func (l *loop) pollBody(d *netpoll.Conn, e *engine) []byte {
	if e.polling == 0 || !l.polls(l.pollings.At(e.polling)) {
		return nil
	}
	return l.takePayload(d)
}

// polls reports whether a poll is held that can be answered: the end of one whose conn is at its own is the session's.
func (l *loop) polls(p *polling) bool {
	c := l.net.Conn(p.poll)
	return c != nil && !c.Closing()
}

// answerPoll answers the poll that is held with a payload.
func (l *loop) answerPoll(e *engine, body []byte) {
	l.releasePoll(&l.pollings.At(e.polling).poll, &answer{status: http.StatusOK, kind: pollType, header: notStored, body: body, packs: true})
}

// releasePoll answers the request of *held, which is held no more.
func (l *loop) releasePoll(held *netpoll.ConnID, a *answer) {
	c := l.net.Conn(*held)
	*held = 0
	if c == nil {
		return
	}
	s := l.sessions.At(c.Slot())
	s.engine = 0
	l.answerHeld(c, s, a)
}

// beginPost registers the POST in hand, whose body may not be there yet, with its session.
func (l *loop) beginPost(c *netpoll.Conn, s *session, ds *session) {
	l.pollings.At(l.engineOf(ds).polling).post = l.net.ID(c)
	s.engine = ds.engine
}

// endPost is the end of that, however it comes; not that of the session.
func (l *loop) endPost(c *netpoll.Conn, s *session) {
	if s.engine == 0 {
		return
	}
	if e := l.engineOf(s); e.polling != 0 {
		if p := l.pollings.At(e.polling); p.post == l.net.ID(c) {
			p.post, s.engine = 0, 0
		}
	}
}

// servePost serves the packets of a POST.
func (l *loop) servePost(c *netpoll.Conn, s *session, d *netpoll.Conn, ds *session, body []byte) {
	l.endPost(c, s)
	if ds.state == stateClosing {
		l.answerPost(c, s)
		return
	}
	if !l.takePackets(d, ds, body) {
		l.refuseRequest(c, s, engineio.ErrPayload)
		return
	}
	l.charge(d, ds, len(body))
	if ds.state == stateEngine && ds.has(flagOffloaded|flagThrottled) {
		l.hold(c, s)
		l.beginPost(c, s, ds)
		return
	}
	l.answerPost(c, s)
}

// takePackets serves the packets of a payload: what stands behind one with which the application falls behind waits until it has
// caught up. ok is false at a packet that is none, with which the session has ended.
func (l *loop) takePackets(d *netpoll.Conn, ds *session, payload []byte) (ok bool) {
	for more := true; more && ds.state == stateEngine; {
		if ds.has(flagOffloaded) {
			l.keepRest(l.net.ID(d), payload)
			break
		}
		var raw []byte
		raw, payload, more = bytes.Cut(payload, []byte{engineio.Separator})
		p, ok := engineio.ParseText(raw)
		if !ok || !p.Binary && !utf8.Valid(p.Data) {
			l.failEngine(d, ds, reasonParseError)
			return false
		}
		l.counts.MessagesIn++
		l.counts.PayloadIn += uint64(len(p.Data))
		l.takePacket(d, ds, p)
	}
	return true
}

func (l *loop) answerPost(c *netpoll.Conn, s *session) {
	l.answer(c, s, &answer{status: http.StatusOK, kind: postType, body: okBody})
}

var okBody = []byte("ok")

// releasePost answers the POST that was held as its session was not read.
func (l *loop) releasePost(ds *session) {
	if ds.state != stateEngine {
		return
	}
	if e := l.engineOf(ds); e.polling != 0 {
		p := l.pollings.At(e.polling)
		if c := l.net.Conn(p.post); c != nil && l.sessions.At(c.Slot()).state == stateHeld {
			l.releasePoll(&p.post, &answer{status: http.StatusOK, kind: postType, body: okBody})
		}
	}
}

// endPolling ends a session whose client polls. Of an end that the server has decided on the client learns, if it polls or will: by
// a poll of its own where something waits for it, as clients take an end at once and what comes with it a moment later.
func (l *loop) endPolling(d *netpoll.Conn, ds *session, reason string) {
	e := l.engineOf(ds)
	told := needless(reason)
	if l.polls(l.pollings.At(e.polling)) {
		told = l.answerEnded(d, e, reason) || told
	}
	l.leaveEngine(d, ds, reason)
	l.leave(d, ds, protocol.DisconnectConnectionClosed)
	ds.finish()
	if told {
		l.net.Close(d, netpoll.ClosedLocally)
	} else {
		l.net.SetTimer(d, closeGrace)
	}
}

// needless reports whether a client that does not poll need not be told of an end for this reason.
func needless(reason string) bool {
	switch reason {
	case reasonTransportClose, reasonTransportError, reasonPingTimeout, reasonParseError, reasonShutdown:
		return true
	}
	return false
}

// answerEnded answers the poll that is held of a session that ends, and reports whether its client knows then. What waits for it leaves
// without the end, save for a client that has decided on that itself.
func (l *loop) answerEnded(d *netpoll.Conn, e *engine, reason string) (told bool) {
	waits := l.closing(d)
	switch {
	case reason == reasonTransportClose:
		waits = engineio.AppendText(waits, engineio.Noop, nil)
	case len(waits) == 0:
		waits = engineio.AppendText(waits, engineio.Close, nil)
	default:
		l.answerPoll(e, waits[:len(waits)-1])
		return false
	}
	l.answerPoll(e, waits)
	return true
}

// closing returns what waits for a session that ends, ready for one packet more.
func (l *loop) closing(d *netpoll.Conn) []byte {
	l.payload = l.net.TakeQueue(d, trim(l.payload))
	return l.payload
}

// answerLast gives a client that polls what has been waiting for it in a session that has ended, and tells it of the end when there
// is nothing more.
func (l *loop) answerLast(c *netpoll.Conn, s *session, d *netpoll.Conn) {
	body := l.takePayload(d)
	if len(body) > 0 {
		l.net.SetTimer(d, closeGrace)
	} else {
		body = append(body, byte(engineio.Noop), engineio.Separator, byte(engineio.Close))
		l.net.Close(d, netpoll.ClosedLocally)
	}
	l.answer(c, s, &answer{status: http.StatusOK, kind: pollType, header: notStored, body: body, packs: true})
}

// dropPolling gives back what a session has as long as its client polls, and lets go of the conns that depend on it.
func (l *loop) dropPolling(e *engine) {
	if e.polling == 0 {
		return
	}
	p := l.pollings.At(e.polling)
	if p.poll != 0 {
		l.releasePoll(&p.poll, l.errorAnswer(engineio.ErrSession))
	}
	l.dropPost(p)
	if c := l.net.Conn(p.probe); c != nil {
		s := l.sessions.At(c.Slot())
		s.engine = 0
		if !c.Closing() {
			l.endProbe(c, s)
		}
	}
	l.pollings.Free(e.polling)
	e.polling = 0
}

// dropPost lets go of a POST: one that is held has been served, one whose body has not come will find no session.
func (l *loop) dropPost(p *polling) {
	c := l.net.Conn(p.post)
	if c == nil {
		return
	}
	if s := l.sessions.At(c.Slot()); s.state == stateHeld {
		l.releasePoll(&p.post, &answer{status: http.StatusOK, kind: postType, body: okBody})
	} else {
		p.post, s.engine = 0, 0
	}
}

// desert is told of the end of a conn on which a session depends: a poll or a POST that is given up ends the session, a WebSocket
// that was to be tried out does not.
func (l *loop) desert(c *netpoll.Conn, s *session, e *engine) {
	s.engine = 0
	p, id := l.pollings.At(e.polling), l.net.ID(c)
	if p.probe == id {
		l.forgetProbe(e, p)
		return
	}
	if p.poll == id {
		p.poll = 0
	}
	if p.post == id {
		p.post = 0
	}
	if d := l.net.Conn(e.owner); d != nil {
		l.endEngine(d, l.sessions.At(d.Slot()), reasonTransportError)
	}
}

// errorAnswer is the answer to a request that is refused.
func (l *loop) errorAnswer(e *engineio.Error) *answer {
	return &answer{status: e.Status, kind: errorType, body: e.AppendJSON(nil)}
}

// refuseRequest answers the request in hand with an error.
func (l *loop) refuseRequest(c *netpoll.Conn, s *session, e *engineio.Error) {
	l.reject(c, rejectionOfEngine(e))
	l.answer(c, s, l.errorAnswer(e))
}
