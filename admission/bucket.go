package admission

import (
	"sync/atomic"
	"time"
)

// A bucket of tokens is the moment at which it will be full again, in nanoseconds of the callers' clock: it
// lacks a token for each spacing that is left until then. A moment that has passed is a full bucket, so that
// 0 is a new one and nobody has to fill them.

// take takes a token from the bucket that is full at the moment full, and returns the moment to which that moves.
// If there is no token, wait is how long it is until there is one, and nothing changes.
func (p pace) take(full, now int64) (next int64, wait time.Duration) {
	if p.spacing == 0 {
		return full, 0
	}
	full = max(full, now)
	if full-now > p.span+int64(skew) {
		full = now + p.span - p.spacing
	}
	if short := full + p.spacing - now - p.span; short > 0 {
		return full, time.Duration(short)
	}
	return full + p.spacing, 0
}

// skew is how far callers' clocks may be apart. A bucket that lacks more than that beyond its size was emptied under a
// slower rate, before a change: it is taken to hold one token, and does not have to make up for the rest.
const skew = time.Second

// bucket is a bucket that any goroutine may use.
type bucket struct {
	full atomic.Int64
}

// take takes a token or returns how long it is until there is one.
func (b *bucket) take(p pace, now int64) time.Duration {
	for p.spacing > 0 {
		full := b.full.Load()
		next, wait := p.take(full, now)
		if wait > 0 {
			return wait
		}
		if b.full.CompareAndSwap(full, next) {
			break
		}
	}
	return 0
}

// untake puts back a token that was taken at this pace.
func (b *bucket) untake(p pace) { b.full.Add(-p.spacing) }
