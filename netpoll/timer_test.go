package netpoll

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// wheelModel is a wheel without its cleverness: the deadline of each conn, in fine ticks.
type wheelModel map[uint32]int64

// due removes the conns whose deadline is at or before a fine tick and returns them in order.
func (m wheelModel) due(at int64) (slots []uint32) {
	for slot, deadline := range m {
		if deadline <= at {
			slots = append(slots, slot)
			delete(m, slot)
		}
	}
	slices.Sort(slots)
	return slots
}

// idle returns how long from clock on no bucket that is not empty has its turn: a fine one of this tick, or any other.
func (m wheelModel) idle(now uint32, clock int64) time.Duration {
	if len(m) == 0 {
		return buckets * tick
	}
	first, fine := uint32(buckets), int64(math.MaxInt64)
	for _, deadline := range m {
		if at := uint32(deadline / fineBuckets); at == now {
			fine = min(fine, deadline)
		} else {
			first = min(first, (at-now-1)%buckets+1)
		}
	}
	if fine != math.MaxInt64 {
		return time.Duration(fine*fineTick - clock)
	}
	return time.Duration(int64(now+first)*tick - clock)
}

// The wheel serves every deadline in its tick, once, in whatever order they are set, moved and taken
// back over several laps.
func TestWheelAgainstModel(t *testing.T) {
	rng := seeded(t)
	var s slots
	defer s.slab.Free()
	var w wheel
	m := make(wheelModel)
	conns := make([]*Conn, 300)
	for i := range conns {
		conns[i] = take(t, &s)
	}
	for range 30_000 {
		c := conns[rng.IntN(len(conns))]
		d := time.Duration(rng.Int64N(int64(fineTick) << rng.IntN(18)))
		switch rng.IntN(6) {
		case 0, 1:
			w.unlink(&s, c)
			w.link(&s, c, w.due(d))
			m[c.slot] = int64(w.due(d)) * fineBuckets
		case 2, 3:
			w.unlink(&s, c)
			w.linkExact(&s, c, w.fineDue(d))
			m[c.slot] = w.fineDue(d)
		case 4:
			w.unlink(&s, c)
			delete(m, c.slot)
		case 5:
			pass(t, rng, &w, &s, m)
		}
		if got, want := w.idle(), m.idle(w.now, w.clock); got != want {
			t.Fatalf("idle() = %v at tick %d; want %v", got, w.now, want)
		}
	}
	if got := w.count(&s); got != len(m) {
		t.Errorf("count() = %d; want %d", got, len(m))
	}
	for _, c := range conns {
		w.unlink(&s, c)
	}
	if n := timers(&w); n != 0 || w.idle() != buckets*tick {
		t.Errorf("an empty wheel has %d buckets in use, idle for %v", n, w.idle())
	}
}

// pass lets time pass and compares what falls due.
func pass(t *testing.T, rng *rand.Rand, w *wheel, s *slots, m wheelModel) {
	t.Helper()
	passed := time.Duration(rng.Int64N(int64(fineTick) << rng.IntN(18)))
	w.advance(passed, passed)
	var got []uint32
	for limit := 1 + rng.IntN(50); ; {
		batch := w.expired(s, nil, limit)
		got = append(got, batch...)
		if len(batch) < limit {
			break
		}
	}
	slices.Sort(got)
	if want := m.due(w.clock / fineTick); !slices.Equal(got, want) {
		t.Fatalf("expired up to tick %d: %v; want %v", w.now, got, want)
	}
}

// A deadline is never served early, nor more than two ticks after its time.
func TestDueIsNeverEarly(t *testing.T) {
	for _, clock := range []int64{0, 1, tick - 1, tick, 5*tick + 7} {
		for _, d := range []time.Duration{-time.Hour, 0, 1, tick - 1, tick, tick + 1, time.Second, time.Hour} {
			w := wheel{clock: clock}
			at := int64(w.due(d)) * tick
			if late := at - clock - int64(max(d, 0)); late <= 0 || late > 2*tick {
				t.Errorf("due(%v) at clock %d is %v late; want up to two ticks", d, clock, time.Duration(late))
			}
		}
	}
}

// Time that the loop cannot account for does not pass: after a pause of the process nobody is late.
func TestClockStandsStillOverAPause(t *testing.T) {
	for _, row := range []struct{ passed, accounted, want time.Duration }{
		{time.Millisecond, grace, time.Millisecond},
		{grace, grace, grace},
		{5 * time.Minute, grace, grace},
		{5 * time.Minute, 30*time.Second + grace, 30*time.Second + grace},
	} {
		var w wheel
		w.advance(row.passed, row.accounted)
		if got := time.Duration(w.clock); got != row.want {
			t.Errorf("advance(%v, %v): the clock moved %v; want %v", row.passed, row.accounted, got, row.want)
		}
	}
}

// The loop's own bookkeeping does as much: two minutes between two turns that were not slept are a pause.
func TestLoopNoticesAPause(t *testing.T) {
	l := newLoop(0, &Config{}, -1)
	l.now, l.accounted = time.Since(start)-2*time.Minute, grace
	l.tickClock()
	if got := time.Duration(l.wheel.clock); got != grace {
		t.Errorf("the wheel's clock moved %v over a pause of two minutes; want %v", got, grace)
	}
}

func TestTimer(t *testing.T) {
	forTables(t, func(t *testing.T, tables Tables) {
		expired := make(chan time.Time, 10)
		st := open(t, Config{Tables: tables}, script{expired: func(*Loop, *Conn) { expired <- time.Now() }})
		_, id := st.connect()
		var set time.Duration
		const d = 200 * time.Millisecond
		st.on(id, func(l *Loop, c *Conn) {
			l.SetTimer(c, time.Hour)
			l.SetTimer(c, d) // takes the place of the first
			set = l.Now()
		})
		if took := await(t, expired, "Expired").Sub(start) - set; took < d {
			t.Errorf("a timer of %v ran out after %v", d, took)
		}
		st.on(id, func(l *Loop, c *Conn) {
			l.StopTimer(c)
			l.SetTimer(c, time.Millisecond)
			l.StopTimer(c)
			l.StopTimer(c)
		})
		other := make(chan bool)
		_, id2 := st.connect()
		st.on(id2, func(l *Loop, c *Conn) { l.SetTimer(c, d) })
		go func() { <-expired; close(other) }()
		await(t, other, "the other conn's Expired")
		if n := len(expired); n != 0 {
			t.Errorf("a stopped timer ran out %d times", n)
		}
	})
}

// A handler sets the timer anew whenever it runs out, as a heartbeat does.
func TestTimerThatRearms(t *testing.T) {
	expired := make(chan ConnID, 100)
	st := open(t, Config{}, script{expired: func(l *Loop, c *Conn) { l.SetTimer(c, 0); expired <- l.ID(c) }})
	_, id := st.connect()
	st.on(id, func(l *Loop, c *Conn) { l.SetTimer(c, 0) })
	for range 5 {
		if got := await(t, expired, "Expired"); got != id {
			t.Errorf("Expired(%v); want %v", got, id)
		}
	}
}

// More timers at once than a turn serves all run out.
func TestManyTimersAtOnce(t *testing.T) {
	const conns = maxExpired + 100
	expired := make(chan ConnID, conns)
	st := open(t, Config{}, script{expired: func(l *Loop, c *Conn) { expired <- l.ID(c) }})
	for range conns {
		st.connect()
	}
	st.do(0, func(l *Loop) { l.Each(func(c *Conn) { l.SetTimer(c, 0) }) })
	seen := make(map[ConnID]bool)
	for range conns {
		seen[await(t, expired, "Expired")] = true
	}
	if len(seen) != conns {
		t.Errorf("%d of %d timers ran out", len(seen), conns)
	}
}

// A conn that is shut down by another's Expired, in the turn in which its own timer runs out, still
// has its time to linger.
func TestShutdownByAnothersTimer(t *testing.T) {
	shut := false
	st := open(t, Config{}, script{expired: func(l *Loop, c *Conn) {
		if !shut {
			shut = true
			l.Each(func(other *Conn) { l.Shutdown(other, nil, time.Hour) })
		}
	}})
	first, id1 := st.connect()
	second, id2 := st.connect()
	st.do(0, func(l *Loop) { l.Each(func(c *Conn) { l.SetTimer(c, 0) }) })
	readAll(t, first)
	readAll(t, second)
	st.do(0, func(l *Loop) {
		if l.Conn(id1) == nil || l.Conn(id2) == nil {
			t.Error("a conn that lingers was closed by the timer it had before")
		}
	})
}

// Coarse timers of a loop run out together, never early and at most a second late; those of the next loop
// run out at another moment.
func TestCoarseTimersRunOutTogether(t *testing.T) {
	moments := make(map[int]map[uint32]bool)
	for _, id := range []int{0, 1, 5, 16, 40} {
		l := newLoop(id, &Config{}, -1)
		moments[id] = map[uint32]bool{}
		for range 1000 {
			l.wheel.clock += tick / 3
			c, err := l.slots.take(1)
			if err != nil {
				t.Fatal(err)
			}
			l.SetCoarseTimer(c, 20*time.Second)
			earliest := l.wheel.due(20 * time.Second)
			if c.deadline < earliest || c.deadline >= earliest+coarse {
				t.Fatalf("loop %d: deadline in tick %d; want %d or up to %d later", id, c.deadline, earliest, coarse-1)
			}
			moments[id][c.deadline%coarse] = true
		}
		l.slots.slab.Free()
		if len(moments[id]) != 1 {
			t.Errorf("loop %d has %d moments a second; want 1", id, len(moments[id]))
		}
	}
	for phase := range moments[0] {
		if moments[1][phase] || !moments[16][phase] {
			t.Errorf("loops 0, 1 and 16 run out in phases %v, %v, %v; want the first and the last together", moments[0], moments[1], moments[16])
		}
	}
}

// A deadline beyond what the wheel can tell from one that has come is the farthest that it can.
func TestFarDeadlinesHaveNotCome(t *testing.T) {
	const year = 365 * 24 * time.Hour
	for _, d := range []time.Duration{farthest - 1, farthest, 3 * year, 5 * year, 10 * year, math.MaxInt64} {
		for name, link := range map[string]func(w *wheel, s *slots, c *Conn){
			"coarse": func(w *wheel, s *slots, c *Conn) { w.link(s, c, w.due(d)) },
			"exact":  func(w *wheel, s *slots, c *Conn) { w.linkExact(s, c, w.fineDue(d)) },
		} {
			var s slots
			w := wheel{clock: int64(year)}
			w.now = uint32(w.clock / tick)
			c := take(t, &s)
			link(&w, &s, c)
			if left := w.left(c); left < min(d, farthest) {
				t.Errorf("%s: of %v %v is left", name, d, left)
			}
			for range 2 * buckets {
				w.advance(tick, tick)
				if w.expired(&s, nil, 1) != nil {
					t.Errorf("%s: a timer of %v ran out after %v", name, d, time.Duration(w.clock)-year)
					break
				}
			}
			s.slab.Free()
		}
	}
}
