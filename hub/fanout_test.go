package hub

import (
	"fmt"
	"testing"
	"time"
)

func TestSmallRoomsDoNotWaitForALargeOne(t *testing.T) {
	h := New()
	l := newLoop(h)
	const large, small = 100 * stride, 10
	crowd(t, l, large, "large")
	subs := make([]Subs, small)
	for i := range subs {
		l.subscribe(t, uint32(large+i), &subs[i], fmt.Sprint("small", i))
	}
	l.settle()
	l.stopClock()
	publish(h, "large", "x")
	l.handle(1)
	l.Fanout(0)
	for i := range subs {
		publish(h, fmt.Sprint("small", i), "y")
	}
	l.handle(small)
	l.Fanout(0) // the large room's second stride stood before them
	l.Fanout(0)
	for i := range uint32(small) {
		if l.got[large+i] != "y;" {
			t.Fatalf("small room %d still waits", i)
		}
	}
	calls := 3
	for l.Fanout(0) {
		calls++
	}
	if served := len(l.got); served != large+small || calls < large/stride-1 {
		t.Errorf("%d members served in %d calls; want %d in about %d", served, calls, large+small, large/stride)
	}
}

func TestFanoutKeepsItsBudget(t *testing.T) {
	h := New()
	l := newLoop(h)
	const members = 1000
	crowd(t, l, members, "r")
	var now time.Duration
	l.now = func() time.Duration { return now }
	l.then = func(Member, []byte) bool {
		now += time.Microsecond
		return false
	}
	publish(h, "r", "x")
	l.handle(1)
	const budget = 100 * time.Microsecond
	for more := true; more; {
		start := now
		more = l.Fanout(budget)
		if spent := now - start; spent > budget+stride*time.Microsecond || more && spent < budget {
			t.Errorf("Fanout took %v; want about %v", spent, budget)
		}
	}
	if len(l.got) != members {
		t.Errorf("%d members served; want %d", len(l.got), members)
	}
}

func TestAHotRoomMerges(t *testing.T) {
	h := New()
	l := newLoop(h)
	const members = 10 * stride
	crowd(t, l, members, "r")
	l.stopClock()
	n := 0
	for range 100 { // one publication a stride, ten strides a pass
		publish(h, "r", fmt.Sprint(n))
		n++
		l.handle(1)
		l.Fanout(0)
	}
	for l.Fanout(0) {
	}
	if l.Stats.Deliveries != uint64(n*members) || l.Stats.Jobs > 15 {
		t.Errorf("%d deliveries in %d jobs; want %d in about 11", l.Stats.Deliveries, l.Stats.Jobs, n*members)
	}
	if l.got[0] != l.got[members-1] {
		t.Errorf("first and last member received %q and %q", l.got[0], l.got[members-1])
	}
}

func TestBacklogIsLinear(t *testing.T) {
	h := New()
	l := newLoop(h)
	crowd(t, l, 2, "r")
	const n = 50_000
	for i := range n {
		publish(h, "r", fmt.Sprint(i%10))
	}
	l.then = func(Member, []byte) bool {
		clear(l.got)
		return false
	}
	l.handle(n)
	if l.Stats.Waiting != n {
		t.Errorf("Waiting = %d; want %d", l.Stats.Waiting, n)
	}
	moved := 0
	for l.ready.first != nil {
		before := l.ready.first.head
		l.Fanout(0)
		if b := l.ready.first; b != nil && b.head < before {
			moved += len(b.events)
		}
	}
	if moved > 2*n {
		t.Errorf("%d events moved for %d; want no more than one move each", moved, n)
	}
	if l.Stats.Deliveries != 2*n || l.Stats.Waiting != 0 {
		t.Errorf("%d deliveries, %d waiting; want %d, 0", l.Stats.Deliveries, l.Stats.Waiting, 2*n)
	}
}

func TestABurstOverManyRoomsIsGivenBack(t *testing.T) {
	h := New()
	l := newLoop(h)
	const rooms = idleBacklogs + 10
	subs := make([]Subs, rooms)
	for i := range subs {
		l.subscribe(t, uint32(i), &subs[i], fmt.Sprint(i))
	}
	l.settle()
	for range 2 {
		for i := range subs {
			publish(h, fmt.Sprint(i), "x")
		}
		l.settle()
		if len(l.backlogs) != 0 {
			t.Errorf("%d backlogs kept; want none", len(l.backlogs))
		}
	}
	if len(l.got) != rooms || l.got[rooms-1] != "x;x;" {
		t.Errorf("%d members served, the last with %q", len(l.got), l.got[rooms-1])
	}
}

func TestDeliverMayNotRunTheLoop(t *testing.T) {
	for name, call := range map[string]func(l *loop){
		"Fanout": func(l *loop) { l.Fanout(0) },
		"Handle": func(l *loop) { l.Handle(Event{}) },
	} {
		h := New()
		l := newLoop(h)
		crowd(t, l, 1, "r")
		l.then = func(Member, []byte) bool {
			mustPanic(t, name+" within Deliver", func() { call(l) })
			return false
		}
		publish(h, "r", "x")
		l.settle()
		if l.got[0] != "x;" {
			t.Errorf("received %q; want %q", l.got[0], "x;")
		}
	}
}

// A conn is owed what was published before a moment, whether it waits for a job or is in one, and not what came later.
func TestOwes(t *testing.T) {
	h := New()
	clock := fakeTime(h)
	h.start = clock.at
	h.SetOptions(0, Options{BatchDelay: time.Second})
	l := newLoop(h)
	l.now = func() time.Duration { return clock.at.Sub(h.start) }
	subs := crowd(t, l, 2*stride, "r")
	var elsewhere Subs
	l.subscribe(t, 4*stride, &elsewhere, "s")
	l.settle()
	check := func(at time.Duration, want bool, when string) {
		t.Helper()
		for i, s := range []*Subs{&subs[0], &subs[len(subs)-1], &elsewhere} {
			if got := l.Owes(s, at); got != (want && i < 2) {
				t.Errorf("%s: Owes(%d, %v) = %v", when, i, at, got)
			}
		}
	}
	const ms = time.Millisecond
	check(ms, false, "nothing is published")
	publish(h, "r", "a")
	l.handle(1)
	check(0, false, "published at that moment")
	check(ms, true, "handled")
	now := l.now
	l.stopClock()
	if !l.Fanout(0) {
		t.Fatal("all members of a room are served in one stride")
	}
	check(ms, true, "half of the members have it")
	l.now = now
	l.settle()
	check(ms, false, "delivered, and the room rests")
	clock.advance(10 * ms)
	publish(h, "r", "b")
	l.settle()
	check(10*ms, false, "another waits, which came later")
	check(11*ms, true, "it waits for the end of the rest")
	clock.advance(time.Second)
	l.settle()
	check(2*time.Second, false, "it is delivered")
}
