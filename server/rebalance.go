package server

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/seed4ac54ce5/edge/netpoll"
	"github.com/seed4ac54ce5/edge/protocol"
)

// Errors of [Server.Rebalance].
var (
	ErrDraining = errors.New("server: the node drains")
	ErrNegative = errors.New("server: there cannot be fewer than 0 sessions")
)

// rebalanceWindow is how long a rebalance waits for sessions for whom something is under way. It is not in a hurry.
const rebalanceWindow = 24 * time.Hour

// Rebalance makes clients go elsewhere, chosen by lot, until there are no more than to sessions: each is told to reconnect
// (3011), at most 200 a second and loop. It returns how many are to go once all loops have begun; [Server.Departure] tells how far
// they are. A new order takes the place of the one before, so that one for more sessions than there are stops it. Errors are
// ErrDraining, ErrNegative, ErrClosed, or ctx's.
func (s *Server) Rebalance(ctx context.Context, to int) (surplus int, err error) {
	if to < 0 {
		return 0, ErrNegative
	}
	s.rebalancing.Lock()
	defer s.rebalancing.Unlock()
	if s.draining.Load() {
		return 0, ErrDraining
	}
	counts, err := s.sessionCounts(ctx)
	if err != nil {
		return 0, err
	}
	shares := sharesOf(counts, to)
	for i, share := range shares {
		s.loops[i].net.Send(netpoll.Post{Kind: postShed, Item: shedOrder{protocol.DisconnectForceReconnect, rebalanceWindow, share}})
		surplus += share
	}
	return surplus, s.onLoops(ctx, func(*loop) {})
}

// sessionCounts returns how many sessions each loop has.
func (s *Server) sessionCounts(ctx context.Context) ([]int, error) {
	var mu sync.Mutex
	counts := make([]int, len(s.loops))
	err := s.onLoops(ctx, func(l *loop) {
		mu.Lock()
		defer mu.Unlock()
		counts[l.net.Number()] = l.sessionCount()
	})
	mu.Lock()
	defer mu.Unlock()
	return counts, err
}

// sharesOf divides the sessions above to among loops that have so many each.
func sharesOf(counts []int, to int) []int {
	sum := 0
	for _, n := range counts {
		sum += n
	}
	surplus := max(sum-to, 0)
	shares, rest := make([]int, len(counts)), surplus
	for i, n := range counts {
		if n > 0 {
			shares[i] = surplus * n / sum
			rest -= shares[i]
		}
	}
	for i := 0; rest > 0; i++ { // what rounding has left
		if shares[i] < counts[i] {
			shares[i]++
			rest--
		}
	}
	return shares
}
