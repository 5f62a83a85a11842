package admission

import (
	"math"
	"sync"
	"sync/atomic"
)

// What a conn costs while it is idle. The kernel's share is a TCP socket with its inode, file and epoll entry, as
// measured for IPv4 on Linux 6.18, rounded up; IPv6 adds 200 bytes.
const (
	kernelPerConnection = 4200 // bytes
	oursPerConnection   = 256  // bytes
)

// Conns are refused from refuseAbove of the limit on, until use falls to admitBelow: between the two it stays as it
// was, so that a node at its limit does not change its mind with every conn. In percent.
const (
	refuseAbove = 90
	admitBelow  = 85
)

// Budget is how much memory a node may use, and does. What the limit is and how use is measured go together:
//
//	limit                         use
//	configured                    the process's resident memory, kernelPerConnection for each conn, and
//	                              what lies in TCP buffers
//	that of the memory cgroup     what the cgroup is charged with, without file pages that can go at once
//	the host's memory             as with a configured one
//
// The lowest limit counts. Any goroutine may use a Budget.
type Budget struct {
	host host
	room atomic.Int64 // how many conns there may be until the next sample says otherwise

	mu    sync.Mutex // guards what follows, for the time of a sample
	limit int64      // as configured
	usage Usage
}

// Usage is a sample.
type Usage struct {
	Used, Limit int64  // bytes; Limit is 0 if there is none
	Source      string // whose limit it is: config, cgroup, host or none
	Refusing    bool   // there is no room for new conns
}

// NewBudget returns a budget that admits everybody until the first Sample. The limit is in bytes; with 0 it is that of
// the cgroup or else of the host, below 0 there is none. root is "/", or where a test has its own /proc and /sys.
func NewBudget(root string, limit int64) *Budget {
	b := &Budget{host: host{root: root}, limit: limit}
	b.room.Store(math.MaxInt64)
	return b
}

// SetLimit changes the configured limit, from the next Sample on; one below 0 admits everybody at once, as nobody may
// sample any more.
func (b *Budget) SetLimit(limit int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.limit = limit
	if limit < 0 {
		b.usage = Usage{Source: "none"}
		b.room.Store(math.MaxInt64)
	}
}

// Usage returns the last sample.
func (b *Budget) Usage() Usage {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.usage
}

// Sample measures. conns is how many there are. Until the next sample, each conn more is taken to cost what an idle one
// does: a few samples in a second are enough. After an error what held before holds on.
func (b *Budget) Sample(conns int64) (Usage, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	u, err := b.host.usage(b.limit, conns)
	if err != nil {
		return b.usage, err
	}
	u.Refusing = isRefusing(u, b.usage.Refusing)
	b.usage = u
	b.room.Store(u.room(conns))
	return u, nil
}

// isRefusing says what u means when the last sample meant was.
func isRefusing(u Usage, was bool) bool { return u.Limit != 0 && Full(u.Used, u.Limit, was) }

// Full reports whether so much of a limit is used that nobody more should come, given what it said before: from 90 % on, until
// no more than 85 % are used.
func Full(used, limit int64, was bool) bool {
	return used > share(limit, refuseAbove) || was && used > share(limit, admitBelow)
}

// room returns how many conns there may be if there are conns now.
func (u Usage) room(conns int64) int64 {
	switch {
	case u.Limit == 0:
		return math.MaxInt64
	case u.Refusing:
		return 0
	}
	return conns + (share(u.Limit, refuseAbove)-u.Used)/(kernelPerConnection+oursPerConnection)
}

// share returns so many percent of n, which may be any size.
func share(n, percent int64) int64 { return n/100*percent + n%100*percent/100 }
