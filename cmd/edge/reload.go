package main

import (
	"log/slog"
	"strings"
	"sync"

	"github.com/seed4ac54ce5/edge/config"
	"github.com/seed4ac54ce5/edge/server"
)

// reloader changes a running node to what its sources say now. Any goroutine may use it.
type reloader struct {
	mu     sync.Mutex // held for a reload
	from   config.Sources
	config *config.Config // that holds
	rooms  interface{ SetRooms(server.Rooms) error }
	level  *slog.LevelVar
	log    *slog.Logger
}

// reload reads the sources again. What is wrong there changes nothing, and one log line says why.
func (r *reloader) reload() (server.Reloaded, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	changes, err := r.apply()
	if err != nil {
		r.log.Error("reload changes nothing", "config", r.from.File, "error", strings.ReplaceAll(err.Error(), "\n", "; "))
		return server.Reloaded{}, err
	}
	done := server.Reloaded{Changed: []string{}, Waiting: []string{}} // empty lists, not null, in JSON
	for _, c := range changes {
		if c.Live {
			done.Changed = append(done.Changed, c.What)
		} else {
			done.Waiting = append(done.Waiting, c.What)
		}
	}
	r.log.Info("reloaded", "config", r.from.File, "changed", done.Changed)
	if len(done.Waiting) > 0 {
		r.log.Warn("these changes need a restart", "keys", done.Waiting)
	}
	return done, nil
}

// apply brings into force what may change, and returns all that is different.
func (r *reloader) apply() ([]config.Change, error) {
	next, err := config.Load(r.from)
	if err != nil {
		return nil, err
	}
	merged, changes, err := r.config.Reloaded(next)
	if err != nil {
		return nil, err
	}
	if err := r.rooms.SetRooms(merged.Server().Rooms); err != nil {
		return nil, err
	}
	r.level.Set(merged.LogLevel())
	r.config = merged
	return changes, nil
}
