package server

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/seed4ac54ce5/edge/internal/testutil"
	"github.com/seed4ac54ce5/edge/metrics"
)

// none is a row's rejection if it has none: no row is refused for want of descriptors.
const none = metrics.RejectDescriptors

// row is one rule: what an upgraded client sends, what comes back, and which rejection is counted.
type row struct {
	rule   string // section of the RFC, attack, what is sent
	send   []byte
	want   []string          // frames, described; behind a close the stream must end
	reject metrics.Rejection // none for none
}

// ends reports whether the server has the last word in r. To other rows a closing handshake is added, so that
// every row has an end to wait for.
func (r *row) ends() bool {
	return len(r.want) > 0 && strings.HasPrefix(r.want[len(r.want)-1], "close ")
}

// stream returns all that r's client sends, and all that must come back.
func (r *row) stream() (send []byte, want []string) {
	if r.ends() {
		return r.send, r.want
	}
	return slices.Concat(r.send, closing(1000, "")), append(slices.Clone(r.want), "close 1000")
}

const (
	everyCut = 192 // inputs up to this size are cut at each byte, longer ones at random places
	byteWise = 100 // inputs up to this size also come one byte to a write
)

var randomCuts = fewer(32)

// fewer returns n, and a fifth of it under the race detector, under which everything takes several times as long: the run without
// it has them all.
func fewer(n int) int {
	if testutil.Race {
		return n / 5
	}
	return n
}

// runRows runs each row whole, cut in two at each byte, and byte by byte, with the same result: each on a new
// conn to target with further fields in its request.
func (n *node) runRows(rows []row, target string, fields ...string) {
	for _, r := range rows {
		n.run(r.rule, func(t *testing.T) { n.runRow(t, &r, target, fields) })
	}
}

func (n *node) runRow(t *testing.T, r *row, target string, fields []string) {
	send, want := r.stream()
	runs := cutsOf(t, len(send))
	n.withstand(t, r.reject, len(runs), func() {
		for _, cuts := range runs {
			if got := n.exchange(send, cuts, target, fields); !slices.Equal(got, want) {
				t.Fatalf("%s\ncut at %v\n got %s\nwant %s", hexOf(send), cuts, got, want)
			}
		}
	})
}

// checkMoved compares the rejections that were counted with those of n runs that are all refused for why.
func checkMoved(t *testing.T, moved map[metrics.Rejection]uint64, why metrics.Rejection, n int) {
	t.Helper()
	want := map[metrics.Rejection]uint64{why: uint64(n)}
	if why == none {
		want = map[metrics.Rejection]uint64{}
	}
	if fmt.Sprint(moved) != fmt.Sprint(want) {
		t.Errorf("rejections counted = %v; want %v", moved, want)
	}
}

// cutsOf returns where an input of that size is cut in each run: nowhere, at one place, everywhere.
func cutsOf(t testing.TB, size int) [][]int {
	runs := [][]int{nil}
	if size <= everyCut {
		for at := 1; at < size; at++ {
			runs = append(runs, []int{at})
		}
	} else {
		seed := rand.Uint64()
		t.Logf("random cuts from seed %d", seed)
		rng := rand.New(rand.NewPCG(seed, 0))
		for range randomCuts {
			runs = append(runs, []int{1 + rng.IntN(size-1)})
		}
	}
	if size <= byteWise {
		all := make([]int, size-1)
		for i := range all {
			all[i] = i + 1
		}
		runs = append(runs, all)
	}
	return runs
}

// exchange sends a stream cut in pieces over a new conn, and returns all the frames that come back until the
// server ends the stream.
func (n *node) exchange(send []byte, cuts []int, target string, fields []string) []string {
	c := n.open(target, fields...)
	defer c.close()
	done := make(chan struct{})
	go func() {
		defer close(done)
		n.sendCut(c, send, cuts)
	}()
	got := c.rest()
	c.close()
	<-done
	return got
}

// sendCut writes b in pieces, each of which the node has taken before the next one follows.
func (n *node) sendCut(c *client, b []byte, cuts []int) {
	last, reading := 0, true
	for _, at := range cuts {
		before := n.counts().WireIn
		c.send(b[last:at])
		reading = reading && n.awaitRead(before+uint64(at-last))
		last = at
	}
	c.send(b[last:])
}

// hexOf shows bytes in a failure, the first of them if they are many.
func hexOf(b []byte) string {
	if len(b) > 120 {
		return fmt.Sprintf("%x… (%d bytes)", b[:120], len(b))
	}
	return fmt.Sprintf("%x", b)
}
