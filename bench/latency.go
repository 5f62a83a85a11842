package bench

import "github.com/HdrHistogram/hdrhistogram-go"

// newHistogram returns one for nanoseconds, good to three digits from half a microsecond to two minutes.
func newHistogram() *hdrhistogram.Histogram {
	return hdrhistogram.New(500, longest, 3)
}

// newLateness returns one that is good to two digits, and small.
func newLateness() *hdrhistogram.Histogram {
	return hdrhistogram.New(1000, longest, 2)
}

const longest = 120e9

// record enters ns. What is out of range counts as the end of the range.
func record(h *hdrhistogram.Histogram, ns int64) {
	_ = h.RecordValue(min(max(ns, 0), longest)) // within the range there is no error
}

// Latency sums up a distribution, in microseconds.
type Latency struct {
	Count int64   `json:"count"`
	Min   float64 `json:"min_us"`
	P50   float64 `json:"p50_us"`
	P90   float64 `json:"p90_us"`
	P99   float64 `json:"p99_us"`
	P999  float64 `json:"p999_us"`
	Max   float64 `json:"max_us"`
}

// latencyOf sums up h, nil if nothing was recorded.
func latencyOf(h *hdrhistogram.Histogram) *Latency {
	if h.TotalCount() == 0 {
		return nil
	}
	us := func(ns int64) float64 { return float64(ns) / 1e3 }
	return &Latency{
		Count: h.TotalCount(),
		Min:   us(h.Min()),
		P50:   us(h.ValueAtQuantile(50)),
		P90:   us(h.ValueAtQuantile(90)),
		P99:   us(h.ValueAtQuantile(99)),
		P999:  us(h.ValueAtQuantile(99.9)),
		Max:   us(h.Max()),
	}
}

// Quantile is one point of a distribution: Share of all were at most Micros long.
type Quantile struct {
	Share  float64 `json:"share"` // 0 to 1
	Micros float64 `json:"us"`
}

// distributionOf returns the points of h that a plot needs: the closer together, the nearer they are to 1.
func distributionOf(h *hdrhistogram.Histogram) (all []Quantile) {
	if h.TotalCount() == 0 {
		return nil
	}
	for _, b := range h.CumulativeDistributionWithTicks(5) {
		all = append(all, Quantile{b.Quantile / 100, float64(min(b.ValueAt, h.Max())) / 1e3})
	}
	return all
}
