package netpoll

import (
	"errors"
	"math"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// deadSocket leaves a socket file at path that nobody serves.
func deadSocket(t *testing.T, path string) {
	t.Helper()
	fd := unixSocket(t)
	defer func() { _ = unix.Close(fd) }()
	if err := unix.Bind(fd, &unix.SockaddrUnix{Name: path}); err != nil {
		t.Fatal(err)
	}
	if err := unix.Listen(fd, 1); err != nil {
		t.Fatal(err)
	}
}

func unixSocket(t *testing.T) int {
	t.Helper()
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	return fd
}

func TestDeadSocketFileIsReplaced(t *testing.T) {
	path := filepath.Join(t.TempDir(), "socket")
	deadSocket(t, path)
	st := open(t, Config{Addresses: []string{"unix:" + path}}, script{})
	wantEcho(t, dial(t, "unix:"+path), "new")
	st.Close()
	if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("Close left the socket file: %v", err)
	}
}

// What else stands at the path is not ours to remove.
func TestSocketPathInUse(t *testing.T) {
	path := filepath.Join(t.TempDir(), "socket")
	for name, occupy := range map[string]func(t *testing.T){
		"live socket": func(t *testing.T) { open(t, Config{Addresses: []string{"unix:" + path}}, script{}) },
		"busy socket": func(t *testing.T) { busySocket(t, path) },
		"file": func(t *testing.T) {
			if err := os.WriteFile(path, []byte("mine"), 0o600); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			occupy(t)
			_, err := Open(Config{Loops: 1, Addresses: []string{"unix:" + path}, NewHandler: func(*Loop) Handler { return &actor{} }})
			if !errors.Is(err, unix.EADDRINUSE) {
				t.Errorf("Open = %v; want %v", err, unix.EADDRINUSE)
			}
			if _, err := os.Lstat(path); err != nil {
				t.Errorf("what stood at the path is gone: %v", err)
			}
		})
		_ = os.Remove(path)
	}
}

// busySocket is a server whose queue is full, so that a connect to it waits.
func busySocket(t *testing.T, path string) {
	server := unixSocket(t)
	t.Cleanup(func() { _ = unix.Close(server) })
	if err := errors.Join(unix.Bind(server, &unix.SockaddrUnix{Name: path}), unix.Listen(server, 0)); err != nil {
		t.Fatal(err)
	}
	for err := error(nil); !errors.Is(err, unix.EAGAIN); {
		fd := unixSocket(t)
		t.Cleanup(func() { _ = unix.Close(fd) })
		if err = unix.Connect(fd, &unix.SockaddrUnix{Name: path}); err != nil && !errors.Is(err, unix.EAGAIN) {
			t.Fatal(err)
		}
	}
}

// All loops are woken by a Unix socket's connections, however many come at once.
func TestUnixSocketServesABurst(t *testing.T) {
	forTables(t, func(t *testing.T, tables Tables) {
		const conns = 3 * maxAccepts
		st := open(t, Config{Loops: 2, Tables: tables, Addresses: []string{streams(t)["Unix"]}}, script{})
		release := []func(){st.hold(0), st.hold(1)}
		var clients []net.Conn
		for range conns {
			clients = append(clients, dial(t, st.Addresses()[0]))
		}
		for _, release := range release {
			release()
		}
		for _, c := range clients {
			wantEcho(t, c, "served")
		}
	})
}

// The options are set once, on the listener.
func TestAcceptedSocketsInheritOptions(t *testing.T) {
	st := open(t, Config{}, script{})
	_, id := st.connect()
	st.on(id, func(_ *Loop, c *Conn) {
		for _, o := range []struct {
			name string
			opt  int
			want int
		}{
			{"TCP_NODELAY", unix.TCP_NODELAY, 1},
			{"TCP_NOTSENT_LOWAT", unix.TCP_NOTSENT_LOWAT, notSentLowat},
			{"TCP_USER_TIMEOUT", unix.TCP_USER_TIMEOUT, 30_000},
		} {
			if got, err := unix.GetsockoptInt(int(c.fd), unix.IPPROTO_TCP, o.opt); got != o.want || err != nil {
				t.Errorf("%s = %d, %v; want %d", o.name, got, err, o.want)
			}
		}
		flags, err := unix.FcntlInt(uintptr(c.fd), unix.F_GETFL, 0)
		if err != nil || flags&unix.O_NONBLOCK == 0 {
			t.Errorf("flags %#x, %v; want O_NONBLOCK", flags, err)
		}
	})
}

// The kernel never ends a peer that reads nothing before the limit for that does.
func TestKernelIsMorePatientThanTheStallLimit(t *testing.T) {
	for _, r := range []struct {
		limit time.Duration
		want  int // milliseconds
	}{{time.Second, 30_000}, {time.Minute, 120_000}, {1000 * time.Hour, math.MaxInt32 - 1}} {
		st := open(t, Config{StallLimit: r.limit}, script{})
		_, id := st.connect()
		st.on(id, func(_ *Loop, c *Conn) {
			if got, err := unix.GetsockoptInt(int(c.fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT); got != r.want || err != nil {
				t.Errorf("with a limit of %v: TCP_USER_TIMEOUT = %d, %v; want %d", r.limit, got, err, r.want)
			}
		})
	}
}

// A client that is gone before it is accepted costs nothing but its end.
func TestResetInTheAcceptQueue(t *testing.T) {
	st := open(t, Config{}, script{})
	release := st.hold(0)
	gone := dial(t, st.Addresses()[0])
	reset(t, gone)
	release()
	id := await(t, st.opened, "Opened")
	st.wantClosed(id, ClosedReset)
	c, _ := st.connect()
	wantEcho(t, c, "next")
}
