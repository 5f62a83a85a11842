package server

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/seed4ac54ce5/edge/hub"
	"github.com/seed4ac54ce5/edge/metrics"
)

// Top is what a node does, as counted from its start: of two of them, a while apart, the rates are the difference.
type Top struct {
	At       time.Time `json:"at"`
	NotReady string    `json:"not_ready,omitempty"` // why the node should get no clients

	Connections   int   `json:"connections"` // open, of any kind
	Subscriptions int   `json:"subscriptions"`
	Rooms         int   `json:"rooms"`
	QueuedBytes   int64 `json:"queued_bytes"` // that wait for clients
	WorkerQueue   int   `json:"worker_queue"` // jobs that wait for the worker pool
	ProcessBytes  int64 `json:"process_bytes"`
	KernelBytes   int64 `json:"kernel_bytes"`
	Draining      int64 `json:"draining"` // conns that a drain has yet to close

	Totals  TopTotals   `json:"totals"`
	Lag     []TopBucket `json:"lag"` // publications by the time from publish to the last member on a loop
	Loops   []TopLoop   `json:"loops"`
	Largest []TopRoom   `json:"largest"` // rooms
	Slowest []Laggard   `json:"slowest"` // readers
}

// TopTotals only grow.
type TopTotals struct {
	Connects     uint64 `json:"connects"`
	Disconnects  uint64 `json:"disconnects"`
	Rejects      uint64 `json:"rejects"`
	MessagesIn   uint64 `json:"messages_in"`
	MessagesOut  uint64 `json:"messages_out"`
	WireIn       uint64 `json:"wire_bytes_in"`
	WireOut      uint64 `json:"wire_bytes_out"`
	Writes       uint64 `json:"writes"`
	Publications uint64 `json:"publications"`
	Deliveries   uint64 `json:"deliveries"`
	SlowClosed   uint64 `json:"slow_closed"`  // connections
	SlowSkipped  uint64 `json:"slow_skipped"` // publications
	Panics       uint64 `json:"panics"`
}

// TopBucket is how many there have been up to a time.
type TopBucket struct {
	UpTo  time.Duration `json:"up_to_ns"` // 0 for any
	Count uint64        `json:"count"`
}

// TopLoop is one loop.
type TopLoop struct {
	Loop        int     `json:"loop"`
	Connections int64   `json:"connections"`
	Turns       uint64  `json:"turns"`
	BusySeconds float64 `json:"busy_seconds"`
	QueuedBytes int64   `json:"queued_bytes"`
}

// TopRoom is a room with members.
type TopRoom struct {
	Room    string `json:"room"`
	Members int    `json:"members"`
}

const (
	topRows   = 20 // rooms and readers
	restRatio = 20 // how many times as long as a look at all rooms took, its result is good
)

// top answers with what the node does.
func (s *Server) top(w http.ResponseWriter, r *http.Request) {
	snap := s.snapshot()
	t := Top{
		At:            time.Now(),
		NotReady:      s.whyNotReady(&snap),
		Subscriptions: snap.Subscriptions,
		Rooms:         snap.Rooms,
		WorkerQueue:   snap.WorkerQueue,
		ProcessBytes:  snap.ProcessBytes,
		KernelBytes:   snap.KernelBytes,
		Largest:       s.crowds.largest(s.hub),
	}
	t.count(&snap)
	ctx, cancel := context.WithTimeout(r.Context(), scrapeTimeout)
	defer cancel()
	t.Slowest, _ = s.laggards(ctx, topRows) // a loop that does not turn shows nobody
	writeJSON(w, http.StatusOK, &t)
}

// count adds what the loops have counted.
func (t *Top) count(snap *metrics.Snapshot) {
	var sum metrics.Counts
	for i := range snap.Loops {
		l := &snap.Loops[i]
		sum.Add(&l.Counts)
		t.Loops = append(t.Loops, TopLoop{l.Number, l.Open, l.Turns, l.Busy.Seconds(), l.Queued})
	}
	t.Connections, t.QueuedBytes, t.Draining = int(sum.Open), sum.Queued, sum.Draining
	t.Totals = TopTotals{
		Connects:     sum.Connects[metrics.ConnectOK],
		Disconnects:  added(sum.Disconnects[:]),
		Rejects:      added(sum.Rejects[:]),
		MessagesIn:   sum.MessagesIn,
		MessagesOut:  sum.MessagesOut,
		WireIn:       sum.WireIn,
		WireOut:      sum.WireOut,
		Writes:       sum.Writes,
		Publications: sum.Publications,
		Deliveries:   sum.FanoutDeliveries,
		SlowClosed:   added(sum.Slow[:metrics.SlowDropped]),
		SlowSkipped:  added(sum.Slow[metrics.SlowDropped:]),
		Panics:       sum.Panics,
	}
	for upTo, n := range sum.Lag.All() {
		t.Lag = append(t.Lag, TopBucket{upTo, n})
	}
}

// added returns the sum of counters.
func added(counters []uint64) (sum uint64) {
	for _, n := range counters {
		sum += n
	}
	return sum
}

// crowds remembers the largest rooms, so that whoever asks often does not keep a CPU busy with looking for them.
type crowds struct {
	mu    sync.Mutex // held for the time of a look
	until time.Time
	rooms []TopRoom
}

func (c *crowds) largest(h *hub.Hub) []TopRoom {
	c.mu.Lock()
	defer c.mu.Unlock()
	began := time.Now()
	if began.Before(c.until) {
		return c.rooms
	}
	rooms := []TopRoom{}
	for _, r := range h.Largest(topRows) {
		rooms = append(rooms, TopRoom{r.Room, r.Members})
	}
	c.rooms, c.until = rooms, time.Now().Add(restRatio*time.Since(began))
	return rooms
}
