package socketio

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"

	"github.com/seed4ac54ce5/edge/server"
)

// app is what a node asks.
type app struct{ io *IO }

var errInvalidNamespace = &server.SocketRefusal{Message: "Invalid namespace"}

func (a app) Start(s *server.Server) { a.io.start(any(s).(node)) }

// Connect lets a client into a namespace.
func (a app) Connect(r *server.SocketConnect) (welcome server.SocketWelcome, err error) {
	n := a.io.enter(r.Namespace, r.Auth)
	if n == nil {
		return welcome, errInvalidNamespace
	}
	in := false
	defer func() {
		if !in { // refused, or a function has panicked
			a.io.exit(n)
		}
	}()
	h := newHandshake(r)
	h.io = a.io
	if err := a.admit(n, r, h, &welcome); err != nil {
		return welcome, refusal(err)
	}
	if keep := a.io.options.KeepHandshakes; keep || n.meets() || len(h.Data) > 0 {
		a.io.states.change(r.Socket, func(st *state) {
			st.data = maps.Clone(h.Data)
			st.handshake = h
		})
	}
	in = true
	return welcome, nil
}

// admit asks who decides about a client at the door of n, and says in welcome as what it comes in.
func (a app) admit(n *Namespace, r *server.SocketConnect, h *Handshake, welcome *server.SocketWelcome) error {
	asked := false
	ask := func() error {
		if asked {
			return nil
		}
		asked = true
		return n.admit(h)
	}
	if n.journal == nil || a.io.options.Recovery.Middlewares {
		if err := ask(); err != nil {
			return err
		}
	}
	as := func(was *trail) string {
		if !asked {
			return was.user()
		}
		if g := h.grant(); g != nil {
			return g.User
		}
		return ""
	}
	was, data, err := a.io.restore(n, r, ask, as)
	if err != nil {
		return err
	}
	if was != nil {
		*welcome = *was
		if asked {
			welcome.Grant = h.grant()
		}
		h.ID, h.Data = was.ID, data
		return nil
	}
	if err := ask(); err != nil {
		return err
	}
	*welcome = server.SocketWelcome{Grant: h.grant(), Rooms: h.Rooms}
	if n.journal != nil {
		a.io.remember(n, r.Socket, h, welcome)
	}
	return nil
}

// refusal returns what the node is to be told of a middleware's error.
func refusal(err error) error {
	var e *Error
	if !errors.As(err, &e) {
		return err
	}
	r := &server.SocketRefusal{Message: e.Message}
	if e.Data == nil {
		return r
	}
	data, failed := json.Marshal(e.Data)
	if failed != nil {
		return fmt.Errorf("data of %w: %w", err, failed)
	}
	r.Data = data
	return r
}

// Connected tells the application of a socket.
func (a app) Connected(s server.Socket, namespace string) {
	n := a.io.space(namespace)
	if n == nil {
		return
	}
	n.connected(&Socket{ns: n, key: s})
	if !a.io.options.KeepHandshakes {
		a.io.states.visit(s, func(st *state) { st.handshake = nil })
	}
}

// Event tells the application of an event.
func (a app) Event(s server.Socket, e *server.SocketEvent) {
	n := a.io.space(e.Namespace)
	if n == nil {
		return
	}
	if event := newEvent(n, s, e); event != nil && !reserved[event.Name] {
		n.dispatch(&event.socket, event)
	}
}

// Ack hands on an acknowledgement. It does not wait.
func (a app) Ack(s server.Socket, id uint64, p server.SocketPacket) {
	a.io.acked(s, id, argsOf(p, false))
}

// Gone has nobody wait any more for acknowledgements of a socket: not even a handler, which its Disconnect waits for.
func (a app) Gone(s server.Socket) {
	var was state
	a.io.states.visit(s, func(st *state) {
		st.gone = true
		was.acks, st.acks = st.acks, nil
	})
	was.fail()
}

// Disconnect tells the application that a socket has gone, if it has ever been told that it was there.
func (a app) Disconnect(s server.Socket, namespace, reason string, rooms []string) {
	st := a.io.states.take(s)
	if st == nil {
		st = new(state)
	}
	if st.trail != nil {
		st.trail.release() // functions of OnDisconnect may send
	}
	n := a.io.space(namespace)
	if n == nil {
		return
	}
	if st.trail == nil {
		defer a.io.exit(n)
	} else {
		defer a.io.settle(st, reason, rooms)
	}
	st.fail()
	if reason != "" {
		n.disconnected(&Socket{ns: n, key: s, past: &past{rooms, st.data, st.handshake, st.trail}}, reason)
	}
}
