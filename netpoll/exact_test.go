package netpoll

import (
	"slices"
	"testing"
	"time"
)

// Exact deadlines are served in their order, none early and each within a fine tick, by a loop that sleeps as long as the wheel is
// idle; and it wakes for each no more than twice.
func TestExactDeadlines(t *testing.T) {
	rng := seeded(t)
	var s slots
	defer s.slab.Free()
	var w wheel
	const conns = 2000
	due := make(map[uint32]int64)
	for range conns {
		c := take(t, &s)
		d := time.Duration(rng.Int64N(int64(time.Minute)))
		due[c.slot] = w.clock + int64(d)
		w.linkExact(&s, c, w.fineDue(d))
		w.advance(time.Duration(rng.Int64N(100)), time.Hour)
	}
	wakes := 0
	for last := int64(0); len(due) > 0; wakes++ {
		idle := w.idle()
		w.advance(idle, idle)
		for _, slot := range w.expired(&s, nil, maxExpired) {
			at, ok := due[slot]
			delete(due, slot)
			if late := w.clock - at; !ok || late < 0 || late >= fineTick || at/fineTick < last/fineTick {
				t.Fatalf("slot %d is %v late, behind one of %v; it was set: %v", slot, time.Duration(late), time.Duration(last-at), ok)
			}
			last = at
		}
	}
	if wakes > 2*conns+conns/10 {
		t.Errorf("%d wakes for %d deadlines", wakes, conns)
	}
	if n := timers(&w); n != 0 || w.count(&s) != 0 {
		t.Errorf("%d buckets are in use at the end", n)
	}
}

// More deadlines than are served in a turn are served in the next ones, none before its time: those of the tick that has come to its
// turn while they wait are later ones.
func TestManyExactDeadlinesAtOnce(t *testing.T) {
	var s slots
	defer s.slab.Free()
	var w wheel
	var want []uint32
	for i := range 3 * maxExpired {
		c := take(t, &s)
		switch i % 3 {
		case 0:
			w.link(&s, c, 5)
		case 1:
			w.linkExact(&s, c, 4*fineBuckets+7)
		default:
			w.linkExact(&s, c, 5*fineBuckets+60)
			continue
		}
		want = append(want, c.slot)
	}
	w.advance(5*tick, 5*tick)
	var got []uint32
	for range 4 {
		batch := w.expired(&s, nil, maxExpired)
		got = append(got, batch...)
		if len(batch) > maxExpired {
			t.Errorf("%d at once", len(batch))
		}
	}
	if slices.Sort(got); !slices.Equal(got, want) {
		t.Errorf("%d have expired; want %d", len(got), len(want))
	}
	if idle := w.idle(); idle != 60*fineTick {
		t.Errorf("the rest in %v; want %v", idle, 60*fineTick)
	}
	w.advance(60*fineTick, 60*fineTick)
	if n := len(w.expired(&s, nil, 3*maxExpired)); n != maxExpired || w.count(&s) != 0 {
		t.Errorf("then %d have expired", n)
	}
}

// An exact timer runs out in time; setting it anew, in any way, or stopping it takes it back.
func TestExactTimer(t *testing.T) {
	expired := make(chan time.Duration, 10)
	st := open(t, Config{}, script{expired: func(l *Loop, c *Conn) {
		if _, set := l.Timer(c); set {
			t.Error("a timer that has run out is set")
		}
		expired <- l.Patience()
	}})
	_, id := st.connect()
	other := st.detached(0)
	for _, d := range []time.Duration{0, 3 * time.Millisecond, tick - 1, tick, 150 * time.Millisecond} {
		var due time.Duration
		st.on(id, func(l *Loop, c *Conn) {
			l.SetTimer(c, time.Hour)
			l.SetExactTimer(c, time.Millisecond)
			l.SetExactTimer(c, d) // takes the place of the others
			due = l.Patience() + d
			if left, set := l.Timer(c); !set || left < d || left >= d+fineTick || l.Timers() != 1 {
				t.Errorf("%v left of %v, set: %v, %d timers", left, d, set, l.Timers())
			}
		})
		if at := await(t, expired, "Expired"); at < due {
			t.Errorf("a timer of %v ran out %v early", d, due-at)
		}
	}
	st.on(id, func(l *Loop, c *Conn) {
		l.SetExactTimer(c, time.Millisecond)
		l.SetTimer(c, time.Hour)
		if left, _ := l.Timer(c); left < time.Hour {
			t.Errorf("%v left of an hour", left)
		}
		l.SetExactTimer(c, 2*time.Millisecond)
		l.StopTimer(c)
		if _, set := l.Timer(c); set {
			t.Error("a stopped timer is set")
		}
		l.SetExactTimer(l.Conn(other), 4*time.Millisecond)
	})
	await(t, expired, "the other's Expired")
	st.on(id, func(l *Loop, c *Conn) {
		if len(expired) != 0 {
			t.Error("a timer that was taken back has run out")
		}
		l.SetExactTimer(c, time.Hour)
		l.Close(c, ClosedLocally)
		l.SetExactTimer(c, 0)
	})
	st.wantClosed(id, ClosedLocally)
	client, again := st.connect()
	st.on(again, func(l *Loop, c *Conn) {
		if again.Slot() != id.Slot() {
			t.Errorf("slot %d; want %d", again.Slot(), id.Slot())
		}
		l.SetTimer(c, 0)
		if left, set := l.Timer(c); !set || left%tick != 0 {
			t.Errorf("%v left, set: %v: the slot's timer is still an exact one", left, set)
		}
		l.SetExactTimer(c, time.Hour)
		l.Shutdown(c, nil, time.Minute)
		l.SetExactTimer(c, 0)
		if left, _ := l.Timer(c); left < time.Minute {
			t.Errorf("%v left to linger", left)
		}
	})
	readAll(t, client)
	_ = client.Close()
	st.wantClosed(again, ClosedLocally)
}

// Setting and taking back exact timers, near and far, and asking for a hang-up, on tables that have grown.
func TestExactTimerAllocatesNothing(t *testing.T) {
	st := open(t, Config{}, script{received: func(l *Loop, c *Conn, b []byte) (used, need int) {
		l.SetExactTimer(c, time.Minute)
		l.SetExactTimer(c, 10*time.Millisecond)
		l.StopTimer(c)
		l.HungUp(c)
		l.Write(c, b)
		return len(b), 0
	}})
	c := openBare(t, st)
	wantNoAllocs(t, func() { c.exchange(64) })
}

// BenchmarkExactTimer sets and takes back one of many.
func BenchmarkExactTimer(b *testing.B) {
	const conns = 100_000
	var s slots
	defer s.slab.Free()
	var w wheel
	for range conns {
		c, err := s.take(noSocket)
		if err != nil {
			b.Fatal(err)
		}
		w.linkExact(&s, c, w.fineDue(25*time.Second))
	}
	i := uint32(0)
	for b.Loop() {
		c := s.slab.At(i % conns)
		w.unlink(&s, c)
		w.linkExact(&s, c, w.fineDue(time.Duration(20+i%32)*time.Second))
		i += 7919
	}
}
