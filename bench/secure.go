package bench

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"sync"

	"github.com/seed4ac54ce5/edge/netpoll"
	"github.com/seed4ac54ce5/edge/tlsrecord"
)

// secured is the TLS of one connection, and what it has received of a frame that is not whole.
type secured struct {
	tls   *tlsrecord.Conn
	plain []byte
}

// tlsConfig returns how to speak TLS to host: --insecure believes every certificate, --ca those of the authorities in a file.
func (o *Options) tlsConfig(host string) (*tls.Config, error) {
	config := &tls.Config{ServerName: host, InsecureSkipVerify: o.Insecure, MinVersion: tls.VersionTLS12}
	if o.CA == "" {
		return config, nil
	}
	pem, err := os.ReadFile(o.CA)
	if err != nil {
		return nil, fmt.Errorf("%w: --ca: %w", ErrUsage, err)
	}
	config.RootCAs = x509.NewCertPool()
	if !config.RootCAs.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%w: --ca %s: no certificate in it; want a file in PEM", ErrUsage, o.CA)
	}
	return config, nil
}

// secure returns the TLS of a connection, nil if it has none.
func (d *driver) secure(c *netpoll.Conn) *secured {
	if d.secureds == nil {
		return nil
	}
	return d.secureds[c.Slot()]
}

// shake begins the handshake of a connection that stands.
func (d *driver) shake(c *netpoll.Conn, client *tlsrecord.Client) {
	if d.secureds == nil {
		d.secureds = make(map[uint32]*secured)
	}
	s := &secured{tls: client.NewConn()}
	d.secureds[c.Slot()] = s
	d.step(c, s)
}

// step has the pool do the next part of a handshake. The connection is not read meanwhile.
func (d *driver) step(c *netpoll.Conn, s *secured) {
	d.loop.Pause(c)
	id := d.loop.ID(c)
	d.run.steps.do(func() {
		s.tls.Step()
		d.loop.Send(netpoll.Post{Item: func(d *driver) { d.stepped(id) }})
	})
}

// stepped goes on with a connection whose part of a handshake is done.
func (d *driver) stepped(id netpoll.ConnID) {
	c := d.loop.Conn(id)
	if c == nil || c.Closing() {
		return
	}
	s, p := d.secure(c), &d.peers[c.Slot()]
	d.loop.Write(c, s.tls.Flush(nil))
	if err := s.tls.Err(); err != nil {
		d.drop(c, p, "TLS: "+err.Error())
		return
	}
	d.loop.Resume(c)
	if s.tls.Established() {
		d.begin(c, p)
	}
}

// receivedSecured takes what has come of a connection with TLS: a flight of its handshake, or records.
func (d *driver) receivedSecured(c *netpoll.Conn, s *secured, p *peer, b []byte) (used, need int) {
	var err error
	if !s.tls.Established() {
		if used, need, err = s.tls.Feed(b); err == nil && s.tls.Ready() {
			d.step(c, s)
		}
	} else {
		if s.plain, used, need, err = s.tls.Open(s.plain, b); len(s.plain) > 0 {
			d.opened(c, s, p)
		}
		if own := s.tls.Flush(nil); len(own) > 0 {
			d.loop.Write(c, own)
		}
	}
	switch {
	case err == io.EOF:
		d.loop.Close(c, netpoll.ClosedByPeer)
	case err != nil:
		d.drop(c, p, "TLS: "+err.Error())
	}
	return used, need
}

// opened hands over plaintext, and keeps what is not used of it.
func (d *driver) opened(c *netpoll.Conn, s *secured, p *peer) {
	n, _ := d.receivedPlain(c, p, s.plain)
	if s.plain = s.plain[n:]; len(s.plain) == 0 {
		s.plain = nil
	}
}

// write sends whole messages: frames, or the packets of a session that polls.
func (d *driver) write(c *netpoll.Conn, b []byte) {
	if d.run.options.polls() {
		d.post(c, b)
		return
	}
	d.transmit(c, b)
}

// transmit sends b as it is, or in records.
func (d *driver) transmit(c *netpoll.Conn, b []byte) {
	s := d.secure(c)
	if s == nil {
		d.loop.Write(c, b)
		return
	}
	var err error
	if d.sealed, err = s.tls.Seal(d.sealed[:0], b); err != nil {
		d.drop(c, &d.peers[c.Slot()], "TLS: "+err.Error())
		return
	}
	d.loop.Write(c, d.sealed)
}

// unsecure lets go of the TLS of a connection that has closed.
func (d *driver) unsecure(c *netpoll.Conn) {
	if s := d.secure(c); s != nil {
		s.tls.Close()
		delete(d.secureds, c.Slot())
	}
}

// dialSecure makes of conn one with TLS, where t wants that.
func (t *target) dialSecure(conn net.Conn) net.Conn {
	if t.tls == nil {
		return conn
	}
	return tls.Client(conn, t.tls)
}

// pool computes on as many goroutines as there are CPUs. A nil pool is for nobody.
type pool struct {
	mu      sync.Mutex // guards what follows
	more    sync.Cond
	jobs    []func()
	stopped bool
	workers sync.WaitGroup
}

func newPool() *pool {
	p := new(pool)
	p.more.L = &p.mu
	for range runtime.NumCPU() {
		p.workers.Go(p.work)
	}
	return p
}

// do has f called, in the order of the calls to do.
func (p *pool) do(f func()) {
	p.mu.Lock()
	p.jobs = append(p.jobs, f)
	p.mu.Unlock()
	p.more.Signal()
}

func (p *pool) work() {
	for f := p.next(); f != nil; f = p.next() {
		f()
	}
}

// next waits for something to do, and returns nil when there will be nothing more.
func (p *pool) next() (f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.jobs) == 0 && !p.stopped {
		p.more.Wait()
	}
	if len(p.jobs) == 0 {
		return nil
	}
	f, p.jobs[0] = p.jobs[0], nil
	p.jobs = p.jobs[1:]
	return f
}

// stop returns when all is done.
func (p *pool) stop() {
	if p == nil {
		return
	}
	p.mu.Lock()
	p.stopped = true
	p.mu.Unlock()
	p.more.Broadcast()
	p.workers.Wait()
}
