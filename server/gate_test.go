package server

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// TestGate has more loops than places, each of which wants in many times: never are more inside than there
// are places, and everybody gets in as often as it wants to.
func TestGate(t *testing.T) {
	const loops, places, entries = 100, 3, 200
	granted := make([]chan bool, loops)
	for i := range granted {
		granted[i] = make(chan bool, 1) // a loop waits for one place at most
	}
	var (
		inside, most atomic.Int32
		all          sync.WaitGroup
		g            = newGate(places, func(i int) { granted[i] <- true })
	)
	for i := range loops {
		all.Go(func() {
			for range entries {
				if !g.enter(i) {
					<-granted[i]
				}
				now := inside.Add(1)
				for m := most.Load(); now > m && !most.CompareAndSwap(m, now); m = most.Load() {
				}
				inside.Add(-1)
				g.leave(i)
			}
		})
	}
	all.Wait()
	if n := most.Load(); n > places {
		t.Errorf("%d inside at a time; want at most %d", n, places)
	}
	if n := g.free.Load(); n != places || g.contended() {
		t.Errorf("%d places free at the end, contended %v; want %d, false", n, g.contended(), places)
	}
}

// TestGateTakesTurns fills the gate and lets loops wait: a place goes to the next in number, round and round.
func TestGateTakesTurns(t *testing.T) {
	var got []int
	g := newGate(1, func(i int) { got = append(got, i) })
	if !g.enter(70) {
		t.Fatal("an empty gate does not let in")
	}
	for _, i := range []int{200, 3, 71, 70} {
		if g.enter(i) {
			t.Fatalf("a full gate lets %d in", i)
		}
	}
	for _, i := range []int{70, 71, 200, 3} {
		g.leave(i)
	}
	want := []int{71, 200, 3, 70}
	for k := range want {
		if k >= len(got) || got[k] != want[k] {
			t.Fatalf("places go to %v; want %v", got, want)
		}
	}
}

// A loop that waits for a place and turns meanwhile has one place when it is its turn, also if another has become free.
func TestGateGivesOnePlace(t *testing.T) {
	n := openNode(t, nil)
	var over bool
	free := int32(-1)
	for _, do := range []func(l *loop){
		func(l *loop) { // waits
			n.gate = newGate(2, n.gate.grant)
			n.gate.free.Store(0) // two others have the places
			l.rosters.Follow(&socketAct{loop: l, do: func(*loop) bool { return !over }}, 0)
		},
		func(*loop) { // turns, with a place on its way and one that is free
			n.gate.leave(1)
			n.gate.leave(2)
		},
		func(*loop) { over = true },
		func(*loop) { free = n.gate.free.Load() },
	} {
		if err := n.onLoops(t.Context(), do); err != nil {
			t.Fatal(err)
		}
	}
	if free != 2 {
		t.Errorf("%d places are free when nobody has one; want 2", free)
	}
}

// A slice is as long as the wait for a CPU, within limits.
func TestSliceAfter(t *testing.T) {
	for late, want := range map[time.Duration]time.Duration{
		-time.Second:    fanoutSlice,
		0:               fanoutSlice,
		2 * fanoutSlice: 2 * fanoutSlice,
		time.Minute:     maxSlice,
	} {
		if got := sliceAfter(late); got != want {
			t.Errorf("sliceAfter(%v) = %v; want %v", late, got, want)
		}
	}
}
