package tlsrecord

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"slices"
	"testing"
	"time"
)

// patience is how long a test waits for what must happen.
const patience = 2 * time.Minute

// A reactor does for one conn what a loop does, on a goroutine of its own, and echoes what arrives.
type reactor struct {
	conn *Conn
	sock net.Conn
	cut  int    // bytes handed over at a time
	held []byte // read and not used
	need int
	out  []byte
	data []byte        // plaintext of one call
	got  int           // plaintext bytes
	done chan struct{} // closed when run has returned
	err  error         // its result

	export bool    // hand the records over
	after  int     // when so much has been echoed
	kernel *kernel // who does them now
}

// serve accepts the other end of a client's socket.
func serve(t testing.TB, s *Server, cut int) (client net.Conn, r *reactor) {
	t.Helper()
	return serveWith(t, &reactor{conn: s.NewConn(), cut: cut})
}

// serveWith is serve with a reactor that is told what it does.
func serveWith(t testing.TB, r *reactor) (net.Conn, *reactor) {
	t.Helper()
	client, sock := socketPair(t)
	r.sock, r.done = sock, make(chan struct{})
	go func() {
		r.err = r.run()
		r.conn.Close()
		_ = sock.Close()
		close(r.done)
	}()
	t.Cleanup(func() { _ = client.Close(); <-r.done })
	return client, r
}

// socketPair returns both ends of a TCP connection on loopback.
func socketPair(t testing.TB) (client, server net.Conn) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ln.Close() }()
	if client, err = net.Dial("tcp", ln.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if server, err = ln.Accept(); err != nil {
		t.Fatal(err)
	}
	_ = client.SetDeadline(time.Now().Add(patience))
	_ = server.SetDeadline(time.Now().Add(patience))
	return client, server
}

// run reads until the end of the stream or of the conn; the end of the stream is nil.
func (r *reactor) run() error {
	buf := make([]byte, 32<<10)
	for {
		n, err := r.sock.Read(buf)
		for piece := range slices.Chunk(buf[:n], r.cut) {
			r.held = append(r.held, piece...)
			if err := r.received(); err != nil {
				return err
			}
		}
		if err != nil {
			return nil
		}
	}
}

var errNeed = errors.New("what is needed has come and changes nothing")

// received is one turn: all that can be done with what is held.
func (r *reactor) received() error {
	for {
		if r.kernel != nil {
			return r.kernel.received(r)
		}
		used, err := r.feed()
		r.held = append(r.held[:0], r.held[used:]...)
		if failed := r.flush(); err == nil {
			err = failed
		}
		if err != nil {
			return err
		}
		r.handOver()
		if used == 0 {
			return nil
		}
		if r.need != 0 && r.need <= len(r.held) {
			return errNeed
		}
	}
}

func (r *reactor) feed() (used int, err error) {
	if r.conn.Established() {
		return r.open(r.held)
	}
	if used, r.need, err = r.conn.Feed(r.held); err != nil || !r.conn.Ready() {
		return used, err
	}
	step(r.conn)
	if r.conn.Established() {
		_, err = r.open(nil)
		r.need = 0 // was said of nothing, not of the rest of held
		return used, err
	}
	return used, r.conn.Err()
}

// step runs one step on a goroutine of a pool of one.
func step(c *Conn) {
	done := make(chan struct{})
	go func() { c.Step(); close(done) }()
	<-done
}

func (r *reactor) open(b []byte) (used int, err error) {
	r.data, used, r.need, err = r.conn.Open(r.data[:0], b)
	r.got += len(r.data)
	if len(r.data) > 0 && (err == nil || err == io.EOF) {
		var failed error
		if r.out, failed = r.conn.Seal(r.out, r.data); failed != nil {
			err = failed
		}
	}
	return used, err
}

func (r *reactor) flush() error {
	r.out = r.conn.Flush(r.out)
	_, err := r.sock.Write(r.out)
	r.out = r.out[:0]
	return err
}

// result returns what ended the conn.
func (r *reactor) result(t testing.TB) error {
	t.Helper()
	select {
	case <-r.done:
		return r.err
	case <-time.After(patience):
		t.Fatal("the conn does not end")
		return nil
	}
}

// checkLabel fails the test unless the conn has ended for the reason with that label.
func (r *reactor) checkLabel(t testing.TB, want string) {
	t.Helper()
	if err := r.result(t); Label(err) != want {
		t.Errorf("the conn ended with %v, label %q; want %q", err, Label(err), want)
	}
}

// checkEcho fails the test unless text comes back from c.
func checkEcho(t testing.TB, c *tls.Conn, text []byte) {
	t.Helper()
	written := make(chan error)
	go func() { _, err := c.Write(text); written <- err }()
	got := make([]byte, len(text))
	if _, err := io.ReadFull(c, got); err != nil {
		_ = c.Close()
		<-written
		t.Fatalf("echo of %d bytes: %v", len(text), err)
	}
	if !slices.Equal(got, text) {
		t.Fatalf("echo of %d bytes differs", len(text))
	}
	if err := <-written; err != nil {
		t.Fatal(err)
	}
}
