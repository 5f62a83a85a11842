package main

import (
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/gobwas/ws"
)

// aManager plays the service manager: it hears what is told to it, at once, as nothing is told to one whose queue is full.
type aManager struct {
	t    *testing.T
	path string
	told chan string
}

func newManager(t *testing.T) *aManager {
	t.Helper()
	path := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	m := &aManager{t, path, make(chan string, 1<<16)}
	var reader sync.WaitGroup
	reader.Go(func() { m.listen(conn) })
	t.Cleanup(func() { _ = conn.Close(); reader.Wait() })
	return m
}

// listen takes messages until conn is closed.
func (m *aManager) listen(conn net.Conn) {
	defer close(m.told)
	for b := make([]byte, 4096); ; {
		n, err := conn.Read(b)
		if err != nil {
			return
		}
		m.told <- string(b[:n])
	}
}

// hear waits for a message that begins with start.
func (m *aManager) hear(start string) string {
	m.t.Helper()
	for late := time.After(patience); ; {
		select {
		case text := <-m.told:
			if strings.HasPrefix(text, start) {
				return text
			}
		case <-late:
			m.t.Fatalf("no message %s", start)
		}
	}
}

// startUnder runs edge as m would: with sockets passed on, in the order of names, and a watchdog.
func (m *aManager) startUnder(names string, sockets ...*os.File) *serving {
	m.t.Helper()
	cmd := exec.Command("sh", append([]string{"-c", `LISTEN_PID=$$ exec "$0" "$@"`}, edge("serve", "--address=127.0.0.1:0", "--internal-address=127.0.0.1:0").Args...)...)
	cmd.Env = append(edge().Env, "NOTIFY_SOCKET="+m.path, "WATCHDOG_USEC=100000")
	if len(sockets) > 0 {
		cmd.Env = append(cmd.Env, "LISTEN_FDS="+string(rune('0'+len(sockets))), "LISTEN_FDNAMES="+names)
	}
	cmd.ExtraFiles = sockets
	return begin(m.t, cmd)
}

// socket returns a listening socket of the loopback for another process, and its address.
func socket(t *testing.T) (*os.File, string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ln.Close() }() // the file keeps it
	f, err := ln.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f, ln.Addr().String()
}

// Under a service manager edge takes over its sockets, and tells it when it is ready, that it lives, when it reloads, and how far
// its drain is.
func TestServiceManager(t *testing.T) {
	m := newManager(t)
	public, publicAt := socket(t)
	inside, insideAt := socket(t)
	s := m.startUnder("public:internal", public, inside)
	if !slices.Equal(s.Addresses, []string{publicAt}) || s.Internal != insideAt {
		t.Fatalf("edge serves on %q and %s; want %s and %s", s.Addresses, s.Internal, publicAt, insideAt)
	}
	if got, want := m.hear("READY=1"), "READY=1\nSTATUS=serving on "+publicAt; got != want {
		t.Errorf("the manager hears %q; want %q", got, want)
	}
	for range 3 {
		m.hear("WATCHDOG=1")
	}
	if err := s.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	m.hear("RELOADING=1\nMONOTONIC_USEC=")
	m.hear("READY=1")

	conn, r := s.dial(t)
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if f, err := readFrame(r); err != nil || f.Header.OpCode != ws.OpClose {
		t.Errorf("after TERM a client read %+v, %v; want a close frame", f, err)
	}
	if got, want := m.hear("STOPPING=1"), "STOPPING=1\nSTATUS=draining: 1 connections left"; got != want {
		t.Errorf("the manager hears %q; want %q", got, want)
	}
	m.hear("WATCHDOG=1") // a drain is life too
	_ = conn.Close()
	if code, log := s.end(t); code != 0 {
		t.Errorf("edge ended with %d, log %s; want 0", code, log)
	}
	if c, err := net.Dial("tcp", publicAt); err != nil {
		t.Errorf("the socket does not take clients for the next to serve: %v", err)
	} else {
		_ = c.Close()
	}
}

// A manager that waits for the end of a reload hears of it, even if its queue was full at that moment.
func TestServiceManagerHearsOfAReloadInTheEnd(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notify")
	at := &net.UnixAddr{Name: path, Net: "unixgram"}
	conn, err := net.ListenUnixgram("unixgram", at)
	if err != nil {
		t.Fatal(err)
	}
	m := &aManager{t, path, make(chan string, 1<<16)}
	s := m.startUnder("")
	for b := make([]byte, 4096); ; {
		n, err := conn.Read(b)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(string(b[:n]), "READY=1") {
			break
		}
	}
	fill(t, at)
	if err := s.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	for s.log.Scan() && !strings.Contains(s.log.Text(), `"what":"READY=1"`) { // its word is lost
	}
	var reader sync.WaitGroup
	reader.Go(func() { m.listen(conn) })
	defer reader.Wait()
	defer func() { _ = conn.Close() }()
	m.hear("READY=1")
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if code, log := s.end(t); code != 0 {
		t.Errorf("edge ended with %d, log %s; want 0", code, log)
	}
}

// fill sends to a socket until its queue is full.
func fill(t *testing.T, at *net.UnixAddr) {
	t.Helper()
	for full := false; !full; {
		conn, err := net.DialUnix("unixgram", nil, at) // each has its own room for what it has sent
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.SetWriteDeadline(time.Now().Add(100 * time.Millisecond))
		_, err = conn.Write([]byte("full"))
		full = errors.Is(err, os.ErrDeadlineExceeded)
		_ = conn.Close()
		if err != nil && !full {
			t.Fatal(err)
		}
	}
}

// The internal address may come from the configuration, and a socket without a name is public.
func TestServiceManagerWithoutNames(t *testing.T) {
	m := newManager(t)
	public, publicAt := socket(t)
	s := m.startUnder("", public)
	if !slices.Equal(s.Addresses, []string{publicAt}) {
		t.Errorf("edge serves on %q; want %s", s.Addresses, publicAt)
	}
	response, err := http.Get("http://" + s.Internal + "/health/ready")
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, response.Body)
	_ = response.Body.Close()
	http.DefaultClient.CloseIdleConnections()
	if response.StatusCode != http.StatusOK {
		t.Errorf("/health/ready = %s; want 200", response.Status)
	}
	if err := s.cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if code, log := s.end(t); code != 0 {
		t.Errorf("edge ended with %d, log %s; want 0", code, log)
	}
}

// A socket under another name is a mistake in its unit.
func TestServiceManagerWithForeignNames(t *testing.T) {
	public, _ := socket(t)
	cmd := exec.Command("sh", "-c", `LISTEN_PID=$$ exec "$0" serve`, edge().Path)
	cmd.Env = append(edge().Env, "LISTEN_FDS=1", "LISTEN_FDNAMES=edge.socket")
	cmd.ExtraFiles = []*os.File{public}
	out, _ := cmd.CombinedOutput() // the status follows
	if code := cmd.ProcessState.ExitCode(); code != exitUsage || !strings.Contains(string(out), "FileDescriptorName=public") || strings.Count(string(out), "\n") != 1 {
		t.Errorf("edge = %d %q; want %d and one line that says what to write", code, out, exitUsage)
	}
}
