package hub

import (
	"fmt"
	"slices"
	"testing"
)

// Largest agrees with a sort of all rooms, whatever n is.
func TestLargest(t *testing.T) {
	h := New()
	loops := []*loop{newLoop(h), newLoop(h)}
	var want []Crowd
	for i := range 200 {
		name, members := fmt.Sprintf("room %03d", i), i*7%40
		for m := range members {
			loops[m%2].subscribe(t, uint32(m), new(Subs), name)
		}
		if members > 0 {
			want = append(want, Crowd{name, members})
		}
	}
	slices.SortStableFunc(want, func(a, b Crowd) int { return b.Members - a.Members })
	for _, n := range []int{0, 1, 2, 3, 17, 195, 500} {
		if got := h.Largest(n); !slices.Equal(got, want[:min(n, len(want))]) {
			t.Errorf("Largest(%d) = %v; want %v", n, got, want[:min(n, len(want))])
		}
	}
}
