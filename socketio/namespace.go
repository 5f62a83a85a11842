package socketio

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"sync"
	"sync/atomic"
)

// A Handler is told of an event. Its error is logged, and if the client has asked for an acknowledgement and there was
// none, it gets {"error":{"message":…,"data":…}}: those of an [*Error], or "internal error".
type Handler func(*Socket, *Event) error

// Namespace is a part of the application that clients enter by its name. Functions that are given to it hold for all its
// sockets, also for those that are connected already; they run on the node's worker pool, those of one client one
// after the other in the order of what it did.
type Namespace struct {
	io      *IO
	name    string
	parent  *Namespace // whose functions hold as well, before its own; nil for none
	match   func(name string, auth json.RawMessage) bool
	pattern *regexp.Regexp // nil unless dynamic by one

	journal *journal // nil without recovery; set when the node is open, or made then

	handlers atomic.Pointer[handlers]
	writing  sync.Mutex // held to replace them

	// Guarded by io.mu.
	sockets int
	pinned  bool // the application has asked for it by its name
}

// handlers are the functions of a namespace. They do not change: adding one makes new ones.
type handlers struct {
	use        []func(*Handshake) error
	connect    []func(*Socket)
	disconnect []func(*Socket, string)
	first      []Handler // of UseEvent
	any        []Handler
	on         map[string][]Handler
	servers    map[string][]func(Args) any
}

func (io *IO) newNamespace(name string) *Namespace {
	n := &Namespace{io: io, name: name}
	n.handlers.Store(&handlers{})
	return n
}

// Name returns the name of n, such as "/chat". A dynamic namespace has none; its children have.
func (n *Namespace) Name() string { return n.name }

// Use has f decide about clients that wish to enter. If it returns an [*Error] the client gets that as connect_error; after
// any other it gets "internal error", and the error is logged. Functions are asked in their order up to the first
// refusal.
func (n *Namespace) Use(f func(*Handshake) error) {
	n.add(func(h *handlers) { h.use = append(slices.Clip(h.use), f) })
}

// OnConnect has f be told of each socket that has entered.
func (n *Namespace) OnConnect(f func(*Socket)) {
	n.add(func(h *handlers) { h.connect = append(slices.Clip(h.connect), f) })
}

// OnDisconnect has f be told of each socket that has gone, and why: "transport close", "client namespace disconnect" and so
// on. [Socket.Rooms] are those that it was in.
func (n *Namespace) OnDisconnect(f func(s *Socket, reason string)) {
	n.add(func(h *handlers) { h.disconnect = append(slices.Clip(h.disconnect), f) })
}

// On has f be told of an event. There may be several functions for one. It panics for the names of events that clients
// cannot send, such as "connect" and "disconnect".
func (n *Namespace) On(event string, f Handler) {
	if err := checkName(event); err != nil {
		panic(err)
	}
	n.add(func(h *handlers) {
		h.on = maps.Clone(h.on)
		if h.on == nil {
			h.on = make(map[string][]Handler)
		}
		h.on[event] = append(slices.Clip(h.on[event]), f)
	})
}

// OnAny has f be told of every event, before the functions of [Namespace.On].
func (n *Namespace) OnAny(f Handler) {
	n.add(func(h *handlers) { h.any = append(slices.Clip(h.any), f) })
}

// UseEvent has f decide about events: one for which it returns an error reaches nobody else, and the error is dealt with
// as any Handler's.
func (n *Namespace) UseEvent(f Handler) {
	n.add(func(h *handlers) { h.first = append(slices.Clip(h.first), f) })
}

// add replaces the functions of n by a copy that change has changed.
func (n *Namespace) add(change func(*handlers)) {
	n.writing.Lock()
	defer n.writing.Unlock()
	h := *n.handlers.Load()
	change(&h)
	n.handlers.Store(&h)
}

// family returns the functions that hold in n.
func (n *Namespace) family() [2]*handlers {
	if n.parent == nil {
		return [2]*handlers{{}, n.handlers.Load()}
	}
	return [2]*handlers{n.parent.handlers.Load(), n.handlers.Load()}
}

// admit asks the functions of Use.
func (n *Namespace) admit(h *Handshake) error {
	for _, f := range n.family() {
		for _, use := range f.use {
			if err := use(h); err != nil {
				return err
			}
		}
	}
	return nil
}

// meets reports whether anybody is to be told of new sockets.
func (n *Namespace) meets() bool {
	f := n.family()
	return len(f[0].connect)+len(f[1].connect) > 0
}

func (n *Namespace) connected(s *Socket) {
	for _, f := range n.family() {
		for _, connect := range f.connect {
			connect(s)
		}
	}
}

func (n *Namespace) disconnected(s *Socket, reason string) {
	for _, f := range n.family() {
		for _, disconnect := range f.disconnect {
			disconnect(s, reason)
		}
	}
}

// dispatch tells everybody of an event.
func (n *Namespace) dispatch(s *Socket, e *Event) {
	family := n.family()
	for _, f := range family {
		for _, first := range f.first {
			if err := first(s, e); err != nil {
				n.failed(e, err)
				return
			}
		}
	}
	for _, f := range family {
		n.tell(f.any, s, e)
	}
	for _, f := range family {
		n.tell(f.on[e.Name], s, e)
	}
}

func (n *Namespace) tell(all []Handler, s *Socket, e *Event) {
	for _, h := range all {
		if err := h(s, e); err != nil {
			n.failed(e, err)
		}
	}
}

// failed deals with the error of a function that was told of e.
func (n *Namespace) failed(e *Event, err error) {
	var answer *Error
	if !errors.As(err, &answer) {
		answer = &Error{Message: internalError}
		n.io.log.Error("socket.io event failed", "namespace", n.name, "event", e.Name, "error", err)
	}
	if err := e.Ack(map[string]*Error{"error": answer}); err != nil {
		n.io.log.Error("socket.io event failed", "namespace", n.name, "event", e.Name, "error", fmt.Errorf("its error: %w", err))
	}
}

const internalError = "internal error"
