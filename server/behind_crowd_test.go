package server

import (
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/seed4ac54ce5/edge/internal/testutil"
	"github.com/seed4ac54ce5/edge/metrics"
)

// crowdSize members are in a room, of whom stuckSize do not read.
var crowdSize, stuckSize = fewer(1000), fewer(100)

const crowdTalks = 50

// Members who are stuck take nothing from the others, who hear every publication in order. They themselves are ended or
// skip what they have missed, as the room has it, and are counted; nothing then waits for anybody.
func TestStuckMembersInACrowd(t *testing.T) {
	for ns, limit := range map[string]int{"queue": 64 << 10, "drop": 64 << 10, "newest": 1 << 20, "latest": 1 << 20} {
		t.Run(ns, func(t *testing.T) {
			n := openPolicies(t, func(c *Config) { c.Loops, c.QueueLimit = 2, limit })
			room, fill := ns+":room", ns+":fill"
			var stuck, quick []*client
			for i := range crowdSize {
				if i%(crowdSize/stuckSize) == 0 {
					stuck = append(stuck, n.memberOf(room, fill))
				} else {
					quick = append(quick, n.memberOf(room))
				}
			}
			n.clog(fill)
			n.talkToAll(room, quick)
			n.checkStuck(ns, room, stuck)
			for _, c := range slices.Concat(stuck, quick) {
				c.close()
			}
			testutil.Eventually(t, patience, func() bool { return n.budget.Used() == 0 }, "nothing waits for anybody")
		})
	}
}

// talks is what a room's members hear.
func talks(room string) (all []string) {
	for i := range crowdTalks {
		all = append(all, fmt.Sprint(room, " ", i))
	}
	return all
}

// talkToAll publishes to a room and checks that each of its members hears all of it in order.
func (n *node) talkToAll(room string, members []*client) {
	n.t.Helper()
	var listening sync.WaitGroup
	for _, c := range members {
		listening.Go(func() {
			if got, _ := c.hearPast(crowdTalks); !slices.Equal(got, talks(room)) {
				n.t.Errorf("a member that reads got %q", got)
			}
		})
	}
	for i := range crowdTalks {
		n.publish(room, i, PublishOptions{})
		n.settle()
	}
	listening.Wait()
}

// checkStuck checks what has become of the members who did not read.
func (n *node) checkStuck(ns, room string, stuck []*client) {
	n.t.Helper()
	all, size := talks(room), uint64(len(stuck))
	switch got := n.slow(); ns {
	case "queue":
		if ended := n.counts().Disconnects[16+8]; got != (counted{metrics.SlowClosedBytes: size}) || ended != size {
			n.t.Errorf("slow consumers counted: %v, %d ended with 3008; want %d closed", got, ended, size)
		}
	case "drop": // fillers had to make room, and the list holds the rest
		if got[metrics.SlowDropped] < size || got != (counted{metrics.SlowDropped: got[metrics.SlowDropped]}) {
			n.t.Errorf("slow consumers counted: %v; want publications dropped", got)
		}
		n.checkHeard(stuck, all)
	default:
		if got[metrics.SlowReplaced] < size*(crowdTalks-1) || got != (counted{metrics.SlowReplaced: got[metrics.SlowReplaced]}) {
			n.t.Errorf("slow consumers counted: %v; want publications replaced, %d or more", got, size*(crowdTalks-1))
		}
		n.checkHeard(stuck, all[crowdTalks-1:])
	}
}

// checkHeard lets clients read, who must find want.
func (n *node) checkHeard(clients []*client, want []string) {
	n.t.Helper()
	for _, c := range clients {
		if got, _ := c.hearPast(len(want)); !slices.Equal(got, want) {
			n.t.Errorf("a member that did not read got %q; want %q", got, want)
		}
	}
}
