package server

import (
	"bytes"
	"time"

	"github.com/seed4ac54ce5/edge/hub"
	"github.com/seed4ac54ce5/edge/metrics"
	"github.com/seed4ac54ce5/edge/netpoll"
	"github.com/seed4ac54ce5/edge/protocol"
)

// typeSharedPoll is a kind of subscription that the protocol knows and edge does not serve.
const typeSharedPoll = 4

// flagRefuseUnrecovered, in a subscribe's flags, asks for an error in place of a subscription that begins with a hole.
const flagRefuseUnrecovered = 2

// What the hub keeps with a subscription for us.
const (
	subPositioned = 1 << iota // the client keeps a position, so it is told of a gap
	subServerSide             // the server has made it
)

// entry is a client on its way into a room.
type entry struct {
	room       []byte
	ns         *namespace
	request    hub.Request
	chanInfo   []byte
	data       []byte    // for the client
	expireAt   time.Time // zero for never
	byToken    bool      // the client itself refreshes it
	token      string    // id of the token, empty for none
	consumer   string    // of a durable room
	recovers   bool      // the client asked for recovery
	refuse     bool      // and for an error if there is none
	positioned bool
	recover    bool // it may recover later
	serverSide bool
	joinLeave  bool
}

// subscribe puts a client into a room that it asks for.
func (l *loop) subscribe(c *netpoll.Conn, s *session, cmd *protocol.Command) {
	r := &cmd.Subscribe
	if len(r.Channel) == 0 || r.Type != typeSharedPoll && len(r.Delta) > 0 && string(r.Delta) != "fossil" {
		l.disconnect(c, s, protocol.DisconnectBadRequest)
		return
	}
	ns, err := l.checkSubscribe(s, r.Channel, r)
	switch {
	case err != nil:
		l.replyError(s, cmd.ID, err)
	case len(r.Token) > 0 && (l.access().subKeyed || l.server.handler.Subscribe == nil):
		l.subscribeWithToken(c, s, cmd, ns)
	case l.server.handler.Subscribe != nil:
		l.askSubscribe(c, s, cmd, ns)
	default:
		if err := l.maySubscribe(c, s, ns, r.Channel); err != nil {
			l.replyError(s, cmd.ID, err)
			return
		}
		e := l.entryOf(c, s, ns, r.Channel, r)
		l.subscribed(c, s, cmd.ID, &e)
	}
}

// askSubscribe has the application decide.
func (l *loop) askSubscribe(c *netpoll.Conn, s *session, cmd *protocol.Command, ns *namespace) {
	id, r, who := cmd.ID, cmd.Subscribe, l.clientOf(c, s)
	r.Channel, r.Epoch, r.Data = bytes.Clone(r.Channel), bytes.Clone(r.Epoch), bytes.Clone(r.Data)
	req := &SubscribeRequest{Room: string(r.Channel), Token: bytes.Clone(r.Token), Data: bytes.Clone(r.Data)}
	run := func() (SubscribeReply, error) { return l.server.handler.Subscribe(who, req) }
	ask(l, c, s, id, run, func(c *netpoll.Conn, s *session, v SubscribeReply) {
		e := l.entryOf(c, s, ns.with(v.Override), r.Channel, &r)
		e.chanInfo, e.data, e.expireAt = v.Info, v.Data, v.ExpireAt
		l.subscribed(c, s, id, &e)
	})
	l.entering(c, r.Channel)
}

// entering notes which room a call that is out is about.
func (l *loop) entering(c *netpoll.Conn, room []byte) {
	if k := l.calls[l.net.ID(c)]; k != nil {
		k.room = room
	}
}

// subscribed makes the subscription and tells the client.
func (l *loop) subscribed(c *netpoll.Conn, s *session, id uint32, e *entry) {
	result, err := l.enter(c, s, e)
	switch {
	case s.state == stateClosing:
		return
	case err != nil:
		l.replyError(s, id, err)
		return
	}
	l.replies = s.encoding().AppendSubscribeReply(l.reply(s), id, &result)
}

// checkSubscribe returns the room's namespace, or why nobody with such a request may enter. The order of the checks
// is the protocol's.
func (l *loop) checkSubscribe(s *session, room []byte, r *protocol.SubscribeRequest) (*namespace, *protocol.Error) {
	switch {
	case r.Type == typeSharedPoll:
		return nil, protocol.ErrNotAvailable
	case len(room) > protocol.MaxNameLen:
		return nil, protocol.ErrBadRequest
	case l.rosters.Subscribed(&s.subs, room):
		return nil, protocol.ErrAlreadySubscribed
	case s.subs.Len() >= l.limits.rooms:
		return nil, protocol.ErrLimitExceeded
	}
	ns, err := l.room(room)
	switch {
	case err != nil:
		return nil, err
	case r.Type != 0:
		return nil, protocol.ErrPermissionDenied
	case ns.JoinLeave && l.server.full.Load() > 0: // it would be announced
		l.counts.Limited[metrics.LimitFanout]++
		return nil, protocol.ErrTooManyRequests
	case r.TagsFilter != nil:
		return nil, protocol.ErrBadRequest
	}
	return ns, nil
}

// entryOf is what a client's request comes to in a room of ns: wishes that are not granted are ignored. It keeps
// nothing of r but room.
func (l *loop) entryOf(c *netpoll.Conn, s *session, ns *namespace, room []byte, r *protocol.SubscribeRequest) entry {
	e := entry{
		room:      room,
		ns:        ns,
		recovers:  r.Recover,
		refuse:    r.Flag&flagRefuseUnrecovered != 0,
		joinLeave: l.grantsJoinLeave(c, s, ns, room, r.JoinLeave),
	}
	if ns.history() {
		asks := l.permitted(ns.askingHistory(), c, s, room)
		e.recover = ns.ForceRecovery || r.Recoverable && (ns.AllowRecovery || asks)
		e.positioned = e.recover || ns.ForcePositioning || (r.Positioned || r.Recoverable) && (ns.AllowPositioning || asks)
		e.request.Limit, e.request.Bytes = maxRecovered, l.limits.queue
		e.request.Cache = ns.ForceRecoveryMode == "cache"
		e.request.Recover = r.Recover && e.recover || e.request.Cache && ns.AutoCacheRecover
		e.request.Since = hub.Position{Offset: r.Offset, Epoch: parseEpoch(r.Epoch)}
	}
	if ns.durable {
		e.consumer = l.consumerOf(s, r.Data)
		l.resume(&e)
	}
	return e
}

// grantsJoinLeave reports whether a subscriber hears of others who come and go.
func (l *loop) grantsJoinLeave(c *netpoll.Conn, s *session, ns *namespace, room []byte, wish bool) bool {
	return ns.JoinLeave && (ns.ForcePushJoinLeave || wish && l.permitted(ns.askingPresence(), c, s, room))
}

// enter makes a subscription and returns what its client is told, if it is still there.
func (l *loop) enter(c *netpoll.Conn, s *session, e *entry) (protocol.SubscribeResult, *protocol.Error) {
	if s.state != stateReady {
		return protocol.SubscribeResult{}, protocol.ErrInternal // closed by the subscription before this one
	}
	if !l.suits(c, s, e.data) {
		return protocol.SubscribeResult{}, protocol.ErrInternal
	}
	if e.ns.Presence {
		l.who = l.appendAttendee(l.who[:0], s, e.chanInfo)
		l.user = l.users.appendUser(l.user[:0], s.who)
		e.request.As = hub.Attendee{ID: uint64(l.net.ID(c)), User: l.user, Info: l.who}
	}
	e.request.Flags, e.request.Must = e.flags(), e.refuse
	joined, err := l.rosters.Subscribe(hub.NewMember(c.Slot(), s.form(e.joinLeave)), &s.subs, e.ns.id, e.room, &e.request)
	switch err {
	case nil:
	case hub.ErrUnrecovered:
		l.countRecovery(false)
		return protocol.SubscribeResult{}, protocol.ErrUnrecoverablePosition
	default:
		return protocol.SubscribeResult{}, protocol.ErrAlreadySubscribed
	}
	if e.ns.durable {
		l.owe(c, e, &joined)
	}
	l.setChanInfo(l.net.ID(c), e.room, e.chanInfo)
	l.setSubToken(l.net.ID(c), e.room, e.token)
	if !e.expireAt.IsZero() {
		l.setSubTerm(c, e.room, e.expireAt, !e.byToken)
	}
	l.readable(c, s, joined.Past)
	return l.resultOf(e, &joined), nil
}

func (e *entry) flags() (f uint8) {
	if e.positioned || e.ns.durable {
		f |= subPositioned
	}
	if e.serverSide {
		f |= subServerSide
	}
	return f
}

// resultOf is the wire's word for where a subscription begins.
func (l *loop) resultOf(e *entry, joined *hub.Joined) protocol.SubscribeResult {
	result := protocol.SubscribeResult{
		WasRecovering: e.recovers,
		Data:          e.data,
		Publications:  publicationsOf(joined.Past),
	}
	if e.byToken {
		result.Expires, result.TTL = ttl(e.expireAt)
	}
	if e.positioned {
		result.Positioned, result.Recoverable = true, e.recover
		result.Epoch = appendEpoch(nil, joined.Position.Epoch)
		result.Offset = joined.Position.Offset
	}
	if e.request.Recover && e.recovers {
		result.Recovered = joined.Recovered
		if joined.Recovered && !e.request.Cache {
			result.Offset = e.request.Since.Offset
		}
		l.countRecovery(joined.Recovered)
	}
	return result
}

func (l *loop) countRecovery(recovered bool) {
	if recovered {
		l.counts.Recoveries[metrics.RecoveryComplete]++
	} else {
		l.counts.Recoveries[metrics.RecoveryFailed]++
	}
}

// subscribeWishes makes server-side subscriptions of the rooms that a connect command lists: those that the client
// may enter, and no word about the others. A namespace that does not exist is a mistake.
func (l *loop) subscribeWishes(c *netpoll.Conn, s *session, r *protocol.ConnectRequest, made []protocol.ConnectSub) []protocol.ConnectSub {
	for room, wish := range s.encoding().Subs(&l.decoder, r) {
		ns, err := l.checkSubscribe(s, room, wish)
		if err == protocol.ErrUnknownChannel {
			l.disconnect(c, s, protocol.DisconnectBadRequest)
			return nil
		}
		if err != nil || l.maySubscribe(c, s, ns, room) != nil {
			continue
		}
		e := l.entryOf(c, s, ns, bytes.Clone(room), wish)
		made = l.enterByServer(c, s, &e, made)
	}
	return made
}

// enterByServer makes a server-side subscription at connect.
func (l *loop) enterByServer(c *netpoll.Conn, s *session, e *entry, made []protocol.ConnectSub) []protocol.ConnectSub {
	e.serverSide = true
	e.request.Bytes = l.recoverable
	e.request.Recover = e.request.Recover && l.recoverable > 0
	result, err := l.enter(c, s, e)
	if err != nil {
		return made
	}
	for i := range result.Publications {
		l.recoverable -= len(result.Publications[i].Data)
	}
	return append(made, protocol.ConnectSub{Channel: e.room, SubscribeResult: result})
}

// subscribeByServer puts a connected client into a room and tells it. What the room has for it from before follows. A client
// that is there already stays as it is.
func (l *loop) subscribeByServer(c *netpoll.Conn, s *session, sub *Subscription) *protocol.Error {
	room := []byte(sub.Room)
	ns, err := l.room(room)
	switch {
	case err != nil:
		return err
	case l.rosters.Subscribed(&s.subs, room):
		return nil
	case s.subs.Len() >= l.limits.rooms:
		return protocol.ErrLimitExceeded
	}
	e := l.serverEntry(c, s, ns, sub, &protocol.SubscribeRequest{})
	e.refuse = sub.RecoverSince != nil && !ns.durable // the push has no word for a hole
	result, err := l.enter(c, s, &e)
	if s.state == stateClosing {
		return nil // it cannot read what it was to get
	}
	if err != nil {
		return err
	}
	l.replies = s.encoding().AppendSubscribePush(l.reply(s), room, &result)
	for i := range result.Publications {
		l.replies = s.encoding().AppendPublicationPush(l.reply(s), room, &result.Publications[i])
	}
	return nil
}

// serverEntry is a subscription that the server makes, whatever its client may do itself. r is the client's recovery
// state, if it has any.
func (l *loop) serverEntry(c *netpoll.Conn, s *session, ns *namespace, sub *Subscription, r *protocol.SubscribeRequest) entry {
	e := l.entryOf(c, s, ns.with(sub.Override), []byte(sub.Room), r)
	e.serverSide, e.chanInfo, e.data, e.expireAt = true, sub.Info, sub.Data, sub.ExpireAt
	if sub.RecoverSince != nil && !r.Recover && ns.history() {
		e.recovers, e.request.Recover = true, true
		e.request.Since = hub.Position{Offset: sub.RecoverSince.Offset, Epoch: parseEpoch([]byte(sub.RecoverSince.Epoch))}
	}
	return e
}

// unsubscribe takes a client out of a room at its wish; that it was not in is no error.
func (l *loop) unsubscribe(c *netpoll.Conn, s *session, cmd *protocol.Command) {
	room := cmd.Unsubscribe.Channel
	if len(room) == 0 {
		l.disconnect(c, s, protocol.DisconnectBadRequest)
		return
	}
	l.exit(c, s, room)
	l.replies = s.encoding().AppendUnsubscribeReply(l.reply(s), cmd.ID)
}

// exit takes a client out of a room and ends what it had there.
func (l *loop) exit(c *netpoll.Conn, s *session, room []byte) {
	l.stopTyping(c, s, string(room))
	l.forgive(l.net.ID(c), room)
	l.dropChanInfo(l.net.ID(c), room)
	l.dropSubExpiry(l.net.ID(c), room)
	l.dropSubToken(l.net.ID(c), room)
	l.rosters.Unsubscribe(&s.subs, room)
	l.forget(l.net.ID(c), room)
}

// unsubscribeByServer takes a client out of a room and tells it why. One that is about to enter hears first what has come of that:
// SDKs that are told to leave take no notice of it any more, and would be in the room without knowing.
func (l *loop) unsubscribeByServer(c *netpoll.Conn, s *session, room []byte, why protocol.Unsubscribed) {
	if k := l.calls[l.net.ID(c)]; k != nil && bytes.Equal(k.room, room) {
		k.leaves = new(why)
		return
	}
	l.exit(c, s, room)
	l.replies = s.encoding().AppendUnsubscribePush(l.reply(s), room, why)
}

// Gap implements [hub.Sink]: a subscription has a hole that cannot be filled. A client that keeps a position begins
// anew and recovers, or hears that it cannot.
func (l *loop) Gap(m hub.Member, room []byte) {
	c := l.net.At(m.Slot())
	s := l.sessions.At(m.Slot())
	if flags, ok := l.rosters.Flags(&s.subs, room); ok && flags&subPositioned != 0 {
		l.tellGap(c, s, room)
	}
}

// tellGap ends a subscription that has a hole, so that its client begins anew.
func (l *loop) tellGap(c *netpoll.Conn, s *session, room []byte) {
	if flags, _ := l.rosters.Flags(&s.subs, room); flags&subServerSide != 0 {
		l.disconnect(c, s, protocol.DisconnectInsufficientState)
	} else {
		l.unsubscribeByServer(c, s, room, protocol.UnsubscribedInsufficientState)
	}
	l.flush(c)
}
