// Command application is a node for the tests with the official JavaScript client that has an application in it, whose calls
// have the server do to the caller what no client can do itself. It prints where clients reach it.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/seed4ac54ce5/edge/server"
)

// order is what a call says.
type order struct {
	Room    string            `json:"room"`
	Data    json.RawMessage   `json:"data"`
	Key     string            `json:"key"`
	Version uint64            `json:"version"`
	Tags    map[string]string `json:"tags"`
	Code    uint16            `json:"code"`
}

// application serves the calls.
type application struct{ node *server.Server }

func (a *application) call(who server.Client, r *server.RPCRequest) ([]byte, error) {
	var o order
	if err := json.Unmarshal(r.Data, &o); err != nil {
		return nil, server.ErrBadRequest
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	caller := server.Target{User: who.User, Client: who.ID}
	switch r.Method {
	case "subscribe":
		return nil, a.node.Subscribe(ctx, caller, server.Subscription{Room: o.Room, Data: o.Data})
	case "unsubscribe":
		return nil, a.node.Unsubscribe(ctx, caller, o.Room)
	case "disconnect":
		return nil, a.node.Disconnect(ctx, caller, server.Disconnect{Code: o.Code, Reason: "as you wish"})
	case "rebalance":
		_, err := a.node.Rebalance(ctx, 0)
		return nil, err
	case "publish":
		result, err := a.node.Publish(ctx, o.Room, o.Data, server.PublishOptions{
			IdempotencyKey: o.Key, Version: o.Version, Tags: o.Tags,
		})
		if err != nil {
			return nil, err
		}
		return json.Marshal(map[string]any{"offset": result.Offset, "epoch": result.Epoch, "suppressed": result.Suppressed})
	}
	return nil, server.ErrMethodNotFound
}

// embedded is a node with a in it.
func embedded(a *application) server.Config {
	return server.Config{
		Addresses:       []string{"127.0.0.1:0"},
		InternalAddress: "127.0.0.1:0",
		ShutdownWindow:  100 * time.Millisecond,
		Development:     true,
		SSE:             true,
		HTTPStream:      true,
		Rooms: server.Rooms{WithoutNamespace: server.RoomOptions{
			HistorySize: 100, HistoryTTL: time.Minute, ForceRecovery: true,
		}},
		Handler: server.Handler{
			Start: func(node *server.Server) { a.node = node },
			Connect: func(r *server.ConnectRequest) (server.ConnectReply, error) {
				return server.ConnectReply{User: string(r.Token)}, nil
			},
			RPC: a.call,
		},
	}
}

func main() {
	node, err := server.Open(embedded(new(application)))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("ws://%s/connection/websocket\n", node.Addresses()[0])
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	_ = node.Run(ctx) // it has logged what went wrong
}
