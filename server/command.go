package server

import (
	"time"

	"github.com/seed4ac54ce5/edge/frame"
	"github.com/seed4ac54ce5/edge/hub"
	"github.com/seed4ac54ce5/edge/metrics"
	"github.com/seed4ac54ce5/edge/netpoll"
	"github.com/seed4ac54ce5/edge/protocol"
)

// readCommands serves the commands of one message, one to a line. Their replies share a frame with
// those of other messages of the same read.
func (l *loop) readCommands(c *netpoll.Conn, s *session, payload []byte) {
	for rest := payload; ; {
		var line []byte
		line, rest = protocol.NextLine(rest)
		err := l.decoder.DecodeCommand(line, &l.command)
		if err == nil {
			err = l.command.Check()
		}
		if err != nil {
			l.disconnect(c, s, protocol.DisconnectBadRequest)
			return
		}
		l.readCommand(c, s, &l.command)
		if len(rest) == 0 || s.state == stateClosing {
			return
		}
	}
}

// readCommand serves one command. Before connect there is only connect, and only once.
func (l *loop) readCommand(c *netpoll.Conn, s *session, cmd *protocol.Command) {
	if (cmd.Method == protocol.MethodConnect) != (s.state == stateNew) {
		l.disconnect(c, s, protocol.DisconnectBadRequest)
		return
	}
	switch cmd.Method {
	case protocol.MethodConnect:
		l.connect(c, s, cmd)
	case protocol.MethodSubscribe:
		l.subscribe(c, s, cmd)
	case protocol.MethodUnsubscribe:
		l.unsubscribe(c, s, cmd)
	case protocol.MethodPublish:
		l.publish(c, s, cmd)
	case protocol.MethodPong:
		l.pong(c, s)
	default:
		l.notServed(c, s, cmd)
	}
}

// reply is called before a reply or push is appended to l.replies, and puts the newline between two.
func (l *loop) reply() []byte {
	l.counts.MessagesOut++
	if len(l.replies) > 0 {
		l.replies = append(l.replies, '\n')
	}
	return l.replies
}

// endReplies puts the replies that are waiting into one frame.
func (l *loop) endReplies() {
	if len(l.replies) > 0 {
		l.counts.PayloadOut += uint64(len(l.replies))
		l.out = frame.AppendFrame(l.out, frame.OpText, l.replies, false)
		l.replies = trim(l.replies)
	}
}

// replyError answers a command with an error.
func (l *loop) replyError(id uint32, e *protocol.Error) {
	l.replies = protocol.AppendError(l.reply(), id, e)
}

// disconnect ends a session for a reason of the protocol.
func (l *loop) disconnect(c *netpoll.Conn, s *session, d protocol.Disconnect) {
	if d == protocol.DisconnectBadRequest && s.state != stateClosing {
		l.counts.Rejects[metrics.RejectCommand]++
	}
	l.end(c, s, d.Code, d.Reason)
}

// connect opens the session of an anonymous client. There is no key yet that a token could be checked
// with, so none is taken.
func (l *loop) connect(c *netpoll.Conn, s *session, cmd *protocol.Command) {
	if len(cmd.Connect.Token) > 0 {
		l.counts.Rejects[metrics.RejectToken]++
		l.disconnect(c, s, protocol.DisconnectInvalidToken)
		return
	}
	s.state = stateReady
	l.counts.Connects++
	result := protocol.ConnectResult{
		Client:  l.clientID(c),
		Version: l.server.config.Version,
		Subs:    l.subscribeWishes(c, s, &cmd.Connect),
	}
	if every := l.server.config.PingInterval; every > 0 {
		if !s.has(flagFramePing) {
			result.Ping, result.Pong = uint32(every/time.Second), true
		}
		l.setHeartbeat(c, every/2+time.Duration(l.random.Int64N(int64(every/2))))
	} else {
		l.net.StopTimer(c)
	}
	l.replies = protocol.AppendConnectReply(l.reply(), cmd.ID, &result)
}

// clientID returns c's id on the wire, good until the next call.
func (l *loop) clientID(c *netpoll.Conn) []byte {
	l.idText = l.ids.append(l.idText[:0], &l.idSpace, uint64(l.net.ID(c)))
	return l.idText
}

// subscribeWishes makes subscriptions of the rooms that a connect command lists: those that the client
// may enter, and no word about the others.
func (l *loop) subscribeWishes(c *netpoll.Conn, s *session, r *protocol.ConnectRequest) []protocol.ConnectSub {
	var made []protocol.ConnectSub
	if len(r.Subs) == 0 {
		return nil
	}
	for room, wish := range l.decoder.Subs(r) {
		if l.checkSubscribe(s, room, wish) != nil {
			continue
		}
		if _, err := l.rosters.Subscribe(hub.NewMember(c.Slot(), formJSON), &s.subs, room); err == nil {
			made = append(made, protocol.ConnectSub{
				Channel:         append([]byte(nil), room...),
				SubscribeResult: protocol.SubscribeResult{WasRecovering: wish.Recover},
			})
		}
	}
	return made
}

// The kinds of subscriptions that the protocol knows and edge does not serve.
const typeSharedPoll = 4

// subscribe puts a client into a room.
func (l *loop) subscribe(c *netpoll.Conn, s *session, cmd *protocol.Command) {
	r := &cmd.Subscribe
	if len(r.Channel) == 0 || r.Type != typeSharedPoll && len(r.Delta) > 0 && string(r.Delta) != "fossil" {
		l.disconnect(c, s, protocol.DisconnectBadRequest)
		return
	}
	err := l.checkSubscribe(s, r.Channel, r)
	if err == nil {
		_, joined := l.rosters.Subscribe(hub.NewMember(c.Slot(), formJSON), &s.subs, r.Channel)
		if joined != nil {
			err = protocol.ErrAlreadySubscribed
		}
	}
	if err != nil {
		l.replyError(cmd.ID, err)
		return
	}
	l.replies = protocol.AppendSubscribeReply(l.reply(), cmd.ID, &protocol.SubscribeResult{WasRecovering: r.Recover})
}

// checkSubscribe returns why a client may not enter a room. The order of the checks is the protocol's.
func (l *loop) checkSubscribe(s *session, room []byte, r *protocol.SubscribeRequest) *protocol.Error {
	switch {
	case r.Type == typeSharedPoll:
		return protocol.ErrNotAvailable
	case len(room) > protocol.MaxNameLen:
		return protocol.ErrBadRequest
	case l.rosters.Subscribed(&s.subs, room):
		return protocol.ErrAlreadySubscribed
	case s.subs.Len() >= l.server.config.RoomLimit:
		return protocol.ErrLimitExceeded
	case protocol.ValidName(room) != nil:
		return protocol.ErrBadRequest
	case r.Type != 0 || room[0] == '$' || len(r.Token) > 0:
		return protocol.ErrPermissionDenied
	case r.TagsFilter != nil:
		return protocol.ErrBadRequest
	}
	return nil
}

// unsubscribe takes a client out of a room; that it was not in is no error.
func (l *loop) unsubscribe(c *netpoll.Conn, s *session, cmd *protocol.Command) {
	if len(cmd.Unsubscribe.Channel) == 0 {
		l.disconnect(c, s, protocol.DisconnectBadRequest)
		return
	}
	l.rosters.Unsubscribe(&s.subs, cmd.Unsubscribe.Channel)
	l.replies = protocol.AppendUnsubscribeReply(l.reply(), cmd.ID)
}

// publish hands a client's publication to the room.
func (l *loop) publish(c *netpoll.Conn, s *session, cmd *protocol.Command) {
	r := &cmd.Publish
	if len(r.Channel) == 0 {
		l.disconnect(c, s, protocol.DisconnectBadRequest)
		return
	}
	if err := l.checkPublish(r); err != nil {
		l.replyError(cmd.ID, err)
		return
	}
	pub := hub.NewPublication()
	pub.Data = append(pub.Data, r.Data...)
	pub.Info = append(pub.Info, l.clientID(c)...)
	l.server.hub.Publish(r.Channel, pub)
	l.replies = protocol.AppendPublishReply(l.reply(), cmd.ID)
}

// checkPublish returns why a publication is not taken.
func (l *loop) checkPublish(r *protocol.PublishRequest) *protocol.Error {
	switch {
	case l.server.full.Load() > 0:
		l.counts.Limited++
		return protocol.ErrTooManyRequests
	case r.Data == nil || protocol.ValidName(r.Channel) != nil:
		return protocol.ErrBadRequest
	case r.Type != 0:
		return protocol.ErrPermissionDenied
	}
	return nil
}

// pong takes the answer to a ping; one that was not asked for breaks the protocol.
func (l *loop) pong(c *netpoll.Conn, s *session) {
	if !s.has(flagPongDue) || s.has(flagFramePing) {
		l.disconnect(c, s, protocol.DisconnectBadRequest)
		return
	}
	s.clear(flagPongDue)
}

// notServed answers the commands for which this node has nothing behind it.
func (l *loop) notServed(c *netpoll.Conn, s *session, cmd *protocol.Command) {
	switch cmd.Method {
	case protocol.MethodSend:
		l.disconnect(c, s, protocol.DisconnectNotAvailable)
	case protocol.MethodRefresh:
		l.refresh(c, s, cmd)
	case protocol.MethodSubRefresh:
		l.subRefresh(c, s, cmd)
	default: // presence, presence_stats, history, rpc
		l.replyError(cmd.ID, protocol.ErrNotAvailable)
	}
}

// refresh has no token to expect, as connect takes none.
func (l *loop) refresh(c *netpoll.Conn, s *session, cmd *protocol.Command) {
	if len(cmd.Refresh.Token) == 0 {
		l.disconnect(c, s, protocol.DisconnectBadRequest)
		return
	}
	l.counts.Rejects[metrics.RejectToken]++
	l.disconnect(c, s, protocol.DisconnectInvalidToken)
}

// subRefresh is refresh for one subscription.
func (l *loop) subRefresh(c *netpoll.Conn, s *session, cmd *protocol.Command) {
	switch r := &cmd.SubRefresh; {
	case len(r.Channel) == 0:
		l.disconnect(c, s, protocol.DisconnectBadRequest)
	case !l.rosters.Subscribed(&s.subs, r.Channel):
		l.replyError(cmd.ID, protocol.ErrPermissionDenied)
	case len(r.Token) == 0:
		l.replyError(cmd.ID, protocol.ErrBadRequest)
	default:
		l.counts.Rejects[metrics.RejectToken]++
		l.disconnect(c, s, protocol.DisconnectInvalidToken)
	}
}
