package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/seed4ac54ce5/edge/internal/testutil"
)

// asEdge makes this test binary run as edge itself.
const asEdge = "RUN_AS_EDGE"

func TestMain(m *testing.M) {
	if os.Getenv(asEdge) != "" {
		main()
		return
	}
	testutil.Main(m)
}

// patience is how long a process of edge may take for what it is told.
const patience = 2 * time.Minute

// edge returns the command to run edge with args. With the race detector it would linger for a second at its end.
func edge(args ...string) *exec.Cmd {
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append([]string{"GORACE=atexit_sleep_ms=0"}, append(os.Environ(), asEdge+"=1")...)
	return cmd
}

// run runs edge to its end.
func run(t *testing.T, args ...string) (code int, out, complaint string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd := edge(args...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	stuck := time.AfterFunc(patience, func() { _ = cmd.Process.Kill() })
	defer stuck.Stop()
	_ = cmd.Wait() // the status says it
	return cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()
}

func TestVersion(t *testing.T) {
	code, out, complaint := run(t, "version")
	lines := strings.Split(out, "\n")
	if code != 0 || complaint != "" || len(lines) != 5 || lines[0] != "edge "+version() || !strings.HasPrefix(lines[3], "Linux ") {
		t.Errorf("edge version = %d %q %q; want version, commit, Go and kernel", code, out, complaint)
	}
}

// What is wrong with the command line is said in one line that names what to change, with status 2.
func TestWrongUsage(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	const free = "--internal-address=127.0.0.1:0"
	storing := filepath.Join(t.TempDir(), "edge.json")
	if err := os.WriteFile(storing, []byte(`{"history":{"store":{"enabled":true,"path":"`+t.TempDir()+`"}}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, r := range []struct {
		args  string
		names string
	}{
		{"--loops=-1", "--loops"},
		{"--loops=257", "--loops"},
		{"--loops=many", "--loops"},
		{"--private-fd-tables=perhaps", "--private-fd-tables"},
		{"--message-size-limit=0", "--message-size-limit"},
		{"--message-size-limit=-1", "--message-size-limit"},
		{"--message-size-limit=2GiB", "--message-size-limit"},
		{"--message-size-limit=1TB", "--message-size-limit"},
		{"--fragment-limit=0", "--fragment-limit"},
		{"--queue-max-size=lots", "--queue-max-size"},
		{"--ping-interval=-1s", "--ping-interval"},
		{"--ping-interval=1500ms", "--ping-interval"},
		{"--ping-interval=5", "--ping-interval"},
		{"--shutdown-window=-1s", "--shutdown-window"},
		{"--address=nowhere " + free, "nowhere"},
		{"--address=127.0.0.1:99999 " + free, "127.0.0.1:99999"},
		{"--address=127.0.0.1:9-8 " + free, "127.0.0.1:9-8"},
		{"--address=unix: " + free, "unix:"},
		{"--address=192.0.2.1:0 " + free, "192.0.2.1:0: cannot assign requested address: choose an address of this host"},
		{"--address=" + taken.Addr().String() + " " + free, "--address"},
		{"--address=127.0.0.1:0 --internal-address=" + taken.Addr().String(), "--internal-address"},
		{"--address=127.0.0.1:0 --internal-address=here", "here"},
		{"--address=127.0.0.1:0 --config=" + storing + " " + free, "is a directory: make the file of history.store.path fit"},
		{"--no-such-flag", "--no-such-flag"},
		{"no-such-command", "no-such-command"},
		{"serve more", "more"},
		{"version more", "more"},
	} {
		code, out, complaint := run(t, strings.Fields(r.args)...)
		if code != exitUsage || out != "" || strings.Count(complaint, "\n") != 1 || !strings.HasPrefix(complaint, "edge: ") || !strings.Contains(complaint, r.names) {
			t.Errorf("edge %s = %d, out %q, complaint %q; want %d and one line about %s", r.args, code, out, complaint, exitUsage, r.names)
		}
	}
}

// serving is a process of edge and what its log says of it.
type serving struct {
	cmd       *exec.Cmd
	log       *bufio.Scanner
	past      strings.Builder // what has been read of it
	Addresses []string
	Internal  string
}

// start runs edge until its log says that it serves.
func start(t *testing.T, args ...string) *serving {
	t.Helper()
	return begin(t, edge(append([]string{"--address=127.0.0.1:0", "--internal-address=127.0.0.1:0"}, args...)...))
}

// begin runs cmd, which is edge, until its log says that it serves.
func begin(t *testing.T, cmd *exec.Cmd) *serving {
	t.Helper()
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	s := &serving{cmd: cmd, log: bufio.NewScanner(stderr)}
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // it has ended long since, if the test has passed
		_ = cmd.Wait()
	})
	for s.log.Scan() {
		s.past.WriteString(s.log.Text() + "\n")
		var line struct {
			Message   string `json:"msg"`
			Addresses []string
			Internal  string
		}
		if err := json.Unmarshal(s.log.Bytes(), &line); err != nil {
			t.Fatalf("log line %q: %v", s.log.Text(), err)
		}
		if line.Message == "serving" {
			s.Addresses, s.Internal = line.Addresses, line.Internal
			return s
		}
	}
	t.Fatal("edge ends before it serves")
	return nil
}

// end waits for the process and returns its status and the rest of its log.
func (s *serving) end(t *testing.T) (code int, log string) {
	t.Helper()
	stuck := time.AfterFunc(patience, func() { _ = s.cmd.Process.Kill() })
	defer stuck.Stop()
	var b strings.Builder
	for s.log.Scan() {
		b.WriteString(s.log.Text() + "\n")
	}
	_ = s.cmd.Wait() // the status says it
	return s.cmd.ProcessState.ExitCode(), b.String()
}

// dial opens a WebSocket on /echo.
func (s *serving) dial(t *testing.T) (net.Conn, *bufio.Reader) {
	t.Helper()
	conn, err := net.Dial("tcp", s.Addresses[0])
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	r, _, err := ws.Dialer{}.Upgrade(conn, mustURL(t, "ws://"+s.Addresses[0]+"/echo"))
	if err != nil {
		t.Fatal(err)
	}
	if r == nil {
		r = bufio.NewReader(conn)
	}
	return conn, r
}

// readFrame reads a small frame.
func readFrame(r io.Reader) (f ws.Frame, err error) {
	if f.Header, err = ws.ReadHeader(r); err != nil {
		return f, err
	}
	f.Payload = make([]byte, min(f.Header.Length, 125))
	_, err = io.ReadFull(r, f.Payload)
	return f, err
}

func mustURL(t *testing.T, s string) *url.URL {
	t.Helper()
	u, err := url.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// TERM drains: clients are told to go, and the process ends well.
func TestTermDrains(t *testing.T) {
	s := start(t, "--loops=2")
	conn, r := s.dial(t)
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	f, err := readFrame(r)
	if code, _ := ws.ParseCloseFrameData(f.Payload); err != nil || code != ws.StatusGoingAway {
		t.Errorf("a client of a node that gets TERM read %+v, %v; want close 1001", f, err)
	}
	if _, err := r.ReadByte(); err != io.EOF {
		t.Errorf("then %v; want the end of the stream", err)
	}
	_ = conn.Close()
	if code, log := s.end(t); code != 0 || !strings.Contains(log, `"msg":"drained"`) {
		t.Errorf("edge ended with %d, log %s; want 0 after a drain", code, log)
	}
}

// A second INT does not wait for clients that stay.
func TestSecondInterruptEndsAtOnce(t *testing.T) {
	s := start(t, "--ping-interval=0", "--message-size-limit=1MiB", "--queue-max-size=2MiB", "--fragment-limit=9", "--private-fd-tables=off")
	_, r := s.dial(t)
	if err := s.cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if f, err := readFrame(r); err != nil || f.Header.OpCode != ws.OpClose {
		t.Fatalf("after INT a client read %+v, %v; want a close frame", f, err)
	}
	if err := s.cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if code, log := s.end(t); code != 0 || !strings.Contains(log, `"msg":"drain cut short"`) {
		t.Errorf("edge ended with %d, log %s; want 0 before the drain is over", code, log)
	}
}

// In development mode edge says so, and warns when more than this machine can reach it.
func TestDevelopmentModeSaysSo(t *testing.T) {
	for _, r := range []struct {
		address string
		warns   bool
	}{{"127.0.0.1:0", false}, {"0.0.0.0:0", true}} {
		s := start(t, "--address="+r.address)
		if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		_, log := s.end(t)
		log += s.past.String()
		if !strings.Contains(log, "development mode: any client") || strings.Contains(log, "beyond this machine") != r.warns || !strings.Contains(log, "http://"+s.Internal+"/") {
			t.Errorf("on %s the log says %s", r.address, log)
		}
	}
}
