package server

import (
	"bytes"
	"errors"
	"time"

	"github.com/seed4ac54ce5/edge/auth"
	"github.com/seed4ac54ce5/edge/metrics"
	"github.com/seed4ac54ce5/edge/netpoll"
	"github.com/seed4ac54ce5/edge/protocol"
)

// verify checks a token: here if that is a matter of microseconds, and on the worker pool if it takes a public key. then gets
// what has come of it, on the loop. The token is taken from its message.
func verify[T any](l *loop, c *netpoll.Conn, s *session, id uint32, v *auth.Verifier, token []byte,
	check func(token []byte, now time.Time) (T, error), then func(*netpoll.Conn, *session, T, error)) {
	if !v.Blocking(token) {
		claims, err := check(token, time.Now())
		then(c, s, claims, err)
		return
	}
	var (
		claims T
		err    error
	)
	token = bytes.Clone(token)
	work := func() { claims, err = check(token, time.Now()) }
	finish := func(c *netpoll.Conn, s *session) { then(c, s, claims, err) }
	if !l.offload(c, s, &call{finish: finish}, work) {
		l.counts.Limited[metrics.LimitPool]++
		l.refuseCommand(c, s, id, protocol.ErrTooManyRequests)
	}
}

// connectWithToken opens a session for the user that a token names.
func (l *loop) connectWithToken(c *netpoll.Conn, s *session, cmd *protocol.Command) {
	id, r, v := cmd.ID, cmd.Connect, l.access().connect
	if v.Blocking(r.Token) {
		r.Subs = bytes.Clone(r.Subs)
	}
	verify(l, c, s, id, v, r.Token, v.Connect, func(c *netpoll.Conn, s *session, claims auth.ConnectClaims, err error) {
		if err := l.server.checkClaims(&claims, err); err != nil {
			l.reject(c, metrics.RejectToken)
			l.refuseCommand(c, s, id, err)
			return
		}
		reply := grantOf(&claims)
		reply.granted = l.users.rooms(claims.Subs)
		l.welcome(c, s, id, &r, &reply)
	})
}

// refusalOf returns what a client is told about a token that its verifier refuses.
func refusalOf(err error) error {
	switch {
	case errors.Is(err, auth.ErrExpired):
		return protocol.ErrTokenExpired
	case errors.Is(err, auth.ErrUnavailable):
		return protocol.ErrInternal // temporary: the client comes back
	}
	return protocol.DisconnectInvalidToken
}

// subscriptionOf is one subscription that a token grants.
func subscriptionOf(s *auth.Sub) Subscription {
	return Subscription{Room: s.Channel, Info: s.Info, Data: s.Data, Override: s.Override}
}

// subscribeWithToken puts a client into a room that a token of its own lets it into, whatever the room's options.
func (l *loop) subscribeWithToken(c *netpoll.Conn, s *session, cmd *protocol.Command, ns *namespace) {
	id, r, v := cmd.ID, cmd.Subscribe, l.access().subscribe
	r.Channel = bytes.Clone(r.Channel)
	if v.Blocking(r.Token) {
		r.Epoch, r.Data = bytes.Clone(r.Epoch), bytes.Clone(r.Data)
	}
	verify(l, c, s, id, v, r.Token, v.Subscribe, func(c *netpoll.Conn, s *session, claims auth.SubscribeClaims, err error) {
		if err == nil {
			err = l.checkFor(c, s, r.Channel, &claims)
		} else if err = refusalOf(err); err == error(protocol.DisconnectInvalidToken) {
			err = protocol.ErrPermissionDenied
		}
		if err != nil {
			l.reject(c, metrics.RejectToken)
			l.refuseCommand(c, s, id, err)
			return
		}
		e := l.entryOf(c, s, ns.with(claims.Override), r.Channel, &r)
		e.chanInfo, e.data, e.expireAt, e.byToken, e.token = claims.Info, claims.Data, claims.Expiry, true, claims.ID
		l.subscribed(c, s, id, &e)
	})
	l.entering(c, r.Channel)
}

// checkFor returns why a subscription token is not for this client in this room; nil if it is.
func (l *loop) checkFor(c *netpoll.Conn, s *session, room []byte, claims *auth.SubscribeClaims) error {
	user := string(l.users.appendUser(nil, s.who))
	if !claims.For(string(room), user, string(l.clientID(c))) {
		return protocol.DisconnectInvalidToken
	}
	if err := l.server.checkRevoked(&claims.Identity); err != nil {
		return refusalOf(err)
	}
	return nil
}

// refresh lets a session live longer, by a new token of the same user. One that puts its user into other rooms than the token
// before it has the client begin anew.
func (l *loop) refresh(c *netpoll.Conn, s *session, cmd *protocol.Command) {
	id, token, v := cmd.ID, cmd.Refresh.Token, l.access().connect
	if len(token) == 0 {
		l.disconnect(c, s, protocol.DisconnectBadRequest)
		return
	}
	verify(l, c, s, id, v, token, v.Connect, func(c *netpoll.Conn, s *session, claims auth.ConnectClaims, err error) {
		err = l.server.checkClaims(&claims, err)
		switch {
		case err == error(protocol.ErrTokenExpired):
			err = protocol.DisconnectExpired
		case err == nil && claims.User != string(l.users.appendUser(nil, s.who)):
			err = protocol.DisconnectInvalidToken
		case err == nil && !s.has(flagByApplication) && l.users.rooms(claims.Subs) != l.granted[l.net.ID(c)]:
			l.disconnect(c, s, protocol.DisconnectInsufficientState) // no fault of the token's
			return
		}
		if err != nil {
			l.reject(c, metrics.RejectToken)
			l.refuseCommand(c, s, id, err)
			return
		}
		l.setExpiry(c, s, claims.Expiry)
		s.who = l.users.setToken(c.Slot(), s.who, []byte(claims.ID))
		l.prolong(c, s, &RefreshReply{Info: claims.Info, Meta: claims.Meta, Capabilities: &claims.Capabilities})
		result := protocol.RefreshResult{Client: l.clientID(c), Version: l.server.config.Version}
		result.Expires, result.TTL = ttl(claims.Expiry)
		l.replies = s.encoding().AppendRefreshReply(l.reply(s), id, &result)
	})
}

// subRefresh is refresh for one subscription.
func (l *loop) subRefresh(c *netpoll.Conn, s *session, cmd *protocol.Command) {
	id, r, v := cmd.ID, cmd.SubRefresh, l.access().subscribe
	switch {
	case len(r.Channel) == 0:
		l.disconnect(c, s, protocol.DisconnectBadRequest)
		return
	case !l.rosters.Subscribed(&s.subs, r.Channel):
		l.replyError(s, id, protocol.ErrPermissionDenied)
		return
	case len(r.Token) == 0:
		l.replyError(s, id, protocol.ErrBadRequest)
		return
	}
	room := bytes.Clone(r.Channel)
	verify(l, c, s, id, v, r.Token, v.Subscribe, func(c *netpoll.Conn, s *session, claims auth.SubscribeClaims, err error) {
		if err == nil {
			err = l.checkFor(c, s, room, &claims)
		} else {
			err = refusalOf(err)
		}
		switch {
		case err != nil:
			l.reject(c, metrics.RejectToken)
			l.refuseCommand(c, s, id, err)
			return
		case !l.rosters.Subscribed(&s.subs, room): // it has left meanwhile
			l.replyError(s, id, protocol.ErrPermissionDenied)
			return
		}
		l.setSubExpiry(c, room, claims.Expiry)
		l.setSubToken(l.net.ID(c), room, claims.ID)
		var result protocol.SubRefreshResult
		result.Expires, result.TTL = ttl(claims.Expiry)
		l.replies = s.encoding().AppendSubRefreshReply(l.reply(s), id, result)
	})
}
