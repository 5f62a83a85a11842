package tlsrecord

import (
	"crypto/tls"
	"iter"
	"net"
	"runtime/debug"
)

// What a peer may send in a handshake. A chain of client certificates is the largest flight there is; each
// step costs a trip to the pool, and comes with a whole record at least.
const (
	maxFlights = 64 << 10 // bytes, over all flights
	maxSteps   = 64
)

// A handshake is one that is under way: a coroutine that runs in next and is set aside when it needs input.
type handshake struct {
	next  func() (struct{}, bool) // nil until the first step
	stop  func()
	fed   int // bytes
	steps int
	err   error // its result
}

// Feed takes what it can of b, which the peer has sent and no call has used yet, for the handshake. It uses
// whole flights or records, and of the ClientHello nothing until all of it is there; unless it has used
// everything, it cannot go on before b[used:] has need bytes. An error is final: close, there is nothing to send.
//
// It must not be called while Ready is true, nor once the conn is established. Loop.
func (c *Conn) Feed(b []byte) (used, need int, err error) {
	switch {
	case c.err != nil:
		return 0, 0, c.err
	case c.stage == stageHello:
		used, need, err = c.feedHello(b)
	default:
		used, need, err = c.feedFlight(b)
	}
	c.err = err
	return used, need, err
}

// feedHello begins the handshake when b has a whole ClientHello. Nothing is spent on a peer before.
func (c *Conn) feedHello(b []byte) (used, need int, err error) {
	used, need, err = parseHello(b)
	if used == 0 {
		return 0, need, err
	}
	s := c.server.settings.Load()
	if !c.server.admit(s.maxHandshakes) {
		return 0, 0, ErrBusy
	}
	c.hs = &handshake{fed: used}
	c.wire.in = appendCut(nil, b[:used])
	c.tls = tls.Server(&c.wire, s.tls)
	c.stage, c.ready = stageHandshake, true
	return used, 0, nil
}

// feedFlight hands whole records to the handshake under way.
func (c *Conn) feedFlight(b []byte) (used, need int, err error) {
	used, need, err = parseRecords(b)
	if err != nil || used == 0 {
		return 0, need, err
	}
	c.hs.fed += used
	c.hs.steps++
	if c.hs.fed > maxFlights || c.hs.steps > maxSteps {
		return 0, 0, ErrFlights
	}
	c.wire.in = append(c.wire.in, b[:used]...)
	c.ready = true
	return used, need, nil
}

// Ready reports whether Step is due. Until it has run and the loop has been told, the conn is the pool's. Loop.
func (c *Conn) Ready() bool { return c.ready }

// Step takes the handshake as far as its input goes; nobody but one goroutine of the pool calls it, once for each
// time that Ready becomes true. After a Close it does nothing. It returns within milliseconds. Pool.
func (c *Conn) Step() {
	if !c.turn.CompareAndSwap(turnLoop, turnPool) {
		return
	}
	c.advance()
	if !c.turn.CompareAndSwap(turnPool, turnLoop) {
		c.abandon() // closed meanwhile, and this was left to us
	}
}

func (c *Conn) advance() {
	defer func() {
		if p := recover(); p != nil {
			c.finish(&PanicError{p, debug.Stack()})
		}
	}()
	c.ready = false
	if c.hs.next == nil {
		c.hs.next, c.hs.stop = iter.Pull(c.shake)
	}
	if _, waits := c.hs.next(); !waits {
		c.finish(c.hs.err)
	}
}

// shake is the coroutine.
func (c *Conn) shake(wait func(struct{}) bool) {
	c.wire.wait = wait
	c.hs.err = c.tls.Handshake()
}

// finish ends the handshake with its result.
func (c *Conn) finish(err error) {
	c.hs, c.wire.wait = nil, nil
	c.server.under.Add(-1)
	if err != nil {
		c.err = err
		return
	}
	c.settleSecrets()
	c.stage = stageOpen
}

// abandon ends a handshake that is set aside. The coroutine has to be run to its end: it would stay for ever. What the peer has sent
// is let go of: a step that still waits in the pool keeps the conn, and nobody bounds how many of those are closed.
func (c *Conn) abandon() {
	if c.hs == nil {
		return
	}
	err := error(net.ErrClosed)
	defer func() {
		if p := recover(); p != nil {
			err = &PanicError{p, debug.Stack()}
		}
		c.finish(err)
		c.tls, c.wire = nil, wire{}
	}()
	if c.hs.stop != nil {
		c.hs.stop()
	}
}
