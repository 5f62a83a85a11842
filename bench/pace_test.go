package bench

import (
	"testing"
	"time"
)

func TestPace(t *testing.T) {
	for _, row := range []struct {
		p    pace
		k    uint64
		want int64
	}{
		{pace{start: 5}, 0, 5},
		{pace{start: 5}, 1e9, 5},
		{pace{start: 5, rate: 100}, 0, 5},
		{pace{start: 5, rate: 100}, 1, 5 + 1e7},
		{pace{start: 5, rate: 100}, 250, 5 + 25e8},
		{pace{rate: 3}, 1, 333_333_333},
		{pace{rate: 3}, 3, 1e9},
		{pace{rate: 1e9}, 1e12, 1e12}, // a quarter of an hour at full speed does not overflow
	} {
		if got := row.p.at(row.k); got != row.want {
			t.Errorf("%+v.at(%d) = %d; want %d", row.p, row.k, got, row.want)
		}
	}
}

func TestPaceInterval(t *testing.T) {
	for rate, want := range map[uint64]time.Duration{
		0:   200 * time.Microsecond,
		100: 10 * time.Millisecond,
		1e3: time.Millisecond,
		1e6: 200 * time.Microsecond,
	} {
		if got := (pace{rate: rate}).interval(); got != want {
			t.Errorf("interval at %d a second = %v; want %v", rate, got, want)
		}
	}
}
