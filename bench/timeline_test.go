package bench

import (
	"strings"
	"testing"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// A run of a day takes no more memory than one of ten minutes, and says the same in sum.
func TestMomentsAreBounded(t *testing.T) {
	var s moments
	const seconds = 24 * 3600
	for i := range seconds {
		phase := "warming up"
		if i >= 10 {
			phase = "measuring"
		}
		s.add(Moment{At: float64(i + 1), Seconds: 1, Phase: phase, Delivered: 3, P99: float64(i), Idle: 0.5, Open: 7})
		if len(s.all) > maxMoments {
			t.Fatalf("after %d seconds there are %d moments; want at most %d", i+1, len(s.all), maxMoments)
		}
	}
	var length float64
	var delivered uint64
	for i, m := range s.all {
		length += m.Seconds
		delivered += m.Delivered
		if m.At != length || m.P99 != m.At-1 || m.Idle != 0.5 || m.Open != 7 {
			t.Errorf("moment %d is %+v; want it to end at %v, with the p99 of its last second", i, m, length)
		}
	}
	if length != seconds || delivered != 3*seconds || len(s.all) < maxMoments/4 {
		t.Errorf("%d moments of %v s with %d deliveries; want some hundred of %d s with %d", len(s.all), length, delivered, seconds, 3*seconds)
	}
	if s.all[0].Phase != "warming up" || s.all[len(s.all)-1].Phase != "measuring" {
		t.Errorf("phases are %q and %q", s.all[0].Phase, s.all[len(s.all)-1].Phase)
	}
}

// Nor do many phases take more.
func TestMomentsOfManyPhasesAreBounded(t *testing.T) {
	var s moments
	for i := range 10 * maxMoments {
		s.add(Moment{Seconds: 1, Phase: []string{"calm", "storm"}[i%2], Lost: 1})
	}
	var lost uint64
	for _, m := range s.all {
		lost += m.Lost
	}
	if len(s.all) > maxMoments || lost != 10*maxMoments {
		t.Errorf("%d moments that lost %d; want at most %d that lost %d", len(s.all), lost, maxMoments, 10*maxMoments)
	}
}

func TestShortMomentsJoinTheOneBefore(t *testing.T) {
	var s moments
	s.add(Moment{At: 0.01, Seconds: 0.01, Phase: "connecting", Ready: 5}) // there is none before
	s.add(Moment{At: 1, Seconds: 0.99, Phase: "measuring", ServerRSS: 10, ServerCPUs: 1, P50: 5, Max: 50})
	s.add(Moment{At: 1.01, Seconds: 0.01, Phase: "closing", Lost: 2, ServerRSS: 20, P50: 9, Max: 90})
	if len(s.all) != 2 {
		t.Fatalf("moments %+v; want two", s.all)
	}
	m := s.all[1]
	if m.At != 1.01 || m.Seconds != 1 || m.Phase != "measuring" || m.Lost != 2 || m.ServerRSS != 20 || m.P50 != 5 || m.Max != 90 || m.ServerCPUs != 0.99 {
		t.Errorf("the second is %+v", m)
	}
}

func TestLoadSideIsJudged(t *testing.T) {
	late := func(ms float64) *Latency { return &Latency{P99: ms * 1e3} }
	for _, row := range []struct {
		name    string
		load    Load
		late    *Latency
		latency *Latency
		warns   string // "" for enough
	}{
		{"at ease", Load{BusiestLoop: 0.5, Idle: 0.4}, late(0.2), late(1), ""},
		{"nothing was to be in time", Load{BusiestLoop: 0.5, Idle: 0.4}, nil, late(1), ""},
		{"a busy loop", Load{BusiestLoop: 0.95, Idle: 0.4}, nil, late(1), "busiest loop was busy 95 %"},
		{"a busy machine", Load{BusiestLoop: 0.5, Idle: 0.01}, nil, late(1), "no CPU to spare (1.0 % idle)"},
		{"late", Load{BusiestLoop: 0.5, Idle: 0.4}, late(5), late(20), "sent late (p99 5.000 ms"},
		{"late, which is little of the latency", Load{BusiestLoop: 0.5, Idle: 0.4}, late(5), late(500), ""},
		{"late by less than counts", Load{BusiestLoop: 0.5, Idle: 0.4}, late(0.5), late(0.6), ""},
	} {
		r := Report{Measured: &row.load, Latency: row.latency, LoadSide: LoadSide{SendsLate: row.late}}
		r.judge()
		said := strings.Join(r.Warnings, "\n")
		if r.LoadSide.Enough != (row.warns == "") || !strings.Contains(said, row.warns) || row.warns == "" && said != "" {
			t.Errorf("%s: enough %v, warnings %q; want %q", row.name, r.LoadSide.Enough, said, row.warns)
		}
		if r.LoadSide.BusiestLoop != row.load.BusiestLoop || r.LoadSide.Idle != row.load.Idle {
			t.Errorf("%s: load side %+v", row.name, r.LoadSide)
		}
	}
}

// What was too short for the kernel's clock does not say that the machine was busy.
func TestLoadOfAnInstant(t *testing.T) {
	now := sample{at: time.Now()}
	later := now
	later.at = now.at.Add(time.Millisecond)
	if l := loadFor("echo", now, later, 1); l.Idle != 1 || l.Units() != "echoes" {
		t.Errorf("load of a millisecond is %+v, of %s; want it idle, of echoes", l, l.Units())
	}
}

// What is judged is what was measured or, if nothing was, what was held.
func TestLoadSideOfIdle(t *testing.T) {
	r := Report{Connecting: &Load{BusiestLoop: 0.99}, Holding: &Load{BusiestLoop: 0.01, Idle: 0.9}}
	if r.judge(); !r.LoadSide.Enough || r.LoadSide.BusiestLoop != 0.01 {
		t.Errorf("load side %+v", r.LoadSide)
	}
	r = Report{Connecting: &Load{BusiestLoop: 0.99, Idle: 0.9}}
	if r.judge(); r.LoadSide.Enough || len(r.Warnings) != 1 {
		t.Errorf("load side %+v, warnings %q", r.LoadSide, r.Warnings)
	}
	r = Report{}
	if r.judge(); len(r.Warnings) != 0 {
		t.Errorf("of nothing there are the warnings %q", r.Warnings)
	}
}

// A coordinator has no connections of its own: what it says of the load side is its workers'.
func TestLoadSideOfWorkers(t *testing.T) {
	r := Report{Measured: &Load{Idle: 0.9}, Timeline: []Moment{{At: 1, Seconds: 1}, {At: 2, Seconds: 1}, {At: 3, Seconds: 1}}}
	r.addLoadSide(&Report{Measured: &Load{BusiestLoop: 0.3, Idle: 0.5}, Timeline: []Moment{{At: 1.5, Seconds: 1, P99: 7, Open: 3, BusiestLoop: 0.2}}})
	r.addLoadSide(&Report{Measured: &Load{BusiestLoop: 0.2, Idle: 0.6}, Timeline: []Moment{{At: 2, Seconds: 1, P99: 9, Open: 4, BusiestLoop: 0.1}}})
	r.addLoadSide(&Report{LoadSide: LoadSide{Gathers: 2}})
	r.addLoadSide(&Report{})
	if r.Measured.BusiestLoop != 0.3 || r.Measured.Idle != 0.5 || r.LoadSide.Gathers != 2 {
		t.Errorf("measured %+v, load side %+v", r.Measured, r.LoadSide)
	}
	for i, want := range []Moment{{P99: 7, Open: 3}, {P99: 9, Open: 4}, {}} {
		if m := r.Timeline[i]; m.P99 != want.P99 || m.Open != want.Open {
			t.Errorf("moment %d is %+v; want p99 %v and %d open", i, m, want.P99, want.Open)
		}
	}
}

func TestBusiestLoop(t *testing.T) {
	before := []loopTime{{10 * time.Second, 5 * time.Second}, {10 * time.Second, 0}, {time.Second, 0}}
	after := []loopTime{{12 * time.Second, 6 * time.Second}, {14 * time.Second, 3 * time.Second}, {time.Second, 0}}
	if got := busiest(before, after); got != 0.75 {
		t.Errorf("busiest = %v; want 0.75", got)
	}
	if got := busiest(nil, after); got != 0 {
		t.Errorf("busiest without a beginning = %v; want 0", got)
	}
}

func TestDistribution(t *testing.T) {
	h := newHistogram()
	if got := distributionOf(h); got != nil {
		t.Errorf("distribution of nothing is %v", got)
	}
	for ms := range int64(2000) {
		record(h, ms*int64(time.Millisecond))
	}
	all := distributionOf(h)
	if len(all) < 20 || len(all) > 200 {
		t.Fatalf("%d points", len(all))
	}
	var last Quantile
	for _, q := range all {
		if q.Share < last.Share || q.Micros < last.Micros || !agrees(h, q) {
			t.Errorf("point %+v after %+v; the histogram says %d ns", q, last, h.ValueAtQuantile(100*q.Share))
		}
		last = q
	}
	if last.Share != 1 || last.Micros != latencyOf(h).Max {
		t.Errorf("the last point is %+v; want the maximum %v", last, latencyOf(h).Max)
	}
}

// agrees reports whether q is a quantile of h, to within the distance of two points.
func agrees(h *hdrhistogram.Histogram, q Quantile) bool {
	ns := int64(q.Micros * 1e3)
	return ns >= h.ValueAtQuantile(100*q.Share)*98/100 && ns <= h.ValueAtQuantile(100*min(1, q.Share+0.02))*102/100+1e6
}

func TestParseProcessRSS(t *testing.T) {
	if got, err := parseProcessRSS([]byte("9000 250 100 1 0 700 0\n")); got != 250*pageSize || err != nil {
		t.Errorf("parseProcessRSS = %d, %v; want 250 pages", got, err)
	}
	for _, bad := range []string{"", "9000", "9000 x 1"} {
		if got, err := parseProcessRSS([]byte(bad)); err == nil {
			t.Errorf("parseProcessRSS(%q) = %d; want an error", bad, got)
		}
	}
}
