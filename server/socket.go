package server

import (
	"github.com/seed4ac54ce5/edge/hub"
	"github.com/seed4ac54ce5/edge/internal/slab"
	"github.com/seed4ac54ce5/edge/netpoll"
	"github.com/seed4ac54ce5/edge/socketio/packet"
)

// socket is a membership of a session in a namespace, or one that the application decides about.
type socket struct {
	serial uint32 // of its session's sockets
	space  uint32 // index into sockets.spaces
	next   uint32 // of the same session
	flags  uint32
}

// Link returns the field that the free list runs through.
func (k *socket) Link() *uint32 { return &k.next }

// The flags of a socket.
const (
	socketJoined  uint32 = 1 << iota // the client has been let in
	socketRenamed                    // its id is in sockets.names
)

func (k *socket) has(flag uint32) bool { return k.flags&flag != 0 }

// space is a namespace with sockets on a loop.
type space struct {
	name string
	all  []byte // the hub room of all of it
	n    int    // sockets
}

// sockets are those of a loop's sessions. Loop goroutine only.
type sockets struct {
	records slab.Slab[socket, *socket]
	spaces  []space // by index; 0 is none
	byName  map[string]uint32
	free    []uint32
	names   map[Socket]string // ids of sockets that have another than their own
	boxes   map[netpoll.ConnID]*mailbox
	waiting []*mailbox // those that the pool has had no room for
	halves  map[netpoll.ConnID]*halfPacket
	rests   map[netpoll.ConnID][]byte // of payloads of sessions that are not read

	handshakes handshakes
	answers    socketAnswers // any goroutine

	// Scratch space, good within one call.
	packet packet.Packet
	text   []byte
	json   []byte
	parts  [][]byte
}

func newSockets() sockets {
	return sockets{
		spaces: make([]space, 1),
		byName: make(map[string]uint32),
		names:  make(map[Socket]string),
		boxes:  make(map[netpoll.ConnID]*mailbox),
		halves: make(map[netpoll.ConnID]*halfPacket),
		rests:  make(map[netpoll.ConnID][]byte),

		handshakes: newHandshakes(),
	}
}

// enter returns the index of a namespace that has one socket more.
func (t *sockets) enter(name string) uint32 {
	i, ok := t.byName[name]
	if !ok {
		i = uint32(len(t.spaces))
		if n := len(t.free); n > 0 {
			i = t.free[n-1]
			t.free = t.free[:n-1]
		} else {
			t.spaces = append(t.spaces, space{})
		}
		t.spaces[i] = space{name: name, all: []byte(socketPrefix + name)}
		t.byName[name] = i
	}
	t.spaces[i].n++
	return i
}

// exit takes a socket from namespace i, which is forgotten with its last one.
func (t *sockets) exit(i uint32) {
	p := &t.spaces[i]
	if p.n--; p.n == 0 {
		delete(t.byName, p.name)
		*p = space{}
		t.free = append(t.free, i)
	}
}

// engineOpened begins a session of Socket.IO on c, whose handshake is the request in hand.
func (l *loop) engineOpened(c *netpoll.Conn, s *session) {
	s.wire = l.socketWire(s)
	if !l.server.config.SocketIO.NoHandshakes {
		l.sockets.handshakes.keep(l.net.ID(c), &l.request)
	}
}

// socketWire returns the form in which a session gets events.
func (l *loop) socketWire(s *session) wireForm {
	w := wireSocketText
	switch {
	case s.has(flagPolling):
		w = wireSocketPoll
	case l.engineOf(s).has(engineBase64):
		w = wireSocketBase64
	}
	if l.server.config.SocketIO.MessagePack {
		w += wireSocketPack - wireSocketText
	}
	return w
}

// changeWire has a session whose transport has changed get events in its form.
func (l *loop) changeWire(s *session) {
	s.wire = l.socketWire(s)
	l.rosters.SetForm(&s.subs, func(f hub.Form) hub.Form { return s.wire.form() | f&formJoinLeave })
}

// tell calls the application from the loop, and returns its panic.
func (l *loop) tell(f func(SocketApp)) (err error) {
	defer l.server.contain(&err)
	f(l.server.config.SocketIO.App)
	return nil
}

// tellGone tells the application that nothing comes from a socket any more.
func (l *loop) tellGone(whose Socket) {
	if err := l.tell(func(app SocketApp) { app.Gone(whose) }); err != nil {
		l.counts.Panics++
		l.server.report(fault{conn: whose.Conn, what: err.Error()})
	}
}

// socketFault ends a session for which the application has failed.
func (l *loop) socketFault(c *netpoll.Conn, err error) {
	l.counts.Panics++
	l.server.report(fault{conn: l.net.ID(c), what: err.Error()})
	l.endEngine(c, l.sessions.At(c.Slot()), reasonForcedClose)
}

// socketIn returns the index of a session's socket in a namespace, 0 for none.
func (l *loop) socketIn(s *session, namespace []byte) uint32 {
	if s.engine == 0 {
		return 0
	}
	t := &l.sockets
	for i := l.engineOf(s).sockets; i != 0; i = t.records.At(i).next {
		if t.spaces[t.records.At(i).space].name == string(namespace) {
			return i
		}
	}
	return 0
}

// socketOf returns the session of a socket and its index; nil if it has ended.
func (l *loop) socketOf(k Socket) (c *netpoll.Conn, s *session, i uint32) {
	if c = l.net.Conn(k.Conn); c == nil || c.Closing() {
		return nil, nil, 0
	}
	s = l.sessions.At(c.Slot())
	if s.state != stateEngine || s.engine == 0 {
		return nil, nil, 0
	}
	for i = l.engineOf(s).sockets; i != 0; i = l.sockets.records.At(i).next {
		if l.sockets.records.At(i).serial == k.Serial {
			return c, s, i
		}
	}
	return nil, nil, 0
}

// joinedSocket is socketOf for sockets that have been let in.
func (l *loop) joinedSocket(k Socket) (c *netpoll.Conn, s *session, i uint32) {
	if c, s, i = l.socketOf(k); i != 0 && l.sockets.records.At(i).has(socketJoined) {
		return c, s, i
	}
	return nil, nil, 0
}

// Why a socket has ended, besides the reasons of its session.
const (
	reasonClientLeft = "client namespace disconnect"
	reasonServerLeft = "server namespace disconnect"
)

// leaveSocket ends a socket, whose session goes on.
func (l *loop) leaveSocket(c *netpoll.Conn, s *session, i uint32, reason string) {
	k := *l.sockets.records.At(i)
	namespace := l.sockets.spaces[k.space].name
	rooms := l.roomsOf(s, namespace)
	whose := Socket{l.net.ID(c), k.serial}
	for _, room := range rooms {
		l.exitRoom(c, s, l.server.socketRooms.hubRoom(namespace, room))
	}
	if id, ok := l.sockets.names[whose]; ok {
		l.exitRoom(c, s, []byte(socketPrefix+namespace+","+id))
	}
	l.exitRoom(c, s, l.sockets.spaces[k.space].all)
	l.freeSocket(s, i)
	l.tellGone(whose)
	l.call(c, s, socketCall{kind: callDisconnect, socket: whose, namespace: namespace, reason: reason, rooms: rooms})
}

// freeSocket takes a socket, which is in no room, out of its session.
func (l *loop) freeSocket(s *session, i uint32) {
	t, e := &l.sockets, l.engineOf(s)
	at := &e.sockets
	for *at != i {
		at = &t.records.At(*at).next
	}
	k := t.records.At(i)
	*at = k.next
	if k.has(socketRenamed) {
		whose := Socket{e.owner, k.serial}
		l.server.renamed.CompareAndDelete(t.names[whose], whose)
		delete(t.names, whose)
	}
	t.exit(k.space)
	t.records.Free(i)
}

// engineClosed ends all sockets of a session.
func (l *loop) engineClosed(c *netpoll.Conn, s *session, reason string) {
	t, e, id := &l.sockets, l.engineOf(s), l.net.ID(c)
	l.dropHalf(id)
	t.handshakes.forget(id)
	l.takeRest(id)
	box := t.boxes[id]
	for e.sockets != 0 {
		i := e.sockets
		k := *t.records.At(i)
		namespace := t.spaces[k.space].name
		if k.has(socketJoined) {
			last := socketCall{kind: callDisconnect, socket: Socket{id, k.serial}, namespace: namespace, reason: reason, rooms: l.roomsOf(s, namespace)}
			if box == nil {
				box = l.newMailbox(id)
			}
			l.tellGone(last.socket)
			l.deposit(box, last)
		}
		l.freeSocket(s, i)
	}
	delete(t.boxes, id)
	l.rosters.LeaveAll(&s.subs)
	l.forget(id, nil)
}

// dismissSockets tells a client to leave all its namespaces for good.
func (l *loop) dismissSockets(c *netpoll.Conn, s *session) {
	t := &l.sockets
	for e := l.engineOf(s); e.sockets != 0; {
		i := e.sockets
		if k := t.records.At(i); k.has(socketJoined) {
			l.dismissSocket(c, s, i)
		} else {
			l.freeSocket(s, i)
		}
	}
}

// dismissSocket ends a socket as the server's decision.
func (l *loop) dismissSocket(c *netpoll.Conn, s *session, i uint32) {
	namespace := l.sockets.spaces[l.sockets.records.At(i).space].name
	l.sendSocket(c, s, &packet.Packet{Type: packet.Disconnect, Namespace: []byte(namespace)}, nil)
	l.leaveSocket(c, s, i, reasonServerLeft)
}
