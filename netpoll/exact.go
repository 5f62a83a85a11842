package netpoll

import "time"

// A deadline to the millisecond waits in the wheel, and goes through a finer wheel in its last tick: what is left of it beyond whole
// ticks is a byte for each slot, where there are such deadlines at all. So they cost what others do until they are near, and a loop
// that has some wakes for a bucket of the wheel, and once more for each millisecond in which one falls due.

const (
	fineTick    = 1 << 20 // nanoseconds, about 1 ms
	fineBuckets = tick / fineTick
)

// fineDue returns the fine tick at or behind d from now, or the farthest.
func (w *wheel) fineDue(d time.Duration) int64 {
	return (w.clock + int64(min(max(d, 0), farthest)) + fineTick - 1) / fineTick
}

// linkExact puts c in the list of a fine tick, or of the tick that this is part of.
func (w *wheel) linkExact(s *slots, c *Conn, at int64) {
	for int(c.slot) >= len(w.exact) {
		w.exact = append(w.exact, 0)
	}
	c.deadline = uint32(at / fineBuckets)
	w.exact[c.slot] = uint8(at%fineBuckets) + 1
	if c.deadline == w.now {
		w.refine(s, c)
	} else {
		w.push(s, c, c.deadline%buckets)
	}
}

// refine puts c in the fine wheel: its tick is w.fine's from here on, whose fine buckets are those of no other.
func (w *wheel) refine(s *slots, c *Conn) {
	w.fine = c.deadline
	w.push(s, c, buckets+uint32(w.exact[c.slot]-1))
}

// isExact reports whether the deadline in a slot is exact.
func (w *wheel) isExact(slot uint32) bool { return int(slot) < len(w.exact) && w.exact[slot] != 0 }

// left returns how long it is to c's deadline.
func (w *wheel) left(c *Conn) time.Duration {
	if w.isExact(c.slot) {
		at := int64(c.deadline)*fineBuckets + int64(w.exact[c.slot]-1)
		return time.Duration(at*fineTick - w.clock)
	}
	return time.Duration(int32(c.deadline-w.now)) * tick
}

// SetExactTimer is [Loop.SetTimer], but the timer runs out within some milliseconds of its time, and never before it.
func (l *Loop) SetExactTimer(c *Conn, d time.Duration) {
	if c.has(flagLinger | flagClosing) {
		return
	}
	l.wheel.unlink(&l.slots, c)
	l.wheel.linkExact(&l.slots, c, l.wheel.fineDue(d))
}
