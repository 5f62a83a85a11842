package metrics

import (
	"iter"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// bounds are the upper ends of a histogram's buckets.
var bounds = [...]time.Duration{
	10 * time.Microsecond, 25 * time.Microsecond, 50 * time.Microsecond,
	100 * time.Microsecond, 250 * time.Microsecond, 500 * time.Microsecond,
	time.Millisecond, 2500 * time.Microsecond, 5 * time.Millisecond,
	10 * time.Millisecond, 25 * time.Millisecond, 50 * time.Millisecond,
	100 * time.Millisecond, 250 * time.Millisecond, 500 * time.Millisecond,
	time.Second, 2500 * time.Millisecond, 5 * time.Second,
	10 * time.Second,
}

// How many of the bounds are shown: all, or those of each decade.
const (
	eachBound  = 1
	eachDecade = 3
)

// Histogram counts durations by size. It is a loop's own, like all of its [Counts].
type Histogram struct {
	Buckets [len(bounds) + 1]uint64 // the last is for what is longer than all bounds
	Sum     time.Duration
}

// Observe counts d; one below 0, from two clocks that differ, counts as 0.
func (h *Histogram) Observe(d time.Duration) {
	d = max(d, 0)
	i := 0
	for i < len(bounds) && d > bounds[i] {
		i++
	}
	h.Buckets[i]++
	h.Sum += d
}

// Add adds o to h.
func (h *Histogram) Add(o *Histogram) {
	addAll(h.Buckets[:], o.Buckets[:])
	h.Sum += o.Sum
}

// All yields each bucket's upper end, 0 for none, and its count.
func (h *Histogram) All() iter.Seq2[time.Duration, uint64] {
	return func(yield func(time.Duration, uint64) bool) {
		for i, n := range h.Buckets {
			upTo := time.Duration(0)
			if i < len(bounds) {
				upTo = bounds[i]
			}
			if !yield(upTo, n) {
				return
			}
		}
	}
}

// collect shows h with every so many-th bound, from the first on.
func (h *Histogram) collect(to chan<- prometheus.Metric, d *prometheus.Desc, every int, labels ...string) {
	shown, below := make(map[float64]uint64), uint64(0)
	for i, n := range h.Buckets {
		below += n
		if i < len(bounds) && i%every == 0 {
			shown[bounds[i].Seconds()] = below
		}
	}
	to <- prometheus.MustNewConstHistogram(d, below, h.Sum.Seconds(), shown, labels...)
}
