package socketio

import (
	"context"

	"github.com/seed4ac54ce5/edge/server"
)

// RemoteSocket is a socket that may be another node's, as it was when it was asked for.
type RemoteSocket struct {
	ID        string
	Rooms     []string       // the one of its id first
	Data      map[string]any // what [Socket.Set] gave it; only read it
	Handshake *Handshake     // nil without Options.KeepHandshakes

	ns *Namespace
}

func newRemoteSocket(n *Namespace, info *server.SocketInfo) *RemoteSocket {
	r := &RemoteSocket{ID: info.ID, ns: n}
	n.io.states.visit(info.Socket, func(st *state) {
		r.Data, r.Handshake = st.data, st.handshake
		if st.trail != nil {
			r.ID = st.trail.id
		}
	})
	r.Rooms = []string{r.ID}
	for _, room := range info.Rooms {
		if room != r.ID {
			r.Rooms = append(r.Rooms, room)
		}
	}
	return r
}

// all names the socket alone.
func (r *RemoteSocket) all() Broadcast { return r.ns.To(r.ID) }

// Emit is [Socket.Emit].
func (r *RemoteSocket) Emit(event string, args ...any) error { return r.all().Emit(event, args...) }

// EmitWithAck is [Broadcast.EmitWithAck] for this socket alone. The error is ErrDisconnected if it has gone.
func (r *RemoteSocket) EmitWithAck(ctx context.Context, event string, args ...any) (Args, error) {
	answers, err := r.all().EmitWithAck(ctx, event, args...)
	if err != nil {
		return nil, err
	}
	if len(answers) == 0 {
		return nil, ErrDisconnected
	}
	return answers[0], nil
}

// Join is [Socket.Join].
func (r *RemoteSocket) Join(ctx context.Context, rooms ...string) error {
	return r.all().SocketsJoin(ctx, rooms...)
}

// Leave is [Socket.Leave].
func (r *RemoteSocket) Leave(ctx context.Context, rooms ...string) error {
	return r.all().SocketsLeave(ctx, rooms...)
}

// Disconnect is [Socket.Disconnect].
func (r *RemoteSocket) Disconnect(all bool) error { return r.all().DisconnectSockets(all) }
