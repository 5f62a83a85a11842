package netpoll

import (
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// lowerLimit makes n the number from which no descriptor is opened, until restore is called, which
// happens at the end of the test at the latest.
func lowerLimit(t *testing.T, n int) (restore func()) {
	t.Helper()
	var old unix.Rlimit
	if err := unix.Prlimit(0, unix.RLIMIT_NOFILE, nil, &old); err != nil {
		t.Fatal(err)
	}
	set := func(cur uint64) {
		if err := unix.Prlimit(0, unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: cur, Max: old.Max}, nil); err != nil {
			t.Error(err)
		}
	}
	set(uint64(n))
	restore = sync.OnceFunc(func() { set(old.Cur) })
	t.Cleanup(restore)
	return restore
}

// crowd is sockets that connect later: once a limit is low, they need no new descriptor.
type crowd struct {
	t   *testing.T
	to  unix.Sockaddr
	fds []int
}

// gather opens n sockets for st's first address. They close with the test.
func gather(t *testing.T, st *stage, n int) *crowd {
	t.Helper()
	target, err := ParseTarget(st.Addresses()[0])
	if err != nil {
		t.Fatal(err)
	}
	domain, to := target.sockaddr()
	cr := &crowd{t: t, to: to}
	t.Cleanup(cr.leave)
	for range n {
		fd, err := unix.Socket(domain, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		cr.fds = append(cr.fds, fd)
		if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: int64(patience / time.Second)}); err != nil {
			t.Fatal(err)
		}
	}
	return cr
}

// connect connects the sockets from i to j.
func (cr *crowd) connect(i, j int) {
	cr.t.Helper()
	for _, fd := range cr.fds[i:j] {
		if err := unix.Connect(fd, cr.to); err != nil {
			cr.t.Fatal(err)
		}
	}
}

// echo sends a little through socket i and returns what comes, empty at the end of the stream.
func (cr *crowd) echo(i int) string {
	_ = unix.Send(cr.fds[i], []byte("ping"), unix.MSG_NOSIGNAL) // of one that is refused it may fail
	return cr.read(i)
}

func (cr *crowd) read(i int) string {
	var b [64]byte
	n, err := unix.Read(cr.fds[i], b[:])
	for errors.Is(err, unix.EINTR) { // a read with a time limit is not restarted by itself
		n, err = unix.Read(cr.fds[i], b[:])
	}
	if err != nil && !errors.Is(err, unix.ECONNRESET) {
		cr.t.Errorf("socket %d: %v", i, err)
	}
	return string(b[:max(n, 0)])
}

func (cr *crowd) leave() {
	for _, fd := range cr.fds {
		_ = unix.Close(fd)
	}
	cr.fds = nil
}

// free returns the lowest number that is free in the process's table.
func free(t *testing.T) int {
	t.Helper()
	fd, err := unix.FcntlInt(1, unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	_ = unix.Close(fd)
	return fd
}

// limitFor returns the limit under which the loops of a shared table take no conn from number n on.
func limitFor(n int) (limit int) {
	for limit = n; ceilingOf(limit) < n; limit++ {
	}
	return limit
}

// Where the loops share a table, clients leave the rest of the process as many descriptors as are its own.
func TestDescriptorsForTheRest(t *testing.T) {
	const conns = 100
	st := open(t, Config{Tables: TablesOff, Refusal: []byte("full")}, script{})
	cr := gather(t, st, conns)
	limit := limitFor(free(t) + 5)
	restore := lowerLimit(t, limit)
	cr.connect(0, conns)
	if first := await(t, st.pauses, "AcceptError"); first.why != unix.EMFILE {
		t.Errorf("AcceptError(%v); want EMFILE", first.why)
	}
	served := len(st.opened)
	for i := range conns {
		if got, want := cr.echo(i), map[bool]string{true: "ping", false: "full"}[i < served]; got != want && (got != "" || i < served) {
			t.Errorf("conn %d, %d of them served, got %q; want %q", i, served, got, want)
		}
	}
	restore() // for the test's own
	if used, most := free(t), ceilingOf(limit)+1; served == 0 || used > most {
		t.Errorf("%d conns were served, and descriptors are used up to %d; want some, and not beyond %d", served, used, most)
	}
}

// A loop without descriptors says so to those who wait, turns seldom meanwhile, serves the conns that
// it has, and accepts again as soon as there are descriptors.
func TestDescriptorsRunOut(t *testing.T) {
	forTables(t, func(t *testing.T, tables Tables) {
		const conns = 300
		st := open(t, Config{Tables: tables, Refusal: []byte("full")}, script{})
		cr := gather(t, st, conns+1)
		limit := 20 // of a private table; it holds some nine of the loop's own
		if tables == TablesOff {
			limit = limitFor(free(t) + 5)
		}
		restore := lowerLimit(t, limit)
		cr.connect(0, conns)
		first := await(t, st.pauses, "AcceptError")
		last := await(t, st.pauses, "AcceptError again, as more wait than are refused at a time")
		if first.why != unix.EMFILE || last.turns-first.turns > 20 {
			t.Errorf("AcceptError(%v), and again %d turns later; want EMFILE, and few turns", first.why, last.turns-first.turns)
		}
		served := len(st.opened)
		for i := range conns {
			want := map[bool]string{true: "ping", false: "full"}[i < served]
			if got := cr.echo(i); got != want && (got != "" || i < served) {
				t.Errorf("conn %d of %d, %d of them served, got %q; want %q", i, conns, served, got, want)
			}
		}
		if served == 0 || served > 20 {
			t.Errorf("%d conns were served; want some", served)
		}
		restore()
		st.settle() // what is being refused now is refused
		cr.connect(conns, conns+1)
		for range served + 1 {
			await(t, st.opened, "Opened, once there are descriptors again")
		}
		if got := cr.echo(conns); got != "ping" {
			t.Errorf("a conn after the pause got %q; want an echo", got)
		}
		st.do(0, func(l *Loop) {
			if s := l.Stats(); s.Refused != uint64(conns-served) || s.Pauses < 2 || s.Accepted != uint64(served+1) {
				t.Errorf("Refused %d, Pauses %d, Accepted %d; want %d, some, %d", s.Refused, s.Pauses, s.Accepted, conns-served, served+1)
			}
		})
	})
}

// As above with the one Unix socket that loops share.
func TestDescriptorsRunOutOnUnixSocket(t *testing.T) {
	forTables(t, func(t *testing.T, tables Tables) {
		st := open(t, Config{Loops: 2, Tables: tables, Addresses: []string{streams(t)["Unix"]}, Refusal: []byte("full")}, script{})
		cr := gather(t, st, 101)
		limit := 20
		if tables == TablesOff {
			limit = limitFor(free(t) + 5)
		}
		restore := lowerLimit(t, limit)
		cr.connect(0, 100)
		await(t, st.pauses, "AcceptError")
		restore()
		st.settle() // what is being refused now is refused
		cr.connect(100, 101)
		if got := cr.echo(100); got != "ping" {
			t.Errorf("a conn after the pause got %q; want an echo", got)
		}
	})
}

// When the kernel has no room to watch the listeners again, a pause goes on until it has.
func TestPauseOutlastsTheKernelsRefusal(t *testing.T) {
	st := open(t, Config{Addresses: []string{"127.0.0.1:0", streams(t)["Unix"]}}, script{})
	for i := range st.Addresses() {
		st.do(0, func(l *Loop) {
			l.pauseAccepting(unix.ENOMEM)
			fd := l.listeners[i].fd
			l.listeners[i].fd = 1 << 30 // as good as any error
			l.acceptAgain = l.wheel.now
			l.resumeAccepting()
			l.listeners[i].fd = fd
			if !l.acceptPaused {
				t.Errorf("the pause has ended though listener %d is not watched", i)
			}
		})
		for _, address := range st.Addresses() {
			wantEcho(t, dial(t, address), "again")
		}
	}
}

// When the kernel has no room to watch a new conn, those behind it wait until it has.
func TestPauseBeginsWithTheFirstRefusal(t *testing.T) {
	st := open(t, Config{}, script{})
	st.do(0, func(l *Loop) {
		l.pauseAccepting(unix.ENOMEM)
		l.acceptAgain += 1 << 20
	})
	const conns = 5
	cr := gather(t, st, conns)
	cr.connect(0, conns)
	st.do(0, func(l *Loop) {
		epoll := l.epoll
		l.epoll = 1 << 30 // as good as any error
		l.acceptPaused = false
		l.accept(&l.listeners[0])
		l.epoll = epoll
		if l.stats.Refused != 1 {
			t.Errorf("%d of %d were turned away; want one", l.stats.Refused, conns)
		}
	})
	for range conns - 1 {
		await(t, st.opened, "Opened, after the pause")
	}
}

// Listeners that close during a pause stay closed.
func TestStopListeningWhilePaused(t *testing.T) {
	forTables(t, func(t *testing.T, tables Tables) {
		st := open(t, Config{Loops: 2, Tables: tables, Addresses: []string{"127.0.0.1:0", streams(t)["Unix"]}}, script{})
		cr := gather(t, st, 100)
		limit := 20
		if tables == TablesOff {
			limit = limitFor(free(t) + 5)
		}
		restore := lowerLimit(t, limit)
		cr.connect(0, 100)
		await(t, st.pauses, "AcceptError")
		st.stopListening()
		for i := range st.Loops() {
			st.do(i, func(l *Loop) {
				if len(l.listeners) != 0 || l.acceptPaused {
					t.Errorf("loop %d has %d listeners, paused %v", i, len(l.listeners), l.acceptPaused)
				}
			})
		}
		restore()
		if c, err := net.Dial("tcp", st.Addresses()[0]); err == nil {
			t.Error("dial after StopListening succeeds")
			_ = c.Close()
		}
	})
}

// With private tables the limit is each loop's: together they hold more than one table may, and the
// process's own table holds none of it.
func TestPrivateTablesHoldMoreThanTheLimit(t *testing.T) {
	const loops, limit, conns = 4, 64, 100
	st := open(t, Config{Loops: loops, Tables: TablesOn}, script{})
	cr := gather(t, st, conns)
	before := descriptors()
	restore := lowerLimit(t, limit)
	cr.connect(0, conns)
	for range conns {
		await(t, st.opened, "Opened")
	}
	for i := range conns {
		if got := cr.echo(i); got != "ping" {
			t.Errorf("conn %d got %q; want an echo", i, got)
		}
	}
	if after := descriptors(); after != before {
		t.Errorf("the process's table went from %d to %d descriptors", before, after)
	}
	restore()
}

// A low limit is where private tables are needed most: they must not be found wanting for it.
func TestPrivateTablesUnderALowLimit(t *testing.T) {
	restore := lowerLimit(t, free(t)+40)
	st := open(t, Config{Tables: TablesOn}, script{})
	restore()
	wantEcho(t, dial(t, st.Addresses()[0]), "low")
}

// Whatever the process does beside the loops, their tables stay theirs: conns echo what was sent, and
// Go's own poller, timers and child processes work.
func TestTablesAreIsolated(t *testing.T) {
	forTables(t, func(t *testing.T, tables Tables) {
		st := open(t, Config{Loops: 3, Tables: tables}, script{})
		stop := make(chan struct{})
		var busy sync.WaitGroup
		for _, work := range []func(*testing.T){collect, runProcess, useNet} {
			busy.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
						work(t)
					}
				}
			})
		}
		rng := seeded(t)
		for range 30 {
			client, id := st.connect()
			for range 20 {
				wantEcho(t, client, text(rng, 1+rng.IntN(1000)))
			}
			_ = client.Close()
			st.wantClosed(id, ClosedByPeer)
		}
		close(stop)
		busy.Wait()
	})
}

// collect runs a cycle of the garbage collector, at whose end a thread polls the runtime's epoll set.
func collect(*testing.T) { runtime.GC() }

// runProcess starts a child, which inherits the table of the thread that starts it.
func runProcess(t *testing.T) {
	out, err := exec.Command("echo", "child").Output()
	if err != nil || string(out) != "child\n" {
		t.Errorf("a child process said %q, %v", out, err)
	}
}

// useNet sends a little through a conn of the standard library and lets a deadline pass.
func useNet(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Error(err)
		return
	}
	defer ln.Close()
	var served sync.WaitGroup
	served.Go(func() {
		if c, err := ln.Accept(); err == nil {
			_, _ = io.Copy(c, c)
			_ = c.Close()
		}
	})
	defer served.Wait()
	c, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Error(err)
		return
	}
	defer c.Close()
	var b [64]byte
	_, _ = c.Write([]byte("standard"))
	if n, err := io.ReadFull(c, b[:8]); err != nil || !strings.HasPrefix(string(b[:]), "standard") {
		t.Errorf("net.Conn echoed %q, %v", b[:n], err)
	}
	_ = c.SetReadDeadline(time.Now().Add(time.Millisecond))
	if _, err := c.Read(b[:]); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a deadline ended with %v", err)
	}
}
