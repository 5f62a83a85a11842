package netpoll

import (
	"bytes"
	"io"
	"net"
	"testing"
	"time"
)

// echo sends back what it gets, and tells what happens on channels.
type echo struct {
	l      *Loop
	opened chan ConnID
	closed chan Reason
}

func (e *echo) Opened(c *Conn)                              { e.opened <- e.l.ID(c) }
func (e *echo) Received(c *Conn, b []byte) (used, need int) { e.l.Write(c, b); return len(b), 0 }
func (e *echo) Drained(*Conn)                               {}
func (e *echo) Slow(c *Conn)                                { e.l.Close(c, ClosedSlow) }
func (e *echo) Expired(c *Conn)                             { e.l.Close(c, ClosedLocally) }
func (e *echo) Closed(_ *Conn, why Reason)                  { e.closed <- why }
func (e *echo) Posted(p Post)                               { p.Item.(func(*Loop))(e.l) }
func (e *echo) Turn() bool                                  { return false }

func startEcho(t *testing.T, config Config) (*Reactor, *echo) {
	t.Helper()
	e := &echo{opened: make(chan ConnID, 100), closed: make(chan Reason, 100)}
	config.NewHandler = func(l *Loop) Handler {
		return &echo{l: l, opened: e.opened, closed: e.closed}
	}
	if config.Addresses == nil {
		config.Addresses = []string{"127.0.0.1:0"}
	}
	r, err := Open(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	return r, e
}

func TestEcho(t *testing.T) {
	for _, tables := range []Tables{TablesOff, TablesOn} {
		r, e := startEcho(t, Config{Loops: 3, Tables: tables})
		for range 10 {
			c, err := net.Dial("tcp", r.Addresses()[0])
			if err != nil {
				t.Fatal(err)
			}
			if err := c.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
				t.Fatal(err)
			}
			sent := bytes.Repeat([]byte("abc"), 1000)
			go c.Write(sent)
			got := make([]byte, len(sent))
			if _, err := io.ReadFull(c, got); err != nil || !bytes.Equal(got, sent) {
				t.Fatalf("echo: %v", err)
			}
			c.Close()
			<-e.opened
			if why := <-e.closed; why != ClosedByPeer {
				t.Fatalf("closed for %v; want %v", why, ClosedByPeer)
			}
		}
	}
}
