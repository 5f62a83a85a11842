package bench

import (
	"fmt"
	"maps"
	"net"
	"net/url"
	"slices"
	"time"

	"github.com/seed4ac54ce5/edge/netpoll"
)

// SoakReport is what a long run shows of the server.
type SoakReport struct {
	Faults  FaultCounts  `json:"faults"`
	Trends  []Trend      `json:"trends"` // after the warm-up
	Samples []SoakSample `json:"samples"`
	Return  *Return      `json:"return,omitempty"` // nil if there was nothing to see it by
}

// FaultCounts says how often each fault was made.
type FaultCounts struct {
	Cuts     int `json:"cuts"`      // a share of the connections was cut off
	Stalls   int `json:"stalls"`    // a share stopped reading for a while
	HalfOpen int `json:"half_open"` // a share as many connections were opened and got no further than half a request
	Bursts   int `json:"bursts"`    // all rates were burstFactor times what they are
	Failed   int `json:"failed"`    // half-open connections that could not be made
}

// SoakSample is the server at one moment.
type SoakSample struct {
	Seconds float64            `json:"seconds"` // since the load began
	Cycles  uint64             `json:"cycles"`  // connections that had come to stand
	Seen    map[string]float64 `json:"seen"`
}

// Return says whether the server gave back what it held, once all connections were closed.
type Return struct {
	Before  map[string]float64 `json:"before"` // descriptors, connections
	After   map[string]float64 `json:"after"`
	Seconds float64            `json:"seconds"` // how long that took, or was waited for
	Kept    bool               `json:"kept"`    // there is more after than before
}

const (
	soakSamples  = 500 // as many as a run makes at most
	shortestLook = 250 * time.Millisecond
	burstFactor  = 10
	burstLasts   = time.Second
	maxHalfOpen  = 200
)

// checkSoak returns what is wrong with the options of soak.
func (o *Options) checkSoak() error {
	switch {
	case o.Faults < 0:
		return fmt.Errorf("%w: --faults %v: want a time that is not negative", ErrUsage, o.Faults)
	case !within(o.FaultShare, 0, 1):
		return fmt.Errorf("%w: --fault-share %g: want 0 to 1", ErrUsage, o.FaultShare)
	case o.Internal == "":
		return nil
	}
	u, err := url.Parse(o.Internal)
	if err == nil && u.User != nil {
		return fmt.Errorf("%w: --internal: leave out the user: want the server's internal address, as in http://127.0.0.1:9000", ErrUsage)
	}
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return fmt.Errorf("%w: --internal %q: want the server's internal address, as in http://127.0.0.1:9000", ErrUsage, o.Internal)
	}
	return nil
}

// soak is one long run.
type soak struct {
	run      *run
	watch    *watch
	report   *SoakReport
	began    time.Time
	halfOpen []net.Conn
	next     int // fault
	blind    bool
}

// playSoak has a mix play for a long time, with faults, watches the server, and sees whether it gives all back.
func (r *run) playSoak() {
	s := &soak{run: r, watch: newWatch(&r.options), report: new(SoakReport)}
	r.report.Soak = s.report
	before := s.look()
	r.connect()
	metronome := r.beginMix()
	s.began = time.Now()
	r.warmMix()
	s.measure()
	metronome.stop()
	s.closeHalfOpen()
	r.settleMix()
	r.reportMix()
	s.conclude()
	s.giveBack(before)
}

// look returns what is to be seen of the server. That it is not is said once.
func (s *soak) look() map[string]float64 {
	seen, err := s.watch.look()
	if err != nil && !s.blind {
		s.blind = true
		s.run.warn("the server could not be watched: " + err.Error())
	}
	return seen
}

// measure lets the load run for the time given, with samples and faults in between.
func (s *soak) measure() {
	r := s.run
	before := r.beginMeasuring(countDelivered)
	plan := newSoakPlan(&r.options, time.Now())
	for act := soakWaits; act != soakEnds && r.ctx.Err() == nil; {
		act = r.decided("next in the soak", func() int64 { return plan.next(time.Now()) })
		switch act {
		case soakLooks:
			s.take()
		case soakFault:
			s.fault()
		case soakWaits:
			r.wait(plan.pause(time.Now()))
		}
	}
	r.report.Measured = loadOf("delivery", before, r.sample(), countDelivered)
}

// soakPlan says what a soak does when, in the process that leads.
type soakPlan struct {
	end, look, fault time.Time // when there is to be the next, or nothing any more
	looks, faults    time.Duration
}

// What there is to do next.
const (
	soakEnds int64 = iota
	soakLooks
	soakFault
	soakWaits
)

func newSoakPlan(o *Options, now time.Time) *soakPlan {
	p := &soakPlan{end: now.Add(o.Duration), look: now, fault: now.Add(o.Faults), looks: max(o.Duration/soakSamples, shortestLook), faults: o.Faults}
	if p.faults == 0 {
		p.fault = p.end
	}
	return p
}

// next returns what there is to do now, and sets the time of that after it. What has been due for longer goes first: looks may take
// more than the time between them.
func (p *soakPlan) next(now time.Time) int64 {
	switch {
	case !now.Before(p.end):
		return soakEnds
	case !now.Before(p.look) && !p.fault.Before(p.look):
		p.look = now.Add(p.looks)
		return soakLooks
	case !now.Before(p.fault):
		p.fault = now.Add(p.faults)
		return soakFault
	}
	return soakWaits
}

// pause returns how long there is nothing to do.
func (p *soakPlan) pause(now time.Time) time.Duration {
	return max(min(p.look.Sub(now), p.fault.Sub(now), p.end.Sub(now)), 0)
}

// take takes a sample, where the server is looked at.
func (s *soak) take() {
	if s.run.leads() {
		s.report.Samples = append(s.report.Samples, SoakSample{time.Since(s.began).Seconds(), s.run.progress().ready, s.look()})
	}
}

// fault makes the next fault. Each has its turn: those that befall the connections of the load in all processes, half-open ones are
// made by the one that leads.
func (s *soak) fault() {
	s.closeHalfOpen()
	share, counts := s.run.options.FaultShare, &s.report.Faults
	switch s.next++; s.next % 4 {
	case 1:
		counts.Cuts++
		s.run.tell(func(d *driver) { d.play.(*mixPlay).cutSome(share) })
	case 2:
		counts.Stalls++
		lasts := s.run.options.Faults / 2
		s.run.tell(func(d *driver) { d.play.(*mixPlay).stallSome(share, lasts) })
	case 3:
		counts.HalfOpen++
		if s.run.leads() {
			s.openHalf(min(1+int(share*float64(s.run.options.Connections)), maxHalfOpen))
		}
	default:
		counts.Bursts++
		s.run.tell(func(d *driver) { d.play.(*mixPlay).burst() })
	}
}

// openHalf opens n connections that send half a request and no more, until the next fault.
func (s *soak) openHalf(n int) {
	for i := range n {
		t := &s.run.routes.targets[i%len(s.run.routes.targets)]
		conn, err := net.DialTimeout("tcp", t.address, time.Second)
		if err != nil {
			s.report.Faults.Failed += n - i
			return
		}
		_, _ = conn.Write([]byte("GET " + s.run.requests[i%len(s.run.requests)].asked.Target + " HTTP/1.1\r\nHost: half")) // that is the fault
		s.halfOpen = append(s.halfOpen, conn)
	}
}

func (s *soak) closeHalfOpen() {
	for _, conn := range s.halfOpen {
		_ = conn.Close() // it has nothing to say that matters
	}
	s.halfOpen = nil
}

// conclude works out the trends.
func (s *soak) conclude() {
	units := make(map[string][]int) // samples that have it, by name
	for i := range s.report.Samples {
		for name := range s.report.Samples[i].Seen {
			units[name] = append(units[name], i)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(units)) {
		var seconds, cycles, values []float64
		for _, i := range units[name] {
			sample := &s.report.Samples[i]
			seconds, cycles, values = append(seconds, sample.Seconds), append(cycles, float64(sample.Cycles)), append(values, sample.Seen[name])
		}
		s.report.Trends = append(s.report.Trends, trendOf(name, unitOf(name), seconds, cycles, values))
	}
	if len(s.report.Trends) == 0 && s.run.leads() {
		s.run.warn("nothing was watched: --server-pid or --internal says what to look for leaks in")
	}
}

// giveBack closes all connections and waits until the server has no more descriptors and connections than before.
func (s *soak) giveBack(before map[string]float64) {
	back := &Return{Before: held(before)}
	if s.run.decided("what to give back", func() int64 { return int64(len(back.Before)) }) == 0 {
		return
	}
	s.run.closeAll()
	s.run.phase("giving back", 0, countSettled)
	s.run.together("given back", func() {
		s.report.Return = back
		s.awaitReturn(back)
	})
}

// awaitReturn looks until everything has been given back, or patience is over.
func (s *soak) awaitReturn(back *Return) {
	began := time.Now()
	for {
		back.After, back.Seconds = held(s.look()), time.Since(began).Seconds()
		back.Kept = back.keeps()
		if !back.Kept || time.Since(began) > s.run.options.Drain {
			return
		}
		time.Sleep(lookEvery) // nobody tells when another process closes something
	}
}

// held returns what of seen has to be given back.
func held(seen map[string]float64) map[string]float64 {
	back := make(map[string]float64)
	for _, name := range []string{seenDescriptors, seenConnections} {
		if v, ok := seen[name]; ok {
			back[name] = v
		}
	}
	return back
}

// keeps reports whether anything of before is more after, or cannot be seen any more.
func (b *Return) keeps() bool {
	for name, v := range b.Before {
		if after, ok := b.After[name]; !ok || after > v {
			return true
		}
	}
	return false
}

// closeAll settles what was due to the connections of a mix and closes them, and the probe's.
func (r *run) closeAll() {
	r.probe.stop()
	r.ask(func(d *driver) {
		d.settle()
		d.stages.over = true
		d.loop.Each(func(c *netpoll.Conn) { d.loop.Close(c, netpoll.ClosedLocally) })
	})
}

// cutSome cuts off a share of the connections, without a word.
func (m *mixPlay) cutSome(share float64) {
	for i := range m.members {
		conn, p := m.d.of(m.d.number(uint32(i)))
		if conn == nil || m.rng.Float64() >= share {
			continue
		}
		p.stage = gone
		m.d.loop.Close(conn, netpoll.ClosedLocally)
		m.count.Cut++
		m.d.counters.left.add(1)
		m.over(p.number, ready)
		m.in(expDuration(comeBack, m.rng), p.number, evReturn)
	}
}

// stallSome has a share of the connections not read for a while.
func (m *mixPlay) stallSome(share float64, d time.Duration) {
	for i := range m.members {
		number, member := m.d.number(uint32(i)), &m.members[i]
		conn, _ := m.d.of(number)
		if conn == nil || member.leaving || member.stalled || m.rng.Float64() >= share {
			continue
		}
		m.count.Stalled++
		member.excused = true
		m.stall(conn, number, d)
	}
}

// burst has everything happen more often for a moment.
func (m *mixPlay) burst() { m.boostUntil = m.d.run.clock() + int64(burstLasts) }

// writeSoak writes what a long run shows: of what does not move only what everybody asks for.
func (r *Report) writeSoak(t *table) {
	s := r.Soak
	if s == nil {
		return
	}
	f := &s.Faults
	t.row("faults", "%d cuts, %d stalls, %d of half-open connections (%d not made), %d bursts", f.Cuts, f.Stalls, f.HalfOpen, f.Failed, f.Bursts)
	always := []string{seenPss, seenRss, seenDescriptors, seenThreads, "go_goroutines", "go_memstats_heap_inuse_bytes"}
	for i := range s.Trends {
		if trend := &s.Trends[i]; trend.Verdict == TrendGrows || slices.Contains(always, trend.Name) {
			t.row("trend, "+trend.Name, "%s", trend)
		}
	}
	if s.Return != nil {
		t.row("given back", "%s", s.Return)
	}
}

// String says what was given back.
func (b *Return) String() string {
	text := "all, after"
	if b.Kept {
		text = "not all, within"
	}
	text = fmt.Sprintf("%s %.1f s", text, b.Seconds)
	for _, name := range slices.Sorted(maps.Keys(b.Before)) {
		text += fmt.Sprintf("; %s %.0f before, %.0f after", name, b.Before[name], b.After[name])
	}
	return text
}
