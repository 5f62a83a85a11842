package server

import (
	"time"

	"github.com/seed4ac54ce5/edge/engineio"
	"github.com/seed4ac54ce5/edge/frame"
	"github.com/seed4ac54ce5/edge/internal/slab"
	"github.com/seed4ac54ce5/edge/metrics"
	"github.com/seed4ac54ce5/edge/netpoll"
	"github.com/seed4ac54ce5/edge/protocol"
)

// A session of Engine.IO is that of its conn: of a WebSocket, or, as long as its client polls, of a conn without a socket, whose
// out queue keeps what the next poll takes. All requests that name a session are served on its loop; see enginegate.go. An
// upgrade gives that conn the WebSocket's socket, so a session is the same conn from its handshake to its end.

// engine is what a session of Engine.IO has beside session. The session's conn owns it; other conns on which the session depends,
// such as a poll that is held, name it in their sessions too.
type engine struct {
	owner   netpoll.ConnID // the session's conn
	beat    time.Duration  // when the next ping is due, or the answer to the last, by the loop's patience
	limit   time.Duration  // when the session ends unless that is lifted; 0 for never
	polling uint32         // index into loop.pollings; 0 in a WebSocket
	flags   uint32
	next    uint32

	sockets uint32 // the newest of its sockets, index into loop.sockets; 0 for none
	serials uint32 // how many it has had
}

// engines are the records of a loop.
type engines = slab.Slab[engine, *engine]

// Link returns the field that the free list runs through.
func (e *engine) Link() *uint32 { return &e.next }

// The flags of an engine.
const (
	engineEcho     uint32 = 1 << iota // sends messages back: no Socket.IO
	engineBase64                      // the client takes no binary messages
	engineAsked                       // a ping has not been answered
	engineExtended                    // something else has come since that ping
	engineDue                         // on the loop's list of sessions that have something for a poll
	engineProbed                      // the WebSocket that is tried out works
	engineLatePoll                    // the poll that is held has come after that
)

func (e *engine) has(flag uint32) bool { return e.flags&flag != 0 }
func (e *engine) set(flag uint32)      { e.flags |= flag }
func (e *engine) clear(flag uint32)    { e.flags &^= flag }

// Why a session has ended, as Socket.IO has it.
const (
	reasonTransportClose = "transport close" // by the client
	reasonTransportError = "transport error"
	reasonForcedClose    = "forced close"
	reasonPingTimeout    = "ping timeout"
	reasonParseError     = "parse error"
	reasonShutdown       = "server shutting down"
)

// reasonOf returns the reason for a close code.
func reasonOf(code uint16) string {
	switch code {
	case protocol.DisconnectConnectionClosed.Code:
		return reasonTransportClose
	case protocol.DisconnectShutdown.Code, uint16(goingAway.Code):
		return reasonShutdown
	}
	return reasonTransportError
}

// engineOf returns the record of a session.
func (l *loop) engineOf(s *session) *engine { return l.engines.At(s.engine) }

// openEngine begins a session on c, whose handshake is the request in hand, and returns its open packet, good until the next call.
func (l *loop) openEngine(c *netpoll.Conn, s *session, flags uint32, upgrade bool) []byte {
	config := l.server.config.SocketIO
	now := l.net.Patience()
	s.state = stateEngine
	s.set(flagCounted | flagEngine)
	l.counts.Connections[s.transport()]++
	s.engine = l.engines.Alloc()
	e := l.engineOf(s)
	*e = engine{owner: l.net.ID(c), beat: now + config.PingInterval, flags: flags}
	if !e.has(engineEcho) {
		e.limit = now + config.ConnectTimeout
	}
	if s.has(flagPolling) {
		e.polling = l.pollings.Alloc()
		*l.pollings.At(e.polling) = polling{}
	}
	l.aimEngine(c, e)
	if !e.has(engineEcho) {
		l.engineOpened(c, s)
	}
	l.idText = l.engineIDs.append(l.idText[:0], &l.idSpace, uint64(l.net.ID(c)), 0)
	open := engineio.Handshake{
		SID: l.idText, Upgrade: upgrade,
		PingInterval: config.PingInterval, PingTimeout: config.PingTimeout, MaxPayload: config.MaxPayload,
	}
	l.packet = open.Append(l.packet[:0])
	return l.packet
}

// takePacket serves one packet of a session's client.
func (l *loop) takePacket(c *netpoll.Conn, s *session, p engineio.Packet) {
	l.spent++
	e := l.engineOf(s)
	if e.has(engineAsked) && !e.has(engineExtended) && p.Type != engineio.Pong {
		e.set(engineExtended) // it is alive, though busy
		e.beat = l.net.Patience() + l.server.config.SocketIO.PingTimeout
		l.aimEngine(c, e)
	}
	switch p.Type {
	case engineio.Message:
		l.takeMessage(c, s, e, p)
	case engineio.Pong:
		e.clear(engineAsked)
		e.beat = l.net.Patience() + l.server.config.SocketIO.PingInterval
		l.aimEngine(c, e)
	case engineio.Ping: // that is version 3
		l.failEngine(c, s, reasonTransportError)
	case engineio.Close:
		l.endEngine(c, s, reasonTransportClose)
	}
}

// takeMessage hands a message to the session's application.
func (l *loop) takeMessage(c *netpoll.Conn, s *session, e *engine, p engineio.Packet) {
	switch {
	case e.has(engineEcho) && p.Binary:
		l.sendBinary(c, s, p.Data)
	case e.has(engineEcho):
		l.sendText(c, s, p.Data)
	case p.Binary:
		l.engineBinary(c, s, p.Data)
	default:
		l.enginePacket(c, s, p.Data)
	}
}

// failEngine ends a session whose client has broken a rule.
func (l *loop) failEngine(c *netpoll.Conn, s *session, reason string) {
	l.reject(c, metrics.RejectCommand)
	l.endEngine(c, s, reason)
}

// endEngine ends a session in order. reason is for its application.
func (l *loop) endEngine(c *netpoll.Conn, s *session, reason string) {
	l.closeEngine(c, s, noStatus, reason)
}

// noStatus is the code of a close frame that is empty: all that clients of Engine.IO look for is that it comes.
const noStatus = 1005

// closeEngine is endEngine with the code of the WebSocket's close frame.
func (l *loop) closeEngine(c *netpoll.Conn, s *session, code uint16, reason string) {
	if s.state != stateEngine || c.Closing() {
		return
	}
	if code >= 3000 { // the other protocol's
		if terminal(code) {
			l.dismissSockets(c, s)
		}
		code = noStatus
	}
	l.counts.Disconnect(code)
	if l.engineOf(s).polling != 0 {
		l.endPolling(c, s, reason)
		return
	}
	l.leaveEngine(c, s, reason)
	l.leave(c, s, protocol.DisconnectConnectionClosed)
	s.finish()
	l.sayClose(c, code, reason)
}

// sayClose ends a WebSocket with a close frame, whatever conn is in hand.
func (l *loop) sayClose(c *netpoll.Conn, code uint16, reason string) {
	if l.hand == c {
		l.endPings()
		l.out = frame.AppendClose(l.out, frame.StatusCode(code), reason)
		l.lastWord(c)
		return
	}
	l.framed = frame.AppendClose(l.framed[:0], frame.StatusCode(code), reason)
	l.shutdown(c, l.framed)
}

// terminal reports whether a close code of the other protocol tells clients to stay away.
func terminal(code uint16) bool { return !(protocol.Disconnect{Code: code}).Reconnect() }

// leaveEngine ends what c is to a session of Engine.IO, once: the session's own conn, or one on which it depends.
func (l *loop) leaveEngine(c *netpoll.Conn, s *session, reason string) {
	if s.engine == 0 {
		return
	}
	e := l.engineOf(s)
	if e.owner != l.net.ID(c) {
		l.desert(c, s, e)
		return
	}
	if !e.has(engineEcho) {
		l.engineClosed(c, s, reason)
	}
	l.rosters.LeaveAll(&s.subs)
	l.dropPolling(e)
	l.engines.Free(s.engine)
	s.engine = 0
}
