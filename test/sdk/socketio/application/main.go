// Command application is a Socket.IO server for the tests with the official JavaScript client: what a client may ask of it are
// the operations of package socketio. It prints where clients reach it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"os/signal"
	"regexp"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/seed4ac54ce5/edge/server"
	"github.com/seed4ac54ce5/edge/socketio"
)

// target is whom an operation is for, as a client says it.
type target struct {
	Rooms     []string `json:"rooms"`
	Except    []string `json:"except"`
	Broadcast bool     `json:"broadcast"` // from the socket, which is excepted
	Volatile  bool     `json:"volatile"`
	Timeout   int      `json:"timeout"` // ms
}

// of returns the sockets of s's namespace that t means.
func (t *target) of(s *socketio.Socket) socketio.Broadcast {
	b := s.Namespace().To(t.Rooms...).Except(t.Except...)
	if t.Broadcast {
		b = s.Broadcast().To(t.Rooms...).Except(t.Except...)
	}
	if t.Volatile {
		b = b.Volatile()
	}
	if t.Timeout > 0 {
		b = b.Timeout(time.Duration(t.Timeout) * time.Millisecond)
	}
	return b
}

// outcome is what has come of a question.
type outcome struct {
	Error   *string `json:"error"`
	Answers []any   `json:"answers"`
}

func outcomeOf(answers []any, err error) outcome {
	o := outcome{Answers: answers}
	if o.Answers == nil {
		o.Answers = []any{}
	}
	if err != nil {
		text := err.Error()
		o.Error = &text
	}
	return o
}

// reasons are those for which sockets have gone, by id, and who waits to hear them.
type reasons struct {
	mu    sync.Mutex
	known map[string]string
	asked map[string]func(reason string)
}

func (r *reasons) tell(id, reason string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.known[id] = reason
	if f := r.asked[id]; f != nil {
		delete(r.asked, id)
		f(reason)
	}
}

func (r *reasons) ask(id string, f func(reason string)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if reason, ok := r.known[id]; ok {
		f(reason)
		return
	}
	r.asked[id] = f
}

var errNotAllowed = errors.New("not allowed")

// define gives io its events.
func define(io *socketio.IO) {
	io.Of("/").UseEvent(func(s *socketio.Socket, e *socketio.Event) error {
		if e.Name != "forbidden" {
			return nil
		}
		if err := s.Emit("refused", errNotAllowed.Error()); err != nil {
			return err
		}
		return errNotAllowed
	})
	alone(io.Of("/"))
	several(io.Of("/"))
	ends(io.Of("/"))
	io.OfPattern(regexp.MustCompile(`^/dynamic-\d+$`)).OnConnect(func(s *socketio.Socket) {
		_ = s.Emit("welcome", s.Namespace().Name())
	})
	io.Of("/private").Use(func(h *socketio.Handshake) error {
		var auth struct{ Token string }
		if err := h.BindAuth(&auth); err != nil || auth.Token != "secret" {
			return &socketio.Error{Message: "no entry", Data: map[string]int{"code": 401}}
		}
		return nil
	})
}

// alone gives n what concerns one socket.
func alone(n *socketio.Namespace) {
	n.On("join", func(s *socketio.Socket, e *socketio.Event) error { return done(e, s.Join(text(e, 0))) })
	n.On("leave", func(s *socketio.Socket, e *socketio.Event) error { return done(e, s.Leave(text(e, 0))) })
	n.On("rooms", func(s *socketio.Socket, e *socketio.Event) error { return e.Ack(rooms(s)) })
	n.On("ask me", func(s *socketio.Socket, e *socketio.Event) error {
		var ms int
		var event string
		if err := e.Bind(&ms, &event); err != nil {
			return err
		}
		return s.Timeout(time.Duration(ms)*time.Millisecond).EmitAsync(event, func(answer socketio.Args, err error) {
			_ = e.Ack(outcomeOf(answer.Any(), err))
		}, e.Args().Any()[2:]...)
	})
	n.On("burst", func(s *socketio.Socket, e *socketio.Event) error {
		var count int
		if err := e.Bind(&count); err != nil {
			return err
		}
		for i := range count {
			if err := s.Emit("number", i); err != nil {
				return err
			}
		}
		return e.Ack()
	})
	n.On("set", func(s *socketio.Socket, e *socketio.Event) error { return done(e, s.Set("value", text(e, 0))) })
	n.On("state", func(s *socketio.Socket, e *socketio.Event) error {
		return e.Ack(map[string]any{"recovered": s.Recovered(), "value": s.Get("value"), "rooms": rooms(s)})
	})
}

// rooms returns those of s in their order, without that of its id.
func rooms(s *socketio.Socket) []string {
	all := slices.DeleteFunc(s.Rooms(), func(room string) bool { return room == s.ID() })
	slices.Sort(all)
	if all == nil {
		return []string{}
	}
	return all
}

// text returns argument i, a string.
func text(e *socketio.Event, i int) (s string) {
	_ = e.Arg(i).Bind(&s)
	return s
}

// done answers e unless err says that it has failed.
func done(e *socketio.Event, err error) error {
	if err != nil {
		return err
	}
	return e.Ack()
}

// several gives n what concerns some of its sockets.
func several(n *socketio.Namespace) {
	on := func(event string, f func(s *socketio.Socket, e *socketio.Event, t *target, args []any) error) {
		n.On(event, func(s *socketio.Socket, e *socketio.Event) error {
			var t target
			if err := e.Arg(0).Bind(&t); err != nil {
				return err
			}
			return f(s, e, &t, e.Args().Any()[1:])
		})
	}
	on("emit", func(s *socketio.Socket, e *socketio.Event, t *target, args []any) error {
		return done(e, t.of(s).Emit(text(e, 1), args[1:]...))
	})
	on("ask", func(s *socketio.Socket, e *socketio.Event, t *target, args []any) error {
		all, err := t.of(s).EmitWithAck(context.Background(), text(e, 1), args[1:]...)
		var first []any
		for _, answer := range all {
			first = append(first, answer.At(0))
		}
		return e.Ack(outcomeOf(first, err))
	})
	on("sockets", func(s *socketio.Socket, e *socketio.Event, t *target, _ []any) error {
		found, err := t.of(s).FetchSockets(context.Background())
		ids := []string{}
		for _, r := range found {
			ids = append(ids, r.ID)
		}
		slices.Sort(ids)
		return errors.Join(err, e.Ack(ids))
	})
	on("sockets join", func(s *socketio.Socket, e *socketio.Event, t *target, _ []any) error {
		return done(e, t.of(s).SocketsJoin(context.Background(), text(e, 1)))
	})
	on("sockets leave", func(s *socketio.Socket, e *socketio.Event, t *target, _ []any) error {
		return done(e, t.of(s).SocketsLeave(context.Background(), text(e, 1)))
	})
	on("sockets disconnect", func(s *socketio.Socket, e *socketio.Event, t *target, _ []any) error {
		var all bool
		return errors.Join(e.Arg(1).Bind(&all), done(e, t.of(s).DisconnectSockets(all)))
	})
}

// ends gives n what is about the ends of sockets.
func ends(n *socketio.Namespace) {
	r := reasons{known: map[string]string{}, asked: map[string]func(string){}}
	n.OnDisconnect(func(s *socketio.Socket, reason string) { r.tell(s.ID(), reason) })
	n.On("reason", func(_ *socketio.Socket, e *socketio.Event) error {
		r.ask(text(e, 0), func(reason string) { _ = e.Ack(reason) })
		return nil
	})
	n.On("quit", func(s *socketio.Socket, e *socketio.Event) error {
		var all bool
		err := e.Bind(&all)
		s.Disconnect(all)
		return err
	})
}

func main() {
	address := flag.String("address", "127.0.0.1:0", "where to listen, host:port")
	msgpack := flag.Bool("msgpack", false, "packets are those of socket.io-msgpack-parser")
	flag.Parse()
	io := socketio.New(socketio.Options{Recovery: &socketio.Recovery{}})
	define(io)
	node, err := server.Open(server.Config{
		Addresses:       []string{*address},
		InternalAddress: "127.0.0.1:0",
		Development:     true,
		ShutdownWindow:  100 * time.Millisecond,
		SocketIO:        io.Server(server.SocketIO{MessagePack: *msgpack}),
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("listening on http://%s\n", node.Addresses()[0])
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := node.Run(ctx); err != nil {
		log.Fatal(err)
	}
}
