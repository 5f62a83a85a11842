package server

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/seed4ac54ce5/edge/admission"
	"github.com/seed4ac54ce5/edge/metrics"
	"github.com/seed4ac54ce5/edge/netpoll"
)

// degradedAfter is how long the loops may take to answer. One that has a CPU to itself takes some milliseconds at most.
const degradedAfter = 50 * time.Millisecond

// Why a node should get no clients.
var (
	errDrains = errors.New("draining")
	errStuck  = errors.New("a loop does not turn")
	errFull   = errors.New("memory: there is none for more clients")
	errMemory = errors.New("memory: what waits for clients is near its limit")
	errInput  = errors.New("memory: unfinished messages of clients are near their limit")
)

// strain is whether a budget is nearly used up. Like admission it does not change its mind with every message: whoever asks it
// brings it up to date. Any goroutine.
type strain struct{ full atomic.Bool }

// of returns whether b leaves too little for more clients.
func (s *strain) of(b *netpoll.Budget) bool {
	full := admission.Full(b.Used(), b.Limit(), s.full.Load())
	s.full.Store(full)
	return full
}

// Ready returns nil if the node should get clients, or else why not: it drains, lets nobody in for want of memory, memory that
// clients share is used up, or one of its loops does not turn.
func (s *Server) Ready(ctx context.Context) error {
	if err := s.unwilling(); err != nil {
		return err
	}
	return s.Turning(ctx)
}

// unwilling is Ready without a question to the loops.
func (s *Server) unwilling() error {
	switch {
	case s.draining.Load():
		return errDrains
	case s.memory.Usage().Refusing:
		return errFull
	case s.queuesStrain.of(s.budget):
		return errMemory
	case s.inputsStrain.of(s.inputs):
		return errInput
	}
	return nil
}

// whyNotReady is what Ready says, given what the loops have just answered; "" if the node should get clients.
func (s *Server) whyNotReady(snap *metrics.Snapshot) string {
	err := s.unwilling()
	if err == nil && len(snap.Loops) < len(s.loops) {
		err = errStuck
	}
	if err != nil {
		return err.Error()
	}
	return ""
}

// Turning returns nil when each loop has shown that it turns, or an error if one has not within a second, or before ctx is done.
func (s *Server) Turning(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, scrapeTimeout)
	defer cancel()
	err := s.onLoops(ctx, func(*loop) {})
	if errors.Is(err, context.DeadlineExceeded) {
		return errStuck
	}
	return err
}

// ready answers whether the node should get clients, and if not, why. A node that is slow to answer is ready, and says that it
// is degraded: sending its clients to others that may have as little CPU would not help them.
func (s *Server) ready(w http.ResponseWriter, r *http.Request) {
	began := time.Now()
	if err := s.Ready(r.Context()); err != nil {
		refuse(w, http.StatusServiceUnavailable, err.Error())
		return
	}
	writeJSON(w, http.StatusOK, health(time.Since(began)))
}

// health is what a ready node says, whose loops took so long to answer.
func health(took time.Duration) any {
	if took <= degradedAfter {
		return struct{}{}
	}
	return map[string]string{"degraded": fmt.Sprintf("the loops took %v to answer", took.Round(time.Millisecond))}
}

// live answers that the process serves requests at all.
func (s *Server) live(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, struct{}{})
}
