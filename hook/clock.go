package hook

import (
	"context"
	"math/rand/v2"
	"time"
)

// clock is time and chance, which a test holds itself.
type clock struct {
	now    func() time.Time
	wait   func(ctx context.Context, d time.Duration) bool // false: ctx was done first
	jitter func(d time.Duration) time.Duration             // anything from 0 to below d
}

var realClock = clock{now: time.Now, wait: wait, jitter: jitter}

func wait(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

func jitter(d time.Duration) time.Duration {
	if d <= 0 {
		return 0
	}
	return rand.N(d)
}

// backoff is full jitter: anything from 0 to base doubled with each try, but no more than limit.
func (c *clock) backoff(try int, base, limit time.Duration) time.Duration {
	for ; try > 0 && base < limit; try-- {
		base *= 2
	}
	return c.jitter(min(base, limit))
}
