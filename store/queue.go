package store

import (
	"sync"

	"github.com/seed4ac54ce5/edge/hub"
)

// recordOverhead is what a queued record costs besides its room and entry, in bytes, roughly.
const recordOverhead = 128

// maxSpareRecords bounds the memory that an empty queue keeps for the next burst.
const maxSpareRecords = 8192

// queue is what waits for the writer, in the order of Put. The lock guards a hand-over and is held for an append
// or a swap.
type queue struct {
	mu      sync.Mutex
	records []*hub.Record
	bytes   int // of records, and of those that the writer has taken and not yet released
	count   int // likewise
	closed  bool

	maxBytes int // set before use
	maxCount int
	wake     chan struct{} // holds a token when records may have become non-empty
}

func newQueue(maxBytes, maxCount int) *queue {
	return &queue{maxBytes: maxBytes, maxCount: maxCount, wake: make(chan struct{}, 1)}
}

// put appends r and reports whether there was room for it. After close there is none.
func (q *queue) put(r *hub.Record) bool {
	size := recordSize(r)
	q.mu.Lock()
	if q.closed || q.count >= q.maxCount || q.bytes+size > q.maxBytes {
		q.mu.Unlock()
		return false
	}
	q.records = append(q.records, r)
	q.bytes += size
	q.count++
	first := len(q.records) == 1
	q.mu.Unlock()
	if first {
		q.ring()
	}
	return true
}

// ring leaves the writer a token, unless there is one.
func (q *queue) ring() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// take swaps what has arrived for empty, whose memory the next records use. What it returns goes on
// counting against the bounds until release.
func (q *queue) take(empty []*hub.Record) []*hub.Record {
	q.mu.Lock()
	defer q.mu.Unlock()
	taken := q.records
	q.records = empty
	return taken
}

// release gives back the room of records that were taken.
func (q *queue) release(records []*hub.Record) {
	size := 0
	for _, r := range records {
		size += recordSize(r)
	}
	q.mu.Lock()
	q.bytes -= size
	q.count -= len(records)
	q.mu.Unlock()
}

// close refuses what comes from now on.
func (q *queue) close() {
	q.mu.Lock()
	q.closed = true
	q.mu.Unlock()
}

// load returns how much is queued or being written.
func (q *queue) load() (bytes, count int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.bytes, q.count
}

func recordSize(r *hub.Record) int { return len(r.Room) + len(r.Entry) + recordOverhead }
