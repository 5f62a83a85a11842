package bench

import "math"

// MixReport is what the classes of a mix have done. Deliveries and latencies are of a class's readers, the rest of its
// speakers.
type MixReport struct {
	Seed    uint64     `json:"seed"`
	Day     float64    `json:"day_seconds,omitempty"` // how long a day took, 0 without days
	Classes []ClassRow `json:"classes"`
	MixCounts
}

// MixCounts are counts over all classes.
type MixCounts struct {
	Doubtful    uint64 `json:"doubtful"`     // publications whose connection ended before the answer: due to nobody
	Unclaimed   uint64 `json:"unclaimed"`    // deliveries that connections which were cut off may have missed
	OtherPushes uint64 `json:"other_pushes"` // neither publications of ours nor typing
	Cut         uint64 `json:"cut"`          // connections that a fault of ours has cut off
	Stalled     uint64 `json:"stalled"`      // that a fault has kept from reading
}

// ClassRow is what one class has done.
type ClassRow struct {
	Name        string   `json:"name"`
	Connections int      `json:"connections"` // at once, when none is away
	Lives       uint64   `json:"lives"`       // times that one came to stand
	Left        uint64   `json:"left"`        // and left in order
	ClosedSlow  uint64   `json:"closed_slow"` // and, of those that were slow or that a fault kept from reading, was closed by the server
	Published   uint64   `json:"published"`
	Deliveries  uint64   `json:"deliveries"`
	TypingSeen  uint64   `json:"typing_seen"` // which may be lost
	Calls       uint64   `json:"calls"`       // typing, presence, history, rpc
	Refused     uint64   `json:"refused"`     // calls of what the server has not, or not for everybody
	Absent      uint64   `json:"absent"`      // actions that fell to a connection that was away
	Latency     *Latency `json:"latency,omitempty"`
	Replies     *Latency `json:"replies,omitempty"` // from when a publication or a call was due until its reply
}

func (c *ClassRow) add(o *ClassRow) {
	c.Name = o.Name
	c.Connections += o.Connections
	c.Lives += o.Lives
	c.Left += o.Left
	c.ClosedSlow += o.ClosedSlow
	c.Published += o.Published
	c.Deliveries += o.Deliveries
	c.TypingSeen += o.TypingSeen
	c.Calls += o.Calls
	c.Refused += o.Refused
	c.Absent += o.Absent
}

func (c *MixCounts) add(o *MixCounts) {
	c.Doubtful += o.Doubtful
	c.Unclaimed += o.Unclaimed
	c.OtherPushes += o.OtherPushes
	c.Cut += o.Cut
	c.Stalled += o.Stalled
}

// playMix has the classes do what they do for the time given.
func (r *run) playMix() {
	metronome := r.beginMix()
	r.warmMix()
	r.measureWarm("delivery", countDelivered)
	metronome.stop()
	r.settleMix()
	r.reportMix()
}

// beginMix starts the load.
func (r *run) beginMix() *metronome {
	start := r.soon()
	r.tell(func(d *driver) {
		d.play.(*mixPlay).begin(start)
		d.dials = pace{start: start}
		d.stages.dialing, d.stages.sending = true, true
	})
	return r.startMetronome(start, mixBeat, r.reactor.Loops())
}

// warmMix lets the load run warm. Latencies count from its end.
func (r *run) warmMix() {
	r.warm(countDelivered)
	r.ask(func(d *driver) {
		for _, c := range d.play.(*mixPlay).classes {
			c.latency.Reset()
			c.calls.Reset()
		}
	})
}

// settleMix begins nothing more and waits for what is due.
func (r *run) settleMix() {
	r.phase("draining", 0, countDelivered)
	r.ask(func(d *driver) {
		m := d.play.(*mixPlay)
		d.stages.dialing, d.stages.sending, d.stages.draining = false, false, true
		m.settling = true
		m.runPatience(math.MaxInt64)
		m.readAll()
	})
	r.await(nil, r.options.Drain, progress.heard)
	for r.owesMix() && r.await(nil, r.options.Drain, progress.arrived) {
	}
}

// owesMix sees what is still due, and reports whether anything is. What comes meanwhile counts whoever gets it, also if nothing is due
// to who does, so that as much may come as was due and some of that be on its way.
func (r *run) owesMix() bool {
	r.ask(func(d *driver) { d.counters.due.n.Store(d.counters.delivered.value() + d.play.(*mixPlay).owed()) })
	return r.decided("owed", func() int64 { return truth(!r.progress().arrived()) }) == 1
}

// readAll has all read again that do not.
func (m *mixPlay) readAll() {
	for i := range m.members {
		if conn, _ := m.d.of(m.d.number(uint32(i))); conn != nil {
			m.read(conn, &m.members[i])
		}
	}
}

// mixDone is what the classes of one process have done.
type mixDone struct {
	MixCounts
	Classes []classDone `json:"classes"` // as in the mix
}

type classDone struct {
	Row     ClassRow `json:"row"`
	Latency samples  `json:"latency"`
	Calls   samples  `json:"calls"`
}

func newMixDone(classes int) *mixDone {
	m := &mixDone{Classes: make([]classDone, classes)}
	for i := range m.Classes {
		m.Classes[i].Latency, m.Classes[i].Calls = newSamples(), newSamples()
	}
	return m
}

// add counts what another process's classes have done.
func (m *mixDone) add(o *mixDone) {
	m.MixCounts.add(&o.MixCounts)
	for i := range min(len(m.Classes), len(o.Classes)) {
		c, theirs := &m.Classes[i], &o.Classes[i]
		c.Row.add(&theirs.Row)
		c.Latency.add(theirs.Latency)
		c.Calls.add(theirs.Calls)
	}
}

// addPlay counts what one driver's have done.
func (m *mixDone) addPlay(play *mixPlay) {
	m.MixCounts.add(&play.count)
	for i, c := range play.classes {
		m.Classes[i].Row.add(&c.row)
		m.Classes[i].Latency.Merge(c.latency)
		m.Classes[i].Calls.Merge(c.calls)
	}
}

// reportMix adds up what the classes have done.
func (r *run) reportMix() {
	done := newMixDone(len(r.options.Mix.Classes))
	r.ask(func(d *driver) { done.addPlay(d.play.(*mixPlay)) })
	addParts(r, "classes", done)
	all := &MixReport{Seed: r.options.Seed, Day: r.options.Day.Seconds(), MixCounts: done.MixCounts}
	for i := range done.Classes {
		c := &done.Classes[i]
		c.Row.Latency, c.Row.Replies = latencyOf(c.Latency.Histogram), latencyOf(c.Calls.Histogram)
		all.Classes = append(all.Classes, c.Row)
	}
	r.report.Mix = all
}

// writeMix writes three rows for each class.
func (r *Report) writeMix(t *table) {
	if r.Mix == nil {
		return
	}
	t.row("mix", "seed %d; %d publications of unknown fate; up to %d deliveries to connections that ended early missed besides; %d cut off, %d stalled by faults",
		r.Mix.Seed, r.Mix.Doubtful, r.Mix.Unclaimed, r.Mix.Cut, r.Mix.Stalled)
	for i := range r.Mix.Classes {
		c := &r.Mix.Classes[i]
		t.row("class "+c.Name, "%d connections, %d lives, %d left, %d closed as slow; %d published, %d deliveries, %d calls (%d refused)",
			c.Connections, c.Lives, c.Left, c.ClosedSlow, c.Published, c.Deliveries, c.Calls, c.Refused)
		t.latency("  deliveries", c.Latency)
		t.latency("  replies", c.Replies)
	}
}
