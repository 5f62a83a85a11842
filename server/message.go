package server

import (
	"unicode/utf8"

	"github.com/gobwas/ws"
	"github.com/seed4ac54ce5/edge/frame"
	"github.com/seed4ac54ce5/edge/internal/poison"
	"github.com/seed4ac54ce5/edge/metrics"
	"github.com/seed4ac54ce5/edge/netpoll"
	"github.com/seed4ac54ce5/edge/protocol"
)

const (
	strangersLimit   = 64 << 10 // bytes of a message before the client has connected: all that it subscribes to may be in it
	maxFramesPerTurn = 128      // of one conn: the others come before the rest
	maxPongs         = 16       // to one conn in a turn, save that for its last ping
	flushAt          = 64 << 10 // bytes for one conn that are not held back any longer
	compressFrom     = 128      // bytes of a message below which compressing does not pay
)

// The close errors that are the server's own.
var (
	unfinished    = &frame.CloseError{Code: ws.StatusPolicyViolation, Reason: "message timeout"}
	internalError = &frame.CloseError{Code: ws.StatusInternalServerError, Reason: "internal error"}
	overloaded    = &frame.CloseError{Code: 1013, Reason: "overloaded"}
	goingAway     = &frame.CloseError{Code: ws.StatusGoingAway, Reason: "shutdown"}
)

// readFrames takes the whole frames at the front of b.
func (l *loop) readFrames(c *netpoll.Conn, s *session, b []byte) (used, need int) {
	stream := l.midway.load(s.midway)
	used, need = l.takeFrames(c, s, &stream, b)
	if s.state != stateClosing {
		l.midway.store(&s.midway, stream)
	}
	return used, need
}

// takeFrames is readFrames from where stream stands.
func (l *loop) takeFrames(c *netpoll.Conn, s *session, stream *frame.Stream, b []byte) (used, need int) {
	for range maxFramesPerTurn {
		if used == len(b) || c.Closing() || s.has(flagOffloaded) {
			return used, 0
		}
		f, n, need, err := stream.Next(b[used:], l.optionsOf(s))
		if err != nil {
			l.fail(c, s, err)
			return len(b), 0
		}
		if n == 0 {
			return used, need
		}
		used += n
		l.readFrame(c, s, f)
		if l.due() >= flushAt && l.flushOrWait(c) {
			return used, 0
		}
	}
	l.again(c)
	return used, 0
}

// due returns how many bytes are due to the conn in hand.
func (l *loop) due() int { return len(l.out) + len(l.replies) }

// optionsOf returns what s's frames are held against.
func (l *loop) optionsOf(s *session) *frame.Options {
	l.options.Deflate = s.deflate.Agreed()
	l.options.MaxMessage = l.limits.message
	if s.state == stateEngine || s.state == stateProbe {
		l.options.MaxMessage = l.server.config.SocketIO.MaxPayload
	}
	if s.state == stateNew {
		l.options.MaxMessage = min(l.options.MaxMessage, strangersLimit)
	}
	return &l.options
}

// flushOrWait writes what is due to c and reports whether it did not leave: c is then not read until it
// has, so that a client cannot make us hold more answers than it takes.
func (l *loop) flushOrWait(c *netpoll.Conn) (wait bool) {
	l.flush(c)
	if l.net.Backlog(c) == 0 {
		return false
	}
	l.net.Pause(c)
	return true
}

// readFrame serves one frame.
func (l *loop) readFrame(c *netpoll.Conn, s *session, f frame.Frame) {
	switch {
	case f.Opcode == frame.OpPing:
		l.spent++
		l.ping(f.Payload)
	case f.Opcode == frame.OpPong:
		l.spent++
		if s.has(flagFramePing) { // else it answers nothing of ours
			s.clear(flagPongDue)
		}
	case f.Opcode == frame.OpClose:
		l.closeReceived(c, s, f.Payload)
	case f.First && f.Fin:
		l.readMessage(c, s, f.Opcode, f.Payload, f.Compressed)
	default:
		l.readFragment(c, s, f)
	}
}

// ping answers a ping. Of many that come in one read only the first ones and the last are answered, as RFC 6455 section 5.5.3
// allows.
func (l *loop) ping(payload []byte) {
	if l.pings++; l.pings <= maxPongs {
		l.out = frame.AppendFrame(l.out, frame.OpPong, payload, false)
	} else {
		l.lastPing = payload
	}
}

// endPings answers the last of many pings.
func (l *loop) endPings() {
	if l.lastPing != nil {
		l.out = frame.AppendFrame(l.out, frame.OpPong, l.lastPing, false)
	}
	l.pings, l.lastPing = 0, nil
}

// readFragment adds a fragment to its message, and serves the message when it is whole.
func (l *loop) readFragment(c *netpoll.Conn, s *session, f frame.Frame) {
	l.spent++
	if s.partial == 0 {
		s.partial = l.partials.take(l.net.ID(c), l.net.Patience())
	}
	l.partials.add(s.partial, f.Payload)
	if f.Fin {
		whole := l.partials.table[s.partial].payload
		l.readMessage(c, s, f.Opcode, whole, f.Compressed)
		l.partials.drop(&s.partial)
	}
}

// readMessage serves a whole message, inflating it first if it must be. A message that takes long to
// inflate goes to the worker pool.
func (l *loop) readMessage(c *netpoll.Conn, s *session, op frame.Opcode, payload []byte, compressed bool) {
	if !compressed {
		l.message(c, s, op, payload)
		return
	}
	if l.inflated == nil {
		l.inflated = make([]byte, 0, inflateInline)
	}
	whole, fits, err := frame.InflateInto(l.inflated[:0], payload, l.options.MaxMessage)
	switch {
	case err != nil:
		l.fail(c, s, err)
	case !fits:
		l.inflateAway(c, s, op, payload)
	default:
		l.inflatedMessage(c, s, op, whole)
		poison.Bytes(whole)
	}
}

// inflatedMessage serves a message that came compressed: its text has not been checked yet.
func (l *loop) inflatedMessage(c *netpoll.Conn, s *session, op frame.Opcode, whole []byte) {
	if op == frame.OpText && !utf8.Valid(whole) {
		l.fail(c, s, frame.ErrUTF8)
		return
	}
	l.message(c, s, op, whole)
}

// message serves a whole message.
func (l *loop) message(c *netpoll.Conn, s *session, op frame.Opcode, payload []byte) {
	l.counts.MessagesIn++
	l.counts.PayloadIn += uint64(len(payload))
	switch s.state {
	case stateEcho:
		l.echo(s, op, payload)
	case stateEngine:
		l.engineMessage(c, s, op, payload)
	case stateProbe:
		l.probeMessage(c, s, op, payload)
	default:
		l.readCommands(c, s, payload)
	}
}

// echo sends a message back as it is, compressed if that was agreed and pays.
func (l *loop) echo(s *session, op frame.Opcode, payload []byte) {
	l.counts.MessagesOut++
	l.counts.PayloadOut += uint64(len(payload))
	if s.deflate.Agreed() && len(payload) >= compressFrom {
		packed := frame.Deflate(nil, payload, s.deflate)
		l.out = frame.AppendFrame(l.out, op, packed, true)
		return
	}
	l.out = frame.AppendFrame(l.out, op, payload, false)
}

// closeReceived answers the peer's close frame with its own code and ends the stream first, as RFC 6455
// section 7.1.1 has it for servers. The conn lingers until the peer has closed too: what a peer sends on behind
// its close frame would otherwise get a reset, perhaps in place of the answer.
func (l *loop) closeReceived(c *netpoll.Conn, s *session, payload []byte) {
	code, _, _ := frame.ParseClose(payload) // the stream has checked it
	l.counts.Disconnect(uint16(code))
	s.finish()
	l.leave(c, s, protocol.DisconnectConnectionClosed)
	l.endReplies(s)
	l.endPings()
	l.out = frame.AppendClose(l.out, code, "")
	l.lastWord(c)
}

// fail ends a session with the code of a broken rule.
func (l *loop) fail(c *netpoll.Conn, s *session, err *frame.CloseError) {
	l.reject(c, rejectionOfClose(err))
	l.end(c, s, uint16(err.Code), err.Reason)
}

// end tells a session why it ends, as our last word.
func (l *loop) end(c *netpoll.Conn, s *session, code uint16, reason string) {
	if s.state == stateClosing || c.Closing() {
		return
	}
	if s.early() {
		s.finish()
		l.net.Close(c, netpoll.ClosedLocally)
		return
	}
	if s.state == stateEngine {
		l.closeEngine(c, s, code, reasonOf(code))
		return
	}
	l.counts.Disconnect(code)
	s.finish()
	l.leave(c, s, protocol.Disconnect{Code: code, Reason: reason})
	l.appendEnd(s, code, reason)
	l.lastWord(c)
}

// appendEnd makes a reason the last that a session hears: a close frame, or on a stream a message and the end of the body.
func (l *loop) appendEnd(s *session, code uint16, reason string) {
	if s.stream() != nil {
		l.replies = s.encoding().AppendDisconnectPush(l.reply(s), protocol.Disconnect{Code: code, Reason: reason})
		l.endReplies(s)
		l.out = append(l.out, frame.LastChunk...)
		return
	}
	l.endReplies(s)
	l.out = frame.AppendClose(l.out, frame.StatusCode(code), reason)
}

// lastWord sends what is due to c, a close frame or an HTTP answer at its end, and ends the conn in order.
func (l *loop) lastWord(c *netpoll.Conn) {
	l.shutdown(c, l.out)
	poison.Bytes(l.out)
	l.out = trim(l.out)
}

// rejectionOfClose returns the counter for a close error.
func rejectionOfClose(err *frame.CloseError) metrics.Rejection {
	switch err.Code {
	case ws.StatusInvalidFramePayloadData:
		return metrics.RejectUTF8
	case ws.StatusMessageTooBig:
		return metrics.RejectMessageSize
	case ws.StatusPolicyViolation:
		return metrics.RejectPolicy
	case overloaded.Code:
		return metrics.RejectOverload
	}
	return metrics.RejectProtocol
}
