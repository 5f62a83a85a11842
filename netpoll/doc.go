// Package netpoll runs sockets on a few threads: each [Loop] is one goroutine locked to one OS
// thread, with an epoll set, listening sockets, conns, out queues, timers and an inbox of its own.
//
// What a conn means is the business of a [Handler], one for each loop, which is called on the
// loop's goroutine only and must not block:
//
//	r, err := netpoll.Open(netpoll.Config{
//		Loops:      2,
//		Addresses:  []string{"127.0.0.1:8000"},
//		NewHandler: func(l *netpoll.Loop) netpoll.Handler { return &echo{loop: l} },
//	})
//
// # Goroutines
//
// [Open] starts one goroutine per loop and nothing else. Only that goroutine touches the loop, its
// conns and whatever its handler keeps; every other goroutine holds a [ConnID] and uses
// [Loop.Post]. A [Conn] pointer is good until the handler returns.
//
// # Conns without a socket
//
// [Loop.OpenDetached] makes a conn that has everything but a socket: an identity, a timer, an out queue. It is for sessions that
// outlive their sockets, or have one only now and then. [Loop.TakeQueue] takes what waits for it, and [Loop.Attach] gives it the
// socket of another conn.
//
// # Sockets that move
//
// [Loop.Move] sends a conn's socket, with what is held of it, to another loop, where it becomes a conn of another identity: so all
// that belongs to one thing can be one thread's, whichever loop its sockets come in by. Where loops have descriptor tables of their
// own, this is the one way by which a descriptor leaves its table.
//
// # Memory
//
// A conn is 32 bytes of memory that the garbage collector does not see. It owns an input buffer
// only while the handler has left bytes of an incomplete message, an out queue only while its socket
// is full, and a goroutine never.
package netpoll
