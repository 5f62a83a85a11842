// Socketio-conformance serves what the public test suites of Engine.IO and Socket.IO, and the tests of their clients, expect
// of a server: bare Engine.IO that sends back what it gets at /engine.io/, and at /socket.io/ the events below.
//
//	go run ./examples/socketio-conformance -address 127.0.0.1:3000 -ping-interval 300ms -ping-timeout 200ms
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log"
	"log/slog"
	"os/signal"
	"syscall"
	"time"

	"github.com/seed4ac54ce5/edge/server"
	"github.com/seed4ac54ce5/edge/socketio"
)

// options are the flags.
type options struct {
	address        string
	pingInterval   time.Duration
	pingTimeout    time.Duration
	recovery       bool
	msgpack        bool
	handshakeDelay time.Duration // before a client is let into a namespace
}

func (o *options) define(f *flag.FlagSet) {
	f.StringVar(&o.address, "address", "127.0.0.1:3000", "where to listen, host:port")
	f.DurationVar(&o.pingInterval, "ping-interval", 25*time.Second, "between a pong and the next ping")
	f.DurationVar(&o.pingTimeout, "ping-timeout", 20*time.Second, "between a ping and its pong")
	f.BoolVar(&o.msgpack, "msgpack", false, "packets are those of socket.io-msgpack-parser")
	f.BoolVar(&o.recovery, "recovery", false, "clients that come back get what they missed")
	f.DurationVar(&o.handshakeDelay, "handshake-delay", 0, "before a client is let into a namespace")
}

// application returns the server's behaviour. What goes wrong in it is told to log, nil for the standard one.
func (o *options) application(log *slog.Logger) *socketio.IO {
	opts := socketio.Options{KeepHandshakes: true, Log: log}
	if o.recovery {
		opts.Recovery = &socketio.Recovery{}
	}
	io := socketio.New(opts)
	for _, name := range []string{"/", "/custom", "/foo", "/abc", "/no", "/valid", "/asd", "/timeout_socket"} {
		io.Of(name).Use(func(*socketio.Handshake) error {
			time.Sleep(o.handshakeDelay)
			return nil
		})
	}
	mainNamespace(io)
	binary(io)
	io.Of("/custom").OnConnect(auth)
	io.Of("/foo").On("getId", getID)
	io.Of("/abc").OnConnect(func(s *socketio.Socket) { must(s.Emit("handshake", s.Handshake())) })
	io.Of("/no").Use(func(*socketio.Handshake) error { return &socketio.Error{Message: "Auth failed (custom namespace)"} })
	return io
}

// mainNamespace gives io the events of "/" that have no binary values.
func mainNamespace(io *socketio.IO) {
	io.Use(func(h *socketio.Handshake) error {
		if h.Query().Has("fail") {
			return &socketio.Error{Message: "Auth failed (main namespace)"}
		}
		return nil
	})
	io.OnConnect(auth)
	io.On("message", func(s *socketio.Socket, e *socketio.Event) error { return s.Emit("message-back", e.Args().Any()...) })
	io.On("message-with-ack", func(_ *socketio.Socket, e *socketio.Event) error { return e.Ack(e.Args().Any()...) })
	io.On("hi", func(s *socketio.Socket, _ *socketio.Event) error { return s.Emit("hi") })
	io.On("echo", func(_ *socketio.Socket, e *socketio.Event) error { return e.Ack(e.Arg(0)) })
	io.On("ack", ack)
	io.On("getAckDate", func(_ *socketio.Socket, e *socketio.Event) error { return e.Ack(time.Now()) })
	io.On("getDate", func(s *socketio.Socket, _ *socketio.Event) error { return s.Emit("takeDate", time.Now()) })
	io.On("getDateObj", func(s *socketio.Socket, _ *socketio.Event) error {
		return s.Emit("takeDateObj", map[string]any{"date": time.Now()})
	})
	io.On("false", func(s *socketio.Socket, _ *socketio.Event) error { return s.Emit("false", false) })
	io.On("getHandshake", func(s *socketio.Socket, e *socketio.Event) error { return e.Ack(s.Handshake()) })
	io.On("getId", getID)
}

// auth tells a client what it has said of itself.
func auth(s *socketio.Socket) {
	payload := s.Handshake().Auth
	if payload == nil {
		payload = json.RawMessage("{}")
	}
	must(s.Emit("auth", payload))
}

func getID(s *socketio.Socket, e *socketio.Event) error { return e.Ack(s.ID()) }

// ack asks for an acknowledgement and looks at it.
func ack(s *socketio.Socket, _ *socketio.Event) error {
	return s.Timeout(time.Minute).EmitAsync("ack", func(args socketio.Args, err error) {
		var number int
		var object struct{ Test bool }
		if err == nil && args.Bind(&number, &object) == nil && number == 5 && object.Test {
			must(s.Emit("got it"))
		}
	})
}

// binary gives io the events that are about binary values.
func binary(io *socketio.IO) {
	doge := []byte("asdfasdf")
	io.On("doge", func(s *socketio.Socket, _ *socketio.Event) error { return s.Emit("doge", doge) })
	io.On("getbin", func(s *socketio.Socket, e *socketio.Event) error {
		data := doge
		if err := e.Bind(&data); err != nil {
			return err
		}
		return s.Emit("takebin", data)
	})
	io.On("buffa", func(s *socketio.Socket, e *socketio.Event) error {
		if _, ok := e.Arg(0).Bytes(); !ok {
			return errNotBinary
		}
		return s.Emit("buffack")
	})
	io.On("jsonbuff", jsonBuffer)
	io.On("abuff1", func(s *socketio.Socket, e *socketio.Event) error {
		if _, ok := e.Arg(0).Bytes(); !ok {
			return errNotBinary
		}
		return s.Set("abuff1", true)
	})
	io.On("abuff2", func(s *socketio.Socket, _ *socketio.Event) error {
		if s.Get("abuff1") == nil {
			return errNotBinary
		}
		return s.Emit("abuff2-ack")
	})
}

var errNotBinary = errors.New("binary was due")

// jsonBuffer looks at an object with a binary member.
func jsonBuffer(s *socketio.Socket, e *socketio.Event) error {
	var object any
	if err := e.Bind(&object); err != nil {
		return err
	}
	members, _ := object.(map[string]any)
	if _, ok := members["message"].([]byte); !ok || members["hello"] != "lol" || members["goodbye"] != "gotcha" {
		return errNotBinary
	}
	return s.Emit("jsonbuff-ack")
}

// must ends the program for what cannot be: arguments of its own that cannot be sent.
func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

// open starts the node.
func (o *options) open(config server.Config) (*server.Server, error) {
	config.Addresses = []string{o.address}
	config.InternalAddress = "127.0.0.1:0"
	config.Development = true
	config.ShutdownWindow = 100 * time.Millisecond // those who are still there need not be spread over time
	config.SocketIO = o.application(config.Log).Server(server.SocketIO{
		PingInterval: o.pingInterval,
		PingTimeout:  o.pingTimeout,
		MessagePack:  o.msgpack,
		EchoPath:     "/engine.io/",
	})
	return server.Open(config)
}

func main() {
	var o options
	o.define(flag.CommandLine)
	flag.Parse()
	node, err := o.open(server.Config{})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("listening on http://%s\n", node.Addresses()[0])
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	_ = node.Run(ctx) // it has logged what went wrong
}
