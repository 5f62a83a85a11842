package server

import (
	"time"

	"github.com/seed4ac54ce5/edge/engineio"
	"github.com/seed4ac54ce5/edge/frame"
	"github.com/seed4ac54ce5/edge/metrics"
	"github.com/seed4ac54ce5/edge/netpoll"
	"github.com/seed4ac54ce5/edge/protocol"
)

// upgradeEngine makes the conn the WebSocket of a session, if r may have one: of a new session, or of one whose client polls and
// wants to try it out.
func (l *loop) upgradeEngine(c *netpoll.Conn, s *session, r *httpRequest, q *engineio.Query, flags uint32) {
	l.allowOrigin(r.Request)
	of, err := l.checkEngine(c, s, r, q, flags)
	if l.stays {
		return
	}
	if of != nil && err == nil && l.sessions.At(of.Slot()).state != stateEngine {
		err = engineio.ErrSession
	}
	if err != nil {
		l.refuseSocket(c, s, err)
		return
	}
	if of == nil && !l.roomForHandshake(flags) {
		l.refuse(c, s, frame.ErrUnavailable)
		return
	}
	if err := l.acceptSocket(s, r); err != nil {
		l.refuse(c, s, err)
		return
	}
	if of != nil {
		l.beginProbe(c, s, l.sessions.At(of.Slot()))
		return
	}
	if q.Base64 {
		flags |= engineBase64
	}
	if len(r.Origin) == 0 {
		s.set(flagNoOrigin)
	}
	l.out = frame.AppendFrame(l.out, frame.OpText, l.openEngine(c, s, flags, false), false)
}

// engineMessage serves a message of the WebSocket of a session.
func (l *loop) engineMessage(c *netpoll.Conn, s *session, op frame.Opcode, payload []byte) {
	p, ok := engineio.Packet{Type: engineio.Message, Binary: true, Data: payload}, true
	if op == frame.OpText {
		p, ok = engineio.ParseText(payload)
	}
	if !ok {
		l.failEngine(c, s, reasonParseError)
		return
	}
	l.takePacket(c, s, p)
}

// noopAfter is how long a poll is held while a WebSocket is tried out: the client waits for its end before it changes over.
const noopAfter = 100 * time.Millisecond

// beginProbe makes c a WebSocket that the client of a session tries out. A second one is none.
func (l *loop) beginProbe(c *netpoll.Conn, s *session, ds *session) {
	e := l.engineOf(ds)
	if e.polling != 0 {
		p := l.pollings.At(e.polling)
		if old := l.net.Conn(p.probe); old != nil && l.net.HungUp(old) {
			l.net.Close(old, netpoll.ClosedByPeer)
			l.leave(old, l.sessions.At(old.Slot()), closedConnection)
		}
		if p.probe == 0 && !l.server.config.SocketIO.NoUpgrades {
			p.probe, p.ends = l.net.ID(c), l.net.Patience()+l.server.config.SocketIO.UpgradeTimeout
			s.state, s.engine = stateProbe, ds.engine
			l.aimProbe(c, p)
			return
		}
	}
	l.reject(c, metrics.RejectCommand)
	s.finish()
	l.sayClose(c, noStatus, "")
}

// closedConnection is the end of a conn whose client has gone.
var closedConnection = protocol.DisconnectConnectionClosed

// aimProbe sets the timer of a WebSocket that is tried out.
func (l *loop) aimProbe(c *netpoll.Conn, p *polling) {
	at := p.ends
	if p.noop != 0 && p.noop < at {
		at = p.noop
	}
	l.net.SetExactTimer(c, at-l.net.Patience())
}

// aimNoop has the poll that is held end a while from now.
func (l *loop) aimNoop(p *polling) {
	if c := l.net.Conn(p.probe); c != nil {
		p.noop = l.net.Patience() + noopAfter
		l.aimProbe(c, p)
	}
}

// probeTimer serves the timer of a WebSocket that is tried out.
func (l *loop) probeTimer(c *netpoll.Conn, s *session) {
	e, now := l.engineOf(s), l.net.Patience()
	p := l.pollings.At(e.polling)
	if now >= p.ends {
		l.reject(c, metrics.RejectStale)
		l.endProbe(c, s)
		return
	}
	if p.noop != 0 && now >= p.noop {
		p.noop = 0
		l.endPoll(e, p)
	}
	l.aimProbe(c, p)
}

// endPoll ends the poll that is held, if there is one.
func (l *loop) endPoll(e *engine, p *polling) {
	if l.polls(p) {
		l.answerPoll(e, []byte{byte(engineio.Noop)})
	}
}

// probeMessage serves a message of a WebSocket that is tried out.
func (l *loop) probeMessage(c *netpoll.Conn, s *session, op frame.Opcode, payload []byte) {
	var packet engineio.Packet
	if op == frame.OpText {
		packet, _ = engineio.ParseText(payload)
	}
	switch {
	case packet.Probes():
		e := l.engineOf(s)
		e.set(engineProbed)
		l.out = frame.AppendFrame(l.out, frame.OpText, []byte(engineio.ProbeAnswer), false)
		l.aimNoop(l.pollings.At(e.polling))
	case packet.Type == engineio.Upgrade:
		l.changeOver(c, s)
	default:
		l.reject(c, metrics.RejectCommand)
		l.endProbe(c, s)
	}
}

// endProbe ends a WebSocket that was tried out; the session goes on without it.
func (l *loop) endProbe(c *netpoll.Conn, s *session) {
	l.leave(c, s, closedConnection)
	s.finish()
	l.sayClose(c, noStatus, "")
}

// forgetProbe is the end of a WebSocket that was tried out, for the session.
func (l *loop) forgetProbe(e *engine, p *polling) {
	p.probe, p.noop = 0, 0
	e.clear(engineProbed)
}

// changeOver gives a session whose client has polled the socket of c, a WebSocket that it has tried out.
func (l *loop) changeOver(c *netpoll.Conn, s *session) {
	l.flush(c)
	e := l.engineOf(s)
	d := l.net.Conn(e.owner)
	if c.Closing() || d.Closing() {
		return // what has waited shows
	}
	ds := l.sessions.At(d.Slot())
	p := l.pollings.At(e.polling)
	waits := l.closing(d)
	if !l.net.Attach(d, c) {
		return
	}
	l.heirTLS(d, c)
	p.probe, s.engine = 0, 0
	s.finish()
	if p.poll != 0 && e.has(engineLatePoll) {
		l.releasePoll(&p.poll, l.errorAnswer(engineio.ErrMismatch))
	}
	l.endPoll(e, p)
	l.dropPolling(e)
	l.counts.Connections[ds.transport()]--
	ds.clear(flagPolling)
	if !e.has(engineEcho) {
		l.changeWire(ds)
	}
	l.counts.Connections[ds.transport()]++
	if e.has(engineAsked) {
		e.clear(engineAsked) // the answer may have been on its way by either
		e.beat = l.net.Patience() + l.server.config.SocketIO.PingInterval
		l.aimEngine(d, e)
	}
	l.sendPayload(d, e, waits)
	l.again(d)
}

// heirTLS gives d the TLS of c in the process.
func (l *loop) heirTLS(d, c *netpoll.Conn) {
	t := l.securedOf(c)
	if t == nil {
		return
	}
	for int(d.Slot()) >= len(l.secured) {
		l.secured = append(l.secured, nil)
	}
	l.secured[d.Slot()], l.secured[c.Slot()] = t, nil
}

// sendPayload sends on a WebSocket what has waited for a poll.
func (l *loop) sendPayload(d *netpoll.Conn, e *engine, payload []byte) {
	if len(payload) == 0 {
		return
	}
	l.framed = l.framed[:0]
	for raw := range engineio.Packets(payload[:len(payload)-1]) {
		if !engineio.IsBase64(raw) || e.has(engineBase64) {
			l.framed = frame.AppendFrame(l.framed, frame.OpText, raw, false)
			continue
		}
		p, _ := engineio.ParseText(raw) // ours
		l.framed = frame.AppendFrame(l.framed, frame.OpBinary, p.Data, false)
	}
	l.write(d, l.framed)
	l.framed = trim(l.framed)
}
