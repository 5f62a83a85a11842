package hub

import (
	"math/rand/v2"
	"testing"
)

func TestAgendaKeepsTheEarliestFirst(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	var a agenda
	a.init(eldestAgenda)
	at := make(map[*memory]int64)
	all := make([]*memory, 50)
	for i := range all {
		all[i] = new(memory)
		at[all[i]] = never
	}
	for range 20_000 {
		m := all[rng.IntN(len(all))]
		at[m] = rng.Int64N(100)
		if rng.IntN(3) == 0 {
			at[m] = never
		}
		a.set(m, at[m])
		earliest, n := int64(never), 0
		for m, at := range at {
			earliest = min(earliest, at)
			if at != never {
				n++
			}
			if got := a.when(m); got != at {
				t.Fatalf("when = %d; want %d", got, at)
			}
		}
		first, got := a.first()
		if got != earliest || a.next.Load() != earliest || len(a.items) != n || n > 0 && at[first] != earliest {
			t.Fatalf("first of %d at %d, next %d; want %d at %d", len(a.items), got, a.next.Load(), n, earliest)
		}
	}
}
