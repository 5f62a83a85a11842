package server

import (
	"time"

	"github.com/seed4ac54ce5/edge/engineio"
	"github.com/seed4ac54ce5/edge/metrics"
	"github.com/seed4ac54ce5/edge/netpoll"
	"github.com/seed4ac54ce5/edge/protocol"
)

// Heartbeats of Engine.IO are the server's: a ping one interval after the handshake or the last pong, and an end one timeout after
// the ping unless a pong has come. Clients hold the server to these times, so they are exact.

// maxBeatLate is how late a ping may leave without its answer being due later for that.
const maxBeatLate = 50 * time.Millisecond

// aimEngine sets the timer of a session for what comes first.
func (l *loop) aimEngine(c *netpoll.Conn, e *engine) {
	at := e.beat
	if e.limit != 0 && e.limit < at {
		at = e.limit
	}
	if s := l.sessions.At(c.Slot()); s.has(flagConnected) { // else it has no age yet
		if end, ok := l.nextEnd(c, s); ok {
			at = min(at, l.net.Patience()+max(end-l.net.Now(), 0))
		}
	}
	l.net.SetExactTimer(c, at-l.net.Patience())
}

// limitEngine has a session end in d unless it is called again before; 0 is for never.
func (l *loop) limitEngine(c *netpoll.Conn, s *session, d time.Duration) {
	e := l.engineOf(s)
	e.limit = 0
	if d > 0 {
		e.limit = l.net.Patience() + d
	}
	l.aimEngine(c, e)
}

// engineTimer serves the timer of a session.
func (l *loop) engineTimer(c *netpoll.Conn, s *session) {
	e, now := l.engineOf(s), l.net.Patience()
	timeout := l.server.config.SocketIO.PingTimeout
	switch {
	case l.engineExpired(c, s):
		return
	case e.limit != 0 && now >= e.limit:
		l.reject(c, metrics.RejectStale)
		l.endEngine(c, s, reasonForcedClose)
		return
	case now < e.beat: // it was set for a limit that has been lifted
	case !e.has(engineAsked):
		due := e.beat
		if now-due > maxBeatLate {
			due = now
		}
		e.beat = due + timeout
		e.set(engineAsked)
		e.clear(engineExtended)
		l.sendPacket(c, s, engineio.Ping, nil)
	case s.has(flagOffloaded | flagThrottled):
		e.beat = now + timeout // the answer may be there, but we do not read
	default:
		l.endEngine(c, s, reasonPingTimeout)
		return
	}
	l.aimEngine(c, e)
}

// engineExpired ends a session whose token has ended, or whose age has come, and reports whether it did: its client comes back, and
// shows another. What the application has granted ends like that too.
func (l *loop) engineExpired(c *netpoll.Conn, s *session) bool {
	switch {
	case !s.has(flagConnected):
		return false
	case s.expires != 0 && l.net.Now() >= l.lastMoment(c, s):
		l.disconnectExpired(c, s, protocol.DisconnectExpired)
	case l.tooOld(c):
		l.disconnect(c, s, protocol.DisconnectForceReconnect)
	default:
		return false
	}
	return true
}
