package server

import (
	"context"

	"github.com/seed4ac54ce5/edge/api"
	"github.com/seed4ac54ce5/edge/auth"
	"github.com/seed4ac54ce5/edge/netpoll"
	"github.com/seed4ac54ce5/edge/protocol"
)

// What sockets may do in rooms that are channels is what the same options let every other client do: these methods ask on the
// loop, of the session that a socket is of. Their errors are [*Error] values, 100 for a socket that has gone, or ctx's.

// What is asked of a room's past and the answer, and who is in a room, as the HTTP API has them.
type (
	HistoryOptions     = api.HistoryOptions
	HistoryPosition    = api.Position
	HistoryPublication = api.Publication
	History            = api.History
	ClientInfo         = api.ClientInfo
)

// takeSocket makes a session that of whom an application has let into a namespace, at its first; later ones may only be the same
// user's. The error is what the client hears.
func (l *loop) takeSocket(c *netpoll.Conn, s *session, v *ConnectReply) *protocol.Error {
	if v == nil {
		v = new(ConnectReply)
	}
	if s.has(flagConnected) {
		return l.takeAnother(c, s, v)
	}
	if v.byApplication {
		s.set(flagByApplication)
	}
	if !l.login(c, s, v) {
		return protocol.ErrLimitExceeded
	}
	s.expires = l.momentOf(v.ExpireAt)
	l.setAge(c)
	l.aimEngine(c, l.engineOf(s))
	return nil
}

// takeAnother takes what a session that is somebody's shows at a further namespace. It ends with the first of its tokens.
func (l *loop) takeAnother(c *netpoll.Conn, s *session, v *ConnectReply) *protocol.Error {
	if v.User != "" && v.User != string(l.users.appendUser(nil, s.who)) {
		return protocol.ErrPermissionDenied
	}
	if end := l.momentOf(v.ExpireAt); end != 0 && (s.expires == 0 || end < s.expires) {
		s.expires = end
		l.aimEngine(c, l.engineOf(s))
	}
	if v.token != "" {
		s.who = l.users.setToken(c.Slot(), s.who, []byte(v.token))
	}
	return nil
}

// told is what a loop says about a socket.
type told[T any] struct {
	value   T
	refusal *protocol.Error
}

// askSocket runs f on the loop of a socket, and returns what it does.
func askSocket[T any](ctx context.Context, s *Server, of Socket, f func(*loop, *netpoll.Conn, *session) (T, *protocol.Error)) (none T, err error) {
	v := &told[T]{refusal: protocol.ErrInternal} // for one that has gone
	done := make(chan struct{}, 1)
	do := func(l *loop) {
		l.visit(of.Conn, func(l *loop, c *netpoll.Conn, ss *session) { v.value, v.refusal = f(l, c, ss) })
	}
	s.loops[of.Conn.Loop()].net.Send(netpoll.Post{Kind: postOrder, Item: order{do, done}})
	select {
	case <-done:
	case <-ctx.Done():
		return none, ctx.Err()
	case <-s.stop:
		return none, ErrClosed
	}
	if v.refusal != nil {
		return none, v.refusal
	}
	return v.value, nil
}

// SocketMayEnter returns why a socket may not enter a room by itself, nil if it may, and who its client is.
func (s *Server) SocketMayEnter(ctx context.Context, of Socket, room string) (Client, error) {
	type ruling struct {
		who  Client
		asks bool // it is for the application to say
	}
	name := []byte(room)
	r, err := askSocket(ctx, s, of, func(l *loop, c *netpoll.Conn, ss *session) (ruling, *protocol.Error) {
		who := l.clientOf(c, ss)
		ns, refusal := l.room(name)
		switch {
		case refusal != nil:
			return ruling{}, refusal
		case s.handler.Subscribe != nil && name[0] != '$' && !l.grants(c, name, auth.MaySubscribe):
			return ruling{who, true}, nil
		}
		return ruling{who, false}, l.maySubscribe(c, ss, ns, name)
	})
	if err != nil || !r.asks {
		return r.who, err
	}
	reply, err := s.handler.Subscribe(r.who, &SubscribeRequest{Room: room})
	if err == nil && !reply.ExpireAt.IsZero() {
		err = protocol.ErrNotAvailable // nobody would end it
	}
	return r.who, err
}

// PublishBySocket publishes what a socket's client has for a room, with what the room is told about that client.
func (s *Server) PublishBySocket(ctx context.Context, by Socket, room string, data []byte, o PublishOptions) (PublishResult, error) {
	type ruling struct {
		ns   *namespace
		who  Client
		info []byte
	}
	name := []byte(room)
	r, err := askSocket(ctx, s, by, func(l *loop, c *netpoll.Conn, ss *session) (ruling, *protocol.Error) {
		ns, refusal := l.checkPublish(c, ss, &protocol.PublishRequest{Channel: name, Data: data})
		return ruling{ns, l.clientOf(c, ss), l.appendPublisher(nil, c, ss, name)}, refusal
	})
	if err != nil {
		return PublishResult{}, err
	}
	if ask := s.handler.Publish; ask != nil {
		reply, err := ask(r.who, &PublishRequest{Room: room, Data: data})
		if err != nil {
			return PublishResult{}, err
		}
		if reply.Data != nil {
			data = reply.Data
		}
		o = o.with(reply.PublishOptions)
	}
	pub := o.publication(data)
	pub.Info, pub.Sender = append(pub.Info, r.info...), uint64(by.Conn)
	return s.put(ctx, r.ns, name, pub, &o)
}

// with returns how to publish what is asked for as o, and its application as more. Tags of both stay, the application's where both
// have one.
func (o PublishOptions) with(more PublishOptions) PublishOptions {
	all := o.or(more)
	all.Tags = make(map[string]string, len(o.Tags)+len(more.Tags))
	for _, tags := range []map[string]string{o.Tags, more.Tags} {
		for key, value := range tags {
			all.Tags[key] = value
		}
	}
	return all
}

// SocketTypes says that a socket's client types in a room, or types no more.
func (s *Server) SocketTypes(ctx context.Context, by Socket, room string, on bool) error {
	_, err := askSocket(ctx, s, by, func(l *loop, c *netpoll.Conn, ss *session) (none struct{}, _ *protocol.Error) {
		ns, err := l.checkTyping(c, ss, []byte(room))
		if err == nil {
			l.setTyping(c, ss, room, ns, on)
		}
		return none, err
	})
	return err
}

// PresenceForSocket returns who is in a room: in large rooms a part of them, the newest.
func (s *Server) PresenceForSocket(ctx context.Context, by Socket, room string) ([]ClientInfo, error) {
	return askSocket(ctx, s, by, func(l *loop, c *netpoll.Conn, ss *session) ([]ClientInfo, *protocol.Error) {
		if err := l.checkPresence(c, ss, []byte(room)); err != nil {
			return nil, err
		}
		clients := []ClientInfo{}
		for _, who := range l.present([]byte(room)) {
			info := clientInfoOf(&who)
			info.Settle()
			clients = append(clients, *info)
		}
		return clients, nil
	})
}

// HistoryForSocket returns what a room remembers: of a long past so much as every other client gets at once.
func (s *Server) HistoryForSocket(ctx context.Context, by Socket, room string, o HistoryOptions) (History, error) {
	r := protocol.HistoryRequest{Channel: []byte(room), Limit: int32(max(min(o.Limit, maxRecovered), -1)), Reverse: o.Reverse}
	if o.Since != nil {
		r.HasSince, r.Since = true, protocol.Position{Offset: o.Since.Offset, Epoch: []byte(o.Since.Epoch)}
	}
	h, err := askSocket(ctx, s, by, func(l *loop, c *netpoll.Conn, ss *session) (History, *protocol.Error) {
		past, top, refusal := l.historyOf(c, ss, &r)
		return historyOf(top, past), refusal
	})
	for i := range h.Publications {
		h.Publications[i].Settle()
	}
	return h, err
}
