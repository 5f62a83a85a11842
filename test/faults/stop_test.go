//go:build faults

package faults

import (
	"testing"
	"time"
)

// R07: a node that was stopped notices its own lateness. It takes nobody for dead, sends no ping twice, and publishes what
// waited for it once, in order.
func TestR07Stopped(t *testing.T) {
	for _, length := range []time.Duration{5 * time.Second, 30 * time.Second, 120 * time.Second} {
		t.Run(length.String(), func(t *testing.T) {
			t.Parallel()
			stopFor(t, length)
		})
	}
}

func stopFor(t *testing.T, length time.Duration) {
	const size, ping = 300, 2
	n := start(t, launch{args: []string{"--loops=2", "--ping-interval=2s"}})
	g := gather(n, size, "room")
	p := g.publishing(n, "room", 20, "")
	n.await("publications arrive", func() bool { return g.received() >= 10*size })
	before := pingsOf(g)
	n.pause(length)
	began := time.Now()
	n.await("everybody has answered two pings more", func() bool { return pingsOf(g) >= before+2*size })
	took := time.Since(began)
	if most := int64(size) * (int64(took.Seconds()/ping) + 3); pingsOf(g)-before > most {
		t.Errorf("%d pings within %v; want at most %d", pingsOf(g)-before, took, most)
	}
	p.stop()
	n.await("all publications arrive", func() bool { return g.received() >= size*p.sent.Load() })
	g.checkOrder(t)
	if got := g.standing(); got != size {
		t.Errorf("%d of %d sessions stand after a stop of %v", got, size, length)
	}
	f := n.figures()
	if f.disconnects(3012) != 0 || f.sessions() != size {
		t.Errorf("%d sessions ended for want of a pong, %d stand; want none and %d", f.disconnects(3012), f.sessions(), size)
	}
	t.Logf("stopped for %v: two rounds of pings %v after it went on, %d sessions of %d stand, %d publications to each in order", length, took.Round(time.Millisecond), f.sessions(), size, p.sent.Load())
	n.checkNeighbour()
}

func pingsOf(g *crowd) (total int64) {
	for _, m := range g.members {
		total += m.pings.Load()
	}
	return total
}
