//go:build faults

package faults

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/seed4ac54ce5/edge/frame"
	"github.com/seed4ac54ce5/edge/internal/testutil"
)

// memoryGroup is a cgroup whose processes may use so much memory together, and are killed beyond.
type memoryGroup struct {
	dir   string
	usage string // file that says what they use
	kills string // file with a line oom_kill: how many were killed
}

// groupOf makes one that goes with the test.
func groupOf(t testing.TB, limit int64) *memoryGroup {
	t.Helper()
	g := &memoryGroup{usage: "memory.current", kills: "memory.events"}
	root, file := "/sys/fs/cgroup", "memory.max"
	if _, err := os.Stat("/sys/fs/cgroup/memory/memory.limit_in_bytes"); err == nil { // cgroup v1
		root, file = "/sys/fs/cgroup/memory", "memory.limit_in_bytes"
		g.usage, g.kills = "memory.usage_in_bytes", "memory.oom_control"
	}
	g.dir = filepath.Join(root, fmt.Sprintf("faults-%d", os.Getpid()))
	if err := os.Mkdir(g.dir, 0o700); err != nil {
		t.Skipf("no memory group can be made: %v", err)
	}
	t.Cleanup(func() {
		testutil.Eventually(t, patience, func() bool { return !errors.Is(os.Remove(g.dir), syscall.EBUSY) }, "the group is empty")
	})
	if err := os.WriteFile(filepath.Join(g.dir, file), []byte(strconv.FormatInt(limit, 10)), 0); err != nil {
		t.Skipf("%s of a memory group: %v", file, err)
	}
	return g
}

// command runs a node in the group.
func (g *memoryGroup) command() []string {
	return []string{"sh", "-c", `echo $$ > "$0"/cgroup.procs && exec "$@"`, g.dir}
}

// used returns how much the group uses.
func (g *memoryGroup) used(t testing.TB) int64 {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(g.dir, g.usage))
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// killed returns how many processes of the group the kernel has killed for want of memory.
func (g *memoryGroup) killed(t testing.TB) (n int) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(g.dir, g.kills))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		if _, err := fmt.Sscanf(line, "oom_kill %d", &n); err == nil {
			return n
		}
	}
	return 0
}

// R18: a node in a group with little memory is given all that its limits let clients and rooms fill, and then clients until it
// takes no more. A thousand do not read and are cut, hundreds leave their messages half sent and are refused, and the kernel
// kills nobody. Who reads misses nothing, and when the others have gone clients come in as before.
func TestR18LittleMemory(t *testing.T) {
	const limit, deaf, halves, most, readers, padding = 24 << 20, 1000, 600, 8000, 20, 8 << 10
	group := groupOf(t, limit)
	n := start(t, launch{
		before: group.command(), args: []string{"--loops=2"},
		config: "development: true\nroom: {without_namespace: {history_size: 100, history_ttl: 10m}}\n",
	})
	if line := n.book.find(`"msg":"serving"`); !strings.Contains(line, fmt.Sprintf(`"memory_limit":%d,`, limit)) {
		t.Errorf("the node does not see the limit of its group: %s", line)
	}
	var peak int64
	look := func() figures { peak = max(peak, group.used(t)); return n.figures() }
	g, c := gather(n, readers, "hot"), n.connect()
	var all []*client
	for range deaf {
		all = append(all, n.member("hot", small))
	}
	room := 0
	n.await("histories are full", func() bool {
		for range 20 {
			if _, err := c.ask(publish(2, fmt.Sprint("past", room), large(50_000))); err != nil {
				t.Fatal(err)
			}
			room++
		}
		return look().sum("edge_history_evictions_total") > 0
	})
	half := frame.AppendMasked(nil, [4]byte{1, 2, 3, 4}, frame.OpText, []byte(large(60_000)), false)[:50_000]
	for range halves {
		h := n.dial(pathEcho)
		_, _ = h.conn.Write(half) // it may be refused before its end
		all = append(all, h)
	}
	p := g.publishing(n, "hot", 20, strings.Repeat("x", padding))
	refused, unready := 0, 0
	n.await("nobody more is let in and all who do not read are cut", func() bool {
		for range 100 {
			if h, err := dial(nil, n.address, pathEcho, from(1)); err == nil && len(all) < most {
				all = append(all, h)
			} else if err != nil {
				refused++
			}
		}
		if status, body := n.get("/health/ready"); status == http.StatusServiceUnavailable && strings.Contains(body, "memory") {
			unready++
		}
		return refused > 0 && look().sum("edge_slow_consumers_total", "close") >= deaf || len(all) >= most
	})
	p.stop()
	n.await("all publications arrive", func() bool { return g.received() >= readers*p.sent.Load() })
	g.checkOrder(t)
	f := look()
	if got := g.standing(); got != readers || group.killed(t) != 0 {
		t.Errorf("%d of %d readers stand, the kernel killed %d", got, readers, group.killed(t))
	}
	cut, unfinished := f.sum("edge_slow_consumers_total", "close_budget"), f.sum("edge_reject_total", "frame", "memory")
	if out := f.sum("edge_reject_total", "accept", "memory"); refused == 0 || int(out) < refused || unready == 0 || cut == 0 || unfinished == 0 {
		t.Errorf("%d refused, %.0f of them counted; %d times not ready; %.0f cut, %.0f half messages refused; want some of each", refused, out, unready, cut, unfinished)
	}
	t.Logf("%d sessions and %d refused; %.0f that did not read cut for what waited for all, %.0f half messages refused; at most %.1f of %d MiB used",
		f.sessions(), refused, cut, unfinished, mib(peak), limit>>20)
	for _, c := range all {
		c.close()
	}
	n.await("it takes clients again", func() bool { status, _ := n.get("/health/ready"); return status == http.StatusOK })
	n.checkNeighbour()
}
