package server

import (
	"time"

	"github.com/seed4ac54ce5/edge/frame"
	"github.com/seed4ac54ce5/edge/netpoll"
	"github.com/seed4ac54ce5/edge/protocol"
)

// The forms of a ping as they go out, whole frames that all conns share.
var (
	pingJSON     = frame.AppendFrame(nil, frame.OpText, protocol.JSON.AppendPing(nil), false)
	pingProtobuf = frame.AppendFrame(nil, frame.OpBinary, protocol.Protobuf.AppendPing(nil), false)
	pingFrame    = frame.AppendFrame(nil, frame.OpPing, nil, false)
)

// timer serves a session's one timer: its end, if it has one and that has come, or else its heartbeat. After a refresh it may
// be neither.
func (l *loop) timer(c *netpoll.Conn, s *session) {
	early := s.has(flagLastTimer)
	s.clear(flagLastTimer)
	switch {
	case s.expires != 0 && l.net.Now() >= l.lastMoment(c, s):
		l.expire(c, s)
	case l.tooOld(c):
		l.renew(c, s)
	case l.server.config.PingInterval <= 0:
		l.aimTimer(c, s)
	case early && s.has(flagAsked):
		l.setHeartbeat(c, s, l.server.config.PongTimeout) // the answer may still come
	default:
		l.heartbeat(c, s)
	}
}

// expire ends a session whose time is over, unless its application has it go on.
func (l *loop) expire(c *netpoll.Conn, s *session) {
	switch {
	case !s.has(flagByApplication) || l.server.handler.Refresh == nil:
		l.disconnectExpired(c, s, protocol.DisconnectExpired)
	case s.has(flagOffloaded):
		l.refreshSoon(c, s) // it is asked about something else
	default:
		l.askRefresh(c, s)
	}
}

// heartbeat pings a client, and a pong timeout later looks for the answer. The two take turns.
func (l *loop) heartbeat(c *netpoll.Conn, s *session) {
	timeout := l.server.config.PongTimeout
	switch {
	case s.wire == wireEvents: // nobody answers
		l.setHeartbeat(c, s, l.server.config.PingInterval)
		l.writeRef(c, ping(s))
	case s.has(flagAsked) && s.has(flagPongDue) && s.has(flagOffloaded|flagThrottled):
		l.setHeartbeat(c, s, timeout) // the answer may be there, but we do not read
	case s.has(flagAsked) && s.has(flagPongDue):
		l.disconnect(c, s, protocol.DisconnectNoPong)
	case s.has(flagAsked):
		s.clear(flagAsked)
		l.setHeartbeat(c, s, l.server.config.PingInterval-timeout)
	default:
		s.set(flagAsked | flagPongDue)
		l.setHeartbeat(c, s, timeout)
		l.writeRef(c, ping(s))
	}
}

// setHeartbeat sets c's timer for the next step, or for the end of s before it: to the second, unless pings come thick and fast.
func (l *loop) setHeartbeat(c *netpoll.Conn, s *session, d time.Duration) {
	if l.server.config.PingInterval < 10*time.Second {
		l.net.SetTimer(c, d)
	} else {
		l.net.SetCoarseTimer(c, d)
	}
	s.clear(flagLastTimer)
	l.aimTimer(c, s)
}

// ping returns the ping that s's client understands.
func ping(s *session) []byte {
	switch stream := s.stream(); {
	case stream != nil:
		return stream.ping
	case s.has(flagFramePing):
		return pingFrame
	case s.has(flagProtobuf):
		return pingProtobuf
	}
	return pingJSON
}
