package socketio

import (
	"context"
	"slices"
	"time"

	"github.com/seed4ac54ce5/edge/server"
)

// Broadcast names some sockets of a namespace: those in any of the rooms of To, or all if there are none, but not those in
// any room of Except. It is a value: its methods return others.
type Broadcast struct {
	ns       *Namespace
	rooms    []string
	except   []string
	volatile bool
	local    bool
	timeout  time.Duration
}

func (n *Namespace) all() Broadcast { return Broadcast{ns: n} }

// Emit sends an event to all sockets: see [Broadcast.Emit].
func (n *Namespace) Emit(event string, args ...any) error { return n.all().Emit(event, args...) }

// To names the sockets in any of rooms. The id of a socket is a room too.
func (n *Namespace) To(rooms ...string) Broadcast { return n.all().To(rooms...) }

// In is To.
func (n *Namespace) In(rooms ...string) Broadcast { return n.all().To(rooms...) }

// Except names the sockets that are in none of rooms.
func (n *Namespace) Except(rooms ...string) Broadcast { return n.all().Except(rooms...) }

// Volatile is [Broadcast.Volatile] for all sockets.
func (n *Namespace) Volatile() Broadcast { return n.all().Volatile() }

// Local is [Broadcast.Local] for all sockets.
func (n *Namespace) Local() Broadcast { return n.all().Local() }

// Timeout is [Broadcast.Timeout] for all sockets.
func (n *Namespace) Timeout(d time.Duration) Broadcast { return n.all().Timeout(d) }

// FetchSockets is [Broadcast.FetchSockets] for all sockets.
func (n *Namespace) FetchSockets(ctx context.Context) ([]*RemoteSocket, error) {
	return n.all().FetchSockets(ctx)
}

// SocketsJoin is [Broadcast.SocketsJoin] for all sockets.
func (n *Namespace) SocketsJoin(ctx context.Context, rooms ...string) error {
	return n.all().SocketsJoin(ctx, rooms...)
}

// SocketsLeave is [Broadcast.SocketsLeave] for all sockets.
func (n *Namespace) SocketsLeave(ctx context.Context, rooms ...string) error {
	return n.all().SocketsLeave(ctx, rooms...)
}

// DisconnectSockets is [Broadcast.DisconnectSockets] for all sockets.
func (n *Namespace) DisconnectSockets(all bool) error { return n.all().DisconnectSockets(all) }

// To names the sockets in any of rooms, and of those that b names rooms for already.
func (b Broadcast) To(rooms ...string) Broadcast {
	b.rooms = append(slices.Clip(b.rooms), rooms...)
	return b
}

// In is To.
func (b Broadcast) In(rooms ...string) Broadcast { return b.To(rooms...) }

// Except leaves out the sockets in any of rooms.
func (b Broadcast) Except(rooms ...string) Broadcast {
	b.except = append(slices.Clip(b.except), rooms...)
	return b
}

// Volatile has events dropped for those for whom they would have to wait.
func (b Broadcast) Volatile() Broadcast {
	b.volatile = true
	return b
}

// Local leaves out the sockets of other nodes.
func (b Broadcast) Local() Broadcast {
	b.local = true
	return b
}

// Timeout says how long to wait for acknowledgements.
func (b Broadcast) Timeout(d time.Duration) Broadcast {
	b.timeout = d
	return b
}

// target returns the sockets of b in namespace n.
func (b *Broadcast) target(n *Namespace) target {
	return target{server.SocketTarget{Namespace: n.name, Rooms: b.rooms, Except: b.except}, b.local}
}

// spaces returns the namespaces of b: the children of a dynamic one.
func (b *Broadcast) spaces() []*Namespace {
	if b.ns.match != nil {
		return b.ns.io.children(b.ns)
	}
	return []*Namespace{b.ns}
}

// adapter returns what reaches the sockets.
func (b *Broadcast) adapter() (adapter, error) {
	running := b.ns.io.running.Load()
	if running == nil {
		return nil, ErrNotRunning
	}
	return running.adapter, nil
}

// Emit sends an event, whose arguments are as [Socket.Emit] has them. It never waits. What one goroutine sends reaches each
// socket in that order. The error is of arguments that cannot be sent, of a reserved name, or of a node that is behind.
func (b Broadcast) Emit(event string, args ...any) error {
	to, err := b.adapter()
	if err != nil {
		return err
	}
	p, err := b.ns.encode(event, args)
	if err != nil {
		return err
	}
	for _, n := range b.spaces() {
		if err := to.broadcast(n, b.target(n), p, b.volatile); err != nil {
			return err
		}
	}
	return nil
}

// EmitWithAck sends an event and returns what its receivers acknowledge it with, in the order in which they answer. Timeout or
// ctx must say how long to wait; ErrTimeout, or the error of ctx, comes with what there was up to then.
func (b Broadcast) EmitWithAck(ctx context.Context, event string, args ...any) ([]Args, error) {
	to, err := b.adapter()
	if err != nil {
		return nil, err
	}
	if b.ns.match != nil {
		return nil, ErrParent
	}
	if _, bounded := ctx.Deadline(); !bounded && b.timeout <= 0 {
		return nil, ErrNoDeadline
	}
	p, err := encodeEvent(event, args, b.ns.io.attachments())
	if err != nil {
		return nil, err
	}
	if b.timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, b.timeout)
		defer cancel()
	}
	return to.broadcastWithAck(ctx, b.ns, b.target(b.ns), p, b.volatile)
}

// FetchSockets returns the sockets, wherever they are.
func (b Broadcast) FetchSockets(ctx context.Context) ([]*RemoteSocket, error) {
	to, err := b.adapter()
	if err != nil {
		return nil, err
	}
	if b.ns.match != nil {
		return nil, ErrParent
	}
	return to.sockets(ctx, b.ns, b.target(b.ns))
}

// SocketsJoin puts the sockets into rooms and returns when they are there.
func (b Broadcast) SocketsJoin(ctx context.Context, rooms ...string) error {
	to, err := b.adapter()
	for _, n := range b.spaces() {
		if err == nil {
			err = to.join(ctx, n, b.target(n), rooms)
		}
	}
	return err
}

// SocketsLeave takes the sockets out of rooms and returns when they have left.
func (b Broadcast) SocketsLeave(ctx context.Context, rooms ...string) error {
	to, err := b.adapter()
	for _, n := range b.spaces() {
		if err == nil {
			err = to.leave(ctx, n, b.target(n), rooms)
		}
	}
	return err
}

// DisconnectSockets ends the sockets, and with all their whole sessions. It does not wait.
func (b Broadcast) DisconnectSockets(all bool) error {
	to, err := b.adapter()
	for _, n := range b.spaces() {
		if err == nil {
			err = to.disconnect(n, b.target(n), all)
		}
	}
	return err
}

// encode makes the packet of an event that is sent without acknowledgement.
func (n *Namespace) encode(event string, args []any) (server.SocketPacket, error) {
	return encodeEvent(event, args, n.io.attachments())
}
