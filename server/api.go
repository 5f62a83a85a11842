package server

import (
	"context"
	"errors"
	"sync/atomic"

	"github.com/seed4ac54ce5/edge/hub"
	"github.com/seed4ac54ce5/edge/netpoll"
	"github.com/seed4ac54ce5/edge/protocol"
)

// What programs that embed a node do with it besides answering a [Handler]'s questions. All of it may be called from
// any goroutine, save from a Handler that is NonBlocking: those run on the loops, and these wait for the loops.

// Position is a place in a room's order. It is zero for a room without a history.
type Position struct {
	Offset uint64
	Epoch  string
}

// PublishOptions says how to publish. The zero value is an ordinary publication.
type PublishOptions struct {
	IdempotencyKey string // a repetition within 5 minutes reaches nobody and returns the first position
	Version        uint64 // if not 0: dropped unless above the room's last one of the same VersionEpoch
	VersionEpoch   string
	Ephemeral      bool   // not remembered, no offset; for a slow client newer replaces older of the same Key
	Key            string // with Ephemeral, or in rooms that keep only the latest
	Tags           map[string]string
}

// PublishResult says where a publication stands.
type PublishResult struct {
	Position
	Suppressed bool // it was a repetition or an old version, and reached nobody
}

// Publish publishes data, which for clients of the JSON protocol must be JSON, to a room. Errors are [*Error] values:
// 102 unknown namespace, 107 bad name or data, 111 the node is behind, 100 the store has failed; or ctx's.
func (s *Server) Publish(ctx context.Context, room string, data []byte, o PublishOptions) (PublishResult, error) {
	name := []byte(room)
	ns, refusal := s.namespaceOf(name)
	switch {
	case refusal != nil:
		return PublishResult{}, refusal
	case data == nil || !ns.takes(data):
		return PublishResult{}, protocol.ErrBadRequest
	case s.full.Load() > 0:
		return PublishResult{}, protocol.ErrTooManyRequests
	}
	return s.put(ctx, ns, name, o.publication(data), &o)
}

// put publishes pub as o says, and returns when it is safe if it is to be stored.
func (s *Server) put(ctx context.Context, ns *namespace, room []byte, pub *hub.Publication, o *PublishOptions) (PublishResult, error) {
	stored := make(chan outcome, 1)
	options := o.forHub()
	options.Done = func(r hub.Result, err error) { stored <- outcome{r, err} }
	result, err := s.hub.Publish(ns.id, room, pub, options)
	if err == hub.ErrStoring {
		select {
		case p := <-stored:
			result, err = p.result, p.err
		case <-ctx.Done():
			return PublishResult{}, ctx.Err()
		}
	}
	if err != nil {
		return PublishResult{}, publishError(err)
	}
	return PublishResult{positionOf(result.Position), result.Suppressed}, nil
}

// publication returns data as o has it published.
func (o *PublishOptions) publication(data []byte) *hub.Publication {
	pub := hub.NewPublication()
	pub.Data = append(pub.Data, data...)
	o.mark(pub)
	pub.Opaque = !protocol.ValidJSON(data)
	return pub
}

// mark gives pub what o says of it.
func (o *PublishOptions) mark(pub *hub.Publication) {
	pub.Key = append(pub.Key, o.Key...)
	for key, value := range o.Tags {
		pub.Tags = pub.Tags.Append([]byte(key), []byte(value))
	}
}

// forHub returns what the hub needs to know of o.
func (o *PublishOptions) forHub() hub.PublishOptions {
	return hub.PublishOptions{
		IdempotencyKey: []byte(o.IdempotencyKey),
		Version:        o.Version,
		VersionEpoch:   []byte(o.VersionEpoch),
		SkipHistory:    o.Ephemeral,
	}
}

// outcome is what came of a publication.
type outcome struct {
	result hub.Result
	err    error
}

// publishError is what a publisher is told.
func publishError(err error) *protocol.Error {
	if err == hub.ErrStoreFull {
		return protocol.ErrTooManyRequests
	}
	return protocol.ErrInternal
}

func positionOf(p hub.Position) Position {
	if p == (hub.Position{}) {
		return Position{}
	}
	return Position{p.Offset, string(appendEpoch(nil, p.Epoch))}
}

// namespaceOf returns the namespace of a room, or what is wrong with the name.
func (s *Server) namespaceOf(room []byte) (*namespace, *protocol.Error) {
	if protocol.ValidName(room) != nil {
		return nil, protocol.ErrBadRequest
	}
	ns := s.spaces.Load().of(room)
	switch {
	case ns == nil:
		return nil, protocol.ErrUnknownChannel
	case !ns.fits(room):
		return nil, protocol.ErrBadRequest
	}
	return ns, nil
}

// Target is the conns that an order is for: all of a user's, or of them the one with the id Client. The user "" is
// the anonymous clients.
type Target struct {
	User   string
	Client string
}

// Subscribe puts the conns of a target into a room. What its clients may do there themselves does not matter. A conn
// that is in the room already stays as it is. Some conns may enter and others not: error 106 is that one is in as many rooms as
// it may be, 112 that something since sub.RecoverSince is missing. Error 108 says that the room has no history.
func (s *Server) Subscribe(ctx context.Context, t Target, sub Subscription) error {
	ns, refusal := s.namespaceOf([]byte(sub.Room))
	switch {
	case refusal != nil:
		return refusal
	case sub.RecoverSince != nil && !ns.history():
		return protocol.ErrNotAvailable
	}
	var failure atomic.Pointer[protocol.Error]
	err := s.forEach(ctx, t, func(l *loop, c *netpoll.Conn, ss *session) {
		if err := l.subscribeByServer(c, ss, &sub); err != nil {
			failure.Store(err)
		}
	})
	if one := failure.Load(); err == nil && one != nil {
		return one
	}
	return err
}

// Unsubscribe takes the conns of a target out of a room, for good (code 2000).
func (s *Server) Unsubscribe(ctx context.Context, t Target, room string) error {
	if room == "" {
		return protocol.ErrBadRequest
	}
	return s.forEach(ctx, t, func(l *loop, c *netpoll.Conn, ss *session) {
		l.unsubscribeByServer(c, ss, []byte(room), protocol.UnsubscribedByServer)
	})
}

// Disconnect ends the conns of a target. The zero Disconnect is a forced one (3503), for good.
func (s *Server) Disconnect(ctx context.Context, t Target, why Disconnect) error {
	if why == (Disconnect{}) {
		why = protocol.DisconnectForceDisconnect
	}
	return s.forEach(ctx, t, func(l *loop, c *netpoll.Conn, ss *session) { l.disconnect(c, ss, why) })
}

// forEach runs f for each connected conn of a target, on its loop, and returns when all have run. The anonymous clients may
// be all that there are, so it goes to them slice by slice.
func (s *Server) forEach(ctx context.Context, t Target, f func(*loop, *netpoll.Conn, *session)) error {
	if t == (Target{}) {
		return s.visitAll(ctx, visitSlice, func(l *loop, c *netpoll.Conn, ss *session) {
			if l.users.anonymous(ss.who) {
				f(l, c, ss)
			}
		})
	}
	return s.onLoops(ctx, func(l *loop) { l.each(&t, f) })
}

// onLoops runs f on each loop and waits for all of them.
func (s *Server) onLoops(ctx context.Context, f func(*loop)) error {
	done := make(chan struct{}, len(s.loops)) // room for all: a loop never waits
	for _, l := range s.loops {
		l.net.Send(netpoll.Post{Kind: postOrder, Item: order{f, done}})
	}
	for range s.loops {
		select {
		case <-done:
		case <-ctx.Done():
			return ctx.Err()
		case <-s.stop:
			return ErrClosed
		}
	}
	return nil
}

// ErrClosed is what orders to a node get that has been closed.
var ErrClosed = errors.New("server: closed")

// order is something that a loop is to do.
type order struct {
	do   func(*loop)
	done chan<- struct{}
}

// each calls f for the connected conns on this loop of a target that has a user or a client.
func (l *loop) each(t *Target, f func(*loop, *netpoll.Conn, *session)) {
	if t.Client != "" {
		if id, ok := l.ids.parse(&l.idSpace, []byte(t.Client)); ok {
			l.visit(netpoll.ConnID(id), func(l *loop, c *netpoll.Conn, ss *session) {
				if string(l.users.appendUser(nil, ss.who)) == t.User {
					f(l, c, ss)
				}
			})
		}
		return
	}
	var ids []netpoll.ConnID // f may end sessions
	for slot := range l.users.sessions([]byte(t.User)) {
		ids = append(ids, l.net.ID(l.net.At(slot)))
	}
	for _, id := range ids {
		l.visit(id, f)
	}
}

// Presence returns who is in a room: in large rooms a part of them, the newest. Error 108 says that the room does
// not keep presence.
func (s *Server) Presence(room string) ([]Client, error) {
	ns, err := s.namespaceOf([]byte(room))
	if err != nil {
		return nil, err
	}
	if !ns.Presence {
		return nil, protocol.ErrNotAvailable
	}
	var clients []Client
	var space scratch
	for _, a := range s.hub.Presence([]byte(room), maxPresent) {
		who := parseInfo(a.Info)
		clients = append(clients, Client{
			ID:   string(s.ids.append(nil, &space, a.ID)),
			User: string(who.User),
			Info: who.ConnInfo,
		})
	}
	return clients, nil
}

// PresenceStats returns how many clients, and how many different users, are in a room.
func (s *Server) PresenceStats(room string) (clients, users int, err error) {
	ns, refusal := s.namespaceOf([]byte(room))
	if refusal != nil {
		return 0, 0, refusal
	}
	if !ns.Presence {
		return 0, 0, protocol.ErrNotAvailable
	}
	clients, users = s.hub.PresenceStats([]byte(room))
	return clients, users, nil
}

// RemoveHistory forgets a room's publications; epoch and offset go on.
func (s *Server) RemoveHistory(room string) error {
	ns, err := s.namespaceOf([]byte(room))
	switch {
	case err != nil:
		return err
	case !ns.history():
		return protocol.ErrNotAvailable
	}
	s.hub.RemoveHistory([]byte(room))
	return nil
}
