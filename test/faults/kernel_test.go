//go:build faults

package faults

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/gobwas/ws"
)

// inject returns the command that runs a node whose system calls fail as strace(1) has it in -e inject.
func inject(t testing.TB, what string) []string {
	t.Helper()
	need(t, "strace")
	calls, _, _ := strings.Cut(what, ":")
	return []string{"strace", "-D", "-f", "-qq", "--seccomp-bpf", "-o", "/dev/null", "-e", "trace=" + calls, "-e", "inject=" + what}
}

// R15: when the descriptors are used up accepting pauses and clients are refused at little cost, sessions and the internal
// address go on, and the node accepts again as soon as there are descriptors.
func TestR15Descriptors(t *testing.T) {
	const limit, standing = 150, 100
	n := start(t, launch{before: []string{"prlimit", fmt.Sprintf("--nofile=%d:%d", limit, limit)}, args: []string{"--loops=2", "--private-fd-tables=on"}})
	g := gather(n, standing, "room")
	p := g.publishing(n, "room", 10, "")
	fillers := n.fill()
	most := 2 * limit
	if got := n.figures().sessions(); got <= standing || got > most {
		t.Fatalf("%d sessions stand with a limit of %d descriptors for each of two loops", got, limit)
	}
	before := g.received()
	full := n.share(func() { n.knock(100, 50*time.Millisecond) })
	n.checkReady()
	n.await("publications still arrive", func() bool { return g.received() > before+5*standing })
	if full > 0.25 {
		t.Errorf("the full node uses %.0f %% of a CPU", 100*full)
	}
	f := n.figures()
	if f.sum("edge_reject_total", "descriptors") == 0 || n.book.count("accepting pauses") != 1 {
		t.Errorf("%v refused, %d log lines; want some refused and one line", f.sum("edge_reject_total", "descriptors"), n.book.count("accepting pauses"))
	}
	for _, c := range fillers {
		c.close()
	}
	began := time.Now()
	n.await("it accepts again", func() bool {
		c, err := dial(nil, n.address, pathEcho)
		if err != nil {
			return false
		}
		defer c.close()
		return c.echoes("again") == nil
	})
	took := time.Since(began)
	p.stop()
	n.await("all publications arrive", func() bool { return g.received() >= standing*p.sent.Load() })
	g.checkOrder(t)
	if got := g.standing(); got != standing {
		t.Errorf("%d of %d sessions stand", got, standing)
	}
	t.Logf("full at %d sessions: %.1f %% of a CPU under 20 attempts a second and a room of %d with 10 publications a second, %v refused; accepting again after %v",
		standing+1+len(fillers), 100*full, standing, f.sum("edge_reject_total", "descriptors"), took.Round(time.Millisecond))
}

// fill opens sessions until twenty in a row are refused, and returns them.
func (n *node) fill() (fillers []*client) {
	n.t.Helper()
	for refused := 0; refused < 20; {
		c, err := dial(nil, n.address, pathEcho)
		if err != nil {
			n.checkRefusal(err)
			refused++
			continue
		}
		n.t.Cleanup(c.close)
		fillers, refused = append(fillers, c), 0
	}
	return fillers
}

// knock tries to connect times times, one after the other, with a pause between.
func (n *node) knock(times int, pause time.Duration) {
	n.t.Helper()
	for range times {
		if c, err := dial(nil, n.address, pathEcho); err == nil {
			c.close()
		} else {
			n.checkRefusal(err)
		}
		time.Sleep(pause) // a rate
	}
}

// checkRefusal fails the test unless err is a polite refusal.
func (n *node) checkRefusal(err error) {
	n.t.Helper()
	var status ws.StatusError
	if !errors.As(err, &status) || int(status) != 503 {
		n.t.Errorf("a client of a full node got %v; want status 503", err)
	}
}

// R16: system calls fail. What can be done again is, or that one connection ends; the loops live.
func TestR16FailingCalls(t *testing.T) {
	for _, r := range []struct {
		call, err string
		when      string // the first call that fails, and the distance to the next
		lossy     bool   // connections may end
	}{
		{"accept4", "EINTR", "3+4", false},
		{"accept4", "ECONNABORTED", "3+4", false},
		{"accept4", "ENFILE", "5+10", true},
		{"accept4", "EMFILE", "5+10", true},
		{"accept4", "ENOBUFS", "5+10", false},
		{"accept4", "ENOMEM", "5+10", false},
		{"epoll_ctl", "ENOMEM", "30+15", true},
		{"epoll_ctl", "ENOSPC", "30+15", true},
		{"epoll_pwait", "EINTR", "20+7", false},
		{"recvfrom", "EINTR", "5+5", false},
		{"recvfrom", "ENOBUFS", "60+200", true},
		{"recvfrom", "ENOMEM", "60+200", true},
		{"sendto", "EINTR", "5+5", false},
		{"sendto", "ENOBUFS", "60+200", true},
		{"sendto", "ENOMEM", "60+200", true},
		{"sendmsg", "EINTR", "3+3", false},
		{"sendmsg", "ENOMEM", "20+50", true},
		{"setsockopt", "ENOBUFS", "20+5", true},
		{"shutdown", "ENOTCONN", "2+2", true},
		{"prctl", "EINVAL", "1+1", false}, // as gVisor has it
	} {
		t.Run(r.call+" "+r.err, func(t *testing.T) {
			n := start(t, launch{before: inject(t, fmt.Sprintf("%s:error=%s:when=%s", r.call, r.err, r.when)), args: []string{"--loops=2"}})
			churn := n.flooded(r.lossy, "churn", "--connections=16", "--duration=2s", "--warmup=0s")
			echo := n.flooded(r.lossy, "echo", "--connections=40", "--pipeline=4", "--payload=1000", "--duration=2s", "--drain=3s")
			n.checkReady()
			n.await("everything is given back", func() bool { return n.figures().sum("edge_connections") == 0 })
			if f := n.figures(); f["edge_session_panics_total"] != 0 {
				t.Errorf("%v panics", f["edge_session_panics_total"])
			}
			t.Logf("%d cycles, %d failed; %d echoes, %d connections lost", churn.Measured.Count, churn.Failed, echo.Delivery.Received, echo.Lost)
		})
	}
}

// R38: a burst beyond the accept queue. The kernel's counters of it are exported, and everybody gets in.
func TestR38AcceptQueue(t *testing.T) {
	const burst = 200
	ns := newNamespace(t)
	ns.set(t, "core/somaxconn", "8")
	n := start(t, launch{in: ns, before: ns.command(), args: []string{"--loops=1"}})
	before := n.figures()
	n.signal(syscall.SIGSTOP)
	began := time.Now()
	var wg sync.WaitGroup
	for range burst {
		wg.Go(func() {
			c, err := dial(ns, n.address, pathEcho)
			if err != nil {
				t.Errorf("a client of the burst: %v", err)
				return
			}
			defer c.close()
			if err := c.echoes("in"); err != nil {
				t.Errorf("a client of the burst: %v", err)
			}
		})
	}
	n.awaitOverflow()
	n.signal(syscall.SIGCONT)
	wg.Wait()
	took := time.Since(began)
	after := n.figures()
	overflows := after["edge_listen_overflows_total"] - before["edge_listen_overflows_total"]
	if overflows < 1 {
		t.Errorf("edge_listen_overflows_total grew by %v; want some", overflows)
	}
	t.Logf("%d connects at once with an accept queue of 8: %v overflows, all served after %v", burst, overflows, took.Round(time.Millisecond))
	n.checkNeighbour()
}
