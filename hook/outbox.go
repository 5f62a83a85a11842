package hook

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// The pause between two tries of an event, which nobody waits for.
const (
	outboxBase  = 250 * time.Millisecond
	outboxLimit = 30 * time.Second
)

// outbox delivers disconnect events behind the node's back, in no particular order.
type outbox struct {
	// Set before use.
	endpoint *endpoint
	tries    int
	log      *slog.Logger
	ctx      context.Context // of deliveries
	stop     context.CancelFunc

	mu     sync.RWMutex // guards closed, and that nobody sends to queue after it
	closed bool
	queue  chan letter

	workers sync.WaitGroup
	dropped atomic.Uint64
	logged  atomic.Int64 // Unix seconds
}

// letter is an event on its way.
type letter struct {
	header http.Header // of the client's handshake, as far as it is forwarded
	body   []byte
	posted time.Time
}

func newOutbox(e *endpoint, c *Config) *outbox {
	o := &outbox{endpoint: e, tries: c.DisconnectTries, log: c.Log, queue: make(chan letter, c.DisconnectQueue)}
	o.ctx, o.stop = context.WithCancel(context.Background())
	for range c.DisconnectWorkers {
		o.workers.Go(o.work)
	}
	return o
}

// post queues an event and reports whether there was room.
func (o *outbox) post(from *Origin, news *wireRequest) bool {
	l := letter{
		header: o.endpoint.requestHeader(from.Header),
		body:   news.encode(o.endpoint, from),
		posted: o.endpoint.clock.now(),
	}
	err := o.put(l)
	if err != nil {
		o.drop(l, err)
	}
	return err == nil
}

var (
	errClosed = errors.New("hook: disconnect: closed")
	errFull   = errors.New("hook: disconnect: the queue is full")
)

func (o *outbox) put(l letter) error {
	o.mu.RLock()
	defer o.mu.RUnlock()
	if o.closed {
		return errClosed
	}
	select {
	case o.queue <- l:
		return nil
	default:
		return errFull
	}
}

func (o *outbox) work() {
	for l := range o.queue {
		if err := o.deliver(l); err != nil {
			o.drop(l, err)
		} else {
			o.endpoint.observe(o.endpoint.event, OK, o.age(l))
		}
	}
}

// drop counts an event that nobody will hear of, and says so in the log once a minute at most.
func (o *outbox) drop(l letter, why error) {
	all := o.dropped.Add(1)
	o.endpoint.observe(o.endpoint.event, Dropped, o.age(l))
	now, last := o.endpoint.clock.now().Unix(), o.logged.Load()
	if now-last >= 60 && o.logged.CompareAndSwap(last, now) {
		o.log.Warn("disconnect events are given up", "all", all, "error", why)
	}
}

func (o *outbox) age(l letter) time.Duration { return o.endpoint.clock.now().Sub(l.posted) }

// deliver sends l until it has arrived, the backend refuses it, or all tries are used up. The breaker is no part of
// it: the workers are few, and they pause for longer with each try.
func (o *outbox) deliver(l letter) error {
	for try := 0; ; try++ {
		_, f := o.endpoint.attempt(o.ctx, l.header, l.body)
		switch {
		case f == nil:
			return nil
		case f.final() || try+1 == o.tries:
			return f
		}
		if !o.endpoint.clock.wait(o.ctx, o.endpoint.clock.backoff(try, outboxBase, outboxLimit)) {
			return f
		}
		o.endpoint.observe(o.endpoint.event, Retried, o.age(l))
	}
}

// final reports whether the same event will never be taken.
func (f *Failure) final() bool {
	refused := f.Result == Status && f.Status/100 != 5 &&
		f.Status != http.StatusRequestTimeout && f.Status != http.StatusTooManyRequests
	return refused || f.Result == Canceled
}

// close takes no more events, delivers those that wait until ctx is done, and drops the rest.
func (o *outbox) close(ctx context.Context) error {
	before := o.dropped.Load()
	o.shut()
	idle := make(chan struct{})
	go func() {
		o.workers.Wait()
		close(idle)
	}()
	select {
	case <-idle:
	case <-ctx.Done():
	}
	o.stop() // every delivery fails at once from now on
	<-idle
	if lost := o.dropped.Load() - before; lost > 0 {
		return fmt.Errorf("hook: %d disconnect events were not delivered", lost)
	}
	return nil
}

func (o *outbox) shut() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.closed {
		o.closed = true
		close(o.queue)
	}
}
