package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Hooks counts what a node asks the backends of an application, and tells them. Events and results are the names that package
// hook has for them, a fixed set. Any goroutine may use it.
type Hooks struct {
	requests *prometheus.CounterVec
	took     *prometheus.HistogramVec
	retries  *prometheus.CounterVec
	dropped  prometheus.Counter
}

// hookSeconds are the bounds of how long a call takes: a millisecond for a backend nearby, seconds with all tries, half a minute
// for an event that nobody waits for.
var hookSeconds = []float64{1e-3, 2.5e-3, 5e-3, 10e-3, 25e-3, 50e-3, 100e-3, 250e-3, 500e-3, 1, 2.5, 5, 10, 30}

// NewHooks returns counters at zero.
func NewHooks() *Hooks {
	return &Hooks{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "edge_hook_requests_total", Help: "Calls of backends by what came of them, each with all its tries.",
		}, []string{"event", "result"}),
		took: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "edge_hook_request_duration_seconds", Help: "Time that calls of backends took with all their tries, without those that were not made.",
			Buckets: hookSeconds,
		}, []string{"event"}),
		retries: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "edge_hook_retries_total", Help: "Tries of calls of backends that failed and that another followed.",
		}, []string{"event"}),
		dropped: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "edge_hook_dropped_total", Help: "Disconnect events that were given up.",
		}),
	}
}

// Called counts a call that is over, or an event that has been delivered.
func (h *Hooks) Called(event, result string, took time.Duration) {
	h.requests.WithLabelValues(event, result).Inc()
	h.took.WithLabelValues(event).Observe(took.Seconds())
}

// Spared counts a call that the backend was not bothered with. That takes no time, and would make a backend that fails look fast.
func (h *Hooks) Spared(event, result string) { h.requests.WithLabelValues(event, result).Inc() }

// Retried counts a try that failed and that another follows.
func (h *Hooks) Retried(event string) { h.retries.WithLabelValues(event).Inc() }

// Dropped counts a disconnect event that was given up.
func (h *Hooks) Dropped() { h.dropped.Inc() }

// Describe implements [prometheus.Collector].
func (h *Hooks) Describe(to chan<- *prometheus.Desc) {
	for _, c := range h.all() {
		c.Describe(to)
	}
}

// Collect implements [prometheus.Collector].
func (h *Hooks) Collect(to chan<- prometheus.Metric) {
	for _, c := range h.all() {
		c.Collect(to)
	}
}

func (h *Hooks) all() [4]prometheus.Collector {
	return [...]prometheus.Collector{h.requests, h.took, h.retries, h.dropped}
}
