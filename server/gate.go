package server

import (
	"math/bits"
	"sync/atomic"
	"time"

	"github.com/seed4ac54ce5/edge/netpoll"
)

// gate lets as many loops fan out at a time as there are CPUs, a slice each, in turn. A node may have many
// more loops than that, for their descriptor tables; were all of them to write to a large room at once, a
// conn that only wants its echo would wait until the kernel had run each of them. Loops at the gate sleep,
// and wake at once for their sockets.
type gate struct {
	grant   func(i int)  // tells loop number i that it has a place
	free    atomic.Int32 // places
	waiting [netpoll.MaxLoops / 64]atomic.Uint64
}

// newGate returns a gate with room for n loops at a time.
func newGate(n int, grant func(i int)) *gate {
	g := &gate{grant: grant}
	g.free.Store(int32(n))
	return g
}

// enter takes a place for loop number i, or has the loop told when it gets one. A loop that waits for that must not call it again: it would
// get two.
func (g *gate) enter(i int) bool {
	if g.take() {
		return true
	}
	word, bit := &g.waiting[i/64], uint64(1)<<(i%64)
	word.Or(bit)
	if !g.take() {
		return false
	}
	if word.And(^bit)&bit == 0 {
		g.leave(i) // somebody gave us a place meanwhile, its grant is under way: one of the two is too many
		return false
	}
	return true
}

// take takes a free place.
func (g *gate) take() bool {
	for {
		n := g.free.Load()
		if n <= 0 {
			return false
		}
		if g.free.CompareAndSwap(n, n-1) {
			return true
		}
	}
}

// gateClock is where the times at which places were granted count from.
var gateClock = time.Now()

// maxSlice is how long a loop serves rooms at a time at the most.
const maxSlice = 16 * fanoutSlice

// sliceAfter returns for how long a loop may serve rooms that has come to know so late of its place. Where many more threads
// want to run than there are CPUs, most of the time of a place is spent on waiting for one: then a slice is as long as
// that, or rooms would get next to nothing.
func sliceAfter(late time.Duration) time.Duration { return min(max(late, fanoutSlice), maxSlice) }

// leave gives loop number i's place to the next loop that waits. The look for one after the place has become
// free is for a loop that began to wait in between.
func (g *gate) leave(i int) {
	for {
		if next, ok := g.next(i); ok {
			g.grant(next)
			return
		}
		g.free.Add(1)
		if !g.contended() || !g.take() {
			return
		}
	}
}

// contended reports whether any loop waits.
func (g *gate) contended() bool {
	for i := range g.waiting {
		if g.waiting[i].Load() != 0 {
			return true
		}
	}
	return false
}

// next takes the first loop after number i that waits off the list.
func (g *gate) next(i int) (int, bool) {
	for k := range len(g.waiting) + 1 {
		word := (i/64 + k) % len(g.waiting)
		from := 0
		if k == 0 {
			from = i%64 + 1
		}
		for {
			set := g.waiting[word].Load() >> from << from
			if set == 0 {
				break
			}
			bit := set & -set
			if g.waiting[word].And(^bit)&bit != 0 {
				return word*64 + bits.TrailingZeros64(bit), true
			}
		}
	}
	return 0, false
}

// fanOut serves rooms for a slice, if it is this loop's turn, and reports whether to come back without
// waiting.
func (l *loop) fanOut() (more bool) {
	g := l.server.gate
	if !l.rosters.Due() && l.net.Corked() == 0 {
		l.leaveGate()
		l.awaitRested()
		return false
	}
	if l.atGate {
		return false // a post will say when
	}
	if !l.inGate {
		if !g.enter(l.net.Number()) {
			l.atGate = true
			return false
		}
		l.inGate, l.slice = true, fanoutSlice
	}
	more = l.deliverSome()
	if !more || g.contended() {
		l.leaveGate()
	}
	if !more {
		l.awaitRested()
	}
	return more
}

// awaitRested has the loop turn when the first of the rooms that rest may be served.
func (l *loop) awaitRested() {
	if next, any := l.rosters.Next(); any {
		l.net.WaitAtMost(next)
	}
}

// corkLimit is how many bytes are held for conns before they are written.
const corkLimit = 4 << 20

// deliverSome serves rooms for a slice. Where conns are in many rooms, and several rooms have something for them, each
// conn gets it in one write: first all rooms hand out what they have, and then it is written, slice by slice. Conns whose
// records are sealed in the process get theirs room by room.
func (l *loop) deliverSome() (more bool) {
	if !l.uncorking {
		l.rosters.Aligned = l.rosters.Subscriptions() > joinFrom*l.net.Open()
		l.joining = l.net.Corked() > 0 || l.rosters.Aligned && l.rosters.Several()
		more = l.rosters.Fanout(l.slice)
		// What follows a publication to one conn alone is corked too, whether or not deliveries are.
		if corked := l.net.Corked(); corked == 0 || more && corked < corkLimit {
			return more
		}
	}
	l.uncorking = l.net.Uncork(l.slice)
	return more || l.uncorking || l.rosters.Due()
}

// joinFrom is how many rooms a conn is in, on average, from which on it is worth while to look for others that have
// something for it.
const joinFrom = 2

func (l *loop) leaveGate() {
	if l.inGate {
		l.inGate = false
		l.server.gate.leave(l.net.Number())
	}
}
