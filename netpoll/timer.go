package netpoll

import (
	"math/bits"
	"time"
)

// The wheel is coarse on purpose: deadlines here are heartbeats and time limits, and a wake-up that
// serves many of them costs what one does.
const (
	tick       = 1 << 26 // nanoseconds, about 67 ms
	buckets    = 1024    // a lap is about 69 s; later deadlines are passed over until their lap
	headMark   = 1 << 31 // in Conn.prev: the rest is a bucket, of the wheel or behind those of the fine one
	maxExpired = 128     // per turn; the rest follow in the next
	coarse     = 16      // ticks between two moments at which coarse timers run out

	// farthest is how far away a deadline may be, 834 days: ticks are compared by the sign of their difference, in 32 bits.
	farthest = tick << 30
)

// wheel holds at most one deadline for each conn, in lists that run through the slots.
//
// Its clock is the loop's, not the wall's: while the process was stopped or starved it stands
// still, so that a pause of ours never makes a thousand peers look dead at once.
type wheel struct {
	heads [buckets + fineBuckets]uint32 // slot + 1
	full  [buckets/64 + 1]uint64
	now   uint32  // the tick up to which deadlines have been served
	clock int64   // nanoseconds of loop time
	fine  uint32  // the tick of which the fine buckets are
	exact []uint8 // by slot, of an exact deadline: fine ticks beyond its tick, + 1
}

// advance moves the clock by what has passed, but no more than the loop can account for.
func (w *wheel) advance(passed, accounted time.Duration) {
	w.clock += int64(min(passed, accounted))
}

// due returns the tick that d from now falls on, or the farthest, never the present one.
func (w *wheel) due(d time.Duration) uint32 {
	return uint32((w.clock+int64(min(max(d, 0), farthest))+tick-1)/tick) + 1
}

// idle returns how long nothing will fall due, at most a lap.
func (w *wheel) idle() time.Duration {
	if set := w.full[buckets/64]; set != 0 {
		at := int64(w.fine)*fineBuckets + int64(bits.TrailingZeros64(set))
		return time.Duration(at*fineTick - w.clock)
	}
	for i := range uint32(buckets/64 + 1) {
		at := (w.now + 1) % buckets
		word := (at/64 + i) % (buckets / 64)
		set := w.full[word]
		if i == 0 {
			set &= ^uint64(0) << (at % 64)
		}
		if set != 0 {
			bucket := word*64 + uint32(bits.TrailingZeros64(set))
			ticks := (bucket-w.now-1)%buckets + 1
			return time.Duration(int64(w.now+ticks)*tick - w.clock)
		}
	}
	return buckets * tick
}

// link puts c in the list of its deadline's bucket.
func (w *wheel) link(s *slots, c *Conn, deadline uint32) {
	c.deadline = deadline
	w.push(s, c, deadline%buckets)
}

// push puts c in the list of a bucket.
func (w *wheel) push(s *slots, c *Conn, bucket uint32) {
	c.prev = headMark | bucket
	c.next = w.heads[bucket]
	if c.next != 0 {
		s.slab.At(c.next - 1).prev = c.slot + 1
	}
	w.heads[bucket] = c.slot + 1
	w.full[bucket/64] |= 1 << (bucket % 64)
	c.set(flagTimer)
}

// unlink takes c out of the wheel, if it is there.
func (w *wheel) unlink(s *slots, c *Conn) {
	if !c.has(flagTimer) {
		return
	}
	w.pull(s, c)
	if int(c.slot) < len(w.exact) {
		w.exact[c.slot] = 0
	}
}

// pull takes c out of the list that it is in.
func (w *wheel) pull(s *slots, c *Conn) {
	c.clear(flagTimer)
	if c.next != 0 {
		s.slab.At(c.next - 1).prev = c.prev
	}
	if c.prev&headMark == 0 {
		s.slab.At(c.prev - 1).next = c.next
		return
	}
	bucket := c.prev &^ headMark
	w.heads[bucket] = c.next
	if c.next == 0 {
		w.full[bucket/64] &^= 1 << (bucket % 64)
	}
}

// expired unlinks the conns whose deadline has come, at most max of them, and appends their slots to
// dst.
func (w *wheel) expired(s *slots, dst []uint32, max int) []uint32 {
	for target := uint32(w.clock / tick); ; w.now++ {
		dst = w.expiredFine(s, dst, max)
		if w.now == target || len(dst) == max {
			return dst
		}
		for at := w.heads[(w.now+1)%buckets]; at != 0; {
			c := s.slab.At(at - 1)
			at = c.next
			if int32(c.deadline-(w.now+1)) > 0 {
				continue // of a later lap
			}
			if w.isExact(c.slot) {
				w.pull(s, c)
				w.refine(s, c)
				continue
			}
			if len(dst) == max {
				return dst
			}
			w.unlink(s, c)
			dst = append(dst, c.slot)
		}
	}
}

// expiredFine is expired of the fine buckets.
func (w *wheel) expiredFine(s *slots, dst []uint32, max int) []uint32 {
	for set := w.full[buckets/64]; set != 0; set &= set - 1 {
		bucket := bits.TrailingZeros64(set)
		if int64(w.fine)*fineBuckets+int64(bucket) > w.clock/fineTick {
			break
		}
		for at := w.heads[buckets+bucket]; at != 0 && len(dst) < max; at = w.heads[buckets+bucket] {
			c := s.slab.At(at - 1)
			w.unlink(s, c)
			dst = append(dst, c.slot)
		}
	}
	return dst
}

// count returns how many deadlines w holds, by walking over all of them.
func (w *wheel) count(s *slots) (n int) {
	for _, at := range w.heads {
		for ; at != 0; at = s.slab.At(at - 1).next {
			n++
		}
	}
	return n
}

// SetTimer makes c's one timer run out in d, in place of what it was set to before. The loop then
// calls [Handler.Expired], up to a seventh of a second late. A timer of more than two years runs out after two.
func (l *Loop) SetTimer(c *Conn, d time.Duration) {
	if c.has(flagLinger | flagClosing) {
		return // the timer is the linger deadline's
	}
	l.setTimer(c, d)
}

// SetCoarseTimer is SetTimer, up to a second later still: the loop's coarse timers run out together, once a
// second. Whatever they send leaves in a row and its answers come back in a row, so that a million conns with
// little to do wake the threads of both ends a hundred times less often than they have something to say.
func (l *Loop) SetCoarseTimer(c *Conn, d time.Duration) {
	if c.has(flagLinger | flagClosing) {
		return
	}
	phase := uint32(l.id) % coarse // loops take turns
	l.setDeadline(c, (l.wheel.due(d)+coarse-1-phase)/coarse*coarse+phase)
}

func (l *Loop) setTimer(c *Conn, d time.Duration) { l.setDeadline(c, l.wheel.due(d)) }

// setDeadline makes c's timer run out at a tick of the wheel.
func (l *Loop) setDeadline(c *Conn, at uint32) {
	l.wheel.unlink(&l.slots, c)
	l.wheel.link(&l.slots, c, at)
}

// Timer returns in what time c's timer runs out, and whether it is set.
func (l *Loop) Timer(c *Conn) (left time.Duration, set bool) {
	return l.wheel.left(c), c.has(flagTimer)
}

// Timers returns how many timers are set, in time that grows with their number. Loop goroutine only.
func (l *Loop) Timers() int { return l.wheel.count(&l.slots) }

// StopTimer makes c's timer not run out.
func (l *Loop) StopTimer(c *Conn) {
	if !c.has(flagLinger) {
		l.wheel.unlink(&l.slots, c)
	}
}

// expire serves the timers that have run out.
func (l *Loop) expire() {
	l.expired = l.wheel.expired(&l.slots, l.expired[:0], maxExpired)
	for _, slot := range l.expired {
		l.expireConn(l.slots.slab.At(slot))
	}
}

func (l *Loop) expireConn(c *Conn) {
	switch {
	case c.has(flagClosing | flagTimer): // gone, or set anew since
	case c.has(flagLinger):
		l.Close(c, ClosedLocally)
	default:
		l.handler.Expired(c)
	}
}
