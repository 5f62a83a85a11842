package hub

import (
	"math/rand/v2"
	"slices"
	"testing"
)

func TestRingIsAList(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	var g ring
	var want []*Past
	for range 10_000 {
		if rng.IntN(2) == 0 || len(want) == 0 {
			p := &Past{make([]byte, rng.IntN(10))}
			g.push(p)
			want = append(want, p)
		} else {
			g.shift()
			want = want[1:]
		}
		var bytes int64
		for _, p := range want {
			bytes += p.size()
		}
		i := rng.IntN(len(want) + 1)
		j := i + rng.IntN(len(want)-i+1)
		reversed := slices.Clone(want[i:j])
		slices.Reverse(reversed)
		if g.n != len(want) || g.bytes != bytes || !slices.Equal(g.list(i, j), want[i:j]) || !slices.Equal(g.reversed(i, j), reversed) {
			t.Fatalf("ring of %d with %d bytes; want %d with %d", g.n, g.bytes, len(want), bytes)
		}
		if n := len(want); n > 0 && g.newest()[0] != want[n-1] || len(g.newest()) != min(n, 1) {
			t.Fatal("newest is not the last")
		}
	}
}
