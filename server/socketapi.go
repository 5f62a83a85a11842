package server

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"sync"

	"github.com/seed4ac54ce5/edge/hub"
	"github.com/seed4ac54ce5/edge/netpoll"
	"github.com/seed4ac54ce5/edge/protocol"
	"github.com/seed4ac54ce5/edge/socketio/packet"
)

// ErrNoSocket says that a socket has left its namespace, or was never there.
var ErrNoSocket = errors.New("server: no such socket")

// SocketID returns the id that a socket has unless [SocketWelcome] has another for it.
func (s *Server) SocketID(k Socket) string {
	var space scratch
	return string(s.socketIDs.append(nil, &space, uint64(k.Conn), k.Serial))
}

// parseSocketID returns the socket whose id SocketID makes.
func (s *Server) parseSocketID(id string) (k Socket, ok bool) {
	var space scratch
	conn, serial, ok := s.socketIDs.parse(&space, []byte(id))
	return Socket{netpoll.ConnID(conn), serial}, ok && serial != 0
}

// socketNamed returns the socket that has an id now: a recovered one has that of another.
func (s *Server) socketNamed(id string) (k Socket, ok bool) {
	if v, ok := s.renamed.Load(id); ok {
		return v.(Socket), true
	}
	return s.parseSocketID(id)
}

// EmitSocket sends an event to one socket, if it is still there. It never blocks. Any goroutine.
func (s *Server) EmitSocket(k Socket, p SocketPacket, o EmitOptions) {
	s.emit(&socketEmit{socket: k, kind: packet.Event, id: o.AckID, hasID: o.WantsAck, volatile: o.Volatile, SocketPacket: p})
}

// AckSocket answers an event. It never blocks. Any goroutine.
func (s *Server) AckSocket(k Socket, id uint64, p SocketPacket) {
	s.emit(&socketEmit{socket: k, kind: packet.Ack, id: id, hasID: true, SocketPacket: p})
}

func (s *Server) emit(e *socketEmit) {
	if e.loop = s.loopOf(e.socket); e.loop != nil && isArray(e.Data) {
		e.loop.net.Send(netpoll.Post{Kind: postSocket, Item: e})
	}
}

// Broadcast sends an event to the sockets of a target. What one goroutine broadcasts and emits reaches each client in the order of
// the calls. In a room that is a channel the event is a publication, which the channel's history keeps; a socket in several of them gets the first. It never blocks. The errors
// are ErrPacket, and in channels ErrNotForRooms and those of a publish. Any goroutine.
func (s *Server) Broadcast(t SocketTarget, p SocketPacket, o EmitOptions) error {
	switch {
	case !isArray(p.Data):
		return ErrPacket
	case s.socketRooms.mapped[t.Namespace] && len(t.Rooms) > 0:
		return s.broadcastChannels(&t, &p, &o)
	}
	except, simple := s.single(&t)
	if !simple {
		return s.cast(&t, &p, &o)
	}
	pub := s.eventOf(&t, &p, &o)
	pub.Except = except
	if len(t.Rooms) == 0 {
		_, err := s.hub.Publish(s.socketRooms.id, s.socketRooms.all(t.Namespace), pub, hub.PublishOptions{})
		return err
	}
	if k, ok := s.parseSocketID(t.Rooms[0]); ok {
		s.emitNamed(k, &t, &p, &o)
	}
	_, err := s.hub.Publish(s.socketRooms.id, s.socketRooms.hubRoom(t.Namespace, t.Rooms[0]), pub, hub.PublishOptions{})
	return err
}

// single reports whether a target is the members of one hub room, but for a conn at most.
func (s *Server) single(t *SocketTarget) (except uint64, ok bool) {
	if len(t.Rooms) > 1 || len(t.Except) > 1 {
		return 0, false
	}
	if len(t.Except) == 0 {
		return 0, true
	}
	k, ok := s.socketNamed(t.Except[0])
	return uint64(k.Conn), ok
}

// emitNamed sends an event to the socket whose id is the name of a room, unless the target excepts it.
func (s *Server) emitNamed(k Socket, t *SocketTarget, p *SocketPacket, o *EmitOptions) {
	l := s.loopOf(k)
	if l == nil || len(t.Except) > 0 && t.Except[0] == t.Rooms[0] {
		return
	}
	e := &socketEmit{loop: l, socket: k, kind: packet.Event, id: o.AckID, hasID: o.WantsAck, volatile: o.Volatile, SocketPacket: *p}
	namespace, room := t.Namespace, t.Rooms[0]
	l.net.Send(netpoll.Post{Kind: postSocket, Item: &socketAct{l, func(l *loop) bool {
		if _, _, i := l.joinedSocket(k); i != 0 && l.spaceOf(i) == namespace && l.idOf(k) == room {
			return e.Act()
		}
		return false
	}, nil}})
}

// eventOf returns what is published for a broadcast.
func (s *Server) eventOf(t *SocketTarget, p *SocketPacket, o *EmitOptions) *hub.Publication {
	pub := hub.NewPublication()
	pub.Data = append(pub.Data, p.Data...)
	pub.Info = appendExtra(pub.Info, p, o)
	pub.Volatile = o.Volatile
	pub.Room = append(pub.Room[:0], s.socketRooms.all(t.Namespace)...)
	return pub
}

// cast has each loop find those of a target that it has.
func (s *Server) cast(t *SocketTarget, p *SocketPacket, o *EmitOptions) error {
	pub := s.eventOf(t, p, o)
	for _, l := range s.loops {
		pub.Retain()
		k := &cast{pub: pub}
		k.walk = walk{target: *t, do: func(l *loop, c *netpoll.Conn, ss *session, _ uint32) { k.send(l, c, ss) }}
		l.net.Send(netpoll.Post{Kind: postSocket, Item: &socketAct{loop: l, do: k.step}})
	}
	pub.Release()
	return nil
}

// BroadcastTo is Broadcast that returns, when it is done, who has been sent the event. In channels other clients than sockets do not get
// it. The errors are ErrPacket, [ErrClosed] and ctx's. Any goroutine but a loop's.
func (s *Server) BroadcastTo(ctx context.Context, t SocketTarget, p SocketPacket, o EmitOptions) ([]Socket, error) {
	if !isArray(p.Data) {
		return nil, ErrPacket
	}
	pub := s.eventOf(&t, &p, &o)
	defer pub.Release()
	casts := make([]cast, len(s.loops))
	for i := range casts {
		pub.Retain()
		k := &casts[i]
		k.pub = pub
		k.walk = walk{target: t, do: func(l *loop, c *netpoll.Conn, ss *session, i uint32) {
			if k.send(l, c, ss) {
				k.reached = append(k.reached, Socket{l.net.ID(c), l.sockets.records.At(i).serial})
			}
		}}
	}
	err := s.onSockets(ctx, s.loops, func(l *loop) bool { return casts[l.net.Number()].step(l) })
	if err != nil {
		return nil, err
	}
	var all []Socket
	for i := range casts {
		all = append(all, casts[i].reached...)
	}
	return all, nil
}

// broadcastChannels publishes an event in rooms that are channels.
func (s *Server) broadcastChannels(t *SocketTarget, p *SocketPacket, o *EmitOptions) error {
	except, ok := s.single(&SocketTarget{Except: t.Except})
	if !ok || len(p.Attachments) > 0 || o.WantsAck {
		return ErrNotForRooms
	}
	name, args, n, ok := splitEvent(p.Data)
	if !ok {
		return ErrPacket
	}
	tags := map[string]string{tagEvent: name}
	if n != 1 {
		args = append(append([]byte{'['}, args...), ']')
		tags[tagArgs] = strconv.Itoa(n)
	}
	var before [][]byte
	for _, room := range t.Rooms {
		if k, ok := s.socketNamed(room); ok {
			s.emitNamed(k, &SocketTarget{Namespace: t.Namespace, Rooms: []string{room}, Except: t.Except}, p, o)
			continue
		}
		name := s.socketRooms.hubRoom(t.Namespace, room)
		if err := s.publishEvent(name, args, PublishOptions{Tags: tags, Ephemeral: o.Volatile}, except, before); err != nil {
			return err
		}
		before = append(before, name)
	}
	return nil
}

// publishEvent publishes an event in one channel. Sockets that are in those before too have it from there.
func (s *Server) publishEvent(room, data []byte, o PublishOptions, except uint64, before [][]byte) error {
	ns, refusal := s.namespaceOf(room)
	switch {
	case refusal != nil:
		return refusal
	case !ns.takes(data):
		return protocol.ErrBadRequest
	}
	pub := o.publication(data)
	pub.Except, pub.Volatile, pub.Before = except, o.Ephemeral, before
	if _, err := s.hub.Publish(ns.id, room, pub, o.forHub()); err != nil && err != hub.ErrStoring {
		return publishError(err)
	}
	return nil
}

// splitEvent takes an event's array apart: its name, its other elements as they stand, and how many these are.
func splitEvent(data []byte) (name string, args []byte, n int, ok bool) {
	first, rest, n, err := packet.Elements(data)
	if err != nil || n == 0 {
		return "", nil, 0, false
	}
	return packet.Text(first), rest, n - 1, true
}

// CountSockets returns how many sockets a target has. Any goroutine but a loop's.
func (s *Server) CountSockets(ctx context.Context, t SocketTarget) (int, error) {
	all, err := s.socketsOf(ctx, t)
	return len(all), err
}

// socketsOf lists the sockets of a target.
func (s *Server) socketsOf(ctx context.Context, t SocketTarget) (all []Socket, err error) {
	var mu sync.Mutex
	err = s.eachSocket(ctx, t, func(l *loop, c *netpoll.Conn, _ *session, i uint32) {
		mu.Lock()
		defer mu.Unlock()
		all = append(all, Socket{l.net.ID(c), l.sockets.records.At(i).serial})
	})
	return all, err
}

// Sockets lists the sockets of a target. Any goroutine but a loop's.
func (s *Server) Sockets(ctx context.Context, t SocketTarget) ([]SocketInfo, error) {
	all := make([][]SocketInfo, len(s.loops))
	err := s.eachSocket(ctx, t, func(l *loop, c *netpoll.Conn, ss *session, i uint32) {
		k := Socket{l.net.ID(c), l.sockets.records.At(i).serial}
		mine := &all[l.net.Number()]
		*mine = append(*mine, SocketInfo{k, s.SocketID(k), l.roomsOf(ss, strings.Clone(t.Namespace))})
	})
	if err != nil {
		return nil, err
	}
	var infos []SocketInfo
	for _, some := range all {
		infos = append(infos, some...)
	}
	return infos, nil
}

// JoinSocket puts a socket into rooms and returns when it is there: what is broadcast then reaches it. The errors are ErrNoSocket,
// ErrRoomName, ErrRoomLimit, in channels that there are none of such names, [ErrClosed] and ctx's. Any goroutine but a loop's.
func (s *Server) JoinSocket(ctx context.Context, k Socket, rooms ...string) error {
	return s.onSocket(ctx, k, func(l *loop, c *netpoll.Conn, ss *session, i uint32) error {
		for _, room := range rooms {
			if err := l.joinRoom(c, ss, i, room); err != nil {
				return err
			}
		}
		return nil
	})
}

// LeaveSocket takes a socket out of rooms. What has been broadcast there before still reaches it. Any goroutine but a loop's.
func (s *Server) LeaveSocket(ctx context.Context, k Socket, rooms ...string) error {
	return s.onSocket(ctx, k, func(l *loop, c *netpoll.Conn, ss *session, i uint32) error {
		l.leaveRooms(c, ss, i, rooms)
		return nil
	})
}

// leaveRooms takes the session's socket i out of rooms.
func (l *loop) leaveRooms(c *netpoll.Conn, s *session, i uint32, rooms []string) {
	k := l.sockets.records.At(i)
	namespace := l.sockets.spaces[k.space].name
	own := l.idOf(Socket{l.net.ID(c), k.serial})
	for _, room := range rooms {
		if room != own && l.server.socketRooms.check(namespace, room) == nil {
			l.exitRoom(c, s, l.server.socketRooms.hubRoom(namespace, room))
		}
	}
}

// JoinSockets is JoinSocket for all sockets of a target. Of several errors it returns one, and the other sockets are in.
func (s *Server) JoinSockets(ctx context.Context, t SocketTarget, rooms ...string) error {
	var mu sync.Mutex
	var first error
	err := s.eachSocket(ctx, t, func(l *loop, c *netpoll.Conn, ss *session, i uint32) {
		for _, room := range rooms {
			if err := l.joinRoom(c, ss, i, room); err != nil {
				mu.Lock()
				first = err
				mu.Unlock()
			}
		}
	})
	if err != nil {
		return err
	}
	return first
}

// LeaveSockets is LeaveSocket for all sockets of a target.
func (s *Server) LeaveSockets(ctx context.Context, t SocketTarget, rooms ...string) error {
	return s.eachSocket(ctx, t, func(l *loop, c *netpoll.Conn, ss *session, i uint32) { l.leaveRooms(c, ss, i, rooms) })
}

// SocketRooms returns the rooms that a socket is in, without that of its id. Any goroutine but a loop's.
func (s *Server) SocketRooms(ctx context.Context, k Socket) (rooms []string, err error) {
	err = s.onSocket(ctx, k, func(l *loop, _ *netpoll.Conn, ss *session, i uint32) error {
		rooms = l.roomsOf(ss, l.sockets.spaces[l.sockets.records.At(i).space].name)
		return nil
	})
	return rooms, err
}

// DisconnectSocket ends a socket, or with all its whole session, behind what has been sent to it. It never blocks. Any goroutine.
func (s *Server) DisconnectSocket(k Socket, all bool) {
	l := s.loopOf(k)
	if l == nil {
		return
	}
	l.net.Send(netpoll.Post{Kind: postSocket, Item: &socketAct{loop: l, do: func(l *loop) bool {
		if c, ss, i := l.joinedSocket(k); i != 0 {
			l.disconnectSocket(c, ss, i, all)
		}
		return false
	}}})
}

// disconnectSocket ends the session's socket i, or all of the session.
func (l *loop) disconnectSocket(c *netpoll.Conn, s *session, i uint32, all bool) {
	defer l.guard(c)
	if !all {
		l.dismissSocket(c, s, i)
		return
	}
	l.dismissSockets(c, s)
	l.endEngine(c, s, reasonForcedClose)
}

// DropSocket ends the session of a socket as if its connection had failed, so that its client may come back, to all namespaces that
// it was in. It never blocks. Any goroutine.
func (s *Server) DropSocket(k Socket) {
	l := s.loopOf(k)
	if l == nil {
		return
	}
	l.net.Send(netpoll.Post{Kind: postSocket, Item: &socketAct{loop: l, do: func(l *loop) bool {
		if c, ss, i := l.socketOf(k); i != 0 {
			defer l.guard(c)
			l.endEngine(c, ss, reasonTransportError)
		}
		return false
	}}})
}

// DisconnectSockets is DisconnectSocket for all sockets of a target. Any goroutine.
func (s *Server) DisconnectSockets(t SocketTarget, all bool) {
	for _, l := range s.loops {
		w := &walk{target: t, do: func(l *loop, c *netpoll.Conn, ss *session, i uint32) { l.disconnectSocket(c, ss, i, all) }}
		l.net.Send(netpoll.Post{Kind: postSocket, Item: &socketAct{loop: l, do: w.step}})
	}
}
