package socketio

import (
	"context"
	"fmt"
	"maps"
	"slices"
)

// Events between the nodes of a cluster. A node without others tells nobody.

// serversReserved are the names that servers raise themselves.
var serversReserved = map[string]bool{"connect": true, "connection": true, "new_namespace": true}

// OnServerSide has f be told of an event that another node sends to this namespace there. What f returns is the answer,
// if that node waits for one.
func (n *Namespace) OnServerSide(event string, f func(Args) any) {
	n.add(func(h *handlers) {
		h.servers = maps.Clone(h.servers)
		if h.servers == nil {
			h.servers = make(map[string][]func(Args) any)
		}
		h.servers[event] = append(slices.Clip(h.servers[event]), f)
	})
}

// ServerSideEmit sends an event to the same namespace of all other nodes.
func (n *Namespace) ServerSideEmit(event string, args ...any) error {
	_, err := n.serverSideEmit(context.Background(), false, event, args)
	return err
}

// ServerSideEmitWithAck is ServerSideEmit, and returns the answer of each other node. ErrTimeout, or the error of ctx, comes
// with what there was up to then.
func (n *Namespace) ServerSideEmitWithAck(ctx context.Context, event string, args ...any) ([]Args, error) {
	return n.serverSideEmit(ctx, true, event, args)
}

func (n *Namespace) serverSideEmit(ctx context.Context, ack bool, event string, args []any) ([]Args, error) {
	running := n.io.running.Load()
	switch {
	case running == nil:
		return nil, ErrNotRunning
	case n.match != nil:
		return nil, ErrParent
	case serversReserved[event]:
		return nil, fmt.Errorf("socketio: %q is %w", event, ErrReserved)
	}
	p, err := encode(event, true, args, n.io.attachments())
	if err != nil {
		return nil, err
	}
	return running.adapter.serverSideEmit(ctx, n, p, ack)
}
