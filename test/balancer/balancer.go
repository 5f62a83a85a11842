package balancer

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/seed4ac54ce5/edge/internal/testutil"
)

const (
	patience = 2 * time.Minute       // how long is waited for what should come soon
	pause    = 20 * time.Millisecond // between two looks
)

// Balancer is a process that forwards connections.
type Balancer struct {
	Address netip.AddrPort // for clients

	t   testing.TB
	cmd *exec.Cmd
	log testutil.Book
}

// HAProxy runs a HAProxy with a file of layer 4 between a front and the nodes of a site, for so many connections.
func HAProxy(t testing.TB, program, file string, front netip.AddrPort, site *Site, connections int) *Balancer {
	t.Helper()
	b, dir := &Balancer{t: t, Address: front}, short(t)
	socket := filepath.Join(dir, "admin.sock")
	config := adapt(t, dir, file, append(site.servers(),
		"bind :8000", "bind "+b.Address.String(),
		"check port 9000", fmt.Sprintf("check port %d", site.Nodes[0].Internal.Port()),
		"/run/haproxy/admin.sock", socket,
		"bind 127.0.0.1:8404", "bind "+filepath.Join(dir, "metrics.sock"),
		"maxconn 200000", fmt.Sprintf("maxconn %d", connections))...)
	b.start(program, "-db", "-f", config)
	b.await("it has opened its sockets", func() bool {
		conn, err := net.Dial("unix", socket)
		if err != nil {
			return false
		}
		_ = conn.Close()
		return true
	})
	return b
}

// Nginx runs an nginx with a file of layer 4 between a front and the nodes of a site.
func Nginx(t testing.TB, program, file string, front netip.AddrPort, site *Site) *Balancer {
	t.Helper()
	b, dir := &Balancer{t: t, Address: front}, short(t)
	config := adapt(t, dir, file, append(site.servers(), "listen 8000", "listen "+b.Address.String())...)
	b.start(program, "-c", config, "-e", "stderr", "-g", "daemon off; pid "+filepath.Join(dir, "pid")+";")
	b.Await("start worker process ")
	return b
}

// start runs the process, which ends with the test.
func (b *Balancer) start(program string, args ...string) {
	b.t.Helper()
	b.cmd = exec.Command(program, args...)
	b.cmd.Stdout, b.cmd.Stderr = &b.log, &b.log
	if err := b.cmd.Start(); err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(b.stop)
}

// stop ends the process. nginx has others, which a TERM makes it end first.
func (b *Balancer) stop() {
	_ = b.cmd.Process.Signal(syscall.SIGTERM)
	stuck := time.AfterFunc(patience, func() { _ = b.cmd.Process.Kill() })
	defer stuck.Stop()
	_ = b.cmd.Wait() // it says no more than what the log does
	if b.t.Failed() {
		b.t.Logf("log of %s:\n%s", filepath.Base(b.cmd.Path), b.log.String())
	}
}

// Await waits until the balancer has logged a line with a text.
func (b *Balancer) Await(text string) {
	b.t.Helper()
	b.await("it says "+text, func() bool { return strings.Contains(b.log.String(), text) })
}

// AwaitLast waits until, of the lines with the text about, the last one has the other text.
func (b *Balancer) AwaitLast(about, text string) {
	b.t.Helper()
	b.await("the last it says of "+about+" is "+text, func() bool {
		all := b.log.String()
		i := strings.LastIndex(all, about)
		if i < 0 {
			return false
		}
		line, _, _ := strings.Cut(all[i:], "\n")
		return strings.Contains(line, text)
	})
}

func (b *Balancer) await(what string, cond func() bool) {
	b.t.Helper()
	for deadline := time.Now().Add(patience); !cond(); time.Sleep(pause) {
		if time.Now().After(deadline) {
			b.t.Fatalf("not within %v: %s; its log is\n%s", patience, what, b.log.String())
		}
	}
}

// adapt writes a copy of a file in which each odd string of pairs has become the next, and returns its path. What is
// replaced must be there.
func adapt(t testing.TB, dir, file string, pairs ...string) string {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(pairs); i += 2 {
		if !strings.Contains(string(data), pairs[i]) {
			t.Fatalf("%s does not contain %q", file, pairs[i])
		}
	}
	path := filepath.Join(dir, filepath.Base(file))
	if err := os.WriteFile(path, []byte(strings.NewReplacer(pairs...).Replace(string(data))), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// short returns a folder for the length of the test whose path leaves room for the name of a socket.
func short(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "balancer")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}
