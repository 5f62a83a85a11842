package store

import (
	"sync/atomic"
	"time"
)

// Stats is what a store has done since it was opened, and what is waiting.
type Stats struct {
	Records       uint64        // kept
	Failed        uint64        // records that could not be kept
	Refused       uint64        // records for which the queue had no room
	Commits       uint64        // transactions
	CommitTime    time.Duration // of all of them together, with their sync under Always
	LongestCommit time.Duration
	Syncs         uint64
	SyncFailures  uint64 // under Interval
	QueuedRecords int    // not yet done
	QueuedBytes   int
	FileBytes     int64 // in use, free pages among them
}

// counts are written by the writer goroutine, save refused; any goroutine may read them.
type counts struct {
	records       atomic.Uint64
	failed        atomic.Uint64
	refused       atomic.Uint64
	commits       atomic.Uint64
	commitTime    atomic.Int64
	longestCommit atomic.Int64
	syncs         atomic.Uint64
	syncFailures  atomic.Uint64
	fileBytes     atomic.Int64
}

// committed counts one transaction.
func (c *counts) committed(records int, took time.Duration) {
	c.records.Add(uint64(records))
	c.commits.Add(1)
	c.commitTime.Add(int64(took))
	c.longestCommit.Store(max(c.longestCommit.Load(), int64(took)))
}

// Stats returns a copy of the counts. Any goroutine.
func (s *Store) Stats() Stats {
	bytes, records := s.queue.load()
	c := &s.counts
	return Stats{
		Records:       c.records.Load(),
		Failed:        c.failed.Load(),
		Refused:       c.refused.Load(),
		Commits:       c.commits.Load(),
		CommitTime:    time.Duration(c.commitTime.Load()),
		LongestCommit: time.Duration(c.longestCommit.Load()),
		Syncs:         c.syncs.Load(),
		SyncFailures:  c.syncFailures.Load(),
		QueuedRecords: records,
		QueuedBytes:   bytes,
		FileBytes:     c.fileBytes.Load(),
	}
}
