package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync/atomic"
	"time"

	"github.com/seed4ac54ce5/edge/internal/systemd"
	"github.com/seed4ac54ce5/edge/server"
)

// The names of sockets that a service manager passes on, FileDescriptorName= of their units.
const (
	publicSocket   = "public"
	internalSocket = "internal"
)

// takeSockets has node use the sockets that a service manager has opened for it. One without a name is public.
func takeSockets(node *server.Config) error {
	sockets, err := systemd.Sockets()
	if err != nil {
		return err
	}
	for _, s := range sockets {
		switch s.Name {
		case publicSocket, "":
			node.Listeners = append(node.Listeners, s.File)
		case internalSocket:
			if node.InternalListener, err = net.FileListener(s.File); err != nil {
				return fmt.Errorf("internal socket: %w", err)
			}
			_ = s.File.Close() // the listener has its own
		default:
			return fmt.Errorf("a socket is passed on as %q: write FileDescriptorName=%s or %s in its unit", s.Name, publicSocket, internalSocket)
		}
	}
	return nil
}

// supervisor tells a service manager how the node is.
type supervisor struct {
	manager  *systemd.Manager
	node     *server.Server
	log      *slog.Logger
	owed     atomic.Bool // the manager has yet to hear that the node serves; it waits for that
	stopping bool        // the manager knows that the node drains; for watch
}

// ready says that the node serves. If the manager does not hear it, it is told again at the next look.
func (s *supervisor) ready() { s.note("READY=1", s.tellReady()) }

func (s *supervisor) tellReady() error {
	err := s.manager.Ready("serving on " + strings.Join(s.node.Addresses(), " "))
	s.owed.Store(err != nil)
	return err
}

// reloading returns reload with a word to the manager before and after.
func (s *supervisor) reloading(reload func() (server.Reloaded, error)) func() (server.Reloaded, error) {
	return func() (server.Reloaded, error) {
		s.owed.Store(false) // until this one is over
		s.note("RELOADING=1", s.manager.Reloading())
		defer s.ready()
		return reload()
	}
}

// watch gives signs of life while the loops turn, and says how far a drain is, until ctx is done.
func (s *supervisor) watch(ctx context.Context) {
	look := time.NewTicker(time.Second)
	defer look.Stop()
	var beat <-chan time.Time
	if every := s.manager.Watchdog(); every > 0 {
		t := time.NewTicker(every)
		defer t.Stop()
		beat = t.C
	}
	for {
		select {
		case <-beat:
			s.beat(ctx)
		case <-look.C:
			s.look()
		case <-ctx.Done():
			return
		}
	}
}

// beat gives a sign of life, if all loops turn, or have ended because the node does.
func (s *supervisor) beat(ctx context.Context) {
	if err := s.node.Turning(ctx); err == nil || errors.Is(err, server.ErrClosed) {
		s.note("WATCHDOG=1", s.manager.Alive())
	}
}

// look tells what the manager has to know now: that the node drains, or that it serves, if that was lost.
func (s *supervisor) look() {
	switch d := s.node.Departure(); {
	case d.Draining:
		s.tellDrain(d.Remaining)
	case s.owed.Load():
		_ = s.tellReady() // the log has it from the first time
	}
}

// tellDrain says how many clients a drain has to wait for.
func (s *supervisor) tellDrain(remaining int) {
	status := fmt.Sprintf("draining: %d connections left", remaining)
	if s.stopping {
		s.note("STATUS", s.manager.Status(status))
		return
	}
	err := s.manager.Stopping(status)
	s.stopping = err == nil // or it is told at the next look
	s.note("STOPPING=1", err)
}

// note logs that the manager could not be told something.
func (s *supervisor) note(what string, err error) {
	if err != nil {
		s.log.Warn("the service manager does not hear", "what", what, "error", err)
	}
}
