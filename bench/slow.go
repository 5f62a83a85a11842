package bench

import (
	"fmt"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"github.com/seed4ac54ce5/edge/netpoll"
)

// What slow readers do once publications begin.
const (
	stall   = "stall"   // they read nothing
	trickle = "trickle" // they read some bytes a second
)

// trickleEvery is the time between two reads of a reader that trickles. The loops' timers are exact to 67 ms.
const trickleEvery = 200 * time.Millisecond

// slowPlay is fan-out to members of whom a share read slowly. What becomes of those is accounted apart.
type slowPlay struct {
	roomsPlay
	keepsNone // but slow readers that are closed

	begun   bool // the slow readers are slow; before, they are like the others
	ledger  Ledger
	latency *hdrhistogram.Histogram
	closes  map[string]uint64 // why they were closed
	closed  []uint32          // the rooms of those who were
}

// SlowReport is what became of the slow readers. Report.Delivery and Report.Latency are of all others.
type SlowReport struct {
	Mode     string            `json:"mode"`
	Trickle  int               `json:"bytes_per_second,omitempty"` // that each reads, if it reads
	Readers  uint64            `json:"readers"`
	Closed   uint64            `json:"closed"`           // by the server
	Closes   map[string]uint64 `json:"closes,omitempty"` // by the code that they could read; a server may have none left to say
	Delivery Ledger            `json:"delivery"`
	Latency  *Latency          `json:"latency,omitempty"`
	Peak     peak              `json:"peak"` // the most that was in use from the first publication on
}

// slowFate is what one driver, or one process, has to tell of its slow readers: see SlowReport.
type slowFate struct {
	Delivery Ledger            `json:"delivery"`
	Closed   uint64            `json:"closed"`
	Closes   map[string]uint64 `json:"closes"`
	Latency  samples           `json:"latency"`
}

// add counts what others have to tell.
func (s *slowFate) add(o *slowFate) {
	s.Delivery.add(&o.Delivery)
	s.Closed += o.Closed
	addCounts(s.Closes, o.Closes)
	s.Latency.add(o.Latency)
}

func newSlowPlay(d *driver) *slowPlay {
	return &slowPlay{roomsPlay: roomsPlay{d: d}, latency: newHistogram(), closes: make(map[string]uint64)}
}

func (o *Options) slowDefaults() {
	if o.Scenario == Slow {
		orElse(&o.Share, 0.1)
	}
	orElse(&o.Mode, stall)
	orElse(&o.Trickle, 1024)
}

func (o *Options) checkSlow() error {
	switch {
	case o.Mode != stall && o.Mode != trickle:
		return fmt.Errorf("%w: --mode %q: want stall or trickle", ErrUsage, o.Mode)
	case o.Trickle < 1:
		return fmt.Errorf("%w: --trickle %d: want 1 or more bytes a second", ErrUsage, o.Trickle)
	}
	return o.checkShare()
}

// slowOf returns d's play.
func slowOf(d *driver) *slowPlay { return d.play.(*slowPlay) }

// readers calls f for each slow reader that stands.
func (s *slowPlay) readers(f func(c *netpoll.Conn)) {
	for slot := range s.d.peers {
		if p := &s.d.peers[slot]; p.stage == ready && s.d.run.shares(p.number) {
			f(s.d.loop.At(uint32(slot)))
		}
	}
}

// begin has the slow readers become slow.
func (s *slowPlay) begin() (n uint64) {
	s.begun = true
	s.readers(func(c *netpoll.Conn) {
		n++
		s.d.loop.Pause(c)
		if s.d.run.options.Mode == trickle {
			s.d.loop.SetTimer(c, trickleEvery)
		}
	})
	return n
}

// end has them read as fast as they can.
func (s *slowPlay) end() {
	s.readers(func(c *netpoll.Conn) {
		s.d.loop.StopTimer(c)
		s.d.loop.Resume(c)
	})
}

// sip reads a little of what waits for a reader that trickles.
func (s *slowPlay) sip(c *netpoll.Conn) {
	bytes := time.Duration(s.d.run.options.Trickle) * trickleEvery / time.Second
	s.d.loop.ReadPaused(c, int(max(bytes, 1)))
	s.d.loop.SetTimer(c, trickleEvery)
}

// rest reads what a server has said before it closed a slow reader, as far as that had come.
func (s *slowPlay) rest(c *netpoll.Conn, p *peer) {
	if p.stage == ready && s.d.run.shares(p.number) {
		s.d.loop.ReadRest(c, s.d.Received)
	}
}

// message enters what has come in the books that it belongs to.
func (s *slowPlay) message(c *netpoll.Conn, p *peer, b []byte) {
	if !s.d.run.shares(p.number) {
		s.d.hear(c, p, b)
		return
	}
	delivered, received := s.d.counters.delivered.value(), s.ledger.Received
	s.swap()
	s.d.hear(c, p, b)
	s.swap()
	s.d.counters.delivered.n.Store(delivered) // to the others
	s.d.counters.slow.add(s.ledger.Received - received)
}

// swap exchanges the books of the slow for those of the others.
func (s *slowPlay) swap() {
	r := &s.d.result
	r.ledger, s.ledger = s.ledger, r.ledger
	r.latency, s.latency = s.latency, r.latency
}

// lost counts slow readers that the server closes apart.
func (s *slowPlay) lost(p *peer, label string) bool {
	if !s.begun || !s.d.run.shares(p.number) {
		return false
	}
	s.closes[label]++
	s.d.counters.left.add(1)
	return true
}

// ended remembers what is due to members that are gone.
func (s *slowPlay) ended(p *peer, stage uint8, why netpoll.Reason) {
	switch {
	case !s.d.run.shares(p.number):
		s.roomsPlay.ended(p, stage, why)
	case stage == ready && s.begun:
		s.closed = append(s.closed, s.d.run.roomOf(p.number))
	}
}

// settle enters what was due: to each member all that was published to its room.
func (s *slowPlay) settle() {
	run := s.d.run
	for i := range s.d.peers {
		switch p := &s.d.peers[i]; {
		case p.stage != ready || run.isPublisher(p.number):
		case run.shares(p.number):
			s.ledger.settle(run.published[run.roomOf(p.number)])
		default:
			s.d.result.ledger.settle(run.published[run.roomOf(p.number)])
		}
	}
	for _, room := range s.closed {
		s.ledger.settle(run.published[room])
	}
	for _, room := range s.roomsPlay.lost {
		s.d.result.ledger.settle(run.published[room])
	}
}

// slow publishes to members of whom some do not read, and then has those read on, so that they hear why they were closed.
func (r *run) slow() {
	report := &SlowReport{Mode: r.options.Mode}
	if report.Mode == trickle {
		report.Trickle = r.options.Trickle
	}
	r.report.Slow = report
	r.takeCensus(func(number uint32) bool { return !r.shares(number) }) // what has to come to slow readers is not waited for
	report.Readers = r.beginSlow()
	watched := r.watchPeak()
	p := pace{start: r.soon(), rate: uint64(r.options.Rate)}
	metronome := r.startMetronome(p.start, p.interval(), r.publisherLoops())
	r.tell(func(d *driver) {
		slowOf(d).pace = p
		d.stages.sending = true
	})
	r.measure("delivery", countDelivered)
	metronome.stop()
	r.drain(progress.complete)
	report.Peak = watched()
	r.report.Memory = append(r.report.Memory, MemoryAt{At: "peak", memory: report.Peak.memory})
	r.readOn(report.Readers)
}

// beginSlow has the slow readers become slow, and returns how many there are.
func (r *run) beginSlow() uint64 {
	var readers count
	r.ask(func(d *driver) { readers += count(slowOf(d).begin()) })
	addParts(r, "slow readers", &readers)
	return uint64(readers)
}

// readOn has the slow readers take what there is for them, until nothing more comes or all are closed.
func (r *run) readOn(readers uint64) {
	r.phase("slow readers read on", 0, func(p progress) uint64 { return p.slow })
	r.ask(func(d *driver) { slowOf(d).end() })
	r.await(nil, min(r.options.Drain, hurry), func(p progress) bool { return p.left >= readers })
}

// watchPeak begins to look at the memory in use. The function that it returns ends that, and returns the most there was.
func (r *run) watchPeak() (result func() peak) {
	var most peak
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		look := time.NewTicker(lookAtMemory)
		defer look.Stop()
		for {
			most.look(r.options.ServerPID)
			select {
			case <-quit:
				return
			case <-look.C:
			}
		}
	}()
	return func() peak {
		close(quit)
		<-done
		return most
	}
}

// gatherSlow adds up what the drivers know of slow readers.
func (r *run) gatherSlow() {
	report := r.report.Slow
	if report == nil {
		return
	}
	all := slowFate{Closes: make(map[string]uint64), Latency: newSamples()}
	r.ask(func(d *driver) {
		s := slowOf(d)
		all.add(&slowFate{s.ledger, uint64(len(s.closed)), s.closes, samples{s.latency}})
	})
	addParts(r, "fate of slow readers", &all)
	all.Delivery.close()
	report.Delivery, report.Closed, report.Closes, report.Latency = all.Delivery, all.Closed, all.Closes, latencyOf(all.Latency.Histogram)
}

// wrong reports whether slow readers got what was not for them. That they did not get all is what slow readers are for.
func (s *SlowReport) wrong() bool {
	return s != nil && s.Delivery.Duplicated|s.Delivery.Reordered|s.Delivery.Misrouted|s.Delivery.Damaged != 0
}

// writeSlow says what became of the slow readers.
func (r *Report) writeSlow(t *table) {
	s := r.Slow
	if s == nil {
		return
	}
	d := &s.Delivery
	how := s.Mode
	if s.Mode == trickle {
		how = fmt.Sprintf("%s, %d bytes/s", s.Mode, s.Trickle)
	}
	t.row("slow readers", "%d (%s), %d closed by the server", s.Readers, how, s.Closed)
	t.row("  delivery", "expected %d, received %d, missing %d, duplicated %d, reordered %d, misrouted %d, damaged %d",
		d.Expected, d.Received, d.Missing, d.Duplicated, d.Reordered, d.Misrouted, d.Damaged)
	t.counts("  close", s.Closes)
	t.latency("  latency", s.Latency)
}
