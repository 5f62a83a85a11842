package main

import (
	"log/slog"
	"reflect"
	"strings"
	"sync"

	"github.com/seed4ac54ce5/edge/admission"
	"github.com/seed4ac54ce5/edge/config"
	"github.com/seed4ac54ce5/edge/hook"
	"github.com/seed4ac54ce5/edge/server"
	"github.com/seed4ac54ce5/edge/tlsrecord"
)

// node is what a reload changes of a server.
type node interface {
	SetRooms(server.Rooms) error
	SetAccess(server.Access) error
	SetTLS(tlsrecord.Config) error
	SetClientLimits(server.Config) error
	SetLimits(admission.Limits)
	SetMemoryLimit(bytes int64)
	SetAPIKey(key string) error
	CountReload(err error)
}

// reloader changes a running node to what its sources say now. Any goroutine may use it.
type reloader struct {
	mu     sync.Mutex // held for a reload
	from   config.Sources
	config *config.Config // that holds
	node   node
	hooks  interface{ Rekey(hook.Config) }
	asks   bool // a backend decides who may connect; that stays until a restart
	level  *slog.LevelVar
	log    *slog.Logger
}

// reload reads the sources again. What is wrong there changes nothing, and one log line says why.
func (r *reloader) reload() (server.Reloaded, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	changes, err := r.apply()
	r.node.CountReload(err)
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
	now := r.config.Server()
	warnIfShut(r.log, &now, r.asks)
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
	if err := merged.CheckFiles(); err != nil {
		return nil, err
	}
	if err := r.change(r.config.Server(), merged.Server()); err != nil {
		return nil, err
	}
	r.hooks.Rekey(merged.Hooks())
	r.level.Set(merged.LogLevel())
	r.config = merged
	return changes, nil
}

// change takes the node from one configuration to another. If a step fails, those before it are taken back.
func (r *reloader) change(was, now server.Config) error {
	steps := []func(from, to *server.Config) error{r.changeAccess, r.changeRooms, r.changeTLS, r.changeKey, r.changeClientLimits}
	for i, step := range steps {
		err := step(&was, &now)
		if err == nil {
			continue
		}
		for _, back := range steps[:i] {
			_ = back(&now, &was) // what was in force is no mistake
		}
		return err
	}
	r.node.SetLimits(now.Limits)
	r.node.SetMemoryLimit(now.MemoryLimit)
	return nil
}

// changeAccess leaves alone what stays the same, with the keys that it has from elsewhere.
func (r *reloader) changeAccess(from, to *server.Config) error {
	if reflect.DeepEqual(from.Access, to.Access) {
		return nil
	}
	return r.node.SetAccess(to.Access)
}

func (r *reloader) changeRooms(_, to *server.Config) error { return r.node.SetRooms(to.Rooms) }

func (r *reloader) changeKey(_, to *server.Config) error { return r.node.SetAPIKey(to.API.Key) }

func (r *reloader) changeClientLimits(_, to *server.Config) error { return r.node.SetClientLimits(*to) }

// changeTLS reads the files again even if their names stay.
func (r *reloader) changeTLS(_, to *server.Config) error {
	if to.TLS == nil {
		return nil
	}
	return r.node.SetTLS(*to.TLS)
}
