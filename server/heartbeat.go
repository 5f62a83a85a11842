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

// heartbeat pings a client, and a pong timeout later looks for the answer. The two take turns on the
// session's one timer.
func (l *loop) heartbeat(c *netpoll.Conn, s *session) {
	timeout := l.server.config.PongTimeout
	switch {
	case s.has(flagAsked) && s.has(flagPongDue) && s.has(flagOffloaded|flagThrottled):
		l.setHeartbeat(c, timeout) // the answer may be there, but we do not read
	case s.has(flagAsked) && s.has(flagPongDue):
		l.disconnect(c, s, protocol.DisconnectNoPong)
	case s.has(flagAsked):
		s.clear(flagAsked)
		l.setHeartbeat(c, l.server.config.PingInterval-timeout)
	default:
		s.set(flagAsked | flagPongDue)
		l.setHeartbeat(c, timeout)
		l.net.WriteRef(c, ping(s))
	}
}

// setHeartbeat sets c's timer for the next step: to the second, unless pings come thick and fast.
func (l *loop) setHeartbeat(c *netpoll.Conn, d time.Duration) {
	if l.server.config.PingInterval < 10*time.Second {
		l.net.SetTimer(c, d)
	} else {
		l.net.SetCoarseTimer(c, d)
	}
}

// ping returns the ping that s's client understands.
func ping(s *session) []byte {
	switch {
	case s.has(flagFramePing):
		return pingFrame
	case s.has(flagProtobuf):
		return pingProtobuf
	}
	return pingJSON
}
