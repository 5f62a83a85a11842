//go:build faults

package faults

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// namespace is a network of its own. A nil one is that of the test.
type namespace struct {
	name    string
	address string // of its end of a cable; 127.0.0.1 without
}

// newNamespace makes a network with a loopback. It goes with the test, which is skipped where there can be none.
func newNamespace(t testing.TB) *namespace {
	t.Helper()
	need(t, "ip")
	n := &namespace{fmt.Sprintf("faults-%d-%s", os.Getpid(), strings.ToLower(t.Name()[len(t.Name())-3:])), "127.0.0.1"}
	if out, err := exec.Command("ip", "netns", "add", n.name).CombinedOutput(); err != nil {
		t.Skipf("no network namespaces here: %v, %s", err, out)
	}
	t.Cleanup(func() { ip(t, "netns", "del", n.name) })
	ip(t, "-n", n.name, "link", "set", "lo", "up")
	return n
}

// need skips the test unless a program is there.
func need(t testing.TB, program string) {
	t.Helper()
	if _, err := exec.LookPath(program); err != nil {
		t.Skipf("%s is not installed", program)
	}
}

// ip runs ip(8).
func ip(t testing.TB, args ...string) {
	t.Helper()
	if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
		t.Fatalf("ip %s: %v, %s", strings.Join(args, " "), err, out)
	}
}

// plug lays a cable between n and the network of the test and returns the address of the test's end.
func (n *namespace) plug(t testing.TB) (ours string) {
	t.Helper()
	cable := fmt.Sprintf("fault%d", os.Getpid()%1e6)
	ip(t, "link", "add", cable, "type", "veth", "peer", "name", "far", "netns", n.name)
	t.Cleanup(func() { _ = exec.Command("ip", "link", "del", cable).Run() }) // the test may have cut it
	ip(t, "address", "add", "198.18.77.1/30", "dev", cable)
	ip(t, "link", "set", cable, "up")
	ip(t, "-n", n.name, "address", "add", "198.18.77.2/30", "dev", "far")
	ip(t, "-n", n.name, "link", "set", "far", "up")
	n.address = "198.18.77.2"
	return "198.18.77.1"
}

// command is what runs another command in n.
func (n *namespace) command() []string {
	if n == nil {
		return nil
	}
	return []string{"ip", "netns", "exec", n.name}
}

// host is where nodes in n listen.
func (n *namespace) host() string {
	if n == nil {
		return "127.0.0.1"
	}
	return n.address
}

// do runs f on a thread in n. Sockets that f opens belong there for good.
func (n *namespace) do(f func()) {
	if n == nil {
		f()
		return
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		if err := n.move(); err != nil {
			panic(err)
		}
		f()
	}()
	<-done
}

// move takes the thread into n.
func (n *namespace) move() error {
	f, err := os.Open("/var/run/netns/" + n.name)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	return unix.Setns(int(f.Fd()), unix.CLONE_NEWNET)
}

// dialContext is for an HTTP client.
func (n *namespace) dialContext(ctx context.Context, network, address string) (conn net.Conn, err error) {
	n.do(func() { conn, err = new(net.Dialer).DialContext(ctx, network, address) })
	return conn, err
}

// set changes a setting of the kernel's in n: key is a path below /proc/sys/net.
func (n *namespace) set(t testing.TB, key, value string) {
	t.Helper()
	out, err := exec.Command("ip", "netns", "exec", n.name, "sh", "-c", "echo \"$1\" >/proc/sys/net/"+key, "sh", value).CombinedOutput()
	if err != nil {
		t.Skipf("net/%s cannot be set: %v, %s", key, err, out)
	}
}

// addressOf reads host:port.
func addressOf(t testing.TB, s string) netip.AddrPort {
	t.Helper()
	a, err := netip.ParseAddrPort(s)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// awaitOverflow waits until an accept queue of the node's network has overflowed.
func (n *node) awaitOverflow() {
	n.t.Helper()
	n.await("the kernel has counted an overflow", func() bool {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/net/netstat", n.pid()))
		if err != nil {
			n.t.Fatal(err)
		}
		lines := strings.Split(string(b), "\n")
		names, values := strings.Fields(lines[0]), strings.Fields(lines[1])
		return values[slices.Index(names, "ListenOverflows")] != "0"
	})
}
