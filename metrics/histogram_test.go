package metrics

import (
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// histogram shows one histogram to Prometheus.
type histogram struct {
	h     *Histogram
	every int
}

func (histogram) Describe(to chan<- *prometheus.Desc) { to <- fanoutSeconds }

func (c histogram) Collect(to chan<- prometheus.Metric) { c.h.collect(to, fanoutSeconds, c.every) }

func TestHistogram(t *testing.T) {
	var h, sum Histogram
	for _, d := range []time.Duration{-time.Second, 0, 10 * time.Microsecond, 11 * time.Microsecond, time.Second, time.Minute} {
		h.Observe(d)
	}
	sum.Add(&h)
	sum.Add(&h)
	want := `# HELP edge_fanout_duration_seconds Time to deliver a batch of publications to all members of a room on a loop.
# TYPE edge_fanout_duration_seconds histogram
edge_fanout_duration_seconds_bucket{le="1e-05"} 6
edge_fanout_duration_seconds_bucket{le="0.0001"} 8
edge_fanout_duration_seconds_bucket{le="0.001"} 8
edge_fanout_duration_seconds_bucket{le="0.01"} 8
edge_fanout_duration_seconds_bucket{le="0.1"} 8
edge_fanout_duration_seconds_bucket{le="1"} 10
edge_fanout_duration_seconds_bucket{le="10"} 10
edge_fanout_duration_seconds_bucket{le="+Inf"} 12
edge_fanout_duration_seconds_sum 122.000042
edge_fanout_duration_seconds_count 12
`
	if got := scrape(histogram{&sum, eachDecade}); got != want {
		t.Errorf("a scrape shows\n%s\nwant\n%s", got, want)
	}
	if got := strings.Count(scrape(histogram{&sum, eachBound}), "_bucket{"); got != len(bounds)+1 {
		t.Errorf("a scrape shows %d buckets; want %d", got, len(bounds)+1)
	}
}

// scrape returns what Prometheus reads of c.
func scrape(c prometheus.Collector) string {
	registry := prometheus.NewRegistry()
	registry.MustRegister(c)
	w := httptest.NewRecorder()
	promhttp.HandlerFor(registry, promhttp.HandlerOpts{}).ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	return w.Body.String()
}

// checkScrape fails the test unless a scrape of c has all these lines.
func checkScrape(t *testing.T, c prometheus.Collector, lines ...string) {
	t.Helper()
	page := scrape(c)
	shown := strings.Split(page, "\n")
	for _, line := range lines {
		if !slices.Contains(shown, line) {
			t.Errorf("%s is missing from\n%s", line, page)
		}
	}
}

func TestBoundsRise(t *testing.T) {
	for i, b := range bounds[1:] {
		if b <= bounds[i] {
			t.Errorf("bound %v comes after %v", b, bounds[i])
		}
	}
}

func TestObserveDoesNotAllocate(t *testing.T) {
	var h Histogram
	if n := testing.AllocsPerRun(100, func() { h.Observe(time.Millisecond) }); n > 0 {
		t.Errorf("%v allocations; want none", n)
	}
}
