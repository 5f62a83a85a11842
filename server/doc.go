// Package server joins the parts of a node: it listens, speaks WebSocket and the client protocol with
// each session, puts sessions into rooms, and shows itself on an internal address.
//
//	s, err := server.Open(server.Config{Addresses: []string{"127.0.0.1:8000"}, Development: true})
//	...
//	err = s.Run(ctx) // until ctx is done, then it drains
//
// # Where a byte goes
//
// A [github.com/seed4ac54ce5/edge/netpoll] loop hands what it has read to loop.Received (loop.go). The
// session's state decides: a balancer's header (arrive.go), TLS (secure.go), requests (http.go) and what they open
// (handshake.go, stream.go, engine.go), frames and the messages they make (message.go), commands (command.go), packets
// (engine.go, socketpacket.go). Publications come back through the hub to loop.Deliver (deliver.go).
//
// # Where to look
//
//	to add a path                 publicRoutes in http.go
//	to add a command              readCommand in command.go, and a file with its function, such as presence.go
//	who may come in, and do what  arrive.go, handshake.go, connect.go, token.go, access.go
//	other transports              stream.go, events.go, emulation.go; what goes to another loop: move.go
//	Engine.IO                     engine.go, enginebeat.go, enginesend.go, enginesocket.go, polling.go
//	Socket.IO                     socketio.go says what; socket.go, socketpacket.go, socketconnect.go, socketbox.go (calls),
//	                              socketcast.go (rooms), socketapi.go
//	what ends by itself           heartbeat.go, expiry.go, age.go, unfinished.go, throttle.go
//	what a room is                package hub; its options by namespace in namespace.go
//	what the application decides  handler.go, on the worker pool by call.go and work.go
//	orders to a node              api.go for programs, api_node.go for the HTTP API, control.go for operators
//	what a node shows             internal.go, health.go, measure.go, top.go, about.go
//	how a node leaves             drain.go, rebalance.go, shed.go
//
// # Goroutines
//
// One for each loop, which owns its sessions; a bounded pool for what may take long: the application,
// signatures, large messages to inflate (work.go); a smaller one for TLS handshakes (secure.go); those of
// net/http on the internal address; one for what is done from time to time (tick.go); two that log what
// loops must not wait for; and, for a moment, one that fetches the keys of issuers ahead of the first
// token. A drain runs on the goroutine that called [Server.Run].
package server
