//go:build faults

package faults

import (
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/seed4ac54ce5/edge/internal/testutil"
	"github.com/seed4ac54ce5/edge/test/faultproxy"
)

// R08: half of a room's members stop to read. They are cut once their queues are full, what waits for them stays within
// the limit of each, and the other half gets everything in order.
func TestR08HalfTheMembersStopped(t *testing.T) {
	const half, limit, padding = 100, 1 << 20, 8 << 10
	n := start(t, launch{args: []string{"--loops=2"}})
	others := n.flood("fanout", "--connections=100", "--room-prefix=hot", "--rate=1", "--duration=10m", "--probe=0")
	n.awaitSessions(half + 1) // and a publisher
	g := gather(n, half, "hot0")
	p := g.publishing(n, "hot0", 50, strings.Repeat("x", padding))
	n.await("five seconds of publications arrive", func() bool { return g.received() >= 250*half })
	calm, rss := g.marks(), n.status("VmRSS")

	if err := others.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	var queued, peak int64
	n.await("the stopped half is cut", func() bool {
		f := n.figures()
		queued = max(queued, int64(f.sum("edge_outbound_queue_bytes")))
		peak = max(peak, n.status("VmRSS"))
		return f.sum("edge_slow_consumers_total", "close") >= half && f.sessions() <= half+1
	})
	took := time.Since(began)
	p.stop()
	n.await("all publications arrive", func() bool { return g.received() >= half*p.sent.Load() })
	g.checkOrder(t)
	if most := int64(half+1) * (limit + 2*padding); queued > most || peak-rss > most+64<<20 {
		t.Errorf("%d bytes waited, the process grew by %d; the limits allow %d", queued, peak-rss, most)
	}
	if got := g.standing(); got != half {
		t.Errorf("%d of %d members that read stand", got, half)
	}
	g.leave()
	before, after := g.lagsSplit(calm)
	t.Logf("%d members cut %v after they were stopped; at most %.1f MiB waited, the process grew by %.1f MiB (limit of %d queues: %d MiB)",
		half, took.Round(100*time.Millisecond), mib(queued), mib(peak-rss), half, half*limit>>20)
	t.Logf("lag of the others before: %v; with half stopped: %v", before, after)
	n.checkNeighbour()
}

func mib(n int64) float64 { return float64(n) / (1 << 20) }

// flood starts edge flood against the node. It ends with the test.
func (n *node) flood(scenario string, args ...string) *exec.Cmd {
	n.t.Helper()
	cmd := exec.Command(edgeBinary, append([]string{"flood", scenario, "--target=" + n.address.String()}, args...)...)
	if err := cmd.Start(); err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // killed
	})
	return cmd
}

// R09: a reader that takes 8 KB a second keeps its session while less than that comes, and is cut with 3008 when more comes
// and its queue is full.
func TestR09TrickleReader(t *testing.T) {
	const rate, limit = 8 << 10, 64 << 10
	n := start(t, launch{args: []string{"--loops=1", "--queue-max-size=64KiB"}})
	proxy := faultproxy.Start(t, n.address.String(), faultproxy.SocketBuffers(4<<10), faultproxy.Buffer(4<<10))
	proxy.Add(faultproxy.Downstream, faultproxy.Bandwidth{Rate: rate})
	behind := *n
	behind.address = addressOf(t, proxy.Addr())
	trickle, quick := gather(&behind, 1, "room"), gather(n, 1, "room")

	slow := quick.publishing(n, "room", 4, strings.Repeat("x", rate/16))
	n.await("twelve seconds of it arrive", func() bool { return trickle.received() >= 48 })
	slow.stop()
	if trickle.standing() != 1 {
		t.Fatalf("a reader that keeps up ended: %v", trickle.members[0].why)
	}
	began := time.Now()
	c := n.connect()
	data := `"` + strings.Repeat("x", 4<<10) + `"`
	most := int64(0)
	n.await("the trickle reader is cut", func() bool {
		if _, err := c.ask(publish(2, "room", data)); err != nil {
			t.Fatal(err)
		}
		f := n.figures()
		most = max(most, int64(f.sum("edge_outbound_queue_bytes")))
		return f.disconnects(3008) == 1
	})
	if f := n.figures(); f.sum("edge_slow_consumers_total", "close_queue") != 1 || most > limit+8<<10 {
		t.Errorf("slow consumers %v, %d bytes waited; want one that was full at %d", f.sum("edge_slow_consumers_total"), most, limit)
	}
	t.Logf("a reader of %d bytes a second stood 12 s of half that, and was cut %v after more came, at %d bytes", rate, time.Since(began).Round(10*time.Millisecond), most)
	trickle.leave()
	quick.checkOrder(t)
	if quick.standing() != 1 {
		t.Errorf("the quick member ended: %v", quick.members[0].why)
	}
	testutil.Eventually(t, patience, func() bool { return n.figures().sessions() == 2 }, "only those who read stand")
}
