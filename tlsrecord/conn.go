package tlsrecord

import (
	"crypto/tls"
	"io"
	"net"
	"runtime/debug"
	"slices"
	"sync/atomic"
)

// The stages of a conn's life.
const (
	stageHello     = iota // waits for a whole ClientHello
	stageHandshake        // a handshake is under way, or has failed
	stageOpen             // established
)

// Whose turn it is.
const (
	turnLoop   int32 = iota // the loop's, or the pool has not begun
	turnPool                // a step is under way
	turnClosed              // nobody's any more
)

// A peer may send so many records without data, among them each KeyUpdate, until it has sent so much data. Those
// cost us some microseconds and an answer each, and no client needs more than one in a long while.
const (
	maxBarren     = 32
	forgiveBarren = 1 << 20 // bytes
)

// A Conn is the TLS of one conn. Loop and pool take turns with it.
type Conn struct {
	server *Server
	turn   atomic.Int32

	// The loop's and the pool's, in turns.
	stage  uint8
	ready  bool       // Step is due
	barren int32      // records without data
	data   int32      // bytes since barren was 0
	hs     *handshake // nil unless one is under way
	tls    *tls.Conn  // nil before the ClientHello
	err    error      // final
	wire   wire
}

// Established reports whether the handshake has succeeded. Loop.
func (c *Conn) Established() bool { return c.stage == stageOpen && c.err == nil }

// Begun reports whether the ClientHello has arrived. Loop.
func (c *Conn) Begun() bool { return c.stage != stageHello }

// Err returns what has ended the conn: any failure, or io.EOF for the peer's close_notify, after which Seal still
// works. The text of a failure may quote the peer, escaped. Loop.
func (c *Conn) Err() error { return c.err }

// State returns what the handshake has settled, and the peer's certificates. Loop, once established.
func (c *Conn) State() tls.ConnectionState { return c.tls.ConnectionState() }

// Flush appends to dst what TLS itself has to send: a flight of the handshake, an alert, the answer to a KeyUpdate.
// It is due after each Step and Open, also after one that has failed: the peer learns why. Loop.
func (c *Conn) Flush(dst []byte) []byte {
	dst = append(dst, c.wire.out...)
	c.wire.out = nil
	return dst
}

// Open appends to dst the plaintext of the whole records at the front of b and returns the size used of them;
// b[used:] must grow to need bytes before there is one more. b is not changed or kept. With len(b) bytes of room,
// dst does not move. Besides failures there is io.EOF: the peer has sent close_notify and nothing counts after it.
// Plaintext before an error is good. Loop, when established.
func (c *Conn) Open(dst, b []byte) (plain []byte, used, need int, err error) {
	if c.err != nil {
		return dst, 0, 0, c.err
	}
	early := c.wire.in // came right behind the handshake
	if dst, c.err = c.openAll(dst, early); c.err != nil {
		return dst, 0, 0, c.err
	}
	used, need, tooLarge := parseRecords(b)
	if dst, c.err = c.openAll(dst, b[:used]); c.err == nil {
		c.err = tooLarge
	}
	return dst, used, need, c.err
}

// openAll opens whole records.
func (c *Conn) openAll(dst, records []byte) (_ []byte, err error) {
	defer c.catch(&err)
	for len(records) > 0 && err == nil {
		size, _ := recordSize(records)
		dst, err = c.openOne(dst, records[:size])
		records = records[size:]
	}
	return dst, err
}

// openOne opens one record. crypto/tls is not asked for more than there is, so it keeps nothing for later.
func (c *Conn) openOne(dst, record []byte) ([]byte, error) {
	dst = slices.Grow(dst, len(record))
	c.wire.in, c.wire.rest = record, 0
	n, err := c.tls.Read(dst[len(dst):cap(dst)])
	c.wire.in = nil
	c.wire.secrets.countOpened(record[0], n == 0)
	if err == (wouldBlock{}) {
		err = c.countBarren()
	}
	c.forgive(n)
	return dst[:len(dst)+n], err
}

func (c *Conn) countBarren() error {
	c.barren++
	if c.barren > maxBarren {
		return ErrFlood
	}
	return nil
}

// forgive forgets records without data once enough data has come.
func (c *Conn) forgive(n int) {
	if c.barren == 0 {
		return
	}
	if c.data += int32(n); c.data >= forgiveBarren {
		c.barren, c.data = 0, 0
	}
}

// Seal appends to dst what Flush would, whose place is before, and the records that carry plain, each with at
// most 16 KiB of it and 22 to 29 bytes more. It works while the conn is established and still after the peer's close_notify, until
// CloseWrite. With an error the conn is lost. Loop.
func (c *Conn) Seal(dst, plain []byte) (_ []byte, err error) {
	if c.stage != stageOpen || c.err != nil && c.err != io.EOF {
		return dst, net.ErrClosed
	}
	defer c.catch(&err)
	c.wire.out = c.Flush(dst)
	_, err = c.tls.Write(plain)
	dst, c.wire.out = c.wire.out, nil
	return dst, err
}

// CloseWrite appends to dst what Flush would, and close_notify, once: nothing can be sealed after it, but the peer may still send. Of a
// conn that is not established it appends nothing. Loop.
func (c *Conn) CloseWrite(dst []byte) []byte {
	if c.stage != stageOpen || c.err != nil && c.err != io.EOF {
		return dst
	}
	c.wire.out = c.Flush(dst)
	_ = c.tls.CloseWrite() // wire takes everything
	dst, c.wire.out = c.wire.out, nil
	return dst
}

// catch makes a panic of crypto/tls the end of this conn only.
func (c *Conn) catch(err *error) {
	if p := recover(); p != nil {
		*err = &PanicError{p, debug.Stack()}
		c.err = *err
	}
}

// Close lets go of everything and sends nothing. It may be called in every stage, also while a Step waits in the
// pool or is under way; the conn's other methods must not be called after it. Loop.
func (c *Conn) Close() {
	if c.turn.Swap(turnClosed) != turnLoop || c.hs == nil {
		return
	}
	if c.hs.stop == nil {
		c.abandon()
		return
	}
	go c.abandon() // a coroutine of the pool's must not run on a locked thread; there are no more than MaxHandshakes
}
