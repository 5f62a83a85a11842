package faultproxy

import (
	"context"
	"math/rand/v2"
	"net"
	"net/netip"
)

// A Direction is one of a conn's two streams, or both.
type Direction uint8

// The directions.
const (
	Upstream   Direction = 1 << iota // from the client to the target
	Downstream                       // from the target to the client
	Both       = Upstream | Downstream
)

// String returns the direction's name.
func (d Direction) String() string {
	return [...]string{"none", "upstream", "downstream", "both"}[d&Both]
}

// Conn is a client's connection together with that to the target. All methods may be called from any goroutine, also
// when the conn is gone; they do nothing then.
type Conn struct {
	proxy  *Proxy
	id     int
	client *net.TCPConn
	done   chan struct{}
	ctx    context.Context // done when the conn is over: ends a connect that is under way
	cancel context.CancelFunc

	// Guarded by proxy.mu.
	server    *net.TCPConn // nil until connected
	up, down  *flow        // nil until they run
	toxics    []*entry
	swallowed bool
	standing  bool
	halved    Direction // streams that HalfClose has ended
	settled   Direction // streams that have come to their end
	over      bool      // both have, or the conn was cut
}

func newConn(p *Proxy, id int, client *net.TCPConn, swallowed bool) *Conn {
	c := &Conn{proxy: p, id: id, client: client, done: make(chan struct{}), swallowed: swallowed}
	c.ctx, c.cancel = context.WithCancel(p.ctx)
	return c
}

// ID is the conn's number in the order of acceptance, from 1.
func (c *Conn) ID() int { return c.id }

// Client is the client's address.
func (c *Conn) Client() netip.AddrPort { return c.client.RemoteAddr().(*net.TCPAddr).AddrPort() }

// Done is closed when both sockets are closed.
func (c *Conn) Done() <-chan struct{} { return c.done }

// Add is [Proxy.Add] for this conn.
func (c *Conn) Add(d Direction, toxics ...Toxic) (remove func()) {
	return c.proxy.add(&c.toxics, d, toxics, func() []*Conn { return []*Conn{c} })
}

// Taken returns how many bytes the proxy has had from the sender of a stream, or from both. What it says is behind
// the conn's toxics: passed on, waiting, or dropped.
func (c *Conn) Taken(d Direction) int64 {
	return c.sum(d, func(f *flow) int64 { return f.taken.Load() })
}

// Passed returns how many bytes have been written to the receiver of a stream, or to both.
func (c *Conn) Passed(d Direction) int64 {
	return c.sum(d, func(f *flow) int64 { return f.passed.Load() })
}

// sum adds what count says of the flows of d.
func (c *Conn) sum(d Direction, count func(*flow) int64) (n int64) {
	c.proxy.mu.Lock()
	defer c.proxy.mu.Unlock()
	for _, f := range []*flow{c.up, c.down} {
		if f != nil && f.dir&d != 0 {
			n += count(f)
		}
	}
	return n
}

// Cut resets the conn on both sides.
func (c *Conn) Cut() {
	c.proxy.mu.Lock()
	sockets := []*net.TCPConn{c.client}
	if c.server != nil {
		sockets = append(sockets, c.server)
	}
	for _, s := range sockets {
		_ = s.SetLinger(0) // first: whoever sees that the conn is over may be the one who closes them
	}
	c.over = true
	c.proxy.mu.Unlock()
	for _, s := range sockets {
		reset(s)
	}
	c.poke()
}

// Close ends both streams as close(2) would: what waits in the proxy is dropped, both sides see the end of their
// stream, and what they send within a second is dropped, so that no reset overtakes what they have yet to read.
func (c *Conn) Close() { c.HalfClose(Both) }

// HalfClose ends the streams of d as if their senders had: the receiver sees the end, what the sender still sends
// is dropped, and so is what waits in the proxy.
func (c *Conn) HalfClose(d Direction) {
	c.proxy.mu.Lock()
	c.halved |= d
	c.proxy.mu.Unlock()
	c.poke()
}

// settle says that a stream has come to its end. With the second one the conn is over.
func (c *Conn) settle(d Direction) {
	c.proxy.mu.Lock()
	c.settled |= d
	c.over = c.over || c.settled == Both
	c.proxy.mu.Unlock()
	c.poke()
}

// poke makes both flows look at what has changed.
func (c *Conn) poke() {
	c.proxy.mu.Lock()
	up, down, over := c.up, c.down, c.over
	c.proxy.mu.Unlock()
	if over {
		c.cancel()
	}
	for _, f := range []*flow{up, down} {
		if f != nil {
			f.poke()
		}
	}
}

// run carries both streams until the conn is over.
func (c *Conn) run() {
	defer c.end()
	if c.swallowed {
		c.settle(Downstream)
		c.start(newFlow(c, Upstream, c.client, nil), nil)
		c.up.run()
		return
	}
	if !c.connect() {
		reset(c.client)
		return
	}
	up, down := newFlow(c, Upstream, c.client, c.server), newFlow(c, Downstream, c.server, c.client)
	c.start(up, down)
	c.proxy.wait.Go(down.run)
	if c.proxy.header != nil {
		up.obey()
		up.feed(segment{data: c.proxy.header(c.Client())})
	}
	up.run()
	<-down.ended
}

// connect connects to the target, and says whether that is still wanted.
func (c *Conn) connect() bool {
	var dialer net.Dialer
	s, err := dialer.DialContext(c.ctx, "tcp", c.proxy.target)
	if err != nil {
		return false
	}
	server := s.(*net.TCPConn)
	c.proxy.tune(server)
	c.proxy.mu.Lock()
	defer c.proxy.mu.Unlock()
	if c.over {
		reset(server)
		return false
	}
	c.server = server
	return true
}

// start lets others see the flows.
func (c *Conn) start(up, down *flow) {
	c.proxy.mu.Lock()
	defer c.proxy.mu.Unlock()
	c.up, c.down, c.standing = up, down, true
	c.proxy.changed()
}

// end closes what is open.
func (c *Conn) end() {
	c.cancel()
	_ = c.client.Close()
	if c.server != nil {
		_ = c.server.Close()
	}
	c.proxy.leave(c)
	close(c.done)
}

// random returns a source for one direction. It depends on nothing but the proxy's seed, the conn's number and the
// direction.
func (c *Conn) random(d Direction) *rand.Rand {
	return rand.New(rand.NewPCG(c.proxy.seed, uint64(c.id)<<2|uint64(d)))
}

// reset closes s with a reset: with SO_LINGER 0 the kernel sends no FIN.
func reset(s *net.TCPConn) {
	_ = s.SetLinger(0) // fails only if it is closed already
	_ = s.Close()
}
