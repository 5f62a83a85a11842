package server

import (
	"fmt"
	"runtime"
	"sync"
	"time"

	"github.com/panjf2000/ants/v2"
)

const (
	poolSize  = 256  // goroutines for what may block; they share the CPUs
	poolQueue = 1024 // jobs that wait for a goroutine of their pool

	// shakeQueue is how many steps of handshakes wait for theirs, of those that begin and of those that have begun each. There are
	// no more than tlsrecord.Config.MaxHandshakes, apart from those of conns that have closed, which keep some 400 bytes each and
	// take no time: it is that and the time they wait that turn handshakes away, not this.
	shakeQueue = 1 << 16
)

// shakers is how many goroutines there are for handshakes, which only compute: more would not make them faster, and would keep
// the loops from the CPUs.
func shakers() int { return runtime.GOMAXPROCS(0) }

// work is what takes long, on its way to a worker pool: two bounded queues, each served in its order, and what has begun before what
// begins.
type work struct {
	pool  *ants.Pool
	size  int // workers at a time
	limit int // jobs in each queue

	mu      sync.Mutex // guards all below
	queue   jobs
	fresh   jobs // that something new begins with
	workers int
	idle    *sync.Cond // no worker is left
}

// queued is a job. For a fresh one there may be late, which is called in its place after a time.
type queued struct {
	job   func()
	late  func()
	until time.Time
}

func newWork(size, limit int) (*work, error) {
	// A goroutine that has served its last job counts in the pool for a moment more: hence the spare ones.
	pool, err := ants.NewPool(2*size, ants.WithNonblocking(true))
	if err != nil {
		return nil, fmt.Errorf("server: worker pool: %w", err)
	}
	w := &work{pool: pool, size: size, limit: limit}
	w.idle = sync.NewCond(&w.mu)
	return w, nil
}

// submit queues job and reports whether there was room for it. It never blocks.
func (w *work) submit(job func()) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.add(&w.queue, queued{job: job})
}

// submitFresh is submit for a job that something new begins with, and that more will follow. It lets all others go before, so that
// what has begun comes to its end first. It is refused while the fresh job that is next has waited for longer than patience, and late
// is called in its place if it comes to that itself.
func (w *work) submitFresh(job, late func(), patience time.Duration) bool {
	now := time.Now()
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.fresh.count > 0 && now.After(w.fresh.next().until) {
		return false
	}
	return w.add(&w.fresh, queued{job, late, now.Add(patience)})
}

// add queues a job, if there is room for it. Under mu.
func (w *work) add(q *jobs, j queued) bool {
	if q.count >= w.limit {
		return false
	}
	if w.workers < w.size && w.pool.Submit(w.serve) == nil {
		w.workers++
	}
	if w.workers == 0 {
		return false
	}
	q.push(j)
	return true
}

// serve runs jobs until none is left.
func (w *work) serve() {
	for job := w.take(); job != nil; job = w.take() {
		job()
	}
}

// take returns the next job. Without one the worker that asks is no more.
func (w *work) take() func() {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.queue.count > 0:
		return w.queue.pop().job
	case w.fresh.count > 0:
		j := w.fresh.pop()
		if j.late != nil && time.Now().After(j.until) {
			return j.late
		}
		return j.job
	}
	w.workers--
	if w.workers == 0 {
		w.idle.Broadcast()
	}
	return nil
}

// waiting returns how many jobs no worker has taken yet.
func (w *work) waiting() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.queue.count + w.fresh.count
}

// wait returns when all jobs are done, and reports false if that takes longer than patience.
func (w *work) wait(patience time.Duration) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	late := false
	timer := time.AfterFunc(patience, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		late = true
		w.idle.Broadcast()
	})
	defer timer.Stop()
	for w.workers > 0 && !late {
		w.idle.Wait()
	}
	return w.workers == 0
}

// close waits for the workers, for a while.
func (w *work) close(patience time.Duration) error {
	return w.pool.ReleaseTimeout(patience)
}

// jobs is a queue in a ring that grows with it.
type jobs struct {
	ring  []queued
	head  int // the next job
	count int // from head on, around the end
}

const (
	leastRing = 64
	keptRing  = 1024 // room that is kept when nothing waits any more
)

// next returns the job whose turn it is. There must be one.
func (q *jobs) next() *queued { return &q.ring[q.head] }

func (q *jobs) push(j queued) {
	if q.count == len(q.ring) {
		ring := make([]queued, max(2*len(q.ring), leastRing))
		n := copy(ring, q.ring[q.head:])
		copy(ring[n:], q.ring[:q.head])
		q.ring, q.head = ring, 0
	}
	q.ring[(q.head+q.count)%len(q.ring)] = j
	q.count++
}

// pop takes out the job whose turn it is. There must be one.
func (q *jobs) pop() queued {
	j := q.ring[q.head]
	q.ring[q.head] = queued{}
	q.head = (q.head + 1) % len(q.ring)
	if q.count--; q.count == 0 && len(q.ring) > keptRing {
		*q = jobs{}
	}
	return j
}
