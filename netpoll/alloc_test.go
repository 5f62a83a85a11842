package netpoll

import (
	"errors"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/seed4ac54ce5/edge/internal/testutil"
)

// wantNoAllocs fails the test if f, which makes a loop do something, allocates there or here.
func wantNoAllocs(t *testing.T, f func()) {
	t.Helper()
	if testutil.Race {
		t.Skip("the race detector allocates")
	}
	for range 100 {
		f() // what grows with the first uses has grown
	}
	if n := testing.AllocsPerRun(500, f); n != 0 {
		t.Errorf("%v allocations for each; want none", n)
	}
}

// bare is a client that makes nothing but system calls.
type bare struct {
	t   testing.TB
	fd  int
	buf [64 << 10]byte
}

// openBare connects to st's first address.
func openBare(t testing.TB, st *stage) *bare {
	t.Helper()
	to, err := ParseTarget(st.Addresses()[0])
	if err != nil {
		t.Fatal(err)
	}
	domain, sa := to.sockaddr()
	fd, err := unix.Socket(domain, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(fd) })
	if err := errors.Join(unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1), unix.Connect(fd, sa)); err != nil {
		t.Fatal(err)
	}
	return &bare{t: t, fd: fd}
}

// exchange sends the first n bytes of the buffer and reads as many.
func (c *bare) exchange(n int) {
	if _, err := unix.Write(c.fd, c.buf[:n]); err != nil {
		c.t.Fatal(err)
	}
	for n > 0 {
		got, err := unix.Read(c.fd, c.buf[:n])
		if err != nil || got == 0 {
			c.t.Fatalf("read %d: %v", got, err)
		}
		n -= got
	}
}

func TestEchoAllocatesNothing(t *testing.T) {
	st := open(t, Config{}, script{})
	c := openBare(t, st)
	wantNoAllocs(t, func() { c.exchange(64) })
}

// A message in two pieces costs a pooled buffer, and a timer is set with every one.
func TestLeftoversAndTimersAllocateNothing(t *testing.T) {
	left := make(chan bool)
	st := open(t, Config{}, script{received: func(l *Loop, c *Conn, b []byte) (used, need int) {
		l.SetTimer(c, time.Minute)
		if len(b) < 64 {
			left <- true
			return 0, 64
		}
		l.Write(c, b)
		return len(b), 0
	}})
	c := openBare(t, st)
	wantNoAllocs(t, func() {
		if _, err := unix.Write(c.fd, c.buf[:10]); err != nil {
			t.Fatal(err)
		}
		<-left
		if _, err := unix.Write(c.fd, c.buf[:54]); err != nil {
			t.Fatal(err)
		}
		if n, err := unix.Read(c.fd, c.buf[:]); n != 64 {
			t.Fatalf("echo of %d bytes, %v; want 64", n, err)
		}
	})
}

func TestPostAllocatesNothing(t *testing.T) {
	st := open(t, Config{}, script{})
	l, done := st.Loops()[0], make(chan bool)
	handle := func(*Loop) { done <- true }
	wantNoAllocs(t, func() {
		l.Send(Post{Item: handle})
		<-done
	})
}

// Pausing, resuming and asking for more work on lists that have grown.
func TestPauseAllocatesNothing(t *testing.T) {
	st := open(t, Config{}, script{received: func(l *Loop, c *Conn, b []byte) (used, need int) {
		l.Pause(c)
		l.Resume(c)
		l.Again(c)
		l.Write(c, b)
		return len(b), 0
	}})
	c := openBare(t, st)
	wantNoAllocs(t, func() { c.exchange(64) })
}
