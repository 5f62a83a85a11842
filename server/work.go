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
)

// shakers is how many goroutines there are for handshakes, which only compute: more would not make them faster, and would keep
// the loops from the CPUs.
func shakers() int { return runtime.GOMAXPROCS(0) }

// work is what takes long, on its way to a worker pool: a bounded queue that is served in its order.
type work struct {
	pool *ants.Pool
	size int // workers at a time

	mu      sync.Mutex // guards all below
	queue   [poolQueue]queued
	head    int // the next job
	count   int // from head on, around the end
	workers int
	idle    *sync.Cond // no worker is left
}

// queued is a job and when it was queued.
type queued struct {
	job   func()
	since time.Time
}

func newWork(size int) (*work, error) {
	// A goroutine that has served its last job counts in the pool for a moment more: hence the spare ones.
	pool, err := ants.NewPool(2*size, ants.WithNonblocking(true))
	if err != nil {
		return nil, fmt.Errorf("server: worker pool: %w", err)
	}
	w := &work{pool: pool, size: size}
	w.idle = sync.NewCond(&w.mu)
	return w, nil
}

// submit queues job and reports whether there was room for it. It never blocks.
func (w *work) submit(job func()) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.add(job)
}

// submitFresh is submit for a job that something new begins with, and that more will follow: it takes no more than half the
// queue, so that there is room for what has begun, and is refused while the next job waits for longer than patience.
func (w *work) submitFresh(job func(), patience time.Duration) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.count >= poolQueue/2 || w.count > 0 && time.Since(w.queue[w.head].since) > patience {
		return false
	}
	return w.add(job)
}

// add queues job, if there is room for it. Under mu.
func (w *work) add(job func()) bool {
	if w.count == poolQueue {
		return false
	}
	if w.workers < w.size && w.pool.Submit(w.serve) == nil {
		w.workers++
	}
	if w.workers == 0 {
		return false
	}
	w.queue[(w.head+w.count)%poolQueue] = queued{job, time.Now()}
	w.count++
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
	if w.count == 0 {
		w.workers--
		if w.workers == 0 {
			w.idle.Broadcast()
		}
		return nil
	}
	job := w.queue[w.head].job
	w.queue[w.head] = queued{}
	w.head = (w.head + 1) % poolQueue
	w.count--
	return job
}

// waiting returns how many jobs no worker has taken yet.
func (w *work) waiting() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.count
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
