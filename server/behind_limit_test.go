package server

import (
	"fmt"
	"testing"

	"github.com/seed4ac54ce5/edge/internal/testutil"
	"github.com/seed4ac54ce5/edge/metrics"
)

// A member of a room that keeps only the latest never overflows, but it does not live for ever: a socket that takes
// nothing is closed when its time is over.
func TestMemberOfLatestThatStalls(t *testing.T) {
	t.Parallel()
	n := openPolicies(t, func(c *Config) { c.StallLimit = soon })
	c := n.memberOf("latest:a")
	defer c.close()
	for i := 0; n.slow()[metrics.SlowClosedStall] == 0; i++ {
		n.publish("latest:a", filler, PublishOptions{})
		n.settle()
	}
	if got := n.slow(); got[metrics.SlowClosedBytes] != 0 || got[metrics.SlowReplaced] == 0 {
		t.Errorf("slow consumers counted: %v; want one that has stalled, and some publications replaced", got)
	}
	testutil.Eventually(t, patience, func() bool { return n.budget.Used() == 0 }, "nothing waits for anybody")
}

// With the node's budget used up a member that is behind is closed, though it is far from its own limit.
func TestMemberBeyondTheBudget(t *testing.T) {
	const budget, size = 64 << 10, 16 << 10
	n := openNode(t, func(c *Config) { c.QueueLimit, c.QueueBudget = 64<<20, budget })
	slow, quick := n.member("room").sluggish(), n.member("room")
	defer slow.close()
	defer quick.close()
	if most := n.flood(quick, 50, size); most > budget+2*size {
		t.Errorf("%d bytes waited; the budget is %d", most, budget)
	}
	slow.endsSlow(t)
	if got := n.slow(); got != (counted{metrics.SlowClosedBudget: 1}) {
		t.Errorf("slow consumers counted: %v; want one, by the budget", got)
	}
	n.checkNeighbour()
}

// With the budget used up, waiting lists drop what they may. Who then has no room for a value that must not be
// dropped is closed.
func TestListBeyondTheBudget(t *testing.T) {
	const budget = 64 << 10
	n := openPolicies(t, func(c *Config) { c.QueueBudget = budget })
	c := n.memberOf("drop:a", "latest:b")
	defer c.close()
	n.clog("drop:a")
	for i := range 1000 {
		n.publish("drop:a", i, PublishOptions{})
	}
	n.settle()
	if got := n.slow(); got[metrics.SlowDropped] == 0 || got[metrics.SlowClosedBudget] != 0 {
		t.Errorf("slow consumers counted: %v; want publications that were dropped", got)
	}
	if used := n.budget.Used(); used > budget || used < budget/2 {
		t.Errorf("%d bytes wait; want about the budget of %d", used, budget)
	}
	for i := 0; n.slow()[metrics.SlowClosedBudget] == 0; i++ {
		n.publish("latest:b", i, PublishOptions{Key: fmt.Sprint(i)})
		n.settle()
		if used := n.budget.Used(); used > budget+1<<10 {
			t.Fatalf("%d bytes wait; the budget is %d", used, budget)
		}
	}
	c.endsSlow(t)
}
