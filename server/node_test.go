package server

import (
	"log/slog"
	"testing"
	"time"

	"github.com/seed4ac54ce5/edge/internal/testutil"
	"github.com/seed4ac54ce5/edge/metrics"
	"github.com/seed4ac54ce5/edge/netpoll"
)

// patience bounds every wait: what takes longer hangs.
const patience = 2 * time.Minute

// node is a server under test, in this process and on ports of its own. It has a neighbour on /echo, whose
// conn must not notice what the others do.
type node struct {
	*Server
	t         testing.TB
	neighbour *client
}

// openNode opens a node with one loop and without pings, as changed. When the test ends, so does the node,
// and it must then have given back all that its sessions owned.
func openNode(t testing.TB, change func(c *Config)) *node {
	t.Helper()
	n := openNodeAlone(t, change)
	n.neighbour = n.open(pathEcho)
	return n
}

// openNodeAlone is openNode without the neighbour.
func openNodeAlone(t testing.TB, change func(c *Config)) *node {
	t.Helper()
	config := isolated()
	if change != nil {
		change(&config)
	}
	s, err := Open(config)
	if err != nil {
		t.Fatal(err)
	}
	n := &node{Server: s, t: t}
	t.Cleanup(n.close)
	return n
}

// isolated is a configuration of a node with ports of its own.
func isolated() Config {
	return Config{
		Addresses:       []string{"127.0.0.1:0"},
		InternalAddress: "127.0.0.1:0",
		Loops:           1,
		Development:     true,
		SSE:             true,
		HTTPStream:      true,
		Echo:            true, // for the neighbour
		PingInterval:    -1,
		MemoryLimit:     -1, // the host's, which others use too
		Log:             slog.New(slog.DiscardHandler),
	}
}

// run runs f as a subtest, whose t is n's meanwhile.
func (n *node) run(name string, f func(t *testing.T)) {
	whole := n.t.(*testing.T)
	whole.Run(name, func(t *testing.T) {
		n.t = t
		defer func() { n.t = whole }()
		f(t)
	})
}

// close ends n, once the conns of the test have gone.
func (n *node) close() {
	if n.neighbour != nil {
		n.neighbour.close()
	}
	if !n.draining.Load() {
		testutil.Eventually(n.t, patience, n.empty, "slots, rooms and queues are empty")
	}
	n.Close()
	for _, l := range n.loops { // they have ended: nobody else touches them
		if used := max(len(l.partials.table)-1, 0) - len(l.partials.free); used != 0 {
			n.t.Errorf("loop %d keeps %d messages of conns that are gone", l.net.Number(), used)
		}
		if n1, n2 := len(l.attachments), len(l.fields.byConn); n1+n2+l.fields.bytes != 0 {
			n.t.Errorf("loop %d keeps attachments of %d conns and fields of %d that are gone", l.net.Number(), n1, n2)
		}
	}
}

// empty reports whether n holds nothing for anybody.
func (n *node) empty() bool {
	snap := n.snapshot()
	sum := total(snap)
	return sum.Open == 0 && sum.Queued == 0 && sum.Connections == [metrics.Transports]int64{} &&
		snap.Rooms == 0 && snap.Subscriptions == 0
}

// counts returns the sum of the loops' counts: the figures of a snapshot that cost little to ask for.
func (n *node) counts() (sum metrics.Counts) {
	answers := make(chan metrics.Loop, len(n.loops))
	for _, l := range n.loops {
		l.net.Send(netpoll.Post{Kind: postCounts, Item: (chan<- metrics.Loop)(answers)})
	}
	for range n.loops {
		l := <-answers
		sum.Add(&l.Counts)
	}
	return sum
}

func total(snap metrics.Snapshot) (sum metrics.Counts) {
	for i := range snap.Loops {
		sum.Add(&snap.Loops[i].Counts)
	}
	return sum
}

// awaitRead waits until n has read total bytes from all its conns since it was opened, a bounded number of
// turns, as it takes no more of a conn that it has closed. What is written next then comes in a read of its
// own, which makes tests sharper; no result may depend on it.
func (n *node) awaitRead(total uint64) (read bool) {
	for range 20 {
		if n.counts().WireIn >= total {
			return true
		}
	}
	return false
}

// checkNeighbour fails the test if the neighbour's conn does not work.
func (n *node) checkNeighbour() {
	n.t.Helper()
	n.neighbour.extend()
	n.neighbour.send(masked(0x81, "still there?"))
	if got := n.neighbour.next(); got != `text "still there?"` {
		n.t.Errorf("the neighbour got %s", got)
	}
}

// rejections runs f and returns which counters of rejections it has moved, and by how much.
func (n *node) rejections(f func()) map[metrics.Rejection]uint64 {
	before := n.counts()
	f()
	after, moved := n.counts(), map[metrics.Rejection]uint64{}
	for r := range metrics.Rejections {
		if d := after.Rejects[r] - before.Rejects[r]; d != 0 {
			moved[r] = d
		}
	}
	return moved
}
