package server

import (
	"context"
	"time"

	"github.com/seed4ac54ce5/edge/netpoll"
	"github.com/seed4ac54ce5/edge/protocol"
)

// refreshAgain is when the application is asked once more about a session, if it could not say.
const refreshAgain = time.Second

// askRefresh has the application decide whether a session goes on.
func (l *loop) askRefresh(c *netpoll.Conn, s *session) {
	who := l.clientOf(c, s)
	var (
		reply RefreshReply
		err   error
	)
	run := func() (struct{}, error) {
		defer l.server.contain(&err)
		reply, err = l.server.handler.Refresh(who)
		return struct{}{}, nil
	}
	ask(l, c, s, 0, run, func(c *netpoll.Conn, s *session, _ struct{}) { l.refreshed(c, s, reply, err) })
	if !s.has(flagOffloaded) && s.state == stateReady {
		l.aimTimer(c, s) // the pool has no room
	}
}

// beatOn sets the timer of a session whose heartbeat its end has held up.
func (l *loop) beatOn(c *netpoll.Conn, s *session) {
	if l.server.config.PingInterval > 0 {
		l.setHeartbeat(c, s, l.server.config.PongTimeout)
	}
}

// refreshed carries out what the application has said. Without an answer it is asked again, as long as an expired session may
// stay.
func (l *loop) refreshed(c *netpoll.Conn, s *session, reply RefreshReply, err error) {
	overdue := l.net.Now() - time.Duration(s.expires)*time.Second
	switch {
	case err == nil && !reply.Expired:
		l.setExpiry(c, s, reply.ExpireAt)
		l.beatOn(c, s)
	case err == nil || overdue > l.server.config.ExpiredCloseDelay:
		l.disconnect(c, s, protocol.DisconnectExpired)
	default:
		l.server.report(fault{conn: l.net.ID(c), what: "refresh: " + err.Error()})
		l.net.SetTimer(c, refreshAgain)
		s.set(flagLastTimer)
	}
}

// Refresh changes when the sessions of a target end; the zero time is never. Their clients are told.
func (s *Server) Refresh(ctx context.Context, t Target, end time.Time) error {
	return s.forEach(ctx, t, func(l *loop, c *netpoll.Conn, ss *session) { l.refreshByServer(c, ss, end) })
}

// refreshByServer changes when a session ends, and tells its client.
func (l *loop) refreshByServer(c *netpoll.Conn, s *session, end time.Time) {
	l.setExpiry(c, s, end)
	expires, seconds := ttl(end)
	l.replies = s.encoding().AppendRefreshPush(l.reply(s), expires, seconds)
}
