package hub

import (
	"math"
	"sync/atomic"
)

// never is later than any time.
const never = math.MaxInt64

// agenda is a heap of the memories that must be looked at, by when. The time kept here may be earlier than the true one,
// which moves on with each use of a room: whoever takes the first looks whether it is due indeed, and sets it anew if not.
// So a use of the room costs nothing here.
type agenda struct {
	items []appointment
	which int          // of a memory's places, the one that says where in items it is
	next  atomic.Int64 // time of the first, or never; read without the shard's lock
}

// appointment is a memory to be looked at, at a time in Unix nanoseconds.
type appointment struct {
	at int64
	m  *memory
}

func (a *agenda) init(which int) {
	a.which = which
	a.next.Store(never)
}

// first returns the memory to be looked at first and when; nil if there is none.
func (a *agenda) first() (*memory, int64) {
	if len(a.items) == 0 {
		return nil, never
	}
	return a.items[0].m, a.items[0].at
}

// when returns the time of m's appointment, never if it has none.
func (a *agenda) when(m *memory) int64 {
	if i := m.places[a.which]; i != 0 {
		return a.items[i-1].at
	}
	return never
}

// set makes m's appointment, or moves it. At never it has none.
func (a *agenda) set(m *memory, at int64) {
	i := int(m.places[a.which]) - 1
	switch {
	case at == never && i >= 0:
		a.remove(i)
	case at != never && i >= 0:
		a.items[i].at = at
		a.down(a.up(i))
	case at != never:
		a.items = append(a.items, appointment{at, m})
		a.up(len(a.items) - 1)
	}
	a.publish()
}

// remove takes the i-th out: the last one fills its place.
func (a *agenda) remove(i int) {
	a.items[i].m.places[a.which] = 0
	last := len(a.items) - 1
	moved := a.items[last]
	a.items[last] = appointment{}
	a.items = a.items[:last]
	if i < last {
		a.put(i, moved)
		a.down(a.up(i))
	}
}

func (a *agenda) publish() {
	_, at := a.first()
	if at != a.next.Load() {
		a.next.Store(at)
	}
}

// up moves the i-th towards the front as far as it belongs, and returns where that is.
func (a *agenda) up(i int) int {
	x := a.items[i]
	for i > 0 && x.at < a.items[(i-1)/2].at {
		a.put(i, a.items[(i-1)/2])
		i = (i - 1) / 2
	}
	a.put(i, x)
	return i
}

// down moves the i-th away from the front as far as it belongs.
func (a *agenda) down(i int) {
	x := a.items[i]
	for {
		child := 2*i + 1
		if child >= len(a.items) {
			break
		}
		if child+1 < len(a.items) && a.items[child+1].at < a.items[child].at {
			child++
		}
		if x.at <= a.items[child].at {
			break
		}
		a.put(i, a.items[child])
		i = child
	}
	a.put(i, x)
}

func (a *agenda) put(i int, x appointment) {
	a.items[i] = x
	x.m.places[a.which] = uint32(i + 1)
}
