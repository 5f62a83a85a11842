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

// A node that should get no clients says why wherever it is asked, and lives on.
func TestReadySaysWhyNot(t *testing.T) {
	n := openNode(t, func(c *Config) { c.Loops, c.QueueBudget, c.InputBudget = 2, 1<<20, 1<<20 })
	for _, r := range []struct {
		why   string
		cause func() (undo func())
	}{
		{"none for more clients", n.starve},
		{"what waits for clients", func() func() { n.budget.Add(1 << 20); return func() { n.budget.Add(-1 << 20) } }},
		{"unfinished messages", func() func() { n.inputs.Add(1 << 20); return func() { n.inputs.Add(-1 << 20) } }},
		{"a loop does not turn", n.holdLoop},
	} {
		undo := r.cause()
		if status, body := n.get("/health/ready"); status != http.StatusServiceUnavailable || !strings.Contains(body, r.why) {
			t.Errorf("/health/ready = %d %q; want 503 and %q", status, body, r.why)
		}
		if why := decoded[Info](n, "/info").NotReady; !strings.Contains(why, r.why) {
			t.Errorf("/info says %q; want %q", why, r.why)
		}
		if _, page := n.get("/metrics"); !strings.Contains(page, "\nedge_ready 0\n") {
			t.Errorf("edge_ready is not 0: %s", r.why)
		}
		if status, _ := n.get("/health/live"); status != http.StatusOK {
			t.Errorf("/health/live = %d; want 200", status)
		}
		undo()
		n.awaitReady("/health/ready")
	}
}

// A budget that has been nearly used up holds the node's clients off until clearly less of it is used: a node at its limit does not
// come and go.
func TestReadinessDoesNotFlap(t *testing.T) {
	const limit = 1 << 20
	n := openNode(t, func(c *Config) { c.QueueBudget, c.InputBudget = limit, limit })
	for of, budget := range map[error]*netpoll.Budget{errMemory: n.budget, errInput: n.inputs} {
		for i, step := range []struct {
			percent int
			want    error
		}{{0, nil}, {87, nil}, {89, nil}, {92, of}, {89, of}, {87, of}, {92, of}, {100, of}, {84, nil}, {87, nil}, {89, nil}, {120, of}, {0, nil}} {
			used := step.percent * limit / 100
			budget.Add(used)
			if err := n.unwilling(); err != step.want {
				t.Errorf("step %d, %d %% used: %v; want %v", i, step.percent, err, step.want)
			}
			budget.Add(-used)
		}
	}
	if err := openNode(t, func(c *Config) { c.QueueBudget, c.InputBudget = -1, -1 }).unwilling(); err != nil {
		t.Errorf("without limits: %v", err)
	}
}

// starve leaves the node no memory until release is called.
func (n *node) starve() (release func()) {
	n.SetMemoryLimit(1)
	testutil.Eventually(n.t, patience, func() bool { return n.memory.Usage().Refusing }, "there is no memory")
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
