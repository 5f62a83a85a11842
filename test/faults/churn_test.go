//go:build faults

package faults

import (
	"math/rand/v2"
	"os"
	"runtime"
	"strconv"
	"sync"
	"testing"
	"time"
)

// R49: connections come and go at random points of the protocol. Descriptors, sessions, subscriptions and goroutines are
// what they were, and the heap has grown by less than a MiB. FAULTS_CHURN says how many, 20,000 if nothing.
func TestR49Churn(t *testing.T) {
	count := 20_000
	if s := os.Getenv("FAULTS_CHURN"); s != "" {
		var err error
		if count, err = strconv.Atoi(s); err != nil {
			t.Fatal(err)
		}
	}
	n := start(t, launch{args: []string{"--loops=2"}})
	n.churn(2000)
	n.settled(0)
	descriptors, goroutines, heap := n.descriptors(), n.goroutines(), n.heap()
	began := time.Now()
	n.churn(count)
	took := time.Since(began)
	n.settled(descriptors)
	grown := n.heap() - heap
	n.await("its goroutines have ended", func() bool { return n.goroutines() <= goroutines+goroutines/100 })
	if grown > 1<<20 {
		t.Errorf("the heap has grown by %d bytes; want at most 1 MiB", grown)
	}
	f := n.figures()
	t.Logf("%d connections in %v (%.0f a second): descriptors %d before and %d after, goroutines %d and %d, heap %+.2f MiB, panics %v",
		count, took.Round(time.Millisecond), float64(count)/took.Seconds(), descriptors, n.descriptors(), goroutines, n.goroutines(), mib(grown), f["edge_session_panics_total"])
	n.checkNeighbour()
}

// churn opens connections, takes each to a random stage and leaves in a random way.
func (n *node) churn(count int) {
	n.t.Helper()
	all := stages()
	seed := rand.Uint64()
	n.t.Logf("seed %d", seed)
	var wg sync.WaitGroup
	workers := 16 * runtime.NumCPU()
	for w := range workers {
		wg.Go(func() {
			random := rand.New(rand.NewPCG(seed, uint64(w)))
			for i := w; i < count; i += workers {
				conn, err := connectTo(nil, n.address, from(random.IntN(4000)))
				if err != nil {
					n.t.Error(err)
					return
				}
				s := all[random.IntN(len(all))]
				if err := s.reach(conn); err != nil {
					n.t.Errorf("%s: %v", s.name, err)
				}
				farewells[random.IntN(len(farewells))].leave(conn)
				_ = conn.Close()
			}
		})
	}
	wg.Wait()
}

// settled waits until no session stands and no more than so many descriptors are open; 0 is any number.
func (n *node) settled(descriptors int) {
	n.t.Helper()
	n.await("all is given back", func() bool {
		f := n.figures()
		return f.sessions() == 0 && f.sum("edge_subscriptions") == 0 && (descriptors == 0 || n.descriptors() <= descriptors)
	})
}
