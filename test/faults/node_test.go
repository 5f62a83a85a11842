//go:build faults

package faults

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/seed4ac54ce5/edge/internal/testutil"
)

// launch says how a node is to be run.
type launch struct {
	binary string     // edge itself if empty
	before []string   // a command that runs the node as its last arguments, in its own process: strace -D, ip netns exec
	config string     // YAML, given as a file
	args   []string   // more flags
	env    []string   // beside the test's own
	in     *namespace // where its addresses are, nil for here
	log    *os.File   // where its log goes; nil for the test, which else has to say the addresses
}

// node is a process that serves.
type node struct {
	t    testing.TB
	cmd  *exec.Cmd
	file string // of its configuration, empty without one
	book *book
	http *http.Client
	in   *namespace
	skew time.Duration // of its wall clock

	address  netip.AddrPort // where clients connect
	internal string         // host:port
}

// start runs a node in development mode and returns when it serves. It ends with the test.
func start(t testing.TB, l launch) *node {
	t.Helper()
	n := prepare(t, l)
	if err := n.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.kill)
	if l.log == nil {
		n.serving(n.book.await(t, "serving"))
	}
	return n
}

// prepare makes the process of a node without starting it.
func prepare(t testing.TB, l launch) *node {
	t.Helper()
	n := &node{t: t, in: l.in, book: new(book)}
	n.http = &http.Client{Timeout: patience, Transport: &http.Transport{DialContext: l.in.dialContext, MaxIdleConns: 1}}
	t.Cleanup(n.http.CloseIdleConnections)
	if l.binary == "" {
		l.binary = edgeBinary
	}
	line := append(append([]string{}, l.before...), l.binary)
	if l.binary != applicationBinary {
		line = append(line, "serve", "--internal-address=127.0.0.1:0")
		if !slices.ContainsFunc(l.args, func(arg string) bool { return strings.HasPrefix(arg, "--address=") }) {
			line = append(line, "--address="+l.in.host()+":0")
		}
	}
	if l.config != "" {
		n.file = filepath.Join(t.TempDir(), "edge.yaml")
		n.configure(l.config)
		line = append(line, "--config="+n.file)
	}
	n.cmd = exec.Command(line[0], append(line[1:], l.args...)...)
	n.cmd.Env = append(os.Environ(), l.env...)
	n.cmd.Stderr = n.book
	if l.log != nil {
		n.cmd.Stderr = l.log
	}
	return n
}

// configure writes the configuration file.
func (n *node) configure(yaml string) {
	n.t.Helper()
	if err := os.WriteFile(n.file, []byte(yaml), 0o600); err != nil {
		n.t.Fatal(err)
	}
}

// serving takes the addresses from the log line that says them.
func (n *node) serving(line string) {
	n.t.Helper()
	var said struct {
		Addresses []netip.AddrPort
		Internal  string
	}
	if err := json.Unmarshal([]byte(line), &said); err != nil || len(said.Addresses) == 0 {
		n.t.Fatalf("log line %s: %v", line, err)
	}
	n.address, n.internal = said.Addresses[0], said.Internal
}

// pid is the process's.
func (n *node) pid() int { return n.cmd.Process.Pid }

func (n *node) term() { n.t.Helper(); n.signal(syscall.SIGTERM) }

func (n *node) signal(s syscall.Signal) {
	n.t.Helper()
	if err := n.cmd.Process.Signal(s); err != nil {
		n.t.Fatal(err)
	}
}

// pause stops the process for d.
func (n *node) pause(d time.Duration) {
	n.t.Helper()
	n.signal(syscall.SIGSTOP)
	time.Sleep(d) // the fault itself
	n.signal(syscall.SIGCONT)
}

// kill ends the process, if it still runs, and shows what it has said that is not a log line: a crash.
func (n *node) kill() {
	_ = n.cmd.Process.Kill()
	_ = n.cmd.Wait() // twice is fine
	if crash := n.book.strange(); crash != "" {
		n.t.Errorf("the node says\n%s", crash)
	}
	if n.t.Failed() {
		n.t.Logf("log of the node:\n%s", n.book.tail())
	}
}

// end waits for the process to end by itself and returns its status.
func (n *node) end() int {
	n.t.Helper()
	stuck := time.AfterFunc(patience, func() { _ = n.cmd.Process.Kill() })
	defer stuck.Stop()
	_ = n.cmd.Wait() // the status says it
	return n.cmd.ProcessState.ExitCode()
}

// get asks the internal address and returns status and body.
func (n *node) get(path string) (int, string) {
	n.t.Helper()
	var err error
	for range tries {
		var status int
		var body string
		if status, body, err = n.try(path); err == nil {
			return status, body
		}
	}
	n.t.Fatal(err)
	return 0, ""
}

// tries is how often the node is asked, as a system call that fails may be one for our own connection.
const tries = 5

func (n *node) try(path string) (int, string, error) {
	resp, err := n.http.Get("http://" + n.internal + path)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(body), err
}

// checkReady fails the test unless the node says that it is ready.
func (n *node) checkReady() {
	n.t.Helper()
	if status, body := n.get("/health/ready"); status != http.StatusOK {
		n.t.Errorf("the node is not ready: %d %s", status, body)
	}
}

// await waits until cond holds.
func (n *node) await(what string, cond func() bool) {
	n.t.Helper()
	testutil.Eventually(n.t, patience, func() bool {
		if cond() {
			return true
		}
		time.Sleep(20 * time.Millisecond) // each look asks the node for its metrics
		return false
	}, what)
}

// book is a log, a line at a time.
type book struct {
	mu    sync.Mutex
	rest  string // of a line that has not ended
	lines []string
}

func (b *book) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	whole := strings.Split(b.rest+string(p), "\n")
	b.rest = whole[len(whole)-1]
	b.lines = append(b.lines, whole[:len(whole)-1]...)
	return len(p), nil
}

// find returns the last line with a text, empty if there is none.
func (b *book) find(text string) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := len(b.lines) - 1; i >= 0; i-- {
		if strings.Contains(b.lines[i], text) {
			return b.lines[i]
		}
	}
	return ""
}

// count returns how many lines have a text.
func (b *book) count(text string) (n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, line := range b.lines {
		if strings.Contains(line, text) {
			n++
		}
	}
	return n
}

// await waits for a line with this message and returns it.
func (b *book) await(t testing.TB, message string) (line string) {
	t.Helper()
	testutil.Eventually(t, patience, func() bool {
		line = b.find(fmt.Sprintf(`"msg":%q`, message))
		return line != ""
	}, "the log says "+message)
	return line
}

// decode reads the attributes of the last line with a message.
func (b *book) decode(t testing.TB, message string, to any) {
	t.Helper()
	line := b.find(fmt.Sprintf(`"msg":%q`, message))
	if err := json.Unmarshal([]byte(line), to); err != nil {
		t.Errorf("the log line %q: %s: %v", message, line, err)
	}
}

// strange returns the lines that are no log lines: what the runtime says of a panic that ends a process.
func (b *book) strange() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var found []string
	for _, line := range b.lines {
		if !strings.HasPrefix(line, "{") {
			found = append(found, line)
		}
	}
	return strings.Join(found[:min(len(found), 40)], "\n")
}

// tail returns the last lines.
func (b *book) tail() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var last strings.Builder
	for _, line := range b.lines[max(0, len(b.lines)-20):] {
		fmt.Fprintf(&last, "%.200s\n", line)
	}
	return last.String()
}

// readLines reads a log from elsewhere into b until it ends.
func (b *book) readLines(from io.Reader) {
	lines := bufio.NewScanner(from)
	for lines.Scan() {
		_, _ = b.Write(append(lines.Bytes(), '\n'))
	}
}
