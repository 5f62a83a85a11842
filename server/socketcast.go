package server

import (
	"context"
	"slices"

	"github.com/seed4ac54ce5/edge/hub"
	"github.com/seed4ac54ce5/edge/netpoll"
	"github.com/seed4ac54ce5/edge/socketio/packet"
)

// What the node is told to do with sockets reaches a loop as acts of the hub's: each is done behind the broadcasts that came
// before it, so that a client receives what one goroutine has for it in the order of that goroutine's calls.

// socketAct is something that is to be done with sockets on a loop.
type socketAct struct {
	loop *loop
	do   func(l *loop) (more bool)
	done chan<- struct{} // nil if nobody waits
}

// Act implements [hub.Act].
func (a *socketAct) Act() (more bool) {
	if a.do(a.loop) {
		return true
	}
	if a.done != nil {
		a.done <- struct{}{}
	}
	return false
}

// socketEmit is a packet for one socket.
type socketEmit struct {
	loop     *loop
	socket   Socket
	kind     packet.Type
	id       uint64
	hasID    bool
	volatile bool
	SocketPacket
}

// Act implements [hub.Act].
func (e *socketEmit) Act() (more bool) {
	l := e.loop
	c, s, i := l.joinedSocket(e.socket)
	if i == 0 || e.volatile && !l.engineReady(c, s) {
		return false
	}
	defer l.guard(c)
	p := packet.Packet{
		Type: e.kind, Namespace: []byte(l.sockets.spaces[l.sockets.records.At(i).space].name), ID: e.id, HasID: e.hasID, Data: e.Data,
	}
	l.sendSocket(c, s, &p, e.Attachments)
	return false
}

// size is what an emit takes while it waits, in bytes.
func (e *socketEmit) size() int {
	n := len(e.Data) + 128
	for _, a := range e.Attachments {
		n += len(a)
	}
	return n
}

// follow takes what has been posted for sockets.
func (l *loop) follow(item any) {
	switch a := item.(type) {
	case *socketEmit:
		l.rosters.Follow(a, a.size())
	case *socketAct:
		l.rosters.Follow(a, 0)
	}
}

// walk does something with the sockets of a target that a loop has: they are listed when its turn comes.
type walk struct {
	target SocketTarget
	do     func(l *loop, c *netpoll.Conn, s *session, i uint32)
	found  bool
	list   []netpoll.ConnID // those who are left
}

// walkStride is how many sockets a walk serves before other work of the loop comes.
const walkStride = 32

// step serves some of those who are left.
func (w *walk) step(l *loop) (more bool) {
	if !w.found {
		w.found = true
		for _, m := range l.membersOf(&w.target) {
			w.list = append(w.list, l.net.ID(l.net.At(m.Slot())))
		}
	}
	n := min(walkStride, len(w.list))
	for _, id := range w.list[:n] {
		w.serve(l, id)
	}
	w.list = w.list[n:]
	return len(w.list) > 0
}

// serve serves one of them, if it is still there.
func (w *walk) serve(l *loop, id netpoll.ConnID) {
	c := l.net.Conn(id)
	if c == nil || c.Closing() {
		return
	}
	s := l.sessions.At(c.Slot())
	i := l.socketIn(s, []byte(w.target.Namespace))
	if i == 0 || !l.sockets.records.At(i).has(socketJoined) {
		return
	}
	defer l.guard(c)
	w.do(l, c, s, i)
}

// cast is a broadcast to sockets that no single room has.
type cast struct {
	walk
	pub     *hub.Publication // carries one reference for each loop
	reached []Socket         // only where somebody wants to know
}

// step is the walk's.
func (k *cast) step(l *loop) (more bool) {
	if k.walk.step(l) {
		return true
	}
	k.pub.Release()
	return false
}

// send sends the event to one socket, and reports whether it did.
func (k *cast) send(l *loop, c *netpoll.Conn, s *session) bool {
	if k.pub.Volatile && !l.engineReady(c, s) {
		return false
	}
	wire := l.wire(k.pub, s.wire.form())
	l.counts.MessagesOut++
	l.counts.PayloadOut += uint64(wirings[s.wire].payload(wire))
	if len(wire) > 0 && l.sendWire(c, s, wire) {
		k.pub.Keep()
	}
	return true
}

// membersOf returns those of a target on this loop, each once.
func (l *loop) membersOf(t *SocketTarget) (list []hub.Member) {
	r := &l.server.socketRooms
	if len(t.Rooms) == 0 {
		list = slices.Collect(l.rosters.Members(r.all(t.Namespace)))
	} else {
		list = l.union(t.Namespace, t.Rooms)
	}
	if len(t.Except) == 0 {
		return list
	}
	not := make(map[uint32]bool)
	for _, m := range l.union(t.Namespace, t.Except) {
		not[m.Slot()] = true
	}
	return slices.DeleteFunc(list, func(m hub.Member) bool { return not[m.Slot()] })
}

// union returns those in any of some rooms, each once.
func (l *loop) union(namespace string, rooms []string) (list []hub.Member) {
	seen := make(map[uint32]bool)
	add := func(m hub.Member) {
		if !seen[m.Slot()] {
			seen[m.Slot()] = true
			list = append(list, m)
		}
	}
	for _, room := range rooms {
		for m := range l.rosters.Members(l.server.socketRooms.hubRoom(namespace, room)) {
			if !l.server.socketRooms.mapped[namespace] || l.inNamespace(m, namespace) {
				add(m)
			}
		}
		if l.server.socketRooms.mapped[namespace] {
			for m := range l.rosters.Members([]byte(socketPrefix + namespace + "," + room)) { // the old id of one that has been recovered
				add(m)
			}
		}
		if c := l.namedBy(namespace, room); c != nil {
			add(hub.NewMember(c.Slot(), 0))
		}
	}
	return list
}

// inNamespace reports whether a member is a socket's in a namespace: of a channel others are members too.
func (l *loop) inNamespace(m hub.Member, namespace string) bool {
	s := l.sessions.At(m.Slot())
	return s.wire.isSocket() && l.socketIn(s, []byte(namespace)) != 0
}

// spaceOf returns the namespace of socket i.
func (l *loop) spaceOf(i uint32) string { return l.sockets.spaces[l.sockets.records.At(i).space].name }

// namedBy returns the session on this loop whose socket in the namespace has an id of its own that is the name of a room.
func (l *loop) namedBy(namespace, room string) *netpoll.Conn {
	k, ok := l.server.parseSocketID(room)
	if !ok || k.Conn.Loop() != l.net.Number() {
		return nil
	}
	c, _, i := l.joinedSocket(k)
	if i == 0 {
		return nil
	}
	if l.sockets.records.At(i).has(socketRenamed) || l.spaceOf(i) != namespace {
		return nil
	}
	return c
}

// onSockets does something with sockets on each of some loops, in its place, and waits for all of them.
func (s *Server) onSockets(ctx context.Context, loops []*loop, do func(*loop) (more bool)) error {
	done := make(chan struct{}, len(loops)) // room for all: a loop never waits
	for _, l := range loops {
		l.net.Send(netpoll.Post{Kind: postSocket, Item: &socketAct{l, do, done}})
	}
	for range loops {
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

// onSocket does something with one socket, if it is still there.
func (s *Server) onSocket(ctx context.Context, k Socket, do func(l *loop, c *netpoll.Conn, ss *session, i uint32) error) error {
	l := s.loopOf(k)
	if l == nil {
		return ErrNoSocket
	}
	result := make(chan error, 1)
	err := s.onSockets(ctx, []*loop{l}, func(l *loop) bool {
		err := ErrNoSocket
		if c, ss, i := l.joinedSocket(k); i != 0 {
			func() {
				defer l.guard(c)
				err = do(l, c, ss, i)
			}()
		}
		result <- err
		return false
	})
	if err != nil {
		return err
	}
	return <-result
}

// loopOf returns the loop of a socket, nil for one that no socket has.
func (s *Server) loopOf(k Socket) *loop {
	if n := k.Conn.Loop(); k.Serial != 0 && n < len(s.loops) {
		return s.loops[n]
	}
	return nil
}

// eachSocket does something with the sockets of a target.
func (s *Server) eachSocket(ctx context.Context, t SocketTarget, do func(l *loop, c *netpoll.Conn, ss *session, i uint32)) error {
	walks := make([]walk, len(s.loops))
	for n := range walks {
		walks[n] = walk{target: t, do: do}
	}
	return s.onSockets(ctx, s.loops, func(l *loop) bool { return walks[l.net.Number()].step(l) })
}
