package metrics

import (
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// API counts what the HTTP API does. Any goroutine may use it.
type API struct {
	requests *prometheus.CounterVec
	refused  *prometheus.CounterVec
	took     *prometheus.HistogramVec
}

// apiSeconds are the bounds of how long a request takes: a publication a few tens of microseconds, an order to all clients
// of a large node a second.
var apiSeconds = []float64{50e-6, 100e-6, 250e-6, 500e-6, 1e-3, 2.5e-3, 5e-3, 10e-3, 25e-3, 100e-3, 500e-3, 2.5, 10}

// apiRefusals are the statuses that refused requests get. Any other counts as the last one.
var apiRefusals = []int{
	http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusMethodNotAllowed,
	http.StatusRequestTimeout, http.StatusRequestEntityTooLarge, http.StatusBadRequest,
}

// NewAPI returns counters at zero.
func NewAPI() *API {
	a := &API{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "edge_api_requests_total", Help: "Commands of the HTTP API by what came of them.",
		}, []string{"method", "result"}),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "edge_api_refused_total", Help: "Requests to the HTTP API that came to nothing, by status.",
		}, []string{"status"}),
		took: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "edge_api_request_duration_seconds", Help: "Time that commands of the HTTP API took.", Buckets: apiSeconds,
		}, []string{"method"}),
	}
	for _, status := range apiRefusals {
		a.refused.WithLabelValues(strconv.Itoa(status))
	}
	return a
}

// Observe counts a command that has run. The method is one of the API's; code is that of its error, 0 for a result.
func (a *API) Observe(method string, code uint32, took time.Duration) {
	a.requests.WithLabelValues(method, apiResult(code)).Inc()
	a.took.WithLabelValues(method).Observe(took.Seconds())
}

// Refused counts a request of which no command has run.
func (a *API) Refused(status int) {
	if !slices.Contains(apiRefusals, status) {
		status = apiRefusals[len(apiRefusals)-1]
	}
	a.refused.WithLabelValues(strconv.Itoa(status)).Inc()
}

// apiResult is the label of an error's code: whether the request is at fault, or the node, or an application has decided.
func apiResult(code uint32) string {
	switch {
	case code == 0:
		return "ok"
	case code == 100 || code == 111:
		return "failed"
	case code < 400:
		return "refused"
	}
	return "application"
}

// Describe implements [prometheus.Collector].
func (a *API) Describe(to chan<- *prometheus.Desc) {
	a.requests.Describe(to)
	a.refused.Describe(to)
	a.took.Describe(to)
}

// Collect implements [prometheus.Collector].
func (a *API) Collect(to chan<- prometheus.Metric) {
	a.requests.Collect(to)
	a.refused.Collect(to)
	a.took.Collect(to)
}
