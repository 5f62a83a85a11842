package bench

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/seed4ac54ce5/edge/netpoll"
)

// baseline is a binary of the bare loop.
type baseline string

// baselineFolder holds it; TestMain takes it away. It is empty if nobody has needed it.
var baselineFolder string

var compileBaseline = sync.OnceValues(func() (b baseline, err error) {
	if baselineFolder, err = os.MkdirTemp("", "edge-bench-"); err != nil {
		return "", err
	}
	path := filepath.Join(baselineFolder, "baseline")
	if out, err := exec.Command("go", "build", "-o", path, "./baseline").CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w\n%s", err, out)
	}
	return baseline(path), nil
})

// buildBaseline compiles it, once for all tests.
func buildBaseline(t *testing.T) baseline {
	t.Helper()
	b, err := compileBaseline()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestAgainstBaseline(t *testing.T) {
	t.Parallel()
	b := buildBaseline(t)
	t.Run("idle", b.testIdle)
	t.Run("fanout", b.testFanout)
	t.Run("echo", b.testEcho)
	t.Run("churn", b.testChurn)
	t.Run("storm", b.testStorm)
	t.Run("interrupted", b.testInterrupted)
	t.Run("timeline of one killed", b.testTimelineOfKilled)
	t.Run("killed", b.testKilled)
}

// start runs the bare loop until the test ends. It returns where it listens and its process.
func (b baseline) start(t *testing.T, threads int) (address string, pid int) {
	t.Helper()
	c := exec.Command(string(b), "--address", "127.0.0.1:0", "--threads", strconv.Itoa(threads))
	c.Stderr = os.Stderr
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = c.Process.Kill()
		_ = c.Wait()
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	address, ok := strings.CutPrefix(strings.TrimSpace(line), "listening on ")
	if !ok {
		t.Fatalf("the baseline says %q, %v", line, err)
	}
	return address, c.Process.Pid
}

// flood runs o against a bare loop of so many threads and checks what holds for every run.
func (b baseline) flood(t *testing.T, threads int, o Options) *Report {
	t.Helper()
	address, pid := b.start(t, threads)
	o.Targets, o.ServerPID = []string{address}, pid
	r, err := Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Err(); err != nil {
		t.Errorf("%v; report %+v", err, r)
	}
	checkTimeline(t, r)
	if r.Interrupted || len(r.Memory) == 0 || r.Memory[0].Pss == 0 {
		t.Errorf("interrupted: %v; memory: %+v", r.Interrupted, r.Memory)
	}
	return r
}

func (b baseline) testIdle(t *testing.T) {
	for _, threads := range []int{1, 2} {
		r := b.flood(t, threads, Options{
			Scenario: Idle, Connections: 50, Rooms: 2, Loops: 3, Publishers: 2, Ramp: 2000,
			PublishOnce: true, Message: 1024, Hold: 20 * time.Millisecond, Rest: 10 * time.Millisecond, Probe: 5 * time.Millisecond,
		})
		if want := (Ledger{Expected: 100, Received: 100}); r.Delivery != want {
			t.Errorf("%d threads: delivery %+v; want %+v", threads, r.Delivery, want)
		}
		if r.Ready != 52 || r.ConnectLatency.Count != 52 || r.Connecting.Count != 52 || len(r.Memory) != 4 {
			t.Errorf("%d threads: ready %d, latencies of %d, connected %d, memory read %d times; want 52, 52, 52 and 4", threads,
				r.Ready, r.ConnectLatency.Count, r.Connecting.Count, len(r.Memory))
		}
		if p := r.Publishing; p == nil || p.Count != 50 || p.Unit != "delivery" {
			t.Errorf("%d threads: publishing once: %+v; want 50 deliveries", threads, p)
		}
		if r.Latency.Count != 100 {
			t.Errorf("%d threads: %d latencies; want 100", threads, r.Latency.Count)
		}
	}
}

func (b baseline) testFanout(t *testing.T) {
	for _, threads := range []int{1, 2} {
		r := b.flood(t, threads, Options{
			Scenario: Fanout, Connections: 50, Rooms: 2, Rate: 400, Loops: 2, Publishers: 2,
			Duration: 300 * time.Millisecond, Warmup: 50 * time.Millisecond, Probe: 10 * time.Millisecond,
		})
		// Each publication goes to the 25 members of its room, so that whole publications are all there is.
		if r.Delivery.Received == 0 || r.Delivery.Received%25 != 0 {
			t.Errorf("%d threads: %d deliveries; want a multiple of 25", threads, r.Delivery.Received)
		}
		if r.Measured.Count == 0 || r.Latency.Count == 0 || len(r.Probe) == 0 {
			t.Errorf("%d threads: measured %+v, latency %v, probe %+v", threads, r.Measured, r.Latency, r.Probe)
		}
	}
}

func (b baseline) testEcho(t *testing.T) {
	for name, o := range map[string]Options{
		"closed loop":                 {},
		"pipelined":                   {Pipeline: 16, Payload: 500},
		"paced":                       {Rate: 2000},
		"large":                       {Payload: 200 << 10, Connections: 5},
		"more loops than connections": {Connections: 1, Loops: 3, Rate: 500},
	} {
		o.Scenario, o.Duration, o.Warmup = Echo, 200*time.Millisecond, 20*time.Millisecond
		orElse(&o.Connections, 50)
		orElse(&o.Loops, 2)
		r := b.flood(t, 1, o)
		if r.Delivery.Received == 0 || r.Ready != uint64(o.Connections) || r.Measured.Unit != "echo" {
			t.Errorf("%s: %d ready, delivery %+v, measured %+v", name, r.Ready, r.Delivery, r.Measured)
		}
	}
}

func (b baseline) testChurn(t *testing.T) {
	r := b.flood(t, 2, Options{Scenario: Churn, Connections: 20, Rooms: 2, Loops: 2, Duration: time.Second})
	if r.Measured.Count == 0 || r.Ready < r.Measured.Count || r.Delivery.Expected != 0 {
		t.Errorf("%d ready, measured %+v, delivery %+v", r.Ready, r.Measured, r.Delivery)
	}
}

// A server that is killed under way has lost its connections and what was due to them, and uses nothing from then on.
func (b baseline) testTimelineOfKilled(t *testing.T) {
	address, pid := b.start(t, 1)
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	r, err := Run(ctx, Options{
		Scenario: Fanout, Targets: []string{address}, ServerPID: pid, Connections: 10, Rate: 100, Duration: time.Hour, Drain: time.Second,
		linesEvery: 50 * time.Millisecond,
		Progress: writerFunc(func(b []byte) (int, error) {
			switch says := string(b); {
			case strings.HasPrefix(says, "measuring") && strings.Contains(says, "p99") && strings.Contains(says, " 0 lost"): // the timeline has seen it alive
				_ = syscall.Kill(pid, syscall.SIGKILL)
			case strings.Contains(says, " 11 lost"):
				time.AfterFunc(2*shortestMoment, interrupt) // so that the dead one has a moment of its own
			}
			return len(b), nil
		}),
	})
	if err != nil {
		t.Fatal(err)
	}
	if !errors.Is(r.Err(), ErrLoss) || r.Lost != 11 || r.Delivery.Expected != r.Delivery.Received+r.Delivery.Missing || r.Measured.ServerCPUs < 0 {
		t.Errorf("lost %d, delivery %+v, measured %+v, %v", r.Lost, r.Delivery, r.Measured, r.Err())
	}
	last := r.Timeline[len(r.Timeline)-1]
	if last.Open != 0 || last.ServerRSS != 0 {
		t.Errorf("the timeline ends with %+v", last)
	}
	var sum Moment
	for _, m := range r.Timeline {
		sum.add(&m)
	}
	if sum.Lost != 11 || sum.Errors < 11 || sum.ServerRSS == 0 {
		t.Errorf("the timeline sums up to %+v", sum)
	}
}

func (b baseline) testInterrupted(t *testing.T) {
	address, _ := b.start(t, 1)
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	var progress bytes.Buffer
	r, err := Run(ctx, Options{
		Scenario: Fanout, Targets: []string{address}, Connections: 10, Rate: 100, Duration: time.Hour, linesEvery: 50 * time.Millisecond,
		Progress: writerFunc(func(b []byte) (int, error) {
			if says := string(b); strings.HasPrefix(says, "measuring: ") && !strings.HasPrefix(says, "measuring: 0,") {
				interrupt()
			}
			return progress.Write(b)
		}),
	})
	if err != nil {
		t.Fatal(err)
	}
	if !r.Interrupted || r.Err() != nil || r.Delivery.Received == 0 {
		t.Errorf("interrupted: %v, %v, delivery %+v", r.Interrupted, r.Err(), r.Delivery)
	}
	if !strings.Contains(progress.String(), "10 failed") && !strings.Contains(progress.String(), "11 connections ready") {
		t.Errorf("progress was %q", progress.String())
	}
	checkReport(t, r)
}

// checkTimeline holds the timeline of r, whose server is of this machine, against its sums.
func checkTimeline(t *testing.T, r *Report) {
	t.Helper()
	var sum Moment
	for _, m := range r.Timeline {
		if m.Seconds <= 0 || m.Phase == "" || m.ServerRSS == 0 || m.OwnRSS == 0 || m.Slab == 0 || m.P50 > m.P99 || m.P99 > m.Max {
			t.Errorf("moment %+v", m)
		}
		sum.add(&m)
	}
	if sum.Ready != r.Ready || sum.Failed != r.Failed || sum.Errors != 0 || sum.Seconds > r.Seconds {
		t.Errorf("timeline sums up to %+v; want %d ready, %d failed, %v s", sum, r.Ready, r.Failed, r.Seconds)
	}
	if r.Scenario != Churn && r.Timeline[len(r.Timeline)-1].Open != r.Ready {
		t.Errorf("the timeline ends with %d connections; want %d", r.Timeline[len(r.Timeline)-1].Open, r.Ready)
	}
	if r.Latency != nil && (sum.Max < r.Latency.Max || len(r.Distribution) == 0) {
		t.Errorf("longest in the timeline %v us; want %v or more, and a distribution, not %v", sum.Max, r.Latency.Max, r.Distribution)
	}
	if b := r.LoadSide.BusiestLoop; b <= 0 || b > 1 {
		t.Errorf("load side %+v", r.LoadSide)
	}
}

type writerFunc func(b []byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }

// checkReport holds both forms of a report against r.
func checkReport(t *testing.T, r *Report) {
	t.Helper()
	var table, object bytes.Buffer
	if err := r.WriteTable(&table); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(table.String(), "verdict ") || !strings.Contains(table.String(), "missing "+strconv.FormatUint(r.Delivery.Missing, 10)) {
		t.Errorf("table:\n%s", table.String())
	}
	if err := r.WriteJSON(&object); err != nil {
		t.Fatal(err)
	}
	var again Report
	if err := json.Unmarshal(object.Bytes(), &again); err != nil {
		t.Fatal(err)
	}
	if again.Delivery != r.Delivery || *again.Measured != *r.Measured || again.Memory[0] != r.Memory[0] {
		t.Errorf("JSON holds %+v; want %+v", again, r)
	}
}

// Two million connections under a limit of 20,000 files: with a hundred loops, what a loop's table has of all the others counts too.
func TestLoopsForManyConnections(t *testing.T) {
	const limit = 20_000
	for _, connections := range []uint32{1, 19_000, 20_000, 1_000_001, 2_000_001, 4_000_000} {
		loops := loopsFor(connections, limit, 1)
		if room := loops * perTable(limit, loops); room < connections {
			t.Errorf("%d connections: room for %d in %d loops", connections, room, loops)
		}
		if loops > 1 && (loops-1)*perTable(limit, loops-1) >= connections {
			t.Errorf("%d connections: %d loops, one more than are needed", connections, loops)
		}
		if used := int(perTable(limit, loops)) + netpoll.SharedDescriptors(int(loops)); used >= limit {
			t.Errorf("%d connections: %d descriptors in a table of %d", connections, used, limit)
		}
	}
	if loops := loopsFor(2_000_000, math.MaxUint64, 16); loops != 16 {
		t.Errorf("%d loops where files have no limit; want the 16 that there are to be", loops)
	}
	if loops := loopsFor(100_000_000, limit, 1); loops != netpoll.MaxLoops {
		t.Errorf("%d loops for more than there is room for, want %d", loops, netpoll.MaxLoops)
	}
}
