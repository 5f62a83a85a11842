package socketio_test

import (
	"errors"
	"fmt"
	"log/slog"

	"github.com/seed4ac54ce5/edge/server"
	"github.com/seed4ac54ce5/edge/socketio"
)

func Example() {
	io := socketio.New(socketio.Options{})
	io.Use(func(h *socketio.Handshake) error {
		var who struct{ Name string }
		if err := h.BindAuth(&who); err != nil || who.Name == "" {
			return &socketio.Error{Message: "say who you are"}
		}
		h.User, h.Rooms = who.Name, []string{"lobby"}
		return nil
	})
	io.On("message", func(s *socketio.Socket, e *socketio.Event) error {
		var text string
		if err := e.Bind(&text); err != nil {
			return err
		}
		return errors.Join(s.To("lobby").Emit("message", text), e.Ack("ok"))
	})

	node, err := server.Open(server.Config{
		Addresses:       []string{"127.0.0.1:0"},
		InternalAddress: "127.0.0.1:0",
		SocketIO:        io.Server(server.SocketIO{}),
		Log:             slog.New(slog.DiscardHandler),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer node.Close() // in place of node.Run(ctx)
	fmt.Println(io.To("lobby").Emit("message", "the node is open"))
	// Output: <nil>
}
