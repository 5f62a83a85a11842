package netpoll

import (
	"math"
	"sync/atomic"
)

// Budget bounds, in bytes, what waits for all conns of a reactor together. Out queues count against it, each conn for
// itself although conns share what they refer to, and so does what a handler holds back by itself and adds. Nobody
// touches it for a conn that keeps up. Any goroutine may use it.
type Budget struct {
	limit int64
	used  atomic.Int64
}

// NewBudget returns a budget of limit bytes; 0 or less is no limit.
func NewBudget(limit int64) *Budget {
	if limit <= 0 {
		limit = math.MaxInt64
	}
	return &Budget{limit: limit}
}

// Fits reports whether n more bytes may wait. Who has asked adds them: loops that ask at the same moment may together
// pass the limit by what each of them adds.
func (b *Budget) Fits(n int) bool { return b.used.Load() <= b.limit-int64(n) }

// Add says that n more bytes wait, or with a negative n fewer.
func (b *Budget) Add(n int) { b.used.Add(int64(n)) }

// Limit returns how many bytes may wait, math.MaxInt64 for no limit.
func (b *Budget) Limit() int64 { return b.limit }

// Used returns how many bytes wait.
func (b *Budget) Used() int64 { return b.used.Load() }
