// Package server joins the parts of a node: it listens, speaks WebSocket and the client protocol with
// each session, puts sessions into rooms, and shows itself on an internal address.
//
//	s, err := server.Open(server.Config{Addresses: []string{"127.0.0.1:8000"}, Development: true})
//	...
//	err = s.Run(ctx) // until ctx is done, then it drains
//
// # Where a byte goes
//
// A [github.com/seed4ac54ce5/edge/netpoll] loop hands what it has read to [loop.Received]. The session's
// state decides: a request head (handshake.go), frames and the messages they make (message.go), commands
// (command.go). Publications come back through the hub to [loop.Deliver] (deliver.go).
//
// # Goroutines
//
// One for each loop, which owns its sessions; a bounded pool for messages that take long to inflate
// (offload.go) and for what the application decides; a smaller one for TLS handshakes (secure.go);
// those of net/http on the internal address; and one that logs what loops must not wait for. A drain
// runs on the goroutine that called [Server.Run].
package server
