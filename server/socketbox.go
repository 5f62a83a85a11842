package server

import (
	"bytes"
	"slices"
	"sync"

	"github.com/seed4ac54ce5/edge/netpoll"
)

// mailbox is the calls of the application for one session, which it gets one at a time and in their order. It exists while there
// are any, and for a moment after.
type mailbox struct {
	loop *loop
	conn netpoll.ConnID

	mu      sync.Mutex // guards all below
	calls   []socketCall
	bytes   int
	serving bool // a worker serves it, or it waits for one
	full    bool // its session is not read
}

// callKind is which method of the application a call is of.
type callKind uint8

const (
	callConnect callKind = iota
	callConnected
	callEvent
	callDisconnect
)

// socketCall is one call of the application.
type socketCall struct {
	kind      callKind
	socket    Socket
	namespace string
	connect   *SocketConnect // of callConnect
	event     *SocketEvent   // of callEvent
	reason    string         // of callDisconnect
	rooms     []string       // of callDisconnect
}

// size is about what a call takes, in bytes.
func (k *socketCall) size() int {
	const least = 128
	n := least
	if k.event != nil {
		n += len(k.event.Data)
		for _, a := range k.event.Attachments {
			n += len(a)
		}
	}
	if k.connect != nil {
		n += len(k.connect.Auth)
	}
	return n
}

// A session whose calls are more than these is not read until half of them are done.
const (
	maxCalls     = 256
	maxCallBytes = 2 << 20
)

func (b *mailbox) over(part int) bool {
	return len(b.calls) > maxCalls/part || b.bytes > maxCallBytes/part
}

// call hands the application a call for a session. If that is behind, the session is not read any more.
func (l *loop) call(c *netpoll.Conn, s *session, k socketCall) {
	t, id := &l.sockets, l.net.ID(c)
	b := t.boxes[id]
	if b == nil {
		b = l.newMailbox(id)
		t.boxes[id] = b
		l.keepTime()
	}
	if full := l.deposit(b, k); full && s.state == stateEngine {
		s.set(flagOffloaded)
		l.net.Pause(c)
	}
}

func (l *loop) newMailbox(id netpoll.ConnID) *mailbox { return &mailbox{loop: l, conn: id} }

// lastCall hands the application a call for a session that has ended.
func (l *loop) lastCall(k socketCall) { l.deposit(l.newMailbox(k.socket.Conn), k) }

// deposit adds a call, and has the pool serve the box. It reports whether there are now more than may wait.
func (l *loop) deposit(b *mailbox, k socketCall) (full bool) {
	b.mu.Lock()
	b.calls = append(b.calls, k)
	b.bytes += k.size()
	b.full = b.full || b.over(1)
	full = b.full
	begin := !b.serving
	b.serving = true
	b.mu.Unlock()
	if begin && (len(l.sockets.waiting) > 0 || !l.server.socketWork.submit(b.serve)) {
		l.sockets.waiting = append(l.sockets.waiting, b)
		l.keepTime()
	}
	return full
}

// serve makes calls until none is left. A worker runs it.
func (b *mailbox) serve() {
	for {
		b.mu.Lock()
		if len(b.calls) == 0 {
			b.calls, b.serving = nil, false
			b.mu.Unlock()
			return
		}
		k := b.calls[0]
		b.calls[0] = socketCall{}
		b.calls = b.calls[1:]
		b.bytes -= k.size()
		relieved := b.full && !b.over(2)
		if relieved {
			b.full = false
		}
		b.mu.Unlock()
		if relieved {
			b.loop.net.Send(netpoll.Post{Kind: postRelieved, A: uint64(b.conn)})
		}
		b.loop.server.make(b.loop, &k)
	}
}

// make calls the application.
func (s *Server) make(l *loop, k *socketCall) {
	app := s.config.SocketIO.App
	var err error
	func() {
		defer s.contain(&err)
		switch k.kind {
		case callConnect:
			l.askSocketApp(app, k.connect)
		case callConnected:
			app.Connected(k.socket, k.namespace)
		case callEvent:
			app.Event(k.socket, k.event)
		case callDisconnect:
			app.Disconnect(k.socket, k.namespace, k.reason, k.rooms)
		}
	}()
	if err != nil {
		l.net.Send(netpoll.Post{Kind: postSocketFault, Item: &socketFailure{k.socket, err}})
	}
}

// askSocketApp has the application decide about a client, and the loop carry that out. If the application panics its session ends.
func (l *loop) askSocketApp(app SocketApp, r *SocketConnect) {
	a := &socketAnswer{socket: r.Socket, namespace: r.Namespace}
	a.welcome, a.err = app.Connect(r)
	l.sockets.answers.add(a)
	l.net.Send(netpoll.Post{Kind: postAnswered, Item: a})
}

// socketAnswers are those that a loop has not been told of yet. One that has ended never is.
type socketAnswers struct {
	mu  sync.Mutex // guards all
	all map[*socketAnswer]bool
}

func (s *socketAnswers) add(a *socketAnswer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.all == nil {
		s.all = make(map[*socketAnswer]bool)
	}
	s.all[a] = true
}

func (s *socketAnswers) remove(a *socketAnswer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.all, a)
}

// socketFailure is a panic of the application's in a call for a socket.
type socketFailure struct {
	socket Socket
	err    error
}

// failSocketOf ends the session of a socket for which the application has failed.
func (l *loop) failSocketOf(f *socketFailure) {
	if c, _, i := l.socketOf(f.socket); i != 0 {
		defer l.guard(c)
		l.socketFault(c, f.err)
		return
	}
	l.counts.Panics++
	l.server.report(fault{conn: f.socket.Conn, what: f.err.Error()})
}

// relieve reads a session again, of whose calls enough are done.
func (l *loop) relieve(id netpoll.ConnID) {
	c := l.net.Conn(id)
	if c == nil || c.Closing() {
		return
	}
	defer l.guard(c)
	s := l.sessions.At(c.Slot())
	b := l.sockets.boxes[id]
	if s.state != stateEngine || !s.has(flagOffloaded) || b != nil && b.isFull() || l.calls[id] != nil {
		return // of what is out at the pool the end is awaited, or later messages would pass it
	}
	s.clear(flagOffloaded)
	if rest := l.takeRest(id); rest != nil {
		l.takePackets(c, s, rest)
	}
	if s.state == stateEngine {
		l.goOn(c, s, nil)
	}
}

// keepRest keeps what is left of a payload until its session is read again.
func (l *loop) keepRest(id netpoll.ConnID, rest []byte) {
	l.sockets.rests[id] = bytes.Clone(rest)
	l.server.inputs.Add(len(rest))
}

// takeRest returns what keepRest has kept for a session, and keeps it no more; nil for nothing.
func (l *loop) takeRest(id netpoll.ConnID) []byte {
	rest := l.sockets.rests[id]
	delete(l.sockets.rests, id)
	l.server.inputs.Add(-len(rest))
	return rest
}

func (b *mailbox) isFull() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.full
}

// tendSockets hands the pool what it has had no room for, and drops boxes and handshakes that are of no use any more.
func (l *loop) tendSockets() {
	t, n := &l.sockets, 0
	for n < len(t.waiting) && l.server.socketWork.submit(t.waiting[n].serve) {
		n++
	}
	t.waiting = slices.Delete(t.waiting, 0, n)
	for id, b := range t.boxes {
		b.mu.Lock()
		if !b.serving {
			delete(t.boxes, id)
		}
		b.mu.Unlock()
	}
	t.handshakes.age(l.net.Now())
}

// busy reports whether there is something for tendSockets to do at some time.
func (t *sockets) busy() bool { return len(t.waiting)+len(t.boxes)+len(t.handshakes.recent) > 0 }

// lastSocketCalls makes the calls that are left when the loop has ended and the pool is idle.
func (l *loop) lastSocketCalls() {
	for _, b := range l.sockets.waiting {
		b.serve()
	}
	l.sockets.waiting = nil
	for a := range l.sockets.answers.all { // nobody else is left
		if a.err == nil {
			a.welcome.joined()
			k := a.end()
			l.server.make(l, &k)
		}
	}
}

// socketWorkers is how many calls of Socket.IO's application there may be at a time: they may wait for clients.
const socketWorkers = 1024

// openSockets prepares for Socket.IO.
func (s *Server) openSockets() (err error) {
	c := s.config.SocketIO
	if c == nil || c.App == nil {
		return nil
	}
	if s.socketWork, err = newWork(socketWorkers, poolQueue); err != nil {
		return err
	}
	c.App.Start(s)
	return nil
}

// lastSocketCalls gives Socket.IO's application its last calls, once the loops have ended.
func (s *Server) lastSocketCalls() error {
	if s.socketWork.wait(lingerTimeout) {
		for _, l := range s.loops {
			l.lastSocketCalls()
		}
	}
	return s.socketWork.close(lingerTimeout)
}
