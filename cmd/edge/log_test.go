package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/seed4ac54ce5/edge/internal/testutil"
)

// mute is a process of edge whose log cannot be written, and the path of its public socket.
type mute struct {
	cmd  *exec.Cmd
	path string
}

// startMute runs edge with this standard error, and waits until it serves.
func startMute(t *testing.T, stderr *os.File) *mute {
	t.Helper()
	m := &mute{path: filepath.Join(t.TempDir(), "edge")}
	m.cmd = edge("--address=unix:"+m.path, "--internal-address=127.0.0.1:0", "--loops=1")
	m.cmd.Stderr = stderr
	if err := m.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = m.cmd.Process.Kill() // it has ended long since, if the test has passed
		_ = m.cmd.Wait()
	})
	testutil.Eventually(t, patience, func() bool { return m.status(t) == http.StatusNotFound }, "edge answers though nobody reads its log")
	return m
}

// status asks for a path that does not exist, which is a line for the log.
func (m *mute) status(t *testing.T) int {
	t.Helper()
	conn, err := net.Dial("unix", m.path)
	if err != nil {
		return 0
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(patience)) // what hangs is no answer
	_, _ = io.WriteString(conn, "GET /nothing HTTP/1.1\r\nHost: a\r\n\r\n")
	head := make([]byte, len("HTTP/1.1 404"))
	if _, err := io.ReadFull(conn, head); err != nil || string(head) != "HTTP/1.1 404" {
		return 0
	}
	return http.StatusNotFound
}

// stop ends the process with TERM.
func (m *mute) stop(t *testing.T) {
	t.Helper()
	if err := m.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	stuck := time.AfterFunc(patience, func() { _ = m.cmd.Process.Kill() })
	defer stuck.Stop()
	if err := m.cmd.Wait(); err != nil {
		t.Errorf("after TERM edge ends with %v", err)
	}
}

// fullPipe returns both ends of a pipe that takes not a byte more, and what is in it.
func fullPipe(t *testing.T) (r, w *os.File, inside int) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = r.Close(), w.Close() })
	_ = w.SetWriteDeadline(time.Now().Add(50 * time.Millisecond)) // a pipe has one
	for chunk := make([]byte, 4096); ; {
		n, err := w.Write(chunk)
		inside += n
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return r, w, inside
		} else if err != nil {
			t.Fatal(err)
		}
	}
}

// A reader of the log that has stopped (R22) holds up neither the start nor the clients. When it goes on, it finds all lines.
func TestBlockedLog(t *testing.T) {
	r, w, inside := fullPipe(t)
	m := startMute(t, w)
	_ = w.Close()
	if _, err := io.CopyN(io.Discard, r, int64(inside)); err != nil {
		t.Fatal(err)
	}
	m.stop(t)
	log, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	for _, message := range []string{"serving", "rejected", "drained"} {
		if !bytes.Contains(log, []byte(`"msg":"`+message+`"`)) {
			t.Errorf("the log lacks %q:\n%s", message, log)
		}
	}
	for line := range bytes.Lines(log) {
		if !json.Valid(line) {
			t.Errorf("torn line %q", line)
		}
	}
}

// A log that nobody reads at the end, that has no room on its disk (R21), or whose reader has gone, does not keep the process
// from working and ending.
func TestLostLog(t *testing.T) {
	for name, open := range map[string]func(t *testing.T) *os.File{
		"blocked": func(t *testing.T) *os.File { _, w, _ := fullPipe(t); return w },
		"full": func(t *testing.T) *os.File {
			f, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
			if err != nil {
				t.Skip(err)
			}
			t.Cleanup(func() { _ = f.Close() })
			return f
		},
		"gone": func(t *testing.T) *os.File { r, w, _ := fullPipe(t); _ = r.Close(); return w },
	} {
		t.Run(name, func(t *testing.T) {
			m := startMute(t, open(t))
			if m.status(t) != http.StatusNotFound {
				t.Error("edge does not answer")
			}
			m.stop(t)
		})
	}
}
