package server

import (
	"context"
	"log/slog"
	"time"

	"github.com/seed4ac54ce5/edge/netpoll"
	"github.com/seed4ac54ce5/edge/protocol"
)

// A node leaves in order. It says that it is not ready, and for a while serves as before: whoever sends clients to it has to
// notice first. Then it listens no more, and tells its clients, one after the other, to go elsewhere. Who has not gone by the
// deadline is cut off.

const (
	hurry      = time.Second           // a window in a hurry
	delayLook  = time.Second           // between two counts of who is there in the delay
	drainPoll  = 20 * time.Millisecond // between two looks at who is left
	drainSlack = time.Second           // from when the last conn has lingered to the deadline
)

// Run serves until ctx is done or [Server.Drain] is called, then drains the node and closes it. It returns when that is over.
func (s *Server) Run(ctx context.Context) error {
	select {
	case <-ctx.Done():
	case <-s.leave:
	case <-s.stop:
	}
	s.drain()
	s.Close()
	return nil
}

// Drain makes Run end the node in order: see [Config.DrainDelay] and [Config.ShutdownWindow]. It returns at once. Any goroutine.
func (s *Server) Drain() { s.leaving.Do(func() { close(s.leave) }) }

// HurryDrain makes the drain that follows, or goes on, take a second at most, without the delay before it. Any goroutine.
func (s *Server) HurryDrain() { s.hurrying.Do(func() { close(s.hurried) }) }

// drain ends all sessions in order. What is left at the deadline is closed hard, by Close.
func (s *Server) drain() {
	if s.draining.Swap(true) {
		return
	}
	s.config.Log.Info("draining", "conns", s.openConns(), "delay", s.config.DrainDelay, "window", s.config.ShutdownWindow)
	s.delay()
	s.reactor.StopListening()
	left := s.dismissAll()
	for _, l := range s.loops {
		left += int(l.cut.Load())
	}
	s.cut.Store(int64(left))
	level, what := slog.LevelInfo, "drained"
	if left > 0 {
		level = slog.LevelWarn
	}
	select {
	case <-s.stop:
		what = "drain cut short"
	default:
	}
	s.config.Log.Log(context.Background(), level, what, "cut", left)
}

// delay gives balancers time to notice that the node is not ready, and counts meanwhile whom the drain will have to close.
func (s *Server) delay() {
	timer := time.NewTimer(s.config.DrainDelay)
	look := time.NewTicker(delayLook)
	defer timer.Stop()
	defer look.Stop()
	for {
		for _, l := range s.loopCounts() {
			s.loops[l.Number].remaining.Store(l.Open)
		}
		select {
		case <-look.C:
		case <-timer.C:
			return
		case <-s.hurried:
			return
		case <-s.stop:
			return
		}
	}
}

// dismissAll has the loops end their sessions, and returns how many are left when they have all gone or the deadline has come.
func (s *Server) dismissAll() (left int) {
	deadline := time.NewTimer(s.sendAway(s.config.ShutdownWindow))
	poll := time.NewTicker(drainPoll)
	defer deadline.Stop()
	defer poll.Stop()
	hurried := s.hurried
	for {
		left = s.remaining()
		if left == 0 && !s.reactor.Listening() {
			return 0
		}
		select {
		case <-poll.C:
		case <-hurried:
			hurried = nil
			deadline.Reset(s.sendAway(min(s.config.ShutdownWindow, hurry)))
		case <-deadline.C:
			return left
		case <-s.stop:
			return left
		}
	}
}

// sendAway has the loops end their sessions over a window, and returns the time until the deadline.
func (s *Server) sendAway(window time.Duration) time.Duration {
	for _, l := range s.loops {
		l.remaining.CompareAndSwap(0, 1) // until the loop says how many there are
		l.net.Send(netpoll.Post{Kind: postShed, Item: shedOrder{protocol.DisconnectShutdown, window, everybody}})
	}
	return window + lingerTimeout + drainSlack
}

// remaining returns how many conns a drain has not seen the end of.
func (s *Server) remaining() (n int) {
	for _, l := range s.loops {
		n += int(l.remaining.Load())
	}
	return n
}

// Departure says how far a node is with sending clients away.
type Departure struct {
	Draining  bool
	Remaining int // conns that a drain has yet to close; in its delay those that were open at the last look, up to a second ago
	Surplus   int // sessions that are still to be told to go, by a drain or by a rebalance
	Cut       int // of a drain that is over: conns that were open at its deadline, or closed before they had taken what waited for them
}

// Departure returns how far a drain or a rebalance is. Any goroutine.
func (s *Server) Departure() Departure {
	d := Departure{Draining: s.draining.Load(), Remaining: s.remaining(), Cut: int(s.cut.Load())}
	for _, l := range s.loops {
		d.Surplus += int(l.toShed.Load())
	}
	return d
}
