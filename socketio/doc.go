// Package socketio is for applications that serve Socket.IO's clients: its words are those of the JavaScript library. An
// application is a set of functions, given to namespaces, that the node calls.
//
//	io := socketio.New(socketio.Options{})
//	io.On("message", func(s *socketio.Socket, e *socketio.Event) error {
//		var text string
//		if err := e.Bind(&text); err != nil {
//			return err
//		}
//		return errors.Join(s.To("lobby").Emit("message", text), e.Ack("ok"))
//	})
//	node, err := server.Open(server.Config{SocketIO: io.Server(server.SocketIO{})})
//
// Handlers belong to namespaces and not to sockets, so that a client that only listens costs the application nothing: a
// [Socket] is a name. What one client does is told one after the other, in its order, on the node's worker pool; functions
// may block, and only later events of the same client wait meanwhile. Acknowledgements go past that line, so that a handler
// can wait for one.
//
// # Where to look
//
//	who may enter                Namespace.Use, Handshake
//	what clients do              Namespace.OnConnect, On, OnAny, UseEvent, OnDisconnect; Event
//	telling one client           Socket.Emit, Volatile, Timeout, EmitWithAck, EmitAsync
//	telling many                 Namespace.Emit, To, Except; Socket.To, Broadcast
//	who is where                 Socket.Join, Leave, Rooms; FetchSockets, SocketsJoin, SocketsLeave, DisconnectSockets
//	namespaces                   IO.Of, OfPattern, OfFunc
//	clients that come back       Options.Recovery, Socket.Recovered
//	other nodes                  ServerSideEmit, OnServerSide, Broadcast.Local
//
// # Values
//
// Arguments are JSON by the rules of encoding/json. A []byte anywhere in one goes as binary, and comes as binary:
// [Args.Bind] puts it where a []byte is. A time.Time goes as what JavaScript's Date.toJSON writes. JavaScript's undefined
// is null here. Event names that are numbers are their digits.
//
// # Goroutines
//
// None but those of timeouts, and one for each call of [Emitter.EmitAsync]'s function.
package socketio
