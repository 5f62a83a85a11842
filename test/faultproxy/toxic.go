package faultproxy

import (
	"math"
	"math/rand/v2"
	"slices"
	"time"
)

// A Toxic is a fault of one direction. The types of this package are the only ones.
type Toxic interface {
	begin(*flow) *stage // the fault's state for one stream, from now on
}

// An entry is one use of a toxic.
type entry struct {
	dir   Direction
	toxic Toxic
}

// A stage is what a toxic does to one stream. Only the flow's goroutine touches it.
type stage struct {
	of     *entry
	pass   func([]segment) []segment // changes what goes through; nil leaves it
	stall  bool                      // nothing is written
	at     time.Time                 // when to strike; zero is never
	strike func(*Conn)
}

// add puts toxics on list, and pokes the conns that are concerned.
func (p *Proxy) add(list *[]*entry, d Direction, toxics []Toxic, concerned func() []*Conn) (remove func()) {
	added := make([]*entry, 0, len(toxics))
	for _, t := range toxics {
		added = append(added, &entry{d, t})
	}
	p.edit(func() { *list = append(slices.Clone(*list), added...) }, concerned)
	return func() {
		p.edit(func() {
			*list = slices.DeleteFunc(slices.Clone(*list), func(e *entry) bool { return slices.Contains(added, e) })
		}, concerned)
	}
}

// edit makes a change under the lock and tells the conns that are concerned.
func (p *Proxy) edit(change func(), concerned func() []*Conn) {
	p.mu.Lock()
	change()
	p.mu.Unlock()
	for _, c := range concerned() {
		c.poke()
	}
}

// active returns those entries of lists that are for d.
func active(d Direction, lists ...[]*entry) []*entry {
	var out []*entry
	for _, list := range lists {
		for _, e := range list {
			if e.dir&d != 0 {
				out = append(out, e)
			}
		}
	}
	return out
}

// pass sends segs through all stages.
func pass(stages []*stage, segs []segment) []segment {
	for _, s := range stages {
		if s.pass != nil {
			segs = s.pass(segs)
		}
	}
	return segs
}

// Latency passes everything on later by Delay, give or take Jitter. The order stays, and so does the rate as far as
// [Buffer] lets it: a direction passes Buffer bytes in a Delay.
type Latency struct{ Delay, Jitter time.Duration }

func (l Latency) begin(f *flow) *stage {
	return &stage{pass: func(segs []segment) []segment {
		for i := range segs {
			segs[i].due = segs[i].due.Add(l.draw(f.rng))
		}
		return segs
	}}
}

// draw returns one delay.
func (l Latency) draw(rng *rand.Rand) time.Duration {
	if l.Jitter <= 0 {
		return l.Delay
	}
	return max(0, l.Delay+time.Duration(rng.Int64N(int64(2*l.Jitter)+1))-l.Jitter)
}

// Bandwidth passes at most Rate bytes a second, at least one, in pieces of a hundredth of a second.
type Bandwidth struct{ Rate int }

func (b Bandwidth) begin(*flow) *stage {
	var free time.Time // when the line is
	rate := max(1, b.Rate)
	return &stage{pass: func(segs []segment) []segment {
		out := split(segs, func() int { return max(1, rate/100) })
		for i := range out {
			free = later(free, out[i].due).Add(time.Duration(len(out[i].data)) * time.Second / time.Duration(rate))
			out[i].due = free
		}
		return out
	}}
}

// Slicer cuts the stream into pieces of Size bytes, give or take Variation, at least one; each is written by itself,
// Gap after the one before. Without a gap a receiver may still find several together.
type Slicer struct {
	Size, Variation int
	Gap             time.Duration
}

func (s Slicer) begin(f *flow) *stage {
	var next time.Time
	return &stage{pass: func(segs []segment) []segment {
		out := split(segs, func() int { return s.draw(f.rng) })
		for i := range out {
			out[i].due = later(out[i].due, next)
			next = out[i].due.Add(s.Gap)
		}
		return out
	}}
}

// draw returns the size of one piece.
func (s Slicer) draw(rng *rand.Rand) int {
	if s.Variation <= 0 {
		return max(1, s.Size)
	}
	return max(1, s.Size-s.Variation+rng.IntN(2*s.Variation+1))
}

// split cuts the data of segs into pieces whose sizes size returns.
func split(segs []segment, size func() int) []segment {
	var out []segment
	for _, s := range segs {
		for n := size(); len(s.data) > n; n = size() {
			out = append(out, segment{data: s.data[:n:n], due: s.due})
			s.data = s.data[n:]
		}
		out = append(out, s)
	}
	return out
}

// SlowClose passes the end of the stream on, or a reset, later by Delay.
type SlowClose struct{ Delay time.Duration }

func (s SlowClose) begin(*flow) *stage {
	return &stage{pass: func(segs []segment) []segment {
		for i := range segs {
			if segs[i].end != goesOn {
				segs[i].due = segs[i].due.Add(s.Delay)
			}
		}
		return segs
	}}
}

// Timeout drops everything, the end of the stream and resets too: the receiver is told nothing. With After, counted
// from when the stream meets the toxic, the conn is closed; zero is never.
type Timeout struct{ After time.Duration }

func (t Timeout) begin(*flow) *stage {
	s := &stage{pass: func([]segment) []segment { return nil }, strike: (*Conn).Close}
	if t.After > 0 {
		s.at = time.Now().Add(t.After)
	}
	return s
}

// ResetPeer cuts the conn After the stream has met the toxic: a reset on both sides.
type ResetPeer struct{ After time.Duration }

func (r ResetPeer) begin(*flow) *stage {
	return &stage{at: time.Now().Add(r.After), strike: (*Conn).Cut}
}

// LimitData closes the conn when Bytes have passed since the stream met the toxic. The receiver gets exactly these,
// and then the end.
type LimitData struct{ Bytes int64 }

func (l LimitData) begin(*flow) *stage {
	left, closed := l.Bytes, false
	return &stage{pass: func(segs []segment) []segment {
		var out []segment
		for _, s := range segs {
			if closed {
				break
			}
			s.data = s.data[:min(int64(len(s.data)), left)]
			left -= int64(len(s.data))
			out = append(out, s)
			if closed = left == 0; closed {
				out = append(out, segment{end: finish, due: s.due})
			}
		}
		return out
	}}
}

// Corrupt inverts bytes: the one at Offset of the stream, counted from its beginning, or with a Rate above zero each
// byte with that probability, from where the stream meets the toxic. Which ones, the seed says and not how the
// stream arrives.
type Corrupt struct {
	Offset int64
	Rate   float64
}

func (c Corrupt) begin(f *flow) *stage {
	at, next := f.fed, c.Offset
	if c.Rate > 0 {
		next = at + c.gap(f.rng)
	}
	return &stage{pass: func(segs []segment) []segment {
		for _, s := range segs {
			end := at + int64(len(s.data))
			for ; next >= at && next < end; next = c.after(next, f.rng) {
				s.data[next-at] ^= 0xff
			}
			at = end
		}
		return segs
	}}
}

// after returns the offset of the next byte to invert after that at offset, or one that never comes.
func (c Corrupt) after(offset int64, rng *rand.Rand) int64 {
	if c.Rate <= 0 {
		return math.MaxInt64
	}
	return offset + 1 + c.gap(rng)
}

// gap returns how many bytes stay before the next one that does not: they follow the geometric distribution.
func (c Corrupt) gap(rng *rand.Rand) int64 {
	if c.Rate >= 1 {
		return 0
	}
	return int64(min(math.Log(1-rng.Float64())/math.Log1p(-c.Rate), 1<<40))
}

// Stall passes nothing on while it is there: the proxy takes in what [Buffer] holds, and then the sender waits. When
// it is removed, all of it follows in order. A sender that resets its full stream is not noticed before that.
type Stall struct{}

func (Stall) begin(*flow) *stage { return &stage{stall: true} }
