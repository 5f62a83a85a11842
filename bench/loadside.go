package bench

import (
	"cmp"
	"fmt"
	"time"
)

// LoadSide says whether the flooder itself could do what it was to do: figures of one that could not say nothing of the server.
type LoadSide struct {
	Enough      bool     `json:"enough"`                 // it had CPU to spare, and sent in time
	BusiestLoop float64  `json:"busiest_loop"`           // share of the time that its busiest loop did not wait, 0 to 1
	Idle        float64  `json:"machine_idle"`           // share of the CPU time of the flooder's machine, 0 to 1
	SendsLate   *Latency `json:"sends_late,omitempty"`   // how long after it was due each message left, of those that have a time
	WakeupsLate *Latency `json:"wakeups_late,omitempty"` // and how late the loops were woken for that
	Gathers     int64    `json:"gathers_ms,omitempty"`   // for how many ms its loops let events come together, which latencies contain
}

// Beyond these a run is not the server's alone.
const (
	mostBusy  = 0.90             // of a loop's time
	leastIdle = 0.05             // of the machine's CPU time
	mostLate  = time.Millisecond // of the 99th percentile of sends, if that is also
	lateShare = 0.1              // this much of the 99th percentile of latencies, in which it is contained
)

// loopTime is how long a loop had run, and how much of that it did not wait, at the beginning of a turn.
type loopTime struct{ ran, busy time.Duration }

// time returns where the loop stands. Loop goroutine only.
func (d *driver) time() loopTime { return loopTime{d.loop.Now(), d.loop.Busy()} }

// busiest returns the largest share of its time that one of the loops was busy, 0 to 1.
func busiest(before, after []loopTime) (most float64) {
	for i := range min(len(before), len(after)) {
		if ran := after[i].ran - before[i].ran; ran > 0 {
			most = max(most, float64(after[i].busy-before[i].busy)/float64(ran))
		}
	}
	return most
}

// judge works out from the part of the run that counts whether the load side was up to it.
func (r *Report) judge() {
	load := cmp.Or(r.Measured, r.Holding, r.Connecting)
	if load == nil {
		return
	}
	s := &r.LoadSide
	s.BusiestLoop, s.Idle = load.BusiestLoop, load.Idle
	warned := len(r.Warnings)
	if s.BusiestLoop > mostBusy {
		r.Warnings = append(r.Warnings, fmt.Sprintf(
			"the flooder's busiest loop was busy %.0f %% of the time: it may be what limits; more --loops or another machine would tell", 100*s.BusiestLoop))
	}
	if s.Idle < leastIdle {
		r.Warnings = append(r.Warnings, fmt.Sprintf(
			"the machine had no CPU to spare (%.1f %% idle): throughput and latency are not the server's alone", 100*s.Idle))
	}
	if late := s.SendsLate; late != nil && late.P99 > float64(mostLate.Microseconds()) && r.Latency != nil && late.P99 > lateShare*r.Latency.P99 {
		r.Warnings = append(r.Warnings, fmt.Sprintf(
			"the flooder sent late (p99 %.3f ms, of the latency's %.3f ms): latency is not the server's alone", late.P99/1e3, r.Latency.P99/1e3))
	}
	s.Enough = len(r.Warnings) == warned
}

// addLoadSide makes r, a coordinator's report, say what went on in a worker too, whose report is w: of all processes the busiest loop
// and, moment by moment, the worst quantiles and how many connections are open.
func (r *Report) addLoadSide(w *Report) {
	r.Connecting.addLoadSide(w.Connecting)
	r.Measured.addLoadSide(w.Measured)
	r.Holding.addLoadSide(w.Holding)
	r.Publishing.addLoadSide(w.Publishing)
	r.LoadSide.Gathers = max(r.LoadSide.Gathers, w.LoadSide.Gathers)
	for i := range min(len(r.Storms), len(w.Storms)) {
		r.Storms[i].Load.addLoadSide(w.Storms[i].Load)
	}
	for i := range r.Timeline {
		m := &r.Timeline[i]
		for j := range w.Timeline {
			if o := &w.Timeline[j]; o.At-o.Seconds < m.At && o.At > m.At-m.Seconds {
				m.P50, m.P99, m.Max = max(m.P50, o.P50), max(m.P99, o.P99), max(m.Max, o.Max)
				m.BusiestLoop = max(m.BusiestLoop, o.BusiestLoop)
				if o.At >= m.At {
					m.Open += o.Open // that one has m's end in it
				}
			}
		}
	}
}

// addLoadSide is that for one part of the run, if both have it.
func (l *Load) addLoadSide(w *Load) {
	if l != nil && w != nil {
		l.BusiestLoop = max(l.BusiestLoop, w.BusiestLoop)
		l.Idle = min(l.Idle, w.Idle)
	}
}

// String says it in a line.
func (s *LoadSide) String() string {
	text := "had CPU to spare"
	if !s.Enough {
		text = "may have been short of CPU"
	}
	text += fmt.Sprintf(": busiest loop %.0f %% busy, machine %.0f %% idle", 100*s.BusiestLoop, 100*s.Idle)
	if s.SendsLate != nil {
		text += fmt.Sprintf(", sends late p99 %.3f, max %.3f ms", s.SendsLate.P99/1e3, s.SendsLate.Max/1e3)
	}
	if s.Gathers > 0 {
		text += fmt.Sprintf(", events gathered for %d ms", s.Gathers)
	}
	return text
}
