// Command application is a node for the tests with the official JavaScript client. By itself it has an application in it, whose
// calls have the server do to the caller what no client can do itself. As "application keyed" it takes tokens and has the HTTP
// API, with the secret SDK_SECRET and the key SDK_API_KEY. It prints where clients reach it, and where the API is.
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
		Development: true,
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

// keyed is a node without one. Users may do in rooms of "news" what its options offer, and nothing in others without a token.
func keyed() server.Config {
	c := server.Config{
		API:                  server.API{Key: os.Getenv("SDK_API_KEY")},
		ExpiredCloseDelay:    time.Second,
		ExpiredSubCloseDelay: time.Second,
		Rooms: server.Rooms{Namespaces: []server.Namespace{{Name: "news", RoomOptions: server.RoomOptions{
			HistorySize: 100, HistoryTTL: time.Minute, Presence: true,
			AllowSubscribeForClient: true, AllowPublishForSubscriber: true, AllowPresenceForSubscriber: true,
		}}}},
	}
	c.Access.Tokens.HMACSecret = os.Getenv("SDK_SECRET")
	return c
}

func main() {
	config := embedded(new(application))
	if len(os.Args) > 1 && os.Args[1] == "keyed" {
		config = keyed()
	}
	config.Addresses, config.InternalAddress = []string{"127.0.0.1:0"}, "127.0.0.1:0"
	config.ShutdownWindow = 100 * time.Millisecond
	node, err := server.Open(config)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("ws://%s/connection/websocket http://%s/api\n", node.Addresses()[0], node.InternalAddress())
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	_ = node.Run(ctx) // it has logged what went wrong
}
