package server

import (
	"context"
	"errors"
	"time"

	"github.com/seed4ac54ce5/edge/netpoll"
	"github.com/seed4ac54ce5/edge/protocol"
)

// refreshAgain is when the application is asked once more about what has ended, if it could not say: after half of it to all of
// it, so that those who have met the same failure do not come back together.
const refreshAgain = 2 * time.Second

func (l *loop) refreshLater() time.Duration {
	return refreshAgain/2 + time.Duration(l.random.Int64N(int64(refreshAgain/2)))
}

// decision is what the application has said, or why it has not.
type decision[T any] struct {
	reply T
	err   error
}

// refreshing returns f for ask, which is then never told of an error: nothing has been sent that it could answer.
func refreshing[T any](s *Server, f func() (T, error)) func() (decision[T], error) {
	return func() (v decision[T], _ error) {
		defer s.contain(&v.err)
		v.reply, v.err = f()
		return v, nil
	}
}

// askRefresh has the application decide whether a session goes on.
func (l *loop) askRefresh(c *netpoll.Conn, s *session) {
	who := l.clientOf(c, s)
	l.refreshSoon(c, s) // if the pool has no room
	run := func() (RefreshReply, error) { return l.server.handler.Refresh(who) }
	ask(l, c, s, 0, refreshing(l.server, run), func(c *netpoll.Conn, s *session, v decision[RefreshReply]) {
		l.refreshed(c, s, &v.reply, v.err)
	})
}

// refreshSoon has the application asked once more about a session.
func (l *loop) refreshSoon(c *netpoll.Conn, s *session) {
	l.net.SetTimer(c, l.refreshLater())
	s.set(flagLastTimer)
}

// beatOn sets the timer of a session whose heartbeat its end has held up.
func (l *loop) beatOn(c *netpoll.Conn, s *session) {
	if l.server.config.PingInterval > 0 {
		l.setHeartbeat(c, s, l.server.config.PongTimeout)
	}
}

// refreshed carries out what the application has said. Without an answer it is asked again, as long as an expired session may
// stay.
func (l *loop) refreshed(c *netpoll.Conn, s *session, reply *RefreshReply, err error) {
	var end protocol.Disconnect
	switch {
	case err == nil && !reply.Expired:
		l.prolong(c, s, reply)
		l.setExpiry(c, s, reply.ExpireAt)
		l.beatOn(c, s)
	case errors.As(err, &end):
		l.disconnect(c, s, end)
	case err == nil:
		l.disconnectExpired(c, s, protocol.DisconnectExpired)
	default:
		l.server.report(fault{conn: l.net.ID(c), what: "refresh: " + err.Error()})
		l.unrefreshed(c, s)
	}
}

// unrefreshed has the application asked again about a session that has ended, or takes it away when it may stay no longer.
func (l *loop) unrefreshed(c *netpoll.Conn, s *session) {
	if l.overdue(s.expires) > l.server.config.ExpiredCloseDelay {
		l.disconnectExpired(c, s, protocol.DisconnectExpired)
	} else {
		l.refreshSoon(c, s)
	}
}

// overdue returns how long a moment has passed.
func (l *loop) overdue(moment uint32) time.Duration {
	return l.net.Now() - time.Duration(moment)*time.Second
}

// prolong changes what is known of a client.
func (l *loop) prolong(c *netpoll.Conn, s *session, reply *RefreshReply) {
	id := l.net.ID(c)
	if reply.Info != nil {
		l.setInfo(c, s, reply.Info)
	}
	if reply.Meta != nil {
		l.setMeta(id, reply.Meta)
	}
	if reply.Capabilities != nil {
		l.setCapabilities(id, *reply.Capabilities)
	}
}

// askSubRefresh has the application decide whether a subscription goes on.
func (l *loop) askSubRefresh(c *netpoll.Conn, s *session, room []byte) {
	who, req := l.clientOf(c, s), &SubRefreshRequest{Room: string(room)}
	run := func() (SubRefreshReply, error) { return l.server.handler.SubRefresh(who, req) }
	ask(l, c, s, 0, refreshing(l.server, run), func(c *netpoll.Conn, s *session, v decision[SubRefreshReply]) {
		l.subRefreshed(c, s, room, &v.reply, v.err)
	})
}

// subRefreshed carries out what the application has said. Without an answer the subscription stays where endSubscription has put it.
func (l *loop) subRefreshed(c *netpoll.Conn, s *session, room []byte, reply *SubRefreshReply, err error) {
	var end protocol.Disconnect
	t, ok := l.subEnds.byConn[l.net.ID(c)][string(room)]
	switch {
	case !ok || !t.asks: // it is no more, or lives by a token now
	case err == nil && !reply.Expired:
		if reply.Info != nil {
			l.dropChanInfo(l.net.ID(c), room)
			l.setChanInfo(l.net.ID(c), room, reply.Info)
			l.amend(c, s)
		}
		l.setSubTerm(c, room, reply.ExpireAt, true)
	case errors.As(err, &end):
		l.disconnect(c, s, end)
	case err == nil:
		l.expireSubscription(c, s, room)
	default:
		l.server.report(fault{conn: l.net.ID(c), what: "sub_refresh: " + err.Error()})
		if l.overdue(t.ends) > l.server.config.ExpiredSubCloseDelay {
			l.expireSubscription(c, s, room)
		}
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
