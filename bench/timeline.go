package bench

import (
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Moment is what went on in one stretch of a run: a second, or more in a long run. Counts are of the whole stretch and shares of
// CPU time its averages; of more than a second, quantiles and memory are those of the worst second in it.
type Moment struct {
	At      float64 `json:"at_seconds"` // its end, since the run began
	Seconds float64 `json:"seconds"`    // its length
	Phase   string  `json:"phase"`

	Ready     uint64 `json:"ready"` // connections that came to stand
	Failed    uint64 `json:"failed"`
	Lost      uint64 `json:"lost"`
	Cycled    uint64 `json:"cycled"`
	Sent      uint64 `json:"sent"`
	Answered  uint64 `json:"answered"`
	Delivered uint64 `json:"delivered"`
	Errors    uint64 `json:"errors"` // failed, lost, refused, and messages that came as they should not

	Open uint64 `json:"open"` // connections that stand at its end

	P50 float64 `json:"p50_us"` // of what came in it, from when it was due; 0 if nothing was timed
	P99 float64 `json:"p99_us"`
	Max float64 `json:"max_us"`

	ServerCPUs  float64 `json:"server_cpus"`
	OwnCPUs     float64 `json:"own_cpus"`
	Idle        float64 `json:"machine_idle"` // share of the machine's CPU time, 0 to 1
	BusiestLoop float64 `json:"busiest_loop"` // share of its time that the flooder's busiest loop did not wait, 0 to 1

	ServerRSS uint64 `json:"server_rss"` // bytes, as what follows
	OwnRSS    uint64 `json:"own_rss"`
	Slab      uint64 `json:"kernel_slab"` // of the machine
	Socket    uint64 `json:"socket_buffers"`
}

// add makes m the stretch of m and o, which followed it.
func (m *Moment) add(o *Moment) {
	both := m.Seconds + o.Seconds
	mean := func(to *float64, next float64) { *to = (*to*m.Seconds + next*o.Seconds) / both }
	mean(&m.ServerCPUs, o.ServerCPUs)
	mean(&m.OwnCPUs, o.OwnCPUs)
	mean(&m.Idle, o.Idle)
	m.At, m.Seconds, m.Open = o.At, both, o.Open
	m.Ready += o.Ready
	m.Failed += o.Failed
	m.Lost += o.Lost
	m.Cycled += o.Cycled
	m.Sent += o.Sent
	m.Answered += o.Answered
	m.Delivered += o.Delivered
	m.Errors += o.Errors
	m.P50, m.P99, m.Max = max(m.P50, o.P50), max(m.P99, o.P99), max(m.Max, o.Max)
	m.BusiestLoop = max(m.BusiestLoop, o.BusiestLoop)
	m.ServerRSS, m.OwnRSS = max(m.ServerRSS, o.ServerRSS), max(m.OwnRSS, o.OwnRSS)
	m.Slab, m.Socket = max(m.Slab, o.Slab), max(m.Socket, o.Socket)
}

const (
	maxMoments     = 600                    // kept of a run, however long it is
	shortestMoment = 100 * time.Millisecond // what is shorter has too few messages for quantiles of its own
	momentEvery    = time.Second
)

// moments are those of a run so far. When they become too many, each two become one.
type moments struct {
	all     []Moment
	seconds int // that each is to stand for, less 1
	held    int // seconds in the last one, less 1
}

// add appends m, or makes it a part of the last one, whose quantiles stand if m is short.
func (s *moments) add(m Moment) {
	last := len(s.all) - 1
	switch {
	case last >= 0 && m.Seconds < shortestMoment.Seconds():
		if s.all[last].Max > 0 {
			m.P50, m.P99 = 0, 0
		}
		s.all[last].add(&m)
		return
	case last >= 0 && s.held < s.seconds && s.all[last].Phase == m.Phase:
		s.all[last].add(&m)
		s.held++
		return
	}
	s.all = append(s.all, m)
	s.held = 0
	if len(s.all) > maxMoments {
		s.thin()
	}
}

// thin joins neighbours two by two: those of one phase or, if phases are too many for that, all.
func (s *moments) thin() {
	s.all = joinPairs(s.all, func(a, b *Moment) bool { return a.Phase == b.Phase })
	if len(s.all) > maxMoments*3/4 {
		s.all = joinPairs(s.all, func(_, _ *Moment) bool { return true })
	}
	s.seconds = 2*s.seconds + 1
	s.held = s.seconds // the next begins a new one
}

func joinPairs(all []Moment, joins func(a, b *Moment) bool) []Moment {
	kept := all[:0]
	for i := 0; i < len(all); i++ {
		m := all[i]
		if i+1 < len(all) && joins(&m, &all[i+1]) {
			i++
			m.add(&all[i])
		}
		kept = append(kept, m)
	}
	return kept
}

// live is what a display shows besides the counters.
type live struct {
	p99    time.Duration // of the last second, 0 if nothing was timed
	errors uint64        // so far
}

// timeline looks at a run once a second and at each change of its phase. Between two looks the drivers record into histograms that
// it then takes from them, giving back an empty one: what that costs does not depend on what was recorded.
type timeline struct {
	run   *run
	quit  chan struct{}
	ended chan struct{}
	once  sync.Once

	shown atomic.Pointer[live] // any goroutine

	mu       sync.Mutex // guards what follows
	moments  moments
	phase    string
	last     reading
	interval *hdrhistogram.Histogram // since the last look
	total    *hdrhistogram.Histogram // since the last restart
	spare    *hdrhistogram.Histogram // empty
}

// reading is where everything stands at one look.
type reading struct {
	sample
	errors                        uint64
	ownRSS, serverRSS, slab, sock uint64
}

// startTimeline begins to look at r.
func startTimeline(r *run) *timeline {
	t := &timeline{
		run:      r,
		quit:     make(chan struct{}),
		ended:    make(chan struct{}),
		interval: newHistogram(),
		total:    newHistogram(),
		spare:    newHistogram(),
	}
	t.shown.Store(&live{})
	t.last = t.read()
	go t.serve()
	return t
}

func (t *timeline) serve() {
	defer close(t.ended)
	tick := time.NewTicker(momentEvery)
	defer tick.Stop()
	for {
		select {
		case <-t.quit:
			return
		case <-tick.C:
			t.mu.Lock()
			t.look(false)
			t.mu.Unlock()
		}
	}
}

// enter begins a phase. One that was very short is part of what follows it.
func (t *timeline) enter(phase string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.phase != "" {
		t.look(false)
	}
	t.phase = phase
}

// restart forgets all latencies but not the moments.
func (t *timeline) restart() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.look(true)
	t.total.Reset()
}

// serverTime returns what the server had used at the last look.
func (t *timeline) serverTime() time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.last.server
}

// stop ends t, and returns when its goroutine has ended.
func (t *timeline) stop() {
	t.once.Do(func() {
		close(t.quit)
		<-t.ended
		t.mu.Lock()
		defer t.mu.Unlock()
		t.look(true)
	})
}

// look enters what has gone on since the last look, unless that was just now and may wait.
func (t *timeline) look(always bool) {
	if !always && time.Since(t.last.at) < shortestMoment {
		return
	}
	now := t.read()
	m := t.last.until(&now)
	m.Phase = t.phase
	m.At = now.at.Sub(t.run.begin).Seconds()
	if l := latencyOf(t.interval); l != nil {
		m.P50, m.P99, m.Max = l.P50, l.P99, l.Max
		t.total.Merge(t.interval)
		t.interval.Reset()
	}
	t.shown.Store(&live{time.Duration(m.P99 * 1e3), now.errors})
	t.moments.add(m)
	t.last = now
}

// read takes from the drivers what they have recorded, and reads all else.
func (t *timeline) read() reading {
	s, _ := t.run.clocks() // what cannot be read is warned of where it counts: see sample
	n := reading{sample: s, errors: s.counted.failed + s.counted.lost}
	n.server = max(s.server, t.last.server) // it may be gone
	for _, d := range t.run.drivers {
		d.do(func() {
			n.loops = append(n.loops, d.time())
			n.errors += d.result.wrong()
			d.result.latency, t.spare = t.spare, d.result.latency
		})
		if t.spare.TotalCount() > 0 {
			t.interval.Merge(t.spare)
			t.spare.Reset()
		}
	}
	if m, err := readMemory(0); err == nil {
		n.slab, n.sock = m.Slab, m.Socket
	}
	n.ownRSS, _ = processRSS(os.Getpid())
	if pid := t.run.options.ServerPID; pid != 0 {
		n.serverRSS, _ = processRSS(pid)
	}
	return n
}

// until says what went on between n and next.
func (n *reading) until(next *reading) Moment {
	a, b := &n.counted, &next.counted
	load := loadFor("", n.sample, next.sample, 0)
	return Moment{
		Seconds: load.Seconds,

		Ready:     more(a.ready, b.ready),
		Failed:    more(a.failed, b.failed),
		Lost:      more(a.lost, b.lost),
		Cycled:    more(a.cycled, b.cycled),
		Sent:      more(a.sent, b.sent),
		Answered:  more(a.answered, b.answered),
		Delivered: more(a.delivered, b.delivered),
		Errors:    more(n.errors, next.errors),
		Open:      more(b.lost+b.cycled, b.ready),

		ServerCPUs:  load.ServerCPUs,
		OwnCPUs:     load.OwnCPUs,
		Idle:        load.Idle,
		BusiestLoop: load.BusiestLoop,

		ServerRSS: next.serverRSS,
		OwnRSS:    next.ownRSS,
		Slab:      next.slab,
		Socket:    next.sock,
	}
}

// more returns by how much b is more than a, 0 if it is not.
func more(a, b uint64) uint64 { return b - min(a, b) }

// result returns the moments. t has stopped.
func (t *timeline) result() []Moment { return slices.Clone(t.moments.all) }

// wrong returns how much of what came was not as it should be.
func (r *result) wrong() (n uint64) {
	for _, times := range r.errors {
		n += times
	}
	l := &r.ledger
	return n + l.Duplicated + l.Reordered + l.Misrouted + l.Damaged
}
