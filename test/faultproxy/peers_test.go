package faultproxy

import (
	"errors"
	"io"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/seed4ac54ce5/edge/internal/testutil"
)

// limit ends a test that would hang; no test waits for it.
const limit = 2 * time.Minute

// A server hands out the connections that it accepts.
type server struct {
	net.Listener
	accepted chan *net.TCPConn
}

// serve opens a server for the length of the test.
func serve(t testing.TB) *server {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &server{l, make(chan *net.TCPConn, 1)}
	done := make(chan struct{})
	go s.run(done)
	t.Cleanup(func() {
		_ = l.Close()
		for c := range s.accepted {
			_ = c.Close()
		}
		<-done
	})
	return s
}

func (s *server) run(done chan<- struct{}) {
	defer close(done)
	defer close(s.accepted)
	for {
		c, err := s.Accept()
		if err != nil {
			return
		}
		s.accepted <- c.(*net.TCPConn)
	}
}

// next returns the next connection.
func (s *server) next(t testing.TB) *net.TCPConn {
	t.Helper()
	select {
	case c := <-s.accepted:
		own(t, c)
		return c
	case <-time.After(limit):
		t.Fatal("the server accepted nothing")
		return nil
	}
}

// own closes c with the test, and ends reads and writes that hang.
func own(t testing.TB, c *net.TCPConn) {
	_ = c.SetDeadline(time.Now().Add(limit))
	t.Cleanup(func() { _ = c.Close() })
}

// dial connects to addr.
func dial(t testing.TB, addr string) *net.TCPConn {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	own(t, c.(*net.TCPConn))
	return c.(*net.TCPConn)
}

// pair starts a proxy with a client on one side and its server on the other.
func pair(t testing.TB, options ...Option) (p *Proxy, client, far *net.TCPConn) {
	t.Helper()
	s := serve(t)
	p = Start(t, s.Addr().String(), options...)
	client = dial(t, p.Addr())
	far = s.next(t)
	p.Await(1)
	return p, client, far
}

func send(t testing.TB, c net.Conn, data string) {
	t.Helper()
	if _, err := c.Write([]byte(data)); err != nil {
		t.Fatalf("Write: %v", err)
	}
}

// wantNext fails unless c receives want next.
func wantNext(t testing.TB, c net.Conn, want string) {
	t.Helper()
	got := make([]byte, len(want))
	if n, err := io.ReadFull(c, got); err != nil || string(got) != want {
		t.Fatalf("received %q, %v; want %q", got[:n], err, want)
	}
}

// wantEnd fails unless the stream to c ends next, without a reset.
func wantEnd(t testing.TB, c net.Conn) {
	t.Helper()
	if n, err := c.Read(make([]byte, 1)); n != 0 || err != io.EOF {
		t.Fatalf("Read = %d, %v; want the end", n, err)
	}
}

// wantReset fails unless c is reset next.
func wantReset(t testing.TB, c net.Conn) {
	t.Helper()
	if n, err := c.Read(make([]byte, 1)); n != 0 || !errors.Is(err, syscall.ECONNRESET) {
		t.Fatalf("Read = %d, %v; want a reset", n, err)
	}
}

// wantTaken waits until the proxy has n bytes of a stream, and fails if it takes more.
func wantTaken(t testing.TB, c *Conn, d Direction, n int64) {
	t.Helper()
	testutil.Eventually(t, limit, func() bool { return c.Taken(d) >= n }, "the proxy takes what was sent")
	if got := c.Taken(d); got != n {
		t.Fatalf("taken %s = %d bytes; want %d", d, got, n)
	}
}
