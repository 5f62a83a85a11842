package bench

import (
	"cmp"
	"slices"
	"strconv"
	"time"
)

// findings is what a worker has to tell at the end.
type findings struct {
	Report     Report    `json:"report"` // of its connections alone
	Samples    []samples `json:"samples"`
	ClockError int64     `json:"clock_error_ns"` // how far its clock may have been from the coordinator's
}

// handIn gives a worker's report, which is concluded, and the same histograms to its coordinator.
func (r *run) handIn(all []samples) {
	w, ok := r.crew.(*worker)
	if !ok {
		return
	}
	w.meet(findingsStep, &message{Findings: &findings{Report: *r.report, Samples: all, ClockError: w.clockError()}}, nil)
}

// collect adds the workers' findings to the report and to the histograms, in their coordinator, before the report is concluded.
func (r *run) collect(all []samples) {
	c, ok := r.crew.(*coordinator)
	if !ok {
		return
	}
	c.meet(findingsStep, nil, func(given []*message) *message {
		for i, m := range given {
			if m == nil || m.Findings == nil || len(m.Findings.Samples) != len(all) {
				c.bury(c.mates[i])
				continue
			}
			c.merge(c.mates[i], m.Findings, all)
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
		if c.reckons {
			p.due = m.due // not by whose publishers have sent it
		}
		if m.gone != nil {
			c.strand(uint32(i), &p)
		}
		total.add(&p)
	}
	return total
}

// strand counts the connections of worker i, who is lost, at progress p, as lost or failed. Nobody waits any more for them, nor for what
// is on its way to them.
func (c *coordinator) strand(i uint32, p *progress) {
	begun := uint64(share{i, c.run.share.workers}.of(c.run.total()))
	away := more(p.returned, p.left)
	p.lost += more(p.lost+p.cycled+away, p.ready)
	p.unasked = 0
	p.excused += more(p.delivered+p.excused, p.due)
	p.unheard = more(p.answered, p.sent)
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
func (c *coordinator) merge(m *mate, f *findings, all []samples) {
	r, theirs := c.run.report, &f.Report
	for i := range all {
		all[i].add(f.Samples[i])
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
	l.Expected = more(p.excused, m.share(c.run.published))
	l.Received = min(p.delivered, l.Expected)
	return l
}

// share returns how many deliveries to m's members make up what has been published to each room.
func (m *mate) share(published []uint32) (n uint64) {
	for room, members := range m.census {
		n += uint64(members) * uint64(published[room])
	}
	return n
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
