package logging

import (
	"io"
	"sync"
	"time"
)

// retryAfter is how long an output that has failed is left alone.
const retryAfter = time.Second

// queue is lines on their way to an output.
type queue struct {
	// Set before run.
	out       io.Writer
	limit     int                         // bytes that may wait, besides those that are being written
	complaint func(dropped uint64) []byte // the line about lines that were dropped

	mu      sync.Mutex // guards what is handed over; never held while out is written to
	lines   []byte
	dropped uint64 // lines since the last that there was room for
	total   uint64 // of them, ever
	closed  bool

	wake    chan struct{} // something has come; holds one
	closing chan struct{} // closed by close
	ended   chan struct{} // closed when run has returned
	lost    int           // bytes that were not written; for whom ended has been closed
}

func newQueue(out io.Writer, limit int) *queue {
	return &queue{
		out:     out,
		limit:   limit,
		wake:    make(chan struct{}, 1),
		closing: make(chan struct{}),
		ended:   make(chan struct{}),
	}
}

// Write implements [io.Writer] for one whole line. It never blocks and never fails. Once a line has been dropped, so are
// all that follow until the queue has been emptied: what is missing is missing in one place.
func (q *queue) Write(line []byte) (int, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed || q.dropped > 0 || len(q.lines)+len(line) > q.limit {
		q.dropped++
		q.total++
		return len(line), nil
	}
	q.lines = append(q.lines, line...)
	select {
	case q.wake <- struct{}{}:
	default:
	}
	return len(line), nil
}

func (q *queue) droppedLines() uint64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.total
}

// close lets run write what there is and return.
func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.closed {
		q.closed = true
		close(q.closing)
	}
}

// run writes lines until the queue is closed and empty.
func (q *queue) run() {
	defer close(q.ended)
	var batch []byte
	for {
		select {
		case <-q.wake:
		case <-q.closing:
		}
		lines, last := q.take(batch[:0])
		q.lost += q.deliver(lines)
		if last {
			return
		}
		batch = lines
	}
}

// take swaps the lines that wait for empty, whose memory the next ones use. Behind them stands how many were dropped.
func (q *queue) take(empty []byte) (lines []byte, last bool) {
	q.mu.Lock()
	lines, q.lines = q.lines, empty
	dropped := q.dropped
	q.dropped, last = 0, q.closed
	q.mu.Unlock()
	if dropped > 0 {
		lines = append(lines, q.complaint(dropped)...)
	}
	return lines, last
}

// deliver writes lines, again and again if the output fails: half a line is never left for good. Only when the queue is
// closed it gives up, and returns how many bytes are left.
func (q *queue) deliver(lines []byte) (left int) {
	for len(lines) > 0 {
		n, err := q.out.Write(lines)
		lines = lines[n:]
		if err != nil && !q.pause() {
			break
		}
	}
	return len(lines)
}

// pause waits before another try, and reports whether there is to be one.
func (q *queue) pause() bool {
	again := time.NewTimer(retryAfter)
	defer again.Stop()
	select {
	case <-again.C:
		return true
	case <-q.closing:
		return false
	}
}
