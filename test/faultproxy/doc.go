// Package faultproxy puts a TCP proxy between a test and a server, and breaks what goes through it:
// late, slow, in pieces, corrupt, cut, half closed, or not at all.
//
//	p := faultproxy.Start(t, server.Addr())
//	remove := p.Add(faultproxy.Downstream, faultproxy.Latency{Delay: 50 * time.Millisecond})
//	...
//	remove()                        // what was held back leaves at once
//	p.Add(faultproxy.Upstream, faultproxy.Stall{})
//	p.Conns()[0].HalfClose(faultproxy.Downstream)
//	p.CutAll()                      // a reset on both sides of every conn
//
// A [Toxic] is a fault of one direction, of all conns of a [Proxy] or of one [Conn]. Toxics are added and removed at
// any time, from any goroutine: what the proxy takes in after Add has returned has the fault. Those of the proxy come
// first, then those of the conn, each in the order in which they were added. Without toxics the proxy is transparent:
// bytes, the end of a stream and resets pass as they come. What stands for the whole listener is a method:
// [Proxy.Refuse], [Proxy.Swallow], [Proxy.Forward].
//
// The proxy ends with its test, and the test waits for that. What is random comes from a seed that the test's log
// shows; [Seed] gives it back.
//
// # Goroutines and memory
//
// One goroutine accepts, and each conn has two, one for each direction; there is no other. An idle conn
// holds no buffer. What a direction has taken in and not passed on yet is at most [Buffer] bytes; beyond that its
// sender waits, as it would for a slow receiver. A conn has two descriptors.
package faultproxy
