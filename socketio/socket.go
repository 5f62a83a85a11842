package socketio

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/seed4ac54ce5/edge/server"
)

// Socket is a client in a namespace, or was: what is sent to one that has gone goes nowhere. It is a name, and costs nothing
// to keep; there may be several of the same socket.
type Socket struct {
	ns   *Namespace
	key  server.Socket
	past *past // of one that has gone; nil otherwise
}

// past is what was known of a socket when it went.
type past struct {
	rooms     []string
	data      map[string]any
	handshake *Handshake
	trail     *trail
}

// ID returns the socket's id, 20 characters, which is the name of a room that it is in alone. A socket that is recovered has
// the id that it had.
func (s *Socket) ID() string {
	id := ""
	s.look(func(st *state) {
		if st.trail != nil {
			id = st.trail.id
		}
	})
	if id == "" {
		id = s.ns.io.node().SocketID(s.key)
	}
	return id
}

// look calls f with what is known of s, if anything is.
func (s *Socket) look(f func(*state)) {
	if s.past != nil {
		f(&state{data: s.past.data, handshake: s.past.handshake, trail: s.past.trail})
		return
	}
	s.ns.io.states.visit(s.key, f)
}

// Namespace returns where the socket is.
func (s *Socket) Namespace() *Namespace { return s.ns }

// Handshake returns the request that the socket came by, or nil: it is known in functions of OnConnect, and later only
// with Options.KeepHandshakes.
func (s *Socket) Handshake() (h *Handshake) {
	s.look(func(st *state) { h = st.handshake })
	return h
}

// Recovered reports whether the socket is one that was cut off and has returned, with its id, its rooms, its data and what it
// missed.
func (s *Socket) Recovered() (recovered bool) {
	s.look(func(st *state) { recovered = st.trail != nil && st.trail.recovered })
	return recovered
}

// Get returns a value that belongs to the socket, or nil.
func (s *Socket) Get(key string) (v any) {
	s.look(func(st *state) { v = st.data[key] })
	return v
}

// Set gives the socket a value, or takes one from it if v is nil. Others see it in [RemoteSocket.Data]; a socket that is
// recovered has it again, as encoding/json reads what it has written if the node was restarted meanwhile. The error is
// ErrDisconnected.
func (s *Socket) Set(key string, v any) error {
	return s.change(func(st *state) {
		st.data = maps.Clone(st.data) // others may be reading it
		switch {
		case v == nil:
			delete(st.data, key)
		case st.data == nil:
			st.data = map[string]any{key: v}
		default:
			st.data[key] = v
		}
		s.ns.io.recordLive(st)
	})
}

// change calls f with the state of s. Only a socket that has not gone can have one: there is nobody to remove it afterwards.
func (s *Socket) change(f func(*state)) error {
	if s.past != nil {
		return ErrDisconnected
	}
	states := &s.ns.io.states
	if made := states.change(s.key, f); !made {
		return nil
	}
	if _, err := s.ns.io.node().SocketRooms(context.Background(), s.key); err != nil {
		states.take(s.key)
		return ErrDisconnected
	}
	return nil
}

// Emit sends an event to the client. Arguments are written by encoding/json, save that each []byte in them goes as binary
// and a time.Time as a JavaScript date; []byte and json.RawMessage must not be changed afterwards. It never waits: the
// error is of arguments that cannot be sent, or of a reserved name.
func (s *Socket) Emit(event string, args ...any) error {
	return Emitter{socket: s}.Emit(event, args...)
}

// EmitWithAck is [Emitter.EmitWithAck] without a timeout.
func (s *Socket) EmitWithAck(ctx context.Context, event string, args ...any) (Args, error) {
	return Emitter{socket: s}.EmitWithAck(ctx, event, args...)
}

// Volatile returns an emitter of events that are dropped if they would have to wait.
func (s *Socket) Volatile() Emitter { return Emitter{socket: s, volatile: true} }

// Timeout returns an emitter that waits so long for an acknowledgement.
func (s *Socket) Timeout(d time.Duration) Emitter { return Emitter{socket: s, timeout: d} }

// Broadcast sends to the others in the namespace.
func (s *Socket) Broadcast() Broadcast { return s.ns.all().Except(s.ID()) }

// To sends to the others in any of rooms.
func (s *Socket) To(rooms ...string) Broadcast { return s.Broadcast().To(rooms...) }

// Except sends to the others in the namespace that are in none of rooms.
func (s *Socket) Except(rooms ...string) Broadcast { return s.Broadcast().Except(rooms...) }

// Join puts the socket into rooms and returns when it is there: what is sent to them from then on reaches it.
func (s *Socket) Join(rooms ...string) error {
	if s.past != nil {
		return ErrDisconnected
	}
	s.ns.io.follow(s.ns, s.key, rooms)
	return s.ns.io.node().JoinSocket(context.Background(), s.key, rooms...)
}

// Leave takes the socket out of rooms and returns when it has left.
func (s *Socket) Leave(rooms ...string) error {
	if s.past != nil {
		return nil
	}
	s.ns.io.unfollow(s.ns, s.key, rooms)
	return s.ns.io.node().LeaveSocket(context.Background(), s.key, rooms...)
}

// Rooms returns the rooms that the socket is in, the one of its id first; of a socket that has gone those that it was in.
func (s *Socket) Rooms() []string {
	id := s.ID()
	var rooms []string
	if s.past != nil {
		rooms = s.past.rooms
	} else {
		rooms, _ = s.ns.io.node().SocketRooms(context.Background(), s.key) // none if it has gone
	}
	rooms = slices.DeleteFunc(slices.Clone(rooms), func(room string) bool { return room == id })
	return append([]string{id}, rooms...)
}

// Disconnect ends the socket, and with all its whole session: the other namespaces and the connection.
func (s *Socket) Disconnect(all bool) { s.ns.io.node().DisconnectSocket(s.key, all) }

// Emitter sends events to one socket, in its way.
type Emitter struct {
	socket   *Socket
	volatile bool
	timeout  time.Duration
}

// Volatile is [Socket.Volatile].
func (e Emitter) Volatile() Emitter {
	e.volatile = true
	return e
}

// Timeout is [Socket.Timeout].
func (e Emitter) Timeout(d time.Duration) Emitter {
	e.timeout = d
	return e
}

// Emit is [Socket.Emit].
func (e Emitter) Emit(event string, args ...any) error {
	s := e.socket
	p, err := s.ns.encode(event, args)
	if err != nil {
		return err
	}
	deliver := func(p server.SocketPacket) error {
		s.ns.io.node().EmitSocket(s.key, p, server.EmitOptions{Volatile: e.volatile})
		return nil
	}
	if s.ns.journal == nil {
		return deliver(p)
	}
	return s.ns.journal.send([]string{s.ID()}, nil, p, e.volatile, deliver)
}
