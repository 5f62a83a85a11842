package server

import (
	"bytes"
	"strconv"

	"github.com/seed4ac54ce5/edge/hub"
	"github.com/seed4ac54ce5/edge/internal/slab"
	"github.com/seed4ac54ce5/edge/metrics"
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

// halfPacket is a packet that waits for attachments.
type halfPacket struct {
	packet packet.Packet
	parts  [][]byte
	bytes  int
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

// enginePacket serves a message of text.
func (l *loop) enginePacket(c *netpoll.Conn, s *session, text []byte) {
	config, p := l.server.config.SocketIO, &l.sockets.packet
	if config.MessagePack || l.sockets.halves[l.net.ID(c)] != nil {
		l.failSocket(c, s)
		return
	}
	limits := packet.Limits{Attachments: config.Limits.Attachments, Depth: config.Limits.Depth}
	switch err := packet.Parse(text, &limits, p); {
	case err != nil:
		l.failSocket(c, s)
	case p.Type.IsBinary():
		l.await(c, s, p)
	default:
		l.takeSocketPacket(c, s, p, nil)
	}
}

// await keeps a packet until its attachments have come.
func (l *loop) await(c *netpoll.Conn, s *session, p *packet.Packet) {
	k := l.socketIn(s, p.Namespace)
	if k == 0 || !l.sockets.records.At(k).has(socketJoined) || !l.server.inputs.Fits(len(p.Data)) {
		l.failSocket(c, s)
		return
	}
	h := &halfPacket{packet: *p}
	h.packet.Namespace, h.packet.Data = bytes.Clone(p.Namespace), bytes.Clone(p.Data)
	h.bytes = len(p.Data)
	l.server.inputs.Add(h.bytes)
	l.sockets.halves[l.net.ID(c)] = h
	l.limitEngine(c, s, l.server.config.SocketIO.Limits.AttachmentTimeout)
}

// engineBinary serves a message of bytes.
func (l *loop) engineBinary(c *netpoll.Conn, s *session, data []byte) {
	t := &l.sockets
	if l.server.config.SocketIO.MessagePack {
		l.takePacked(c, s, data)
		return
	}
	h := t.halves[l.net.ID(c)]
	if h == nil || !l.server.inputs.Fits(len(data)) {
		l.failSocket(c, s)
		return
	}
	h.parts = append(h.parts, bytes.Clone(data))
	h.bytes += len(data)
	l.server.inputs.Add(len(data))
	if len(h.parts) == h.packet.Attachments {
		l.dropHalf(l.net.ID(c))
		l.limitEngine(c, s, 0)
		l.takeSocketPacket(c, s, &h.packet, h.parts)
	}
}

// dropHalf forgets a packet that waits for attachments.
func (l *loop) dropHalf(id netpoll.ConnID) {
	if h := l.sockets.halves[id]; h != nil {
		l.server.inputs.Add(-h.bytes)
		delete(l.sockets.halves, id)
	}
}

// takePacked serves a MessagePack packet.
func (l *loop) takePacked(c *netpoll.Conn, s *session, data []byte) {
	t, config := &l.sockets, l.server.config.SocketIO
	limits := packet.Limits{Attachments: config.Limits.Attachments, Depth: config.Limits.Depth}
	var err error
	t.json, t.parts, err = packet.ParsePack(data, &limits, t.json[:0], t.parts[:0], &t.packet)
	if err != nil {
		l.failSocket(c, s)
		return
	}
	parts := make([][]byte, len(t.parts))
	for i, b := range t.parts {
		parts[i] = bytes.Clone(b)
	}
	clear(t.parts)
	l.takeSocketPacket(c, s, &t.packet, parts)
	t.json = trim(t.json)
}

// failSocket ends a session whose client has broken a rule of Socket.IO.
func (l *loop) failSocket(c *netpoll.Conn, s *session) { l.failEngine(c, s, reasonForcedClose) }

// takeSocketPacket serves a whole packet. Its slices are good until it returns, its attachments for ever.
func (l *loop) takeSocketPacket(c *netpoll.Conn, s *session, p *packet.Packet, parts [][]byte) {
	i := l.socketIn(s, p.Namespace)
	switch {
	case p.Type == packet.Connect && i == 0:
		l.connectSocket(c, s, p)
		return
	case i == 0 || !l.sockets.records.At(i).has(socketJoined):
		l.failSocket(c, s)
		return
	}
	k := l.sockets.records.At(i)
	whose := Socket{l.net.ID(c), k.serial}
	switch p.Type.Plain() {
	case packet.Event:
		if p.Data != nil {
			l.eventOf(c, s, whose, k, p, parts)
		}
	case packet.Ack:
		if p.HasID {
			l.ackOf(c, whose, p, parts)
		}
	case packet.Disconnect:
		l.leaveSocket(c, s, i, reasonClientLeft)
	default:
		l.failSocket(c, s)
	}
}

// Why a socket has ended, besides the reasons of its session.
const (
	reasonClientLeft = "client namespace disconnect"
	reasonServerLeft = "server namespace disconnect"
)

// eventOf hands an event to the application.
func (l *loop) eventOf(c *netpoll.Conn, s *session, whose Socket, k *socket, p *packet.Packet, parts [][]byte) {
	e := &SocketEvent{Namespace: l.sockets.spaces[k.space].name, AckID: p.ID, HasAck: p.HasID}
	e.SocketPacket = SocketPacket{bytes.Clone(p.Data), parts}
	l.call(c, s, socketCall{kind: callEvent, socket: whose, event: e})
}

// ackOf hands an acknowledgement to the application, past whatever that is doing for the session.
func (l *loop) ackOf(c *netpoll.Conn, whose Socket, p *packet.Packet, parts [][]byte) {
	answer := SocketPacket{bytes.Clone(p.Data), parts}
	if p.Data == nil {
		answer.Data = []byte("[]")
	}
	if err := l.tell(func(app SocketApp) { app.Ack(whose, p.ID, answer) }); err != nil {
		l.socketFault(c, err)
	}
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

// connectSocket has the application decide about a client that wants to enter a namespace.
func (l *loop) connectSocket(c *netpoll.Conn, s *session, p *packet.Packet) {
	config, t := l.server.config.SocketIO, &l.sockets
	n := 0
	for i := l.engineOf(s).sockets; i != 0; i = t.records.At(i).next {
		n++
	}
	switch {
	case len(p.Namespace) > maxNamespaceName:
		l.denySocket(c, s, p.Namespace, &SocketRefusal{Message: "Invalid namespace"})
		return
	case n >= config.Limits.Namespaces:
		l.reject(c, metrics.RejectPolicy)
		l.denySocket(c, s, p.Namespace, &SocketRefusal{Message: "too many namespaces"})
		return
	}
	e, name := l.engineOf(s), string(p.Namespace)
	e.serials++
	i := t.records.Alloc()
	*t.records.At(i) = socket{serial: e.serials, space: t.enter(name), next: e.sockets}
	e.sockets = i
	whose := Socket{l.net.ID(c), e.serials}
	l.call(c, s, socketCall{kind: callConnect, socket: whose, connect: &SocketConnect{
		Socket: whose, ID: l.server.SocketID(whose), Namespace: name, Auth: bytes.Clone(p.Data), Handshake: l.handshakeOf(c, s),
	}})
}

// denySocket answers a client that is not let in.
func (l *loop) denySocket(c *netpoll.Conn, s *session, namespace []byte, why *SocketRefusal) {
	data := packet.AppendString([]byte(`{"message":`), []byte(why.Message))
	if why.Data != nil {
		data = append(append(data, `,"data":`...), why.Data...)
	}
	l.sendSocket(c, s, &packet.Packet{Type: packet.ConnectError, Namespace: namespace, Data: append(data, '}')}, nil)
}

// sendSocket sends a packet with its attachments.
func (l *loop) sendSocket(c *netpoll.Conn, s *session, p *packet.Packet, attachments [][]byte) {
	t := &l.sockets
	if len(attachments) > 0 {
		p.Attachments = len(attachments)
		p.Type = map[packet.Type]packet.Type{packet.Event: packet.BinaryEvent, packet.Ack: packet.BinaryAck}[p.Type]
	}
	if l.server.config.SocketIO.MessagePack {
		packed, err := packet.AppendPack(t.text[:0], p, attachments)
		if err != nil {
			l.server.report(fault{conn: l.net.ID(c), what: "packet for MessagePack: " + err.Error()})
			return
		}
		l.sendBinary(c, s, packed)
		t.text = trim(packed)
		return
	}
	t.text = packet.Append(t.text[:0], p)
	l.sendText(c, s, t.text)
	t.text = trim(t.text)
	for _, a := range attachments {
		l.sendBinary(c, s, a)
	}
}

// socketAnswer is what the application has said about a client at the door of a namespace.
type socketAnswer struct {
	socket    Socket
	namespace string
	welcome   SocketWelcome
	err       error
}

// end is the call that follows an answer which has come to nothing: a disconnect without a reason.
func (a *socketAnswer) end() socketCall {
	return socketCall{kind: callDisconnect, socket: a.socket, namespace: a.namespace}
}

// finishConnect lets a client into a namespace, or does not.
func (l *loop) finishConnect(a *socketAnswer) {
	l.sockets.answers.remove(a)
	defer a.welcome.joined()
	c, s, i := l.socketOf(a.socket)
	if i == 0 {
		if a.err == nil { // the application has let it in, so it is told of the end
			a.welcome.joined()
			l.lastCall(a.end())
		}
		return
	}
	defer l.guard(c)
	if a.err == nil {
		l.welcomeSocket(c, s, i, a)
		return
	}
	l.freeSocket(s, i)
	l.denySocket(c, s, []byte(a.namespace), l.refusalOf(c, a.err))
}

// joined calls Joined, unless it has been called.
func (w *SocketWelcome) joined() {
	if f := w.Joined; f != nil {
		w.Joined = nil
		f()
	}
}

// refusalOf returns what a client is told of an error.
func (l *loop) refusalOf(c *netpoll.Conn, err error) *SocketRefusal {
	if why, ok := err.(*SocketRefusal); ok {
		return why
	}
	l.server.report(fault{conn: l.net.ID(c), what: err.Error()})
	return &SocketRefusal{Message: "internal error"}
}

// welcomeSocket makes a client a member of its namespace.
func (l *loop) welcomeSocket(c *netpoll.Conn, s *session, i uint32, a *socketAnswer) {
	w, t := &a.welcome, &l.sockets
	if why := l.takeSocket(c, s, w.Grant); why != nil {
		if s.state == stateEngine {
			l.freeSocket(s, i)
			l.denySocket(c, s, []byte(a.namespace), refusalOfError(why))
		}
		w.joined()
		l.call(c, s, a.end())
		return
	}
	id := l.server.SocketID(a.socket)
	k := t.records.At(i)
	k.flags |= socketJoined
	if t.halves[a.socket.Conn] == nil { // else it is the attachments that are waited for
		l.limitEngine(c, s, 0)
	}
	if !l.server.config.SocketIO.KeepHandshakes {
		t.handshakes.expire(a.socket.Conn, l.net.Now()+handshakeKept)
		l.keepTime()
	}
	namespace := t.spaces[k.space].name
	l.enterRoom(c, s, t.spaces[k.space].all)
	if w.ID != "" && w.ID != id {
		id = w.ID
		k.flags |= socketRenamed
		t.names[a.socket] = id
		l.server.renamed.Store(id, a.socket)
		l.enterRoom(c, s, []byte(socketPrefix+namespace+","+id))
	}
	for _, room := range w.Rooms {
		if err := l.joinRoom(c, s, i, room); err != nil {
			l.server.report(fault{conn: l.net.ID(c), what: "room of a socket: " + err.Error()})
		}
	}
	w.joined()
	for _, missed := range w.Missed {
		l.sendSocket(c, s, &packet.Packet{Type: packet.Event, Namespace: []byte(namespace), Data: missed.Data}, missed.Attachments)
	}
	data := packet.AppendString([]byte(`{"sid":`), []byte(id))
	if w.PID != "" {
		data = packet.AppendString(append(data, `,"pid":`...), []byte(w.PID))
	}
	l.sendSocket(c, s, &packet.Packet{Type: packet.Connect, Namespace: []byte(namespace), Data: append(data, '}')}, nil)
	l.counts.Connects[metrics.ConnectOK]++
	l.call(c, s, socketCall{kind: callConnected, socket: a.socket, namespace: namespace})
}

// refusalOfError is what a client is told of an answer to a command.
func refusalOfError(e *Error) *SocketRefusal {
	data := strconv.AppendUint([]byte(`{"code":`), uint64(e.Code), 10)
	data = packet.AppendString(append(data, `,"message":`...), []byte(e.Message))
	return &SocketRefusal{Message: e.Message, Data: append(data, '}')}
}

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
