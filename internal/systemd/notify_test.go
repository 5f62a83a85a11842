package systemd

import (
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// wait bounds every wait: what takes longer hangs.
const wait = 2 * time.Minute

// manager plays the service manager at an address, and names it in the environment.
func manager(t *testing.T, address string) *net.UnixConn {
	t.Helper()
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: address, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(wait)); err != nil {
		t.Fatal(err)
	}
	t.Setenv("NOTIFY_SOCKET", address)
	return conn
}

// next returns the next message to the manager.
func next(t *testing.T, conn *net.UnixConn) string {
	t.Helper()
	b := make([]byte, 4096)
	n, err := conn.Read(b)
	if err != nil {
		t.Fatal(err)
	}
	return string(b[:n])
}

func find(t *testing.T) *Manager {
	t.Helper()
	m, err := Find()
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestNotify(t *testing.T) {
	abstract := "@edge-test-" + strconv.Itoa(os.Getpid())
	for _, address := range []string{filepath.Join(t.TempDir(), "notify"), abstract} {
		conn := manager(t, address)
		m := find(t)
		for _, r := range []struct {
			say  func() error
			want string
		}{
			{func() error { return m.Ready("serving on\n:8000") }, "READY=1\nSTATUS=serving on :8000"},
			{func() error { return m.Status("120 clients") }, "STATUS=120 clients"},
			{m.Alive, "WATCHDOG=1"},
			{func() error { return m.Stopping("draining") }, "STOPPING=1\nSTATUS=draining"},
		} {
			if err := r.say(); err != nil {
				t.Errorf("%s: %v", address, err)
			} else if got := next(t, conn); got != r.want {
				t.Errorf("%s got %q; want %q", address, got, r.want)
			}
		}
	}
}

// A reload begins at a moment of the manager's own clock.
func TestNotifyReloading(t *testing.T) {
	conn := manager(t, filepath.Join(t.TempDir(), "notify"))
	m := find(t)
	before := monotonic(t)
	if err := m.Reloading(); err != nil {
		t.Fatal(err)
	}
	after := monotonic(t)
	got, ok := strings.CutPrefix(next(t, conn), "RELOADING=1\nMONOTONIC_USEC=")
	usec, err := strconv.ParseInt(got, 10, 64)
	if !ok || err != nil || usec < before || usec > after {
		t.Errorf("the reload begins at %q; want %d to %d microseconds", got, before, after)
	}
}

func monotonic(t *testing.T) (usec int64) {
	t.Helper()
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		t.Fatal(err)
	}
	return now.Nano() / 1000
}

// Without a manager there is nobody to tell, and of one that has gone the process learns.
func TestNotifyNobody(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", "")
	if err := find(t).Ready("alone"); err != nil {
		t.Errorf("Ready without a manager = %v; want nil", err)
	}
	t.Setenv("NOTIFY_SOCKET", filepath.Join(t.TempDir(), "gone"))
	if err := find(t).Ready("left"); err == nil {
		t.Error("Ready with a manager that is gone = nil")
	}
}

func TestFindClearsTheEnvironment(t *testing.T) {
	for _, name := range []string{"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"} {
		t.Setenv(name, "1")
	}
	find(t)
	for _, name := range []string{"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"} {
		if value, set := os.LookupEnv(name); set {
			t.Errorf("%s = %q is left for child processes", name, value)
		}
	}
}

func TestWatchdog(t *testing.T) {
	own, other := strconv.Itoa(os.Getpid()), strconv.Itoa(os.Getppid())
	for _, r := range []struct {
		usec, pid string
		want      time.Duration
		fails     bool
	}{
		{"", "", 0, false},
		{"30000000", "", 15 * time.Second, false},
		{"30000000", own, 15 * time.Second, false},
		{"30000000", other, 0, false},
		{"soon", own, 0, true},
		{"0", own, 0, true},
		{"-5", own, 0, true},
	} {
		t.Setenv("WATCHDOG_USEC", r.usec)
		t.Setenv("WATCHDOG_PID", r.pid)
		m, err := Find()
		if got := m.Watchdog(); got != r.want || (err != nil) != r.fails {
			t.Errorf("WATCHDOG_USEC=%s WATCHDOG_PID=%s: Watchdog() = %v, %v; want %v", r.usec, r.pid, got, err, r.want)
		}
	}
}
