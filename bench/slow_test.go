package bench

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/seed4ac54ce5/edge/frame"
	"github.com/seed4ac54ce5/edge/protocol"
)

// runSlow runs o against l until enough has been published.
func runSlow(t *testing.T, l *liar, o Options) *Report {
	t.Helper()
	ctx, enough := context.WithCancel(t.Context())
	defer enough()
	l.enough = enough
	o.Scenario, o.Targets, o.Connections, o.Rate, o.Loops = Slow, []string{startLiar(t, l)}, 20, 100, cmp.Or(o.Loops, 2)
	o.Duration, o.Drain = time.Hour, patience
	r := flood(t, ctx, o)
	checkReport(t, r)
	return r
}

func faithful(_, _ int, push string) []string { return []string{push} }

// Slow readers have books of their own, and what they have not read in time they read at the end.
func TestSlow(t *testing.T) {
	t.Parallel()
	for _, o := range []Options{{Mode: stall, Share: 0.5}, {Mode: trickle, Share: 0.5, Trickle: 500}, {}, {Share: 0.5, Workers: 2}} {
		t.Run(fmt.Sprintf("%s by %d", o.Mode, o.Workers), func(t *testing.T) {
			t.Parallel()
			l := &liar{spoil: faithful}
			r := runSlow(t, l, o)
			readers, most := r.Slow.Readers, uint64(10)
			if o.Share == 0 {
				most = 3
			}
			if readers > most || readers+1 < most {
				t.Errorf("%+v: %d slow readers of 20", o, readers)
			}
			l.mu.Lock()
			sent := uint64(l.publications)
			l.mu.Unlock()
			if want := (20 - readers) * sent; r.Delivery != (Ledger{Expected: want, Received: want}) || r.Err() != nil || r.Latency.Count == 0 {
				t.Errorf("%+v: delivery %+v, %v; want %d and all is well", o, r.Delivery, r.Err(), want)
			}
			s := r.Slow
			if s.Closed != 0 || s.Delivery != (Ledger{Expected: readers * sent, Received: readers * sent}) || s.Latency.Count != int64(readers*sent) {
				t.Errorf("%+v: slow readers %+v; want %d who have all of %d in the end", o, s, readers, sent)
			}
		})
	}
}

func TestSlowThatAreClosed(t *testing.T) {
	t.Parallel()
	for _, workers := range []int{0, 2} {
		l := &liar{spoil: func(member, n int, push string) []string {
			if n == 5 && member < 3 {
				return nil
			}
			return []string{push}
		}}
		r := runSlow(t, l, Options{Share: 1, Workers: workers})
		if s := r.Slow; s.Readers != 20 || s.Closed != 3 || s.Closes[`3008 "slow"`] != 3 || s.Delivery.Missing == 0 || s.Delivery.Missing%3 != 0 {
			t.Errorf("%d workers: slow readers %+v; want three closed, and what they have missed", workers, s)
		}
		if r.Lost != 0 || len(r.Closes) != 0 || r.Delivery.Expected != 0 || r.Err() != nil {
			t.Errorf("%d workers: %d lost, %v, delivery %+v, %v; want nothing of it in the books of the others", workers, r.Lost, r.Closes, r.Delivery, r.Err())
		}
	}
}

// Who is closed before anybody reads slowly was not closed for that.
func TestSlowThatAreClosedBefore(t *testing.T) {
	t.Parallel()
	l := &liar{spoil: faithful}
	l.subscribe = func(*protocol.SubscribeRequest) protocol.SubscribeResult {
		if len(l.members) == 20 { // all have come: none is slow before this one has its answer
			_, _ = l.members[0].Write(frame.AppendClose(nil, 3000, "before"))
			l.members[0] = nil
		}
		return protocol.SubscribeResult{}
	}
	r := runSlow(t, l, Options{Share: 1, Loops: 1})
	if s := r.Slow; r.Lost != 1 || r.Closes[`3000 "before"`] != 1 || s.Readers != 19 || s.Closed != 0 || !errors.Is(r.Err(), ErrLoss) {
		t.Errorf("%d lost, %v, slow readers %+v, %v; want one lost that was not slow", r.Lost, r.Closes, s, r.Err())
	}
}

func TestSlowThatGetWhatIsWrong(t *testing.T) {
	t.Parallel()
	r := runSlow(t, &liar{spoil: func(_, _ int, push string) []string { return []string{push, push} }}, Options{Share: 1})
	if !r.Slow.wrong() || !errors.Is(r.Err(), ErrLoss) {
		t.Errorf("slow readers %+v, %v; want a loss", r.Slow, r.Err())
	}
}
