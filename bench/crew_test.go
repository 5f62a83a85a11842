package bench

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed4ac54ce5/edge/internal/testutil"
)

// joinEnv has a test binary join the coordinator at its value, so that a test can kill a worker.
const joinEnv = "EDGE_BENCH_JOIN"

// lead is a coordinator under test.
type lead struct {
	address string
	said    *testutil.Book
	report  *Report
	err     error
	done    chan struct{} // closed when report and err are set
}

// startLead coordinates o in the background, and returns when workers may join.
func startLead(t *testing.T, ctx context.Context, o Options) *lead {
	t.Helper()
	l := &lead{said: new(testutil.Book), done: make(chan struct{})}
	in, out := io.Pipe()
	o.Listen, o.Progress = "127.0.0.1:0", io.MultiWriter(l.said, out)
	go func() {
		defer close(l.done)
		l.report, l.err = Run(ctx, o)
		out.Close()
	}()
	lines := bufio.NewScanner(in)
	if !lines.Scan() {
		<-l.done
		t.Fatalf("the coordinator does not wait for workers: %v", l.err)
	}
	_, l.address, _ = strings.Cut(lines.Text(), " at ")
	go io.Copy(io.Discard, in)
	return l
}

// end returns what the coordinator found out.
func (l *lead) end(t *testing.T) *Report {
	t.Helper()
	<-l.done
	if l.err != nil {
		t.Fatalf("%v; it said\n%s", l.err, l.said)
	}
	return l.report
}

// flood runs o until ctx ends: if it has workers, with them in this process.
func flood(t *testing.T, ctx context.Context, o Options) *Report {
	t.Helper()
	if o.Workers == 0 {
		r, err := Run(ctx, o)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	l := startLead(t, ctx, o)
	var joined sync.WaitGroup
	for range o.Workers {
		joined.Go(func() {
			if _, err := Join(t.Context(), Joining{Coordinator: l.address, Key: o.JoinKey, TokenSecret: o.TokenSecret}); err != nil {
				t.Errorf("Join = %v", err)
			}
		})
	}
	joined.Wait()
	r := l.end(t)
	var ready uint64
	for _, w := range r.Workers {
		ready += w.Ready
	}
	if len(r.Workers) != o.Workers || ready != r.Ready || r.ClockError != 0 {
		t.Errorf("workers %+v, %d ready, clocks within %v", r.Workers, r.Ready, r.ClockError)
	}
	return r
}

func TestSharedRun(t *testing.T) {
	t.Parallel()
	b := buildBaseline(t)
	for name, row := range map[string]struct {
		o    Options
		want func(r *Report) bool
	}{
		"idle": {
			Options{Scenario: Idle, Rooms: 2, Publishers: 3, PublishOnce: true, Message: 1024, Loops: 2, JoinKey: "open sesame"},
			func(r *Report) bool {
				return r.Delivery == Ledger{Expected: 100, Received: 100} && r.Ready == 53 && r.Latency.Count == 100 && r.Loops == 4
			},
		},
		"fanout": { // room 0 has its members in one worker and its publisher in the other
			Options{Scenario: Fanout, Rooms: 2, Rate: 400, Publishers: 1, Ramp: 2000},
			func(r *Report) bool {
				return r.Delivery.Received > 0 && r.Delivery.Received%25 == 0 && r.Ready == 51 && r.Measured.Count > 0 && r.Latency.Count > 0 &&
					r.ConnectLatency.Count == 51 && r.Connecting.Count == 51
			},
		},
		"echo": {
			Options{Scenario: Echo, Rate: 1000},
			func(r *Report) bool {
				return r.Delivery.Received > 0 && r.Ready == 50 && r.Measured.Count > 0 && r.Latency.Count > 0
			},
		},
		"churn": {
			Options{Scenario: Churn},
			func(r *Report) bool { return r.Measured.Count > 0 && r.Ready >= r.Measured.Count },
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			address, pid := b.start(t, 2)
			row.o.Targets, row.o.ServerPID, row.o.Connections = []string{address}, pid, 50
			row.o.Duration, row.o.Warmup = time.Second, 20*time.Millisecond
			row.o.Workers = 2
			r := flood(t, t.Context(), row.o)
			if r.Err() != nil || !row.want(r) || r.Interrupted || r.Memory[0].Pss == 0 {
				t.Errorf("%v; report %+v", r.Err(), r)
			}
		})
	}
}

// pass is a liar that tells the truth.
func pass(_, _ int, push string) []string { return []string{push} }

func TestSharedRunIsInterrupted(t *testing.T) {
	t.Parallel()
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	server := startLiar(t, &liar{spoil: pass, enough: interrupt})
	r := flood(t, ctx, Options{Scenario: Fanout, Targets: []string{server}, Connections: 4, Workers: 2, Rate: 100, Duration: time.Hour})
	if !r.Interrupted || r.Err() != nil || r.Delivery.Received < 20*4 || len(r.Workers) != 2 {
		t.Errorf("interrupted: %v, %v, delivery %+v, workers %+v", r.Interrupted, r.Err(), r.Delivery, r.Workers)
	}
}

func TestInterruptedWhileWorkersAreMissing(t *testing.T) {
	ctx, interrupt := context.WithCancel(t.Context())
	l := startLead(t, ctx, Options{Scenario: Idle, Targets: []string{testutil.Nobody}, Connections: 4, Workers: 2})
	interrupt()
	if <-l.done; l.report != nil || !errors.Is(l.err, errCrew) || !strings.Contains(l.err.Error(), "before all 2 workers had joined") {
		t.Errorf("Run = %v, %v", l.report, l.err)
	}
}

// A worker that is killed takes its connections and what was due to them with it, and the report says so.
func TestWorkerIsKilled(t *testing.T) {
	t.Parallel()
	child := exec.Command(os.Args[0])
	var once sync.Once
	kill := func() { once.Do(func() { _ = child.Process.Kill() }) }
	server := &liar{spoil: pass, enough: kill}
	l := startLead(t, t.Context(), Options{
		Scenario: Fanout, Targets: []string{startLiar(t, server)}, Connections: 4, Workers: 2,
		Rate: 100, Duration: time.Second, Drain: time.Second,
	})
	child.Env = append(os.Environ(), joinEnv+"="+l.address)
	child.Stderr = os.Stderr
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	defer child.Wait()
	defer kill()
	if _, err := Join(t.Context(), Joining{Coordinator: l.address}); err != nil {
		t.Errorf("Join = %v", err)
	}
	r := l.end(t)
	var gone, stays WorkerReport
	for _, w := range r.Workers {
		if w.Gone != "" {
			gone = w
		} else {
			stays = w
		}
	}
	if gone.Ready != gone.Lost || gone.Ready < 2 || stays.Ready < 2 || stays.Lost != 0 || r.Lost != gone.Lost || r.Failed != 0 {
		t.Errorf("workers %+v; want all connections of just one lost", r.Workers)
	}
	if d := r.Delivery; !errors.Is(r.Err(), ErrLoss) || d.Expected != d.Received+d.Missing || d.Received < 20*2 {
		t.Errorf("%v, delivery %+v; want what the other worker has received, and the rest missing", r.Err(), d)
	}
	var table bytes.Buffer
	if err := r.WriteTable(&table); err != nil || !strings.Contains(table.String(), "; gone: ") {
		t.Errorf("table, %v:\n%s", err, table.String())
	}
}
