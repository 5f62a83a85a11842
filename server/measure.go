package server

import (
	"time"

	"github.com/seed4ac54ce5/edge/admission"
	"github.com/seed4ac54ce5/edge/metrics"
	"github.com/seed4ac54ce5/edge/netpoll"
)

// meter counts how fast a loop delivers.
type meter struct{ *loop }

// Passed implements [hub.Meter].
func (m meter) Passed(took time.Duration) { m.counts.FanoutTime.Observe(took) }

// Delivered implements [hub.Meter].
func (m meter) Delivered(after time.Duration) { m.counts.Lag.Observe(after) }

// timeTurn counts how long the turn before this one took, which the loop's clock has read anyway.
func (l *loop) timeTurn() {
	busy := l.net.Busy()
	l.counts.TurnTime.Observe(busy - l.worked)
	l.worked = busy
}

// scrapeTimeout is how long a loop may take to answer before it counts as stuck.
const scrapeTimeout = time.Second

// snapshot asks each loop for its counts. Loops that do not answer in time are missing.
func (s *Server) snapshot() metrics.Snapshot {
	snap := metrics.Snapshot{Loops: s.loopCounts()}
	snap.Ready = s.whyNotReady(&snap) == ""
	snap.Insecure = s.insecureFigures()
	snap.Rooms, snap.Subscriptions = s.hub.Count()
	snap.HistoryBytes, snap.HistoryPublications, snap.HistoryEvictions = s.hub.MemoryStats()
	snap.WorkerQueue = s.work.waiting()
	if s.shakes != nil {
		snap.HandshakeQueue = s.shakes.waiting()
	}
	snap.KeyFetches, snap.FailedKeyFetches = s.keyFetches[0].Load(), s.keyFetches[1].Load()
	snap.Reloads, snap.FailedReloads = s.reloads[0].Load(), s.reloads[1].Load()
	if s.store != nil {
		snap.Store = storeFigures(s.store.Stats())
	}
	if s.config.LogDropped != nil {
		snap.LogDropped = s.config.LogDropped()
	}
	snap.ProcessBytes, snap.KernelBytes, _ = admission.Footprint("/", openOf(&snap)) // no /proc: nothing to show
	return snap
}

// loopCounts returns the counts of the loops that answer in time.
func (s *Server) loopCounts() (all []metrics.Loop) {
	answers := make(chan metrics.Loop, len(s.loops)) // room for all: a loop never waits
	for _, l := range s.loops {
		l.net.Send(netpoll.Post{Kind: postCounts, Item: (chan<- metrics.Loop)(answers)})
	}
	timeout := time.NewTimer(scrapeTimeout)
	defer timeout.Stop()
	for range s.loops {
		select {
		case l := <-answers:
			all = append(all, l)
		case <-timeout.C:
			return all
		}
	}
	return all
}

// openOf returns how many conns are open on the loops that have answered.
func openOf(snap *metrics.Snapshot) (n int64) {
	for i := range snap.Loops {
		n += snap.Loops[i].Open
	}
	return n
}
