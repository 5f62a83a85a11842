package bench

import (
	"fmt"
	"time"
)

// How members drop, and how they come back.
const (
	rude   = "rude"   // with a reset; at once
	polite = "polite" // with a close frame; after a while of their own choice
)

// StormReport is what one storm was like.
type StormReport struct {
	Drop     string `json:"drop"`
	Return   string `json:"return"`
	Dropped  uint64 `json:"dropped"`  // members that went, those included whom the server closed meanwhile
	Returned uint64 `json:"returned"` // and were back before patience was over

	Recovered   uint64 `json:"recovered"`        // to whom, as the server says, nothing is missing
	Unrecovered uint64 `json:"unrecovered"`      // to whom it says that something is
	Without     uint64 `json:"without_recovery"` // whose room lets nobody recover

	UntilReturned  float64 `json:"seconds_until_all_back"`      // from the drop; 0 if some did not come back
	UntilRecovered float64 `json:"seconds_until_all_recovered"` // 0 if some have not

	Tries    uint64            `json:"tries"` // connects; those that failed are Refusals
	Refusals map[string]uint64 `json:"refusals,omitempty"`

	Away           *Latency `json:"away,omitempty"`            // from the drop to being back
	ConnectLatency *Latency `json:"connect_latency,omitempty"` // of the tries that succeeded, from dialling to being back

	Load *Load `json:"load"`
	Peak peak  `json:"peak"` // the most that was in use from the drop until all were back
}

func (o *Options) stormDefaults() {
	orElse(&o.Storms, 1)
	orElse(&o.Share, 1)
	orElse(&o.Drop, rude)
	orElse(&o.Return, polite)
	orElse(&o.GiveUp, time.Minute)
}

func (o *Options) checkStorm() error {
	switch {
	case o.Rate == 0:
		return fmt.Errorf("%w: --rate 0: want at least one publication a second", ErrUsage)
	case o.Storms < 1:
		return fmt.Errorf("%w: --storms %d: want 1 or more", ErrUsage, o.Storms)
	case o.Drop != rude && o.Drop != polite:
		return fmt.Errorf("%w: --drop %q: want rude or polite", ErrUsage, o.Drop)
	case o.Return != rude && o.Return != polite:
		return fmt.Errorf("%w: --return %q: want rude or polite", ErrUsage, o.Return)
	case o.GiveUp < 0:
		return fmt.Errorf("%w: --give-up %v: want a time that is not negative", ErrUsage, o.GiveUp)
	}
	return o.checkShare()
}

func (o *Options) checkShare() error {
	if !(o.Share > 0 && o.Share <= 1) {
		return fmt.Errorf("%w: --share %v: want more than 0 and at most 1, as 0.5 for half of the connections", ErrUsage, o.Share)
	}
	return nil
}

// stormOf returns d's play.
func stormOf(d *driver) *stormPlay { return d.play.(*stormPlay) }

// storm has members drop and waits until they are back, as often as asked for, while publications go on.
func (r *run) storm() {
	r.takeCensus(everybody)
	r.ask(func(d *driver) { stormOf(d).count() })
	p := pace{start: r.soon(), rate: uint64(r.options.Rate)}
	defer r.startMetronome(p.start, min(p.interval(), beat), r.reactor.Loops()).stop()
	before := r.sample()
	r.tell(func(d *driver) {
		stormOf(d).pace = p
		d.stages.sending, d.stages.dialing, d.stages.crowding = true, true, true
	})
	for n := 1; n <= r.options.Storms && r.ctx.Err() == nil; n++ {
		r.calm(fmt.Sprintf("calm before storm %d", n))
		if r.ctx.Err() != nil {
			break // who dropped now would not come back
		}
		r.blow(n)
	}
	r.markPublished()
	r.calm("calm after the storm")
	r.report.Measured = loadOf("delivery", before, r.sample(), countDelivered)
	r.lastWord()
}

func (r *run) calm(name string) {
	r.phase(name, 0, countDelivered)
	r.wait(r.options.Hold)
}

// blow is one storm.
func (r *run) blow(n int) {
	var total count
	r.ask(func(d *driver) { total += count(stormOf(d).prepare()) })
	addParts(r, "members to drop", &total)
	name := fmt.Sprintf("storm %d", n)
	r.phase(name, uint64(total), countReturned)
	before := r.sample()
	watched := r.watchPeak()
	start := r.decided("drop", r.clock)
	r.tell(func(d *driver) { stormOf(d).begin() })
	r.awaitReturns(before.counted.returned)
	report := &StormReport{Drop: r.options.Drop, Return: r.options.Return, Peak: watched()}
	report.Load = loadOf("return", before, r.sample(), countReturned)
	r.gatherStorm(report, start)
	after := r.progress()
	report.Dropped, report.Returned = after.left-before.counted.left, after.returned-before.counted.returned
	report.conclude()
	r.report.Storms = append(r.report.Storms, *report)
	r.report.Memory = append(r.report.Memory, MemoryAt{At: "peak of " + name, memory: report.Peak.memory})
}

// awaitReturns returns when all have dropped who are to and are back, those aside whose process is lost, or when nobody has
// come back for as long as the run is patient. By now so many have in all storms.
func (r *run) awaitReturns(last uint64) {
	moved := time.Now()
	r.await(r.ctx.Done(), r.options.GiveUp+connectStall, func(p progress) bool {
		if p.returned != last {
			last, moved = p.returned, time.Now()
		}
		return p.unasked == 0 && p.returned+p.stranded >= p.left || time.Since(moved) > r.options.GiveUp
	})
}

// gatherStorm enters what has been seen since start, and has the drivers begin anew.
func (r *run) gatherStorm(report *StormReport, start int64) {
	all := newStormRound()
	r.ask(func(d *driver) {
		all.add(&stormOf(d).round)
		stormOf(d).round = newStormRound()
	})
	addParts(r, "storm", &all)
	report.Recovered, report.Unrecovered, report.Without = all.Recovered, all.Unrecovered, all.Without
	report.UntilReturned = max(time.Duration(all.LastBack-start).Seconds(), 0)
	report.UntilRecovered = max(time.Duration(all.LastWhole-start).Seconds(), 0)
	report.Away, report.ConnectLatency = latencyOf(all.Away.Histogram), latencyOf(all.Connect.Histogram)
	report.Refusals = all.Refusals
}

// conclude works out what follows from the parts.
func (s *StormReport) conclude() {
	if s.Returned < s.Dropped {
		s.UntilReturned = 0
	}
	if s.Recovered < s.Dropped {
		s.UntilRecovered = 0
	}
	s.Tries = s.Returned
	for _, n := range s.Refusals {
		s.Tries += n
	}
}

// markPublished tells all drivers what has been published so far: what follows is due to every member.
func (r *run) markPublished() {
	mark := make([]uint32, r.options.Rooms)
	r.ask(func(d *driver) {
		for room := range mark {
			if r.publisherLoop(uint32(room)) == d.loop.Number() {
				mark[room] = r.published[room]
			}
		}
	})
	mark = r.accounts("mark", mark)
	r.ask(func(d *driver) { stormOf(d).mark = mark })
}

// hurry is how long an interrupted run waits while nothing comes.
const hurry = 2 * time.Second

// lastWord publishes to each room once more, so that something has come to every member since it is back, and waits for what is
// under way.
func (r *run) lastWord() {
	r.phase("last publication", 0, countDelivered)
	r.ask(func(d *driver) { d.stages.sending, d.stages.dialing, d.stages.draining = false, false, true })
	now := r.clock()
	r.ask(func(d *driver) { stormOf(d).publishOnce(now, r.options.Payload) })
	r.reckon()
	stall := r.options.Drain
	if r.ctx.Err() != nil {
		stall = min(stall, hurry)
	}
	r.await(nil, stall, progress.complete)
}

// unrecovered returns how many members were told, over all storms, that they have missed something.
func (r *Report) unrecovered() (n uint64) {
	for i := range r.Storms {
		n += r.Storms[i].Unrecovered
	}
	return n
}

// peak is the most that was in use at any look.
type peak struct{ memory }

// lookAtMemory is how often it is worth it.
const lookAtMemory = 200 * time.Millisecond

// look reads what is in use now. A process that has ended uses nothing.
func (p *peak) look(pid int) {
	m, err := readMemory(pid)
	if err != nil {
		return
	}
	p.Pss, p.Rss = max(p.Pss, m.Pss), max(p.Rss, m.Rss)
	p.Socket, p.Slab = max(p.Socket, m.Socket), max(p.Slab, m.Slab)
}

// writeStorms says how each storm went.
func (r *Report) writeStorms(t *table) {
	for i := range r.Storms {
		s := &r.Storms[i]
		t.row(fmt.Sprintf("storm %d", i+1), "%d dropped (%s), %d back (%s)%s", s.Dropped, s.Drop, s.Returned, s.Return, inTime(s.UntilReturned))
		t.row("  recovery", "%d recovered%s, %d told that something is missing, %d in rooms without", s.Recovered, inTime(s.UntilRecovered), s.Unrecovered, s.Without)
		t.row("  tries", "%d", s.Tries)
		t.counts("  refusal", s.Refusals)
		t.latency("  away", s.Away)
		t.latency("  connect latency", s.ConnectLatency)
		t.load("  returning", s.Load)
	}
}

// inTime says by when all had done something, nothing if some have not.
func inTime(seconds float64) string {
	if seconds == 0 {
		return ""
	}
	return fmt.Sprintf(" within %.2f s", seconds)
}
