package socketio

import (
	"context"

	"github.com/seed4ac54ce5/edge/server"
)

// node is what this package does with a *server.Server.
type node interface {
	EmitSocket(s server.Socket, p server.SocketPacket, o server.EmitOptions)
	AckSocket(s server.Socket, id uint64, p server.SocketPacket)
	Broadcast(t server.SocketTarget, p server.SocketPacket, o server.EmitOptions) error
	BroadcastTo(ctx context.Context, t server.SocketTarget, p server.SocketPacket, o server.EmitOptions) ([]server.Socket, error)
	SocketID(s server.Socket) string
	JoinSockets(ctx context.Context, t server.SocketTarget, rooms ...string) error
	LeaveSockets(ctx context.Context, t server.SocketTarget, rooms ...string) error
	JoinSocket(ctx context.Context, s server.Socket, rooms ...string) error
	LeaveSocket(ctx context.Context, s server.Socket, rooms ...string) error
	SocketRooms(ctx context.Context, s server.Socket) ([]string, error)
	Sockets(ctx context.Context, t server.SocketTarget) ([]server.SocketInfo, error)
	DisconnectSocket(s server.Socket, all bool)
	DropSocket(s server.Socket)
	DisconnectSockets(t server.SocketTarget, all bool)
}

// target is some sockets of all nodes, or of this one.
type target struct {
	server.SocketTarget
	local bool
}

// adapter reaches sockets wherever they are: on this node alone, or on all nodes of a cluster.
type adapter interface {
	broadcast(n *Namespace, t target, p server.SocketPacket, volatile bool) error
	broadcastWithAck(ctx context.Context, n *Namespace, t target, p server.SocketPacket, volatile bool) ([]Args, error)
	sockets(ctx context.Context, n *Namespace, t target) ([]*RemoteSocket, error)
	join(ctx context.Context, n *Namespace, t target, rooms []string) error
	leave(ctx context.Context, n *Namespace, t target, rooms []string) error
	disconnect(n *Namespace, t target, all bool) error
	// serverSideEmit tells the other nodes, and with ack returns the answer of each.
	serverSideEmit(ctx context.Context, n *Namespace, p server.SocketPacket, ack bool) ([]Args, error)
}

// local is the adapter of a node without others.
type local struct {
	io   *IO
	node node
}

func (l *local) broadcast(n *Namespace, t target, p server.SocketPacket, volatile bool) error {
	deliver := func(p server.SocketPacket) error {
		return l.node.Broadcast(t.SocketTarget, p, server.EmitOptions{Volatile: volatile})
	}
	if n.journal == nil {
		return deliver(p)
	}
	return n.journal.send(t.Rooms, t.Except, p, volatile, deliver)
}

func (l *local) broadcastWithAck(ctx context.Context, n *Namespace, t target, p server.SocketPacket, volatile bool) ([]Args, error) {
	id := l.io.nextAck.Add(1) - 1
	c := l.io.casts.begin(id)
	asked, err := l.node.BroadcastTo(ctx, t.SocketTarget, p, server.EmitOptions{Volatile: volatile, WantsAck: true, AckID: id})
	if err == nil {
		l.io.casts.expect(c, asked)
		select {
		case <-c.whole:
		case <-ctx.Done():
			err = ctxError(ctx)
		}
	}
	return l.io.casts.end(id, c), err
}

func (l *local) sockets(ctx context.Context, n *Namespace, t target) ([]*RemoteSocket, error) {
	infos, err := l.node.Sockets(ctx, t.SocketTarget)
	if err != nil {
		return nil, err
	}
	all := make([]*RemoteSocket, 0, len(infos))
	for i := range infos {
		all = append(all, newRemoteSocket(n, &infos[i]))
	}
	return all, nil
}

func (l *local) join(ctx context.Context, n *Namespace, t target, rooms []string) error {
	if err := l.note(ctx, n, t, rooms, l.io.follow); err != nil {
		return err
	}
	return l.node.JoinSockets(ctx, t.SocketTarget, rooms...)
}

func (l *local) leave(ctx context.Context, n *Namespace, t target, rooms []string) error {
	if err := l.note(ctx, n, t, rooms, l.io.unfollow); err != nil {
		return err
	}
	return l.node.LeaveSockets(ctx, t.SocketTarget, rooms...)
}

// note has recovery know that sockets join or leave rooms.
func (l *local) note(ctx context.Context, n *Namespace, t target, rooms []string, change func(*Namespace, server.Socket, []string)) error {
	if n.journal == nil {
		return nil
	}
	infos, err := l.node.Sockets(ctx, t.SocketTarget)
	for i := range infos {
		change(n, infos[i].Socket, rooms)
	}
	return err
}

func (l *local) disconnect(_ *Namespace, t target, all bool) error {
	l.node.DisconnectSockets(t.SocketTarget, all)
	return nil
}

func (l *local) serverSideEmit(context.Context, *Namespace, server.SocketPacket, bool) ([]Args, error) {
	return nil, nil // nobody else
}
