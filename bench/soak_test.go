package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed4ac54ce5/edge/protocol"
)

// gauges are the metrics of a liar, of which the flooder has had enough after some.
type gauges struct {
	liar   *liar
	looks  int
	most   int
	enough func()
	ghosts int // connections that it claims to have when there is none any more
}

func (g *gauges) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	g.liar.mu.Lock()
	defer g.liar.mu.Unlock()
	if g.looks++; g.looks == g.most {
		g.enough()
	}
	open := len(g.liar.open)
	if open == 0 && g.looks > 1 {
		open = g.ghosts
	}
	_, _ = fmt.Fprintf(w, "# TYPE edge_connections gauge\nedge_connections %d\n# TYPE edge_leak gauge\nedge_leak{a=\"1\"} %d\nedge_leak{a=\"2\"} 1\n", open, g.looks)
}

// soaked soaks a liar until it has been looked at so often.
func soaked(t *testing.T, looks, ghosts int, o Options) *Report {
	t.Helper()
	ctx, enough := context.WithCancel(t.Context())
	defer enough()
	l := &liar{byRoom: true, spoil: func(_, _ int, push string) []string { return []string{push} }}
	l.answer = func(c *protocol.Command) []byte {
		switch c.Method {
		case protocol.MethodRPC, protocol.MethodPresenceStats, protocol.MethodHistory:
			return protocol.JSON.AppendError(nil, c.ID, protocol.ErrNotAvailable)
		}
		return nil
	}
	page := httptest.NewServer(&gauges{liar: l, most: looks, enough: enough, ghosts: ghosts})
	t.Cleanup(page.Close)
	o.Scenario, o.Targets, o.Internal, o.Duration = Soak, []string{startLiar(t, l)}, page.URL, time.Minute
	return flood(t, ctx, o)
}

// A server that is beaten and stands it is cleared: nothing lost, everything given back.
func TestSoak(t *testing.T) {
	for name, workers := range map[string]int{"alone": 0, "shared": 2} {
		t.Run(name, func(t *testing.T) {
			checkSoak(t, soaked(t, 12, 0, Options{
				Mix: restless(), Connections: 20, Loops: 2, Faults: 100 * time.Millisecond, FaultShare: 0.3, ServerPID: os.Getpid(), Drain: patience,
				Workers: workers,
			}))
		})
	}
}

func checkSoak(t *testing.T, r *Report) {
	t.Helper()
	if err := r.Err(); err != nil || r.Delivery.Received == 0 {
		t.Errorf("%v; delivery %+v, errors %v, closes %v, failures %v", err, r.Delivery, r.Errors, r.Closes, r.Failures)
	}
	s := r.Soak
	if f := s.Faults; f.Cuts == 0 || f.Stalls == 0 || f.HalfOpen == 0 || f.Bursts == 0 || f.Failed > 0 || r.Mix.Cut == 0 {
		t.Errorf("faults %+v, %d cut", f, r.Mix.Cut)
	}
	if s.Return == nil || s.Return.Kept || s.Return.After[seenConnections] != 0 {
		t.Errorf("given back: %v", s.Return)
	}
	watched := make(map[string]Trend)
	for _, trend := range s.Trends {
		watched[trend.Name] = trend
	}
	for _, name := range []string{seenPss, seenRss, seenDescriptors, seenThreads, seenConnections, "edge_leak"} {
		if watched[name].Samples != len(s.Samples) || len(s.Samples) < 10 {
			t.Errorf("%s: %d samples of %d; trends of %v", name, watched[name].Samples, len(s.Samples), slices.Sorted(maps.Keys(watched)))
		}
	}
	if leak := watched["edge_leak"]; leak.Last-leak.First != float64(leak.Samples-1) {
		t.Errorf("edge_leak from %g to %g in %d samples", leak.First, leak.Last, leak.Samples)
	}
	var table strings.Builder
	if err := r.WriteTable(&table); err != nil || !strings.Contains(table.String(), "given back") || !strings.Contains(table.String(), "trend, descriptors") {
		t.Errorf("table, %v:\n%s", err, table.String())
	}
}

// One that keeps connections when all are closed is found out.
func TestSoakOfServerThatKeeps(t *testing.T) {
	t.Parallel()
	r := soaked(t, 3, 2, Options{Mix: steady(), Connections: 3, Drain: 500 * time.Millisecond})
	if back := r.Soak.Return; back == nil || !back.Kept || back.After[seenConnections] == 0 || !errors.Is(r.Err(), ErrLoss) {
		t.Errorf("given back: %v, %v", back, r.Err())
	}
}

// Looks and faults have their times, and neither keeps the other from its own.
func TestSoakPlan(t *testing.T) {
	begin := time.Now()
	for _, row := range []struct {
		faults time.Duration
		takes  time.Duration // a look
		want   []string
	}{
		{400 * time.Millisecond, 0, []string{"looks at 0s", "looks at 250ms", "faults at 400ms", "looks at 500ms", "looks at 750ms", "faults at 800ms", "ends at 1s"}},
		{0, 0, []string{"looks at 0s", "looks at 250ms", "looks at 500ms", "looks at 750ms", "ends at 1s"}},
		{400 * time.Millisecond, 300 * time.Millisecond, []string{"looks at 0s", "looks at 300ms", "faults at 600ms", "looks at 600ms", "looks at 900ms", "ends at 1.2s"}},
	} {
		p := newSoakPlan(&Options{Duration: time.Second, Faults: row.faults}, begin)
		var did []string
		act := soakWaits
		for now := begin; act != soakEnds; {
			if act = p.next(now); act == soakWaits {
				now = now.Add(p.pause(now))
				continue
			}
			did = append(did, fmt.Sprintf("%s at %v", [...]string{"ends", "looks", "faults"}[act], now.Sub(begin)))
			if act == soakLooks {
				now = now.Add(row.takes)
			}
		}
		if !slices.Equal(did, row.want) {
			t.Errorf("with faults every %v and looks that take %v: %q; want %q", row.faults, row.takes, did, row.want)
		}
	}
}

func TestSoakOptions(t *testing.T) {
	for says, o := range map[string]Options{
		"--faults -1s":        {Faults: -time.Second},
		"--fault-share 2":     {FaultShare: 2},
		`--internal "a:9000"`: {Internal: "a:9000"},
		"--internal: leave":   {Internal: "http://me:pw@127.0.0.1:9000"},
	} {
		o.Scenario, o.Connections, o.Duration = Soak, 1, time.Second
		o = o.withDefaults()
		if err := o.check(); !errors.Is(err, ErrUsage) || !strings.Contains(err.Error(), says) {
			t.Errorf("%v; want a word of %s", err, says)
		}
	}
}

// A process's descriptors are counted, all of them and once.
func TestCountDescriptors(t *testing.T) {
	few, many := descriptorsOfChild(t, 0), descriptorsOfChild(t, 3)
	if few < 3 || many != few+3 {
		t.Errorf("with three descriptors more a process has %d instead of %d", many, few)
	}
	if _, _, err := countDescriptors(1 << 30); err == nil {
		t.Error("the descriptors of nobody were counted")
	}
}

// descriptorsOfChild returns how many a process of one thread has that is given some more.
func descriptorsOfChild(t *testing.T, more int) int {
	t.Helper()
	c := exec.Command("cat")
	in, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	for range more {
		c.ExtraFiles = append(c.ExtraFiles, os.Stdin)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(in, "x"); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(out, make([]byte, 1)); err != nil { // it runs, then, and has closed what is not its own
		t.Fatal(err)
	}
	descriptors, threads, err := countDescriptors(c.Process.Pid)
	if threads != 1 || err != nil {
		t.Errorf("countDescriptors: %d threads, %v; want 1", threads, err)
	}
	if err := errors.Join(in.Close(), c.Wait()); err != nil {
		t.Error(err)
	}
	return descriptors
}

func TestParseGauges(t *testing.T) {
	const page = "# HELP edge_a A.\n# TYPE edge_a gauge\nedge_a{x=\"1 2\"} 3\nedge_a{x=\"2\"} 4e1\n# TYPE edge_b counter\nedge_b 5\n" +
		"# TYPE go_goroutines gauge\ngo_goroutines 7\n# TYPE go_other gauge\ngo_other 8\nedge_a nonsense\n"
	seen := make(map[string]float64)
	parseGauges([]byte(page), seen)
	if want := map[string]float64{"edge_a": 43, "go_goroutines": 7}; !maps.Equal(seen, want) {
		t.Errorf("parseGauges = %v; want %v", seen, want)
	}
}
