// Package admission decides who is let in: before a handshake, before any cryptography, from the number of conns, the
// rate at which they come, the memory that is left, and what the client's address already has. Once it is known who
// a client is, it holds the user to a number of conns too.
//
//	ticket, v := control.Admit(peer.Addr(), loop.Now()) // in the turn of accept, or of the PROXY header
//	if !v.Admitted() {
//		refuse(v.Reason.String(), v.RetryAfter) // count; 503, Retry-After
//	}
//	...
//	control.Release(ticket, loop.Now()) // when the conn has closed, once
//
// All loops share a Control. The node's figures are single atomic words; addresses and users live in shards with a
// lock each, held for well under a microsecond. What is kept for them has a fixed upper bound, whatever comes: an
// address needs a record only while it has conns or owes for recent ones, and a user only while there are conns.
// Records and tickets are numbers, nothing for the garbage collector to walk.
//
// Time is the caller's: how long since some moment that is the same for all callers. Coarse is good enough, and so is
// a clock that is a little behind those of others. The package starts no goroutine: somebody calls Budget.Sample
// now and then, not on a loop, as it reads files.
package admission
