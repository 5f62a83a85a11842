// Command application is a node whose application fails as it is told: what a client's command says, it does.
package main

import (
	"context"
	"flag"
	"log"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/seed4ac54ce5/edge/server"
)

// obey does what a command says: panics, blocks for ever, or nothing.
func obey(text string) {
	switch {
	case strings.Contains(text, "panic"):
		panic("as you wish")
	case strings.Contains(text, "block"):
		select {}
	}
}

// handler fails in every function that an application has.
func handler() server.Handler {
	return server.Handler{
		Connect: func(r *server.ConnectRequest) (server.ConnectReply, error) {
			obey(string(r.Data))
			reply := server.ConnectReply{User: r.Name}
			if r.Name == "panic at refresh" {
				reply.ExpireAt = time.Now().Add(time.Second)
			}
			return reply, nil
		},
		Refresh: func(c server.Client) (server.RefreshReply, error) {
			obey(c.User)
			return server.RefreshReply{}, nil
		},
		Subscribe: func(_ server.Client, r *server.SubscribeRequest) (server.SubscribeReply, error) {
			obey(r.Room)
			return server.SubscribeReply{}, nil
		},
		Publish: func(_ server.Client, r *server.PublishRequest) (server.PublishReply, error) {
			obey(string(r.Data))
			return server.PublishReply{}, nil
		},
		RPC: func(_ server.Client, r *server.RPCRequest) ([]byte, error) {
			obey(r.Method)
			return []byte("{}"), nil
		},
		Message: func(_ server.Client, data []byte) error {
			obey(string(data))
			return nil
		},
		Disconnect: func(c server.Client, _ server.Disconnect) {
			if c.User == "panic at the end" {
				obey(c.User)
			}
		},
	}
}

func main() {
	window := flag.Duration("window", time.Second, "over which a drain closes sessions")
	onLoop := flag.Bool("on-loop", false, "the application's functions run on the loops")
	flag.Parse()
	h := handler()
	h.NonBlocking = *onLoop
	node, err := server.Open(server.Config{
		Addresses:       []string{"127.0.0.1:0"},
		InternalAddress: "127.0.0.1:0",
		Development:     true,
		ShutdownWindow:  *window,
		Handler:         h,
		Log:             slog.New(slog.NewJSONHandler(os.Stderr, nil)),
	})
	if err != nil {
		log.Fatal(err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	_ = node.Run(ctx) // it has logged what went wrong
}
