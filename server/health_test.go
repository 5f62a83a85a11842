package server

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/seed4ac54ce5/edge/internal/testutil"
	"github.com/seed4ac54ce5/edge/netpoll"
)

// A node that should get no clients says why, and lives on.
func TestReadySaysWhyNot(t *testing.T) {
	n := openNode(t, func(c *Config) { c.Loops, c.QueueBudget, c.InputBudget = 2, 1<<20, 1<<20 })
	for _, r := range []struct {
		why   string
		cause func() (undo func())
	}{
		{"what waits for clients", func() func() { n.budget.Add(1 << 20); return func() { n.budget.Add(-1 << 20) } }},
		{"unfinished messages", func() func() { n.inputs.Add(1 << 20); return func() { n.inputs.Add(-1 << 20) } }},
		{"a loop does not turn", n.holdLoop},
		{"memory: new connections are refused: ", n.runOutOfMemory},
	} {
		undo := r.cause()
		if status, body := n.get("/health/ready"); status != http.StatusServiceUnavailable || !strings.Contains(body, r.why) {
			t.Errorf("/health/ready = %d %q; want 503 and %q", status, body, r.why)
		}
		n.checkMetric("edge_ready 0")
		if status, _ := n.get("/health/live"); status != http.StatusOK {
			t.Errorf("/health/live = %d; want 200", status)
		}
		undo()
		testutil.Eventually(t, patience, func() bool { // a host under load may take the loops' second away
			status, _ := n.get("/health/ready")
			_, figures := n.get("/metrics")
			return status == http.StatusOK && strings.Contains(figures, "\nedge_ready 1\n")
		}, "the node is ready again")
		n.checkNeighbour()
	}
}

// runOutOfMemory gives n a memory budget that it is beyond, until release takes it away.
func (n *node) runOutOfMemory() (release func()) {
	n.SetMemoryLimit(1)
	testutil.Eventually(n.t, patience, func() bool { return n.memory.Usage().Refusing }, "the node is beyond its memory budget")
	return func() { n.SetMemoryLimit(-1) }
}

// holdLoop keeps the last loop from turning until release is called.
func (n *node) holdLoop() (release func()) {
	held, free, done := make(chan struct{}), make(chan struct{}), make(chan struct{}, 1)
	l := n.loops[len(n.loops)-1]
	l.net.Send(netpoll.Post{Kind: postOrder, Item: order{func(*loop) { close(held); <-free }, done}})
	<-held
	return func() { close(free); <-done }
}

// A node whose loops are slow to answer says so, in the words of its answer alone.
func TestSlowAnswersAreDegraded(t *testing.T) {
	for took, want := range map[time.Duration]string{
		0:                           "{}",
		degradedAfter:               "{}",
		degradedAfter + time.Second: `{"degraded":"the loops took 1.05s to answer"}`,
	} {
		if got, err := json.Marshal(health(took)); err != nil || string(got) != want {
			t.Errorf("health(%v) = %s, %v; want %s", took, got, err, want)
		}
	}
}
