package bench

import (
	"cmp"
	"slices"
	"strconv"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// findings is what a worker has to tell at the end.
type findings struct {
	Report     Report   `json:"report"`         // of its connections alone
	Samples    [][]byte `json:"samples"`        // histograms, as hdrhistogram encodes them
	ClockError int64    `json:"clock_error_ns"` // how far its clock may have been from the coordinator's
}

// handIn gives a worker's report, which is concluded, and the same histograms to its coordinator.
func (r *run) handIn(samples ...*hdrhistogram.Histogram) {
	w, ok := r.crew.(*worker)
	if !ok {
		return
	}
	found := &findings{Report: *r.report, ClockError: w.clockError()}
	for _, h := range samples {
		found.Samples = append(found.Samples, encoded(h))
	}
	w.meet(findingsStep, &message{Findings: found}, nil)
}

func encoded(h *hdrhistogram.Histogram) []byte {
	b, err := h.Encode(hdrhistogram.V2CompressedEncodingCookieBase)
	if err != nil {
		panic("bench: a histogram cannot be encoded: " + err.Error()) // it is written to memory
	}
	return b
}

// collect adds the workers' findings to the report and to the histograms, in their coordinator, before the report is concluded.
func (r *run) collect(samples ...*hdrhistogram.Histogram) {
	c, ok := r.crew.(*coordinator)
	if !ok {
		return
	}
	c.meet(findingsStep, nil, func(given []*message) *message {
		for i, m := range given {
			if m == nil || m.Findings == nil || len(m.Findings.Samples) != len(samples) {
				c.bury(c.mates[i])
				continue
			}
			c.merge(c.mates[i], m.Findings, samples)
		}
		r.report.ClockError = clockError(r.report.Workers)
		return new(message)
	})
}

// progress returns how far all workers have come.
func (c *coordinator) progress() (total progress) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, m := range c.mates {
		p := m.progress
		if m.gone != nil {
			c.strand(uint32(i), &p)
		}
		total.add(&p)
	}
	return total
}

// strand counts the connections of worker i, who is lost, at progress p, as lost or failed. Nobody waits for them any more.
func (c *coordinator) strand(i uint32, p *progress) {
	begun := uint64(share{i, c.run.share.workers}.of(c.run.total()))
	away := more(p.returned, p.left)
	p.lost += more(p.lost+p.cycled+away, p.ready)
	p.dropping = 0
	if c.run.options.Scenario == Storm {
		p.lost, p.stranded = p.lost+away, away // they meant to come back
	} else {
		begun = max(begun, p.dialed) // each as often as it was to stand
	}
	p.failed += more(p.ready+p.failed, begun)
}

// cpu returns the time that all workers have used.
func (c *coordinator) cpu() (total time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, m := range c.mates {
		total += m.cpu
	}
	return total
}

// merge adds the findings of m to the report and to the histograms.
func (c *coordinator) merge(m *mate, f *findings, samples []*hdrhistogram.Histogram) {
	r, theirs := c.run.report, &f.Report
	for i, h := range samples {
		more, err := hdrhistogram.Decode(f.Samples[i])
		if err != nil {
			r.Errors["samples of "+m.name+": "+err.Error()]++
			continue
		}
		h.Merge(more)
	}
	r.addLoadSide(theirs)
	r.add(&result{ledger: theirs.Delivery, failures: theirs.Failures, closes: theirs.Closes, errors: theirs.Errors})
	for _, text := range theirs.Warnings {
		r.Warnings = append(r.Warnings, m.name+": "+text)
	}
	r.PrivateTables = theirs.PrivateTables && (r.PrivateTables || len(r.Workers) == 0)
	w := WorkerReport{
		Name:       m.name,
		Loops:      theirs.Loops,
		Ready:      theirs.Ready,
		Failed:     theirs.Failed,
		Lost:       theirs.Lost,
		ClockError: float64(f.ClockError) / 1e3,
	}
	if l := cmp.Or(theirs.Measured, theirs.Holding, theirs.Connecting); l != nil {
		w.OwnCPUs, w.Idle = l.OwnCPUs, l.Idle
	}
	c.enter(w)
}

// enter adds one worker to the report.
func (c *coordinator) enter(w WorkerReport) {
	r := c.run.report
	if len(r.Workers) == 0 {
		r.Loops = 0 // our own carries nothing
	}
	r.Loops += w.Loops
	r.Workers = append(r.Workers, w)
}

// bury reports m, who is lost, and counts what was due to its connections, as far as anybody can tell, as missing.
func (c *coordinator) bury(m *mate) {
	c.mu.Lock()
	defer c.mu.Unlock()
	reason := "gives no findings"
	if m.gone != nil {
		reason = m.gone.Error()
	}
	p := m.progress
	c.strand(uint32(len(c.run.report.Workers)), &p)
	c.enter(WorkerReport{Name: m.name, Ready: p.ready, Failed: p.failed, Lost: p.lost, Gone: reason})
	r := c.run.report
	r.Errors["worker "+strconv.Itoa(len(r.Workers))+" is gone: "+reason]++
	c.count(r.Closes, p.lost-m.progress.lost)
	c.count(r.Failures, p.failed-m.progress.failed)
	due := c.dueTo(m)
	r.Delivery.add(&due)
}

// count enters n connections under the worker that was entered last, which is gone.
func (c *coordinator) count(m map[string]uint64, n uint64) {
	if n > 0 {
		m["worker "+strconv.Itoa(len(c.run.report.Workers))+" is gone"] += n
	}
}

// dueTo returns what was due to the connections of m, who is lost, and how much of it m said had come. In a mix that is no
// more than what had come, unless m had stopped to count the rest: to who is cut off nothing else is due.
func (c *coordinator) dueTo(m *mate) (l Ledger) {
	p, o := &m.progress, &c.run.options
	switch {
	case !o.inRooms():
		return Ledger{Expected: p.sent, Received: min(p.answered, p.sent)}
	case o.mixes():
		return Ledger{Expected: max(p.due, p.delivered), Received: p.delivered}
	}
	for room, members := range m.census {
		l.Expected += uint64(members) * uint64(c.run.published[room])
	}
	l.Expected = more(p.excused, l.Expected)
	l.Received = min(p.delivered, l.Expected)
	return l
}

// clockError returns by how much latencies may be wrong, in microseconds: those from one worker to another by what
// both clocks are.
func clockError(workers []WorkerReport) (us float64) {
	var errors []float64
	for i := range workers {
		errors = append(errors, workers[i].ClockError)
	}
	slices.Sort(errors)
	for _, e := range errors[max(len(errors)-2, 0):] {
		us += e
	}
	return us
}
