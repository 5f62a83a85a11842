package store

import (
	"math/rand/v2"
	"testing"

	"github.com/seed4ac54ce5/edge/hub"
)

// What a plain model would have is what comes back, whatever was put and however often the file was closed.
func TestReopenGivesBackWhatWasPut(t *testing.T) {
	for _, p := range []Policy{Always, Interval} {
		t.Run(p.String(), func(t *testing.T) {
			seed := rand.Uint64()
			t.Logf("seed %d", seed)
			c, log := newConfig(t, p)
			r := newRandomRecords(seed)
			for range 8 {
				s := mustOpen(t, c)
				compare(t, loadAll(t, s), r.model.histories())
				mustKeep(t, s, randomBurst(r, 1+r.IntN(1500))...)
				mustKeep(t, s, randomBurst(r, 1+r.IntN(20))...)
				mustClose(t, s)
			}
			s := mustOpen(t, c)
			compare(t, loadAll(t, s), r.model.histories())
			mustClose(t, s)
			if log.String() != "" {
				t.Errorf("log: %s", log)
			}
		})
	}
}

func randomBurst(r *randomRecords, n int) []*hub.Record {
	var all []*hub.Record
	for range n {
		all = append(all, r.next())
	}
	return all
}
