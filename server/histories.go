package server

import (
	"errors"
	"fmt"

	"github.com/seed4ac54ce5/edge/metrics"
	"github.com/seed4ac54ce5/edge/store"
)

// ErrStore means that the file of the histories cannot be opened or read.
var ErrStore = errors.New("server: history store")

// openStore reads what rooms remember from disk. Rooms that the options do not keep on disk any more are read too,
// and age as all others.
func (s *Server) openStore() error {
	s.hub.Limit(max(s.config.HistoryMemoryLimit, 0))
	if s.config.Store == nil {
		return nil
	}
	c := s.config.Store
	policy, err := store.ParsePolicy(c.Sync)
	if err != nil {
		return fmt.Errorf("%w: history store: %w", ErrConfig, err)
	}
	s.store, err = store.Open(store.Config{Path: c.Path, Policy: policy, SyncInterval: c.SyncInterval, Log: s.config.Log})
	if err != nil {
		return fmt.Errorf("%w: %w", ErrStore, err)
	}
	s.hub.SetStore(s.store)
	s.openRecords()
	rooms := 0
	err = s.store.Load(func(room []byte, epoch, offset uint64, entries [][]byte) error {
		ns, ok := s.historyOf(room)
		if !ok {
			return nil // of a namespace that is no more; the store keeps it
		}
		rooms++
		return s.hub.Restore(ns, room, epoch, offset, entries)
	})
	if err != nil {
		return fmt.Errorf("%w: %w", ErrStore, err)
	}
	s.config.Log.Info("histories read", "path", c.Path, "rooms", rooms, "sync", c.Sync)
	return nil
}

// storeFigures is what a scrape shows of the store.
func storeFigures(s store.Stats) *metrics.Store {
	return &metrics.Store{
		Records:     s.Records,
		Failed:      s.Failed,
		Refused:     s.Refused,
		Commits:     s.Commits,
		CommitTime:  s.CommitTime,
		QueuedBytes: s.QueuedBytes,
		FileBytes:   s.FileBytes,
	}
}
