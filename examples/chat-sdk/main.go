// Chat is an application with a node inside: rooms that remember and know who is there, names, and rules of its own.
// Run it and open the page that it names, or connect any client of the protocol.
//
//	go run ./examples/chat-sdk
//
// A client says who it is in connect's data, as {"name":"ann"}. In rooms whose names begin with "chat:" it publishes
// {"text":"hello"}; the call "who" with {"room":"chat:lobby"} answers with the names of those who are there.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/seed4ac54ce5/edge/server"
)

// chat is the application. What it has to remember the node does.
type chat struct{ node *server.Server }

var (
	banned   = []string{"darn", "heck"}
	errName  = &server.Error{Code: 400, Message: "a name has 1 to 20 bytes"}
	errWords = &server.Error{Code: 401, Message: "mind your language"}
)

func (c *chat) connect(r *server.ConnectRequest) (server.ConnectReply, error) {
	who := struct{ Name string }{"guest-" + r.Client[:4]}
	if r.Data != nil && json.Unmarshal(r.Data, &who) != nil || who.Name == "" || len(who.Name) > 20 {
		return server.ConnectReply{}, errName
	}
	return server.ConnectReply{User: who.Name}, nil
}

// subscribe lets a client in and tells those who are there already.
func (c *chat) subscribe(who server.Client, r *server.SubscribeRequest) (reply server.SubscribeReply, err error) {
	if !strings.HasPrefix(r.Room, "chat:") {
		return reply, server.ErrPermissionDenied
	}
	notice, _ := json.Marshal(map[string]string{"system": who.User + " comes in"}) // strings always have a form
	_, err = c.node.Publish(context.Background(), r.Room, notice, server.PublishOptions{})
	return reply, err
}

func (c *chat) publish(_ server.Client, r *server.PublishRequest) (reply server.PublishReply, err error) {
	var message struct{ Text string }
	if json.Unmarshal(r.Data, &message) != nil || message.Text == "" {
		return reply, server.ErrBadRequest
	}
	for word := range strings.FieldsSeq(strings.ToLower(message.Text)) {
		if slices.Contains(banned, strings.Trim(word, ".,!?")) {
			return reply, errWords
		}
	}
	return reply, nil
}

// call answers "who".
func (c *chat) call(_ server.Client, r *server.RPCRequest) ([]byte, error) {
	var about struct{ Room string }
	if r.Method != "who" || json.Unmarshal(r.Data, &about) != nil {
		return nil, server.ErrMethodNotFound
	}
	present, err := c.node.Presence(about.Room)
	names := []string{}
	for _, who := range present {
		names = append(names, who.User)
	}
	slices.Sort(names)
	data, _ := json.Marshal(slices.Compact(names))
	return data, err
}

// open starts the node.
func (c *chat) open(config server.Config) (*server.Server, error) {
	rooms := server.RoomOptions{HistorySize: 100, HistoryTTL: time.Hour, ForceRecovery: true, Presence: true, AllowHistoryForSubscriber: true}
	config.Rooms.Namespaces = []server.Namespace{{Name: "chat", RoomOptions: rooms}}
	start := func(node *server.Server) { c.node = node }
	config.Handler = server.Handler{Start: start, Connect: c.connect, Subscribe: c.subscribe, Publish: c.publish, RPC: c.call}
	return server.Open(config)
}

func main() {
	node, err := new(chat).open(server.Config{})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("open http://%s/ and enter chat:lobby, or connect to ws://%s/connection/websocket\n", node.InternalAddress(), node.Addresses()[0])
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	_ = node.Run(ctx) // it has logged what went wrong
}
