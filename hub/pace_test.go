package hub

import (
	"testing"
	"time"

	"github.com/seed4ac54ce5/edge/internal/testutil"
)

func TestBatchDelayMergesWhatComesMeanwhile(t *testing.T) {
	h := New()
	h.SetOptions(0, Options{BatchDelay: 100 * time.Millisecond})
	h.SetOptions(1, Options{BatchDelay: 10 * time.Millisecond})
	l := newLoop(h)
	var now time.Duration
	l.now = func() time.Duration { return now }
	crowd(t, l, 2, "slow")
	var s Subs
	if _, err := l.Subscribe(NewMember(9, 0), &s, 1, []byte("quick"), nil); err != nil {
		t.Fatal(err)
	}
	l.settle()
	check := func(at, next time.Duration, due bool, want, quick string) {
		t.Helper()
		now = at
		l.settle()
		if got, ok := l.Next(); got != next || ok != due || l.Due() || l.got[0] != want || l.got[9] != quick {
			t.Errorf("at %v: next in %v, %v, received %q and %q; want %v, %v, %q, %q", at, got, ok, l.got[0], l.got[9], next, due, want, quick)
		}
	}
	const ms = time.Millisecond
	publish(h, "slow", "a")
	check(0, 100*ms, true, "a;", "") // at once after a quiet time
	mustPublish(t, h, 1, []byte("quick"), publication("A"))
	publish(h, "slow", "b")
	check(1*ms, 10*ms, true, "a;", "A;")
	mustPublish(t, h, 1, []byte("quick"), publication("B"))
	publish(h, "slow", "c")
	check(10*ms, 1*ms, true, "a;", "A;")
	check(11*ms, 10*ms, true, "a;", "A;B;")
	check(99*ms, 1*ms, true, "a;", "A;B;")
	jobs := l.Stats.Jobs
	check(100*ms, 100*ms, true, "a;b;c;", "A;B;")
	if l.Stats.Jobs != jobs+1 {
		t.Errorf("%d jobs for what waited; want 1", l.Stats.Jobs-jobs)
	}
	check(200*ms, 0, false, "a;b;c;", "A;B;")
	if l.opened != 0 {
		t.Errorf("%d backlogs open after the last rest", l.opened)
	}
}

func TestRoomIsLeftWhileItRests(t *testing.T) {
	h := New()
	h.SetOptions(0, Options{BatchDelay: time.Second})
	l := newLoop(h)
	var now time.Duration
	l.now = func() time.Duration { return now }
	subs := crowd(t, l, 2, "r")
	publish(h, "r", "a")
	l.settle()
	l.LeaveAll(&subs[0])
	publish(h, "r", "b")
	l.LeaveAll(&subs[1])
	l.settle()
	now = time.Second
	l.settle()
	if l.got[0] != "a;" || l.got[1] != "a;" {
		t.Errorf("received %q and %q; want what came before they left", l.got[0], l.got[1])
	}
	now = 2 * time.Second
	l.settle()
	checkEmpty(t, h, l)
}

func TestRestingDoesNotAllocate(t *testing.T) {
	h := New()
	h.SetOptions(0, Options{BatchDelay: 1})
	l := quietLoop(h)
	crowd(t, l, 10, "r")
	var now time.Duration
	l.Local.now = func() time.Duration { now++; return now }
	room := []byte("r")
	turn := func() {
		mustPublish(t, h, 0, room, NewPublication())
		for l.run(); l.opened > 0; l.run() {
		}
	}
	if n := testing.AllocsPerRun(100, turn); n != 0 && !testutil.Race {
		t.Errorf("a delivery and a rest allocate %v times; want 0", n)
	}
}

// Rooms that are aligned rest until the same moments, however they began.
func TestAlignedRoomsRestTogether(t *testing.T) {
	h := New()
	h.SetOptions(0, Options{BatchDelay: 100 * time.Millisecond})
	l := newLoop(h)
	l.Aligned = true
	var now time.Duration
	l.now = func() time.Duration { return now }
	crowd(t, l, 1, "one")
	crowd(t, l, 1, "two")
	now = 30 * time.Millisecond
	publish(h, "one", "a")
	l.settle()
	now = 40 * time.Millisecond
	publish(h, "two", "a")
	l.settle()
	publish(h, "one", "b")
	publish(h, "two", "b")
	l.settle()
	if next, ok := l.Next(); next != 60*time.Millisecond || !ok || l.Several() {
		t.Errorf("at 40 ms: next in %v, %v; several due: %v; want 60ms, true, false", next, ok, l.Several())
	}
	now = 100 * time.Millisecond
	if !l.Several() || l.Subscriptions() != 2 {
		t.Errorf("at 100 ms: several due: %v; %d subscriptions; want both rooms, 2", l.Several(), l.Subscriptions())
	}
	l.settle()
	if next, _ := l.Next(); next != 100*time.Millisecond {
		t.Errorf("then next in %v; want 100ms", next)
	}
	now = 270 * time.Millisecond // after a quiet time
	publish(h, "one", "c")
	l.settle()
	if next, _ := l.Next(); next != 130*time.Millisecond {
		t.Errorf("at 270 ms: next in %v; want 130ms, as the next multiple is too near", next)
	}
}
