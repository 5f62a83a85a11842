package server

import (
	"bytes"
	"strconv"

	"github.com/seed4ac54ce5/edge/metrics"
	"github.com/seed4ac54ce5/edge/netpoll"
	"github.com/seed4ac54ce5/edge/socketio/packet"
)

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

// joined calls Joined, unless it has been called.
func (w *SocketWelcome) joined() {
	if f := w.Joined; f != nil {
		w.Joined = nil
		f()
	}
}

// denySocket answers a client that is not let in.
func (l *loop) denySocket(c *netpoll.Conn, s *session, namespace []byte, why *SocketRefusal) {
	data := packet.AppendString([]byte(`{"message":`), []byte(why.Message))
	if why.Data != nil {
		data = append(append(data, `,"data":`...), why.Data...)
	}
	l.sendSocket(c, s, &packet.Packet{Type: packet.ConnectError, Namespace: namespace, Data: append(data, '}')}, nil)
}

// refusalOf returns what a client is told of an error.
func (l *loop) refusalOf(c *netpoll.Conn, err error) *SocketRefusal {
	if why, ok := err.(*SocketRefusal); ok {
		return why
	}
	l.server.report(fault{conn: l.net.ID(c), what: err.Error()})
	return &SocketRefusal{Message: "internal error"}
}

// refusalOfError is what a client is told of an answer to a command.
func refusalOfError(e *Error) *SocketRefusal {
	data := strconv.AppendUint([]byte(`{"code":`), uint64(e.Code), 10)
	data = packet.AppendString(append(data, `,"message":`...), []byte(e.Message))
	return &SocketRefusal{Message: e.Message, Data: append(data, '}')}
}
