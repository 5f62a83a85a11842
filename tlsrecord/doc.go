// Package tlsrecord is TLS 1.2 and 1.3 on byte slices: no socket, no goroutine for a conn. It is made for servers; a
// [Client] is what drives them from outside. crypto/tls does all that is cryptography; this package gives it the bytes
// when they are there and takes it off the thread when they are not.
//
// # The life of a conn
//
//	c := server.NewConn()                   // loop: accepted
//	used, need, err := c.Feed(b)            // loop: b is what has been read and not used
//	if c.Ready() {                          // loop: stop reading and have the worker pool run
//		c.Step()                            // pool: the handshake, as far as the input goes
//	}
//	out = c.Flush(out)                      // loop, when told that Step is over: send it, whatever Err says
//	if c.Err() == nil && c.Established() {  // loop: if neither, read on and Feed
//		plain, _, _, err = c.Open(plain, nil) // loop, once: what came right behind the handshake
//	}
//
//	plain, used, need, err := c.Open(plain, b) // loop: plaintext of the whole records in b
//	out = c.Flush(out)                         // loop: what TLS itself has to say, nearly always nothing
//	out, err = c.Seal(out, plain)              // loop: plaintext to records
//	out = c.CloseWrite(out)                    // loop: close_notify
//	tx, rx, ok := c.Export()                   // loop: keys for somebody else who does the records from here on
//	c.Close()                                  // loop: always, at the end
//
// # Goroutines
//
// Loop and pool take turns: a conn is the pool's from the moment Ready is true until Step has returned, and the
// loop's otherwise. Only Close, which the deadline needs at any time, may meet a Step under way. Loop methods
// never block. Step computes for up to a few milliseconds and waits for nothing, so a pool of as many goroutines
// as there are CPUs is enough however slow the peers are.
//
// crypto/tls knows only a handshake that blocks. Here it runs as a coroutine: where it would block it is set
// aside until the next flight has come, and costs its memory but no thread and no place in the pool. Nothing is
// spent on it before the whole ClientHello has arrived, and no more than Config.MaxHandshakes are under way.
// A coroutine cannot change between a goroutine that is locked to its thread and one that is not: Step must
// not run on a loop.
//
// # Memory
//
// Conn keeps no partial record: what Feed and Open have not used stays with the caller. It costs 128 bytes until
// its ClientHello is complete, about 19 KiB while its handshake waits for the client, and when it is established
// what crypto/tls keeps: 4.2 KB with TLS 1.2 and 5.2 KB with 1.3. The buffer that crypto/tls reads into is as large
// as the largest record so far and is never given back: one record of 16 KiB costs 18 KB until the conn closes.
package tlsrecord
