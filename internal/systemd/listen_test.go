package systemd

import (
	"net"
	"os"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"
)

// pass names count sockets from descriptor first on in the environment, as pid's.
func pass(t *testing.T, pid int, count, names string) {
	t.Helper()
	t.Setenv("LISTEN_PID", strconv.Itoa(pid))
	t.Setenv("LISTEN_FDS", count)
	t.Setenv("LISTEN_FDNAMES", names)
}

// listeners opens sockets of the loopback at neighbouring descriptors, and returns the first.
func listeners(t *testing.T, count int) (first int, addresses []string) {
	t.Helper()
	const high = 700 // nobody else in this process uses descriptors from here on
	for i := range count {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		f, err := ln.(*net.TCPListener).File()
		if err != nil {
			t.Fatal(err)
		}
		if err := unix.Dup3(int(f.Fd()), high+i, 0); err != nil {
			t.Fatal(err)
		}
		addresses = append(addresses, ln.Addr().String())
		_ = ln.Close() // the duplicate stays
		_ = f.Close()
	}
	return high, addresses
}

func TestSockets(t *testing.T) {
	first, addresses := listeners(t, 3)
	pass(t, os.Getpid(), "3", "public:internal")
	all, err := sockets(first)
	if err != nil || len(all) != 3 {
		t.Fatalf("Sockets() = %v, %v; want 3", all, err)
	}
	for i, want := range []string{"public", "internal", ""} {
		s := all[i]
		flags, err := unix.FcntlInt(s.File.Fd(), unix.F_GETFD, 0)
		if s.Name != want || err != nil || flags&unix.FD_CLOEXEC == 0 {
			t.Errorf("socket %d is %q with flags %#x, %v; want %q, closed on exec", i, s.Name, flags, err, want)
		}
		ln, err := net.FileListener(s.File)
		if err != nil {
			t.Fatal(err)
		}
		if got := ln.Addr().String(); got != addresses[i] {
			t.Errorf("socket %d listens on %s; want %s", i, got, addresses[i])
		}
		_ = ln.Close()
		_ = s.File.Close()
	}
	for _, name := range []string{"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"} {
		if value, set := os.LookupEnv(name); set {
			t.Errorf("%s = %q is left for child processes", name, value)
		}
	}
}

// What was passed on to another process, a parent that did not clear its environment, is not ours.
func TestSocketsOfOthers(t *testing.T) {
	for _, r := range []struct {
		pid   int
		count string
		fails bool
	}{
		{os.Getppid(), "2", false},
		{os.Getpid(), "", false},
		{os.Getpid(), "0", false},
		{os.Getpid(), "-1", true},
		{os.Getpid(), "two", true},
		{os.Getpid(), "99999", true},
	} {
		pass(t, r.pid, r.count, "public")
		if all, err := Sockets(); len(all) != 0 || (err != nil) != r.fails {
			t.Errorf("LISTEN_PID=%d LISTEN_FDS=%s: Sockets() = %v, %v", r.pid, r.count, all, err)
		}
	}
}
