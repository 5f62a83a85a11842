package bench

import (
	"net"
	"reflect"
	"testing"
	"time"
)

// Every connection is made by just one process, and each knows its own by the same names.
func TestSharesAddUp(t *testing.T) {
	for _, workers := range []uint32{1, 2, 3, 7} {
		for _, total := range []uint32{1, 2, 3, 20, 21, 22} {
			makers := make([]int, total)
			for worker := range workers {
				s := share{worker, workers}
				for i := range s.of(total) {
					n := s.number(i)
					if !s.has(n) || s.index(n) != i {
						t.Errorf("%+v: has(%d) = %v, index(%d) = %d; want true, %d", s, n, s.has(n), n, s.index(n), i)
					}
					makers[n]++
				}
			}
			for n, made := range makers {
				if made != 1 {
					t.Errorf("%d of %d workers make connection %d of %d", made, workers, n, total)
				}
			}
			if coordinator := (share{workers, workers}); coordinator.of(total) != 0 || coordinator.has(total-1) {
				t.Errorf("a coordinator of %d workers makes %d of %d connections", workers, coordinator.of(total), total)
			}
		}
	}
}

func TestOffsetIsWithinItsBound(t *testing.T) {
	const ahead = 5_000_000
	var o offset
	for _, trip := range []struct{ asked, there, heard int64 }{
		{0, 900, 1000}, {2000, 2010, 2100}, {3000, 3400, 3500}, // of the second we know most
	} {
		o.note(trip.asked, trip.there+ahead, trip.heard)
	}
	if wrong := o.ahead - ahead; o.err != 50 || wrong < -50 || wrong > 50 {
		t.Errorf("offset = %+v; want one within 50 of %d", o, ahead)
	}
	if (&offset{ahead: -7, err: 2}).bound() != 9 || (&offset{ahead: 7, err: 2}).bound() != 9 {
		t.Error("an offset of 7 to either side, within 2, is not within 9")
	}
}

func TestDriftRemembersTheWorst(t *testing.T) {
	var d drift
	for i := range int64(3 * driftWindow) {
		ahead := int64(10)
		if i < driftWindow {
			ahead = -1000
		}
		d.note(i*100, i*100+10+ahead, i*100+20)
	}
	if d.bound() != 1010 {
		t.Errorf("bound after an offset of -1000 within 10 = %d; want 1010", d.bound())
	}
}

// Two runs on one machine can have the very same clock.
func TestOneMachineHasOneClock(t *testing.T) {
	r := &run{begin: time.Now().Add(-time.Hour)}
	base := r.timeBase()
	before := r.clock()
	is := int64(time.Since(base.since()))
	after := r.clock()
	const readings = int64(time.Minute) // a preempted reading is late, one of another clock is out by more
	if is < before-readings || is > after+readings || base.Machine == "" {
		t.Errorf("the clock of base %+v is at %d; want %d to %d", base, is, before, after)
	}
}

func TestAllCountersTravel(t *testing.T) {
	var p progress
	if n, want := len(p.all()), reflect.TypeFor[progress]().NumField(); n != want {
		t.Fatalf("all returns %d counters of %d", n, want)
	}
	for i, n := range p.all() {
		*n = uint64(i + 1)
	}
	b, err := p.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	var q progress
	if err := q.UnmarshalJSON(b); err != nil || q != p {
		t.Errorf("%s is read as %+v, %v; want %+v", b, q, err, p)
	}
	if err := q.UnmarshalJSON([]byte("[1,2]")); err == nil {
		t.Error("two counters are taken for all")
	}
	q.add(&p)
	if *q.all()[2] != 6 {
		t.Errorf("3 and 3 add up to %d", *q.all()[2])
	}
}

// A worker on another machine sets its clock to within what it then says.
func TestClockIsSetFromAfar(t *testing.T) {
	us, them := net.Pipe()
	defer us.Close()
	coordinator := &run{begin: time.Now().Add(-time.Hour)}
	go func() {
		l := newLink(them)
		for {
			var m message
			if l.receive(&m) != nil {
				return
			}
			m.Clock.Is = coordinator.clock()
			l.send(m)
		}
	}()
	for _, machine := range []string{"another", machineID()} {
		w := &worker{run: &run{begin: time.Now()}, link: newLink(us)}
		base := coordinator.timeBase()
		base.Machine = machine
		if err := w.setClock(&base); err != nil {
			t.Fatal(err)
		}
		asked := w.run.clock()
		is := coordinator.clock()
		w.drift.note(asked, is, w.run.clock())
		if machine == "another" && (w.sameTime || w.clockError() <= 0) {
			t.Error("the clock of another machine is taken for this one's")
		}
		if wrong := w.run.begin.Sub(coordinator.begin).Abs(); wrong > time.Minute {
			t.Errorf("the clock is wrong by %v", wrong)
		}
	}
}
