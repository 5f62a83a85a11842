package bench

import (
	"errors"
	"syscall"
	"testing"
	"time"
)

// A server that is killed in the middle of a run: the report counts everybody as lost, and what was under way as missing.
func (b baseline) testKilled(t *testing.T) {
	for _, row := range []struct {
		name string
		o    Options
		when func(p progress) bool
	}{
		{"fanout", Options{Scenario: Fanout, Duration: 500 * time.Millisecond}, func(p progress) bool { return p.delivered > 100 }},
		{"storm, before", Options{Scenario: Storm, Hold: 500 * time.Millisecond}, func(p progress) bool { return p.delivered > 100 }},
		{"storm", Options{Scenario: Storm, Hold: 50 * time.Millisecond}, func(p progress) bool { return p.left > 0 }},
		{"slow", Options{Scenario: Slow, Duration: 500 * time.Millisecond, Share: 0.5}, func(p progress) bool { return p.delivered > 100 }},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			o := row.o
			o.Connections, o.Rate, o.Loops, o.Drain, o.GiveUp = 20, 200, 2, time.Second, 300*time.Millisecond
			r := b.killAmid(t, o, row.when)
			lost := r.Lost
			if r.Slow != nil {
				lost += r.Slow.Closed
			}
			if r.Ready != 21 || lost != 21 || r.Interrupted || !errors.Is(r.Err(), ErrLoss) {
				t.Errorf("%d ready, %d lost, %v; want 21 of each", r.Ready, lost, r.Err())
			}
			d := r.Delivery
			if d.Expected == 0 || d.Expected != d.Received+d.Missing || d.Duplicated+d.Reordered+d.Damaged+d.Misrouted != 0 {
				t.Errorf("delivery %+v; want what was received and what is missing", d)
			}
			if row.name != "storm" && d.Expected%10 != 0 {
				t.Errorf("delivery %+v; want whole publications to 20 members, or to 10", d)
			}
			checkReport(t, r)
		})
	}
}

// killAmid runs o against a bare loop that is killed once the time has come.
func (b baseline) killAmid(t *testing.T, o Options, when func(p progress) bool) *Report {
	t.Helper()
	address, pid := b.start(t, 1)
	o.Targets, o.ServerPID = []string{address}, pid
	r, err := newRun(t.Context(), o.withDefaults(), wholeShare)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.open(); err != nil {
		t.Fatal(err)
	}
	defer r.reactor.Close()
	played := make(chan struct{})
	go func() {
		defer close(played)
		r.play()
		r.finish()
	}()
	for !when(sum(r.drivers)) {
		select {
		case <-played:
			t.Fatal("the run has ended before its time")
		case <-time.After(time.Millisecond):
		}
	}
	_ = syscall.Kill(pid, syscall.SIGKILL)
	<-played
	return r.report
}
