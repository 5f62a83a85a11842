package server

import (
	"github.com/seed4ac54ce5/edge/engineio"
	"github.com/seed4ac54ce5/edge/frame"
	"github.com/seed4ac54ce5/edge/netpoll"
)

// sendText sends a session's client a message of text.
func (l *loop) sendText(c *netpoll.Conn, s *session, text []byte) {
	l.counts.MessagesOut++
	l.counts.PayloadOut += uint64(len(text))
	l.sendPacket(c, s, engineio.Message, text)
}

// sendBinary sends a session's client a message of bytes.
func (l *loop) sendBinary(c *netpoll.Conn, s *session, data []byte) {
	l.counts.MessagesOut++
	l.counts.PayloadOut += uint64(len(data))
	e := l.engineOf(s)
	if e.polling == 0 && !e.has(engineBase64) {
		l.sendFrame(c, frame.OpBinary, data)
		return
	}
	l.packet = engineio.AppendBase64(l.packet[:0], data)
	l.sendPacked(c, e)
}

// sendPacket sends a session's client a packet of text.
func (l *loop) sendPacket(c *netpoll.Conn, s *session, t engineio.Type, data []byte) {
	l.packet = engineio.AppendText(l.packet[:0], t, data)
	l.sendPacked(c, l.engineOf(s))
}

// sendPacked sends the packet in l.packet, as the transport has it.
func (l *loop) sendPacked(c *netpoll.Conn, e *engine) {
	if e.polling == 0 {
		l.sendFrame(c, frame.OpText, l.packet)
	} else {
		l.packet = append(l.packet, engineio.Separator)
		l.net.Write(c, l.packet)
		l.wakePoll(c, e)
	}
	l.packet = trim(l.packet)
}

// sendFrame sends a message on a WebSocket. It shares a write with whatever else the call in hand, or the turn, has for c.
func (l *loop) sendFrame(c *netpoll.Conn, op frame.Opcode, payload []byte) {
	if c == l.hand {
		l.out = frame.AppendFrame(l.out, op, payload, false)
		return
	}
	l.framed = frame.AppendFrame(l.framed[:0], op, payload, false)
	if len(l.framed) <= maxJoined && l.securedOf(c) == nil {
		l.net.Cork(c, l.framed)
	} else {
		l.write(c, l.framed)
	}
	l.framed = trim(l.framed)
}

// engineReady reports whether what is sent to a session now would leave at once.
func (l *loop) engineReady(c *netpoll.Conn, s *session) bool {
	if e := l.engineOf(s); e.polling != 0 {
		return l.pollings.At(e.polling).poll != 0
	}
	return l.net.Backlog(c) == 0
}

// sendWire sends a session's client what has been encoded in its form, and reports whether it is kept: then it must never change
// again.
func (l *loop) sendWire(c *netpoll.Conn, s *session, wire []byte) (kept bool) {
	if s.has(flagPolling) {
		kept = l.net.WriteRef(c, wire)
		l.wakePoll(c, l.engineOf(s))
		return kept
	}
	if c == l.hand {
		l.out = append(l.out, wire...)
		return false
	}
	if l.joining && len(wire) <= maxJoined && l.securedOf(c) == nil {
		l.net.Cork(c, wire)
		return false
	}
	return l.writeRef(c, wire)
}
