//go:build faults

package faults

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/seed4ac54ce5/edge/bench"
)

// quota holds the node to a share of one CPU until the function that it returns is called.
func (n *node) quota(percent int) (lift func()) {
	n.t.Helper()
	const period = 100_000 // microseconds
	name := fmt.Sprintf("faults-%d", n.pid())
	group, file, limit, none := "/sys/fs/cgroup/"+name, "cpu.max", fmt.Sprintf("%d %d", period*percent/100, period), "max"
	if _, err := os.Stat("/sys/fs/cgroup/cpu/cpu.cfs_quota_us"); err == nil { // cgroup v1
		group, file, limit, none = "/sys/fs/cgroup/cpu/"+name, "cpu.cfs_quota_us", strconv.Itoa(period*percent/100), "-1"
	}
	if err := os.Mkdir(group, 0o700); err != nil {
		n.t.Skipf("no CPU group can be made: %v", err)
	}
	n.t.Cleanup(func() { _ = os.Remove(group) })
	write := func(file, value string) {
		if err := os.WriteFile(filepath.Join(group, file), []byte(value), 0); err != nil {
			n.t.Skipf("%s of a CPU group: %v", file, err)
		}
	}
	write(file, limit)
	write("cgroup.procs", strconv.Itoa(n.pid()))
	n.t.Cleanup(n.kill) // before the group is removed
	return func() { write(file, none) }
}

// R20: a node that is held to a tenth of a CPU and has more to do gets slow and says so. It takes nobody for dead, loses
// nothing, and is as before when it has its CPU back.
func TestR20Starved(t *testing.T) {
	const size = 400
	n := start(t, launch{args: []string{"--loops=2", "--ping-interval=6s", "--queue-max-size=8MiB"}})
	g := gather(n, size, "room")
	p := g.publishing(n, "room", 40, strings.Repeat("x", 200))
	n.await("three seconds of publications arrive", func() bool { return g.received() >= 120*size })
	calm := g.marks()
	lift := n.quota(10)
	degraded := 0
	for began := time.Now(); time.Since(began) < 20*time.Second; {
		if status, body := n.get("/health/ready"); status == 200 && strings.Contains(body, "degraded") {
			degraded++
		}
		time.Sleep(100 * time.Millisecond) // a rate
	}
	starved := g.marks()
	lift()
	p.stop()
	n.await("all publications arrive", func() bool { return g.received() >= size*p.sent.Load() })
	n.await("the node says that it is well again", func() bool {
		status, body := n.get("/health/ready")
		return status == 200 && !strings.Contains(body, "degraded")
	})
	g.checkOrder(t)
	f := n.figures()
	if f.disconnects(3012) != 0 || g.standing() != size {
		t.Errorf("%d ended for want of a pong, %d of %d stand", f.disconnects(3012), g.standing(), size)
	}
	if degraded == 0 {
		t.Error("the node never said that it is degraded")
	}
	g.leave()
	before, after := g.lagsSplit(calm)
	t.Logf("lag with all CPUs: %v; with a tenth of one for 20 s: %v", before, after[:min(len(after), sumOf(starved)-sumOf(calm))])
	t.Logf("nobody of %d was taken for dead; %d answers of /health/ready said degraded", size, degraded)
}

func sumOf(marks []int) (total int) {
	for _, m := range marks {
		total += m
	}
	return total
}

// R41: a room with thousands of members and large publications. Publications to small rooms go on between slices of it.
func TestR41HotRoom(t *testing.T) {
	const hot = 10_000
	n := start(t, launch{args: []string{"--loops=2"}})
	small := []string{"--connections=200", "--rooms=20", "--rate=100", "--payload=200", "--duration=8s"}
	calm := n.flooded(false, "fanout", small...)
	n.flood("fanout", "--connections="+strconv.Itoa(hot), "--rate=2", "--payload=4096", "--room-prefix=hot", "--duration=10m", "--probe=0")
	n.awaitSessions(hot + 1)
	before := n.figures()
	busy := n.flooded(false, "fanout", small...)
	after := n.figures()
	deliveries := after["edge_fanout_deliveries_total"] - before["edge_fanout_deliveries_total"]
	if busy.Latency.P99 > 10e6 {
		t.Errorf("the small rooms' p99 is %.0f ms beside the hot one", busy.Latency.P99/1000)
	}
	t.Logf("small rooms alone: %s", inMillis(calm.Latency))
	t.Logf("beside a room of %d with 2 publications of 4 KiB a second (%.0f deliveries meanwhile): %s", hot, deliveries, inMillis(busy.Latency))
}

func inMillis(l *bench.Latency) string {
	return fmt.Sprintf("p50 %.1f, p99 %.1f, max %.1f ms of %d", l.P50/1000, l.P99/1000, l.Max/1000, l.Count)
}
