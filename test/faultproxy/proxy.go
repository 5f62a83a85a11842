package faultproxy

import (
	"cmp"
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience is how long [Proxy.Await] waits.
const patience = 2 * time.Minute

// retry is the pause after an accept that failed, for want of descriptors for example.
const retry = 10 * time.Millisecond

// Proxy forwards the connections that it accepts to one target. All methods may be called from any goroutine,
// [Proxy.Await] only from that of the test.
type Proxy struct {
	t      testing.TB
	target string
	port   *port
	header func(client netip.AddrPort) []byte
	buffer int // bytes that a direction may hold
	kernel int // bytes of each socket buffer; 0 is the kernel's choice
	seed   uint64

	ctx  context.Context // done when the proxy closes
	stop context.CancelFunc
	wait sync.WaitGroup // the accepting goroutine and those of the conns

	mu       sync.Mutex // guards all below, and what Conn says
	listener net.Listener
	swallow  bool
	closed   bool
	toxics   []*entry
	conns    map[*Conn]struct{}
	accepted int
	change   chan struct{} // closed at the next change of conns
}

// An Option is given to [Start].
type Option func(*Proxy)

// Header makes the proxy send what h returns to the target before anything else, for example the PROXY protocol's
// header for client. It passes through the toxics of [Upstream] as if the client had sent it.
func Header(h func(client netip.AddrPort) []byte) Option { return func(p *Proxy) { p.header = h } }

// Buffer sets how many bytes a direction may hold back: 64 KiB if not given, at least 1.
func Buffer(bytes int) Option { return func(p *Proxy) { p.buffer = max(1, bytes) } }

// SocketBuffers sets SO_RCVBUF and SO_SNDBUF of the proxy's sockets, so that a sender meets a slow receiver soon.
// The kernel doubles the value and has a least one.
func SocketBuffers(bytes int) Option { return func(p *Proxy) { p.kernel = bytes } }

// Seed makes what is random happen again.
func Seed(seed uint64) Option { return func(p *Proxy) { p.seed = seed } }

// Start opens a proxy on a port of 127.0.0.1 that forwards to target, host:port. It fails t if it cannot, and
// closes when t ends.
func Start(t testing.TB, target string, options ...Option) *Proxy {
	t.Helper()
	p := &Proxy{
		t: t, target: target, buffer: 64 << 10, seed: rand.Uint64(),
		conns: make(map[*Conn]struct{}), change: make(chan struct{}),
	}
	for _, o := range options {
		o(p)
	}
	p.ctx, p.stop = context.WithCancel(context.Background())
	var err error
	if p.port, err = reserve(); err != nil {
		t.Fatalf("faultproxy: %v", err)
	}
	t.Cleanup(p.close)
	p.Forward()
	t.Logf("faultproxy: %s forwards to %s, seed %d", p.Addr(), target, p.seed)
	return p
}

// Addr is where clients connect, host:port.
func (p *Proxy) Addr() string { return p.port.addr() }

// Add puts toxics on a direction of all conns, those that stand and those to come. remove takes them off again; what
// they held back then leaves at once.
func (p *Proxy) Add(d Direction, toxics ...Toxic) (remove func()) {
	return p.add(&p.toxics, d, toxics, p.Conns)
}

// Conns returns the conns that stand, in the order of their acceptance.
func (p *Proxy) Conns() []*Conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	conns := make([]*Conn, 0, len(p.conns))
	for c := range p.conns {
		conns = append(conns, c)
	}
	slices.SortFunc(conns, func(a, b *Conn) int { return cmp.Compare(a.id, b.id) })
	return conns
}

// Find returns the conn of the client whose own address is local, or nil.
func (p *Proxy) Find(local net.Addr) *Conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		if c.client.RemoteAddr().String() == local.String() {
			return c
		}
	}
	return nil
}

// Accepted returns how many conns there have been.
func (p *Proxy) Accepted() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.accepted
}

// Await returns as soon as n conns stand, connected to the target or swallowed, and no other. It fails the test if
// that takes longer than two minutes.
func (p *Proxy) Await(n int) {
	p.t.Helper()
	limit := time.NewTimer(patience)
	defer limit.Stop()
	for {
		standing, change := p.standing()
		if standing == n {
			return
		}
		select {
		case <-change:
		case <-limit.C:
			p.t.Fatalf("faultproxy: %d conns stand after %v; want %d", standing, patience, n)
		}
	}
}

// standing counts the conns, -1 while one of them is neither connected nor swallowed, and returns what closes when
// that changes.
func (p *Proxy) standing() (int, <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		if !c.standing {
			return -1, p.change
		}
	}
	return len(p.conns), p.change
}

// changed tells those who wait for a number of conns to look again. The caller holds p.mu.
func (p *Proxy) changed() {
	close(p.change)
	p.change = make(chan struct{})
}

// CutAll resets all conns that stand, on both sides.
func (p *Proxy) CutAll() {
	for _, c := range p.Conns() {
		c.Cut()
	}
}

// Refuse closes the listener but keeps its port: whoever connects is refused, as by a host whose server has died.
// Conns that stand stay.
func (p *Proxy) Refuse() {
	p.mu.Lock()
	l := p.listener
	p.listener = nil
	p.mu.Unlock()
	if l != nil {
		_ = l.Close()
	}
}

// Swallow makes the proxy accept whoever connects from now on, connect them nowhere and drop what they send, as a
// balancer does whose target has gone without a word. Such a conn stays until its client closes it or it is cut.
func (p *Proxy) Swallow() { p.listen(true) }

// Forward makes the proxy forward whoever connects from now on. It undoes Refuse and Swallow; conns that were
// swallowed stay so.
func (p *Proxy) Forward() { p.listen(false) }

// listen opens the listener if it is closed.
func (p *Proxy) listen(swallow bool) {
	p.t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.swallow = swallow
	if p.listener != nil || p.closed {
		return
	}
	l, err := net.Listen("tcp4", p.port.addr())
	if err != nil {
		p.t.Errorf("faultproxy: %v", err)
		return
	}
	p.listener = l
	p.wait.Go(func() { p.accept(l) })
}

// accept serves l until it is closed.
func (p *Proxy) accept(l net.Listener) {
	for {
		client, err := l.Accept()
		switch {
		case err == nil:
			p.welcome(client.(*net.TCPConn))
		case errors.Is(err, net.ErrClosed):
			return
		case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
			p.pause()
		}
	}
}

// pause waits a little, or until the proxy closes.
func (p *Proxy) pause() {
	t := time.NewTimer(retry)
	defer t.Stop()
	select {
	case <-t.C:
	case <-p.ctx.Done():
	}
}

// welcome makes a conn of an accepted socket.
func (p *Proxy) welcome(client *net.TCPConn) {
	p.tune(client)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		reset(client)
		return
	}
	p.accepted++
	c := newConn(p, p.accepted, client, p.swallow)
	p.conns[c] = struct{}{}
	p.wait.Go(c.run)
}

// tune sets the socket's buffers.
func (p *Proxy) tune(s *net.TCPConn) {
	if p.kernel > 0 {
		_ = s.SetReadBuffer(p.kernel) // a socket that is gone already says so when it is read
		_ = s.SetWriteBuffer(p.kernel)
	}
}

// leave removes a conn whose goroutines are done with it.
func (p *Proxy) leave(c *Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.conns, c)
	p.changed()
}

// close ends the proxy and waits for all its goroutines.
func (p *Proxy) close() {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.stop()
	p.Refuse()
	p.CutAll()
	p.wait.Wait()
	p.port.release()
}
