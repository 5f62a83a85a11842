package server

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/seed4ac54ce5/edge/internal/testutil"
	"github.com/seed4ac54ce5/edge/metrics"
	"golang.org/x/sys/unix"
)

// holdings are what a node holds for its conns. None of it may stay when a conn has gone.
type holdings struct {
	conns         int // slots in use
	timers        int
	descriptors   int   // of the loops' private tables; 0 where the loops have none
	input, output int64 // bytes that are counted against the budgets
	records       int   // of the loops, by conn
	rooms, subs   int
}

// holdings asks all loops.
func (n *node) holdings() (h holdings) {
	n.t.Helper()
	var mu sync.Mutex // loops answer at the same time
	err := n.onLoops(n.t.Context(), func(l *loop) {
		mu.Lock()
		defer mu.Unlock()
		h.conns += l.net.Open()
		h.timers += l.net.Timers()
		h.records += l.records()
		if private, _ := n.reactor.PrivateTables(); private {
			h.descriptors += descriptors(unix.Gettid())
		}
	})
	if err != nil {
		n.t.Error(err)
	}
	h.input, h.output = n.inputs.Used(), n.budget.Used()
	h.rooms, h.subs = n.hub.Count()
	return h
}

// records counts what a loop keeps of its conns beside their slots.
func (l *loop) records() int {
	return l.partials.count() + l.midway.records.Live() + len(l.calls) + len(l.unserved) + len(l.typists) + len(l.debts.byConn) + len(l.chanInfos) +
		l.engines.Live() + l.pollings.Live() + len(l.throttles) + len(l.subEnds.byConn) + len(l.capabilities) + len(l.granted) + len(l.behind.lists) +
		l.sockets.records.Live() + len(l.sockets.names) + len(l.sockets.halves) + len(l.sockets.boxes) + len(l.sockets.handshakes.byConn) +
		len(l.audiences.shared) + len(l.heldCORS) + len(l.lines) + len(l.fields.byConn)
}

// descriptors counts those of a thread. It runs on that thread with system calls alone: what is open in a private table
// means nothing to the runtime.
func descriptors(tid int) (count int) {
	fd, err := unix.Open(fmt.Sprintf("/proc/self/task/%d/fd", tid), unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1
	}
	defer func() { _ = unix.Close(fd) }()
	for buf := make([]byte, 64<<10); ; {
		n, err := unix.ReadDirent(fd, buf)
		if n <= 0 || err != nil {
			return count
		}
		_, entries, _ := unix.ParseDirent(buf[:n], -1, nil)
		count += entries
	}
}

// withstand runs an attack and checks what it must leave behind: so many rejections for why, nothing that the node did not hold
// before, and a neighbour that has noticed nothing.
func (n *node) withstand(t *testing.T, why metrics.Rejection, times int, attack func()) {
	t.Helper()
	before := n.holdings()
	moved := n.rejections(attack)
	checkMoved(t, moved, why, times)
	n.awaitHoldings(t, before)
	n.checkNeighbour()
}

// awaitHoldings waits until n holds what it held before.
func (n *node) awaitHoldings(t *testing.T, before holdings) {
	t.Helper()
	after := n.holdings()
	for deadline := time.Now().Add(patience); after != before; after = n.holdings() {
		if time.Now().After(deadline) {
			t.Fatalf("the node holds %+v; before %+v", after, before)
		}
		time.Sleep(time.Millisecond)
	}
}

// attack is withstand as a subtest; rule begins with the attack's id.
func (n *node) attack(rule string, why metrics.Rejection, times int, attack func(t *testing.T)) {
	n.run(rule, func(t *testing.T) { n.withstand(t, why, times, func() { attack(t) }) })
}

// What the loops hold in a table of their own is counted, and nothing else is.
func TestHoldings(t *testing.T) {
	n := openNode(t, nil)
	before := n.holdings()
	c := n.member("room")
	c.send(masked(0x01, "{"))
	c.send(masked(0x80, "half")[:8])
	want := holdings{conns: before.conns + 1, timers: before.timers, descriptors: before.descriptors, records: 2, rooms: 1, subs: 1}
	if before.descriptors > 0 {
		want.descriptors++
	} else if private, _ := n.reactor.PrivateTables(); private {
		t.Error("loops with tables of their own have no descriptors")
	}
	var during holdings
	defer func() {
		if t.Failed() {
			t.Errorf("with a member that has sent half a message: %+v; want %+v and some input", during, want)
		}
	}()
	testutil.Eventually(t, patience, func() bool { // the figures are not of one moment: what has come since the loop answered counts as input
		during = n.holdings()
		got := during
		got.input = 0
		return during.input > 1 && got == want
	}, "half a message is held, and nothing else")
	c.close()
	testutil.Eventually(t, patience, func() bool { return n.holdings() == before }, "the node holds what it held before")
}
