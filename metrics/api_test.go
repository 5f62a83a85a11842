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

func TestAPICounts(t *testing.T) {
	a := NewAPI()
	for _, code := range []uint32{0, 0, 100, 111, 102, 112, 400, 1999} {
		a.Observe("publish", code, time.Microsecond)
	}
	a.Refused(401)
	a.Refused(418) // none of the API's
	registry := prometheus.NewRegistry()
	registry.MustRegister(a)
	w := httptest.NewRecorder()
	promhttp.HandlerFor(registry, promhttp.HandlerOpts{}).ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	shown := strings.Split(w.Body.String(), "\n")
	for _, line := range []string{
		`edge_api_requests_total{method="publish",result="ok"} 2`,
		`edge_api_requests_total{method="publish",result="failed"} 2`,
		`edge_api_requests_total{method="publish",result="refused"} 2`,
		`edge_api_requests_total{method="publish",result="application"} 2`,
		`edge_api_refused_total{status="401"} 1`,
		`edge_api_refused_total{status="400"} 1`,
		`edge_api_refused_total{status="413"} 0`,
		`edge_api_request_duration_seconds_bucket{method="publish",le="5e-05"} 8`,
		`edge_api_request_duration_seconds_count{method="publish"} 8`,
	} {
		if !slices.Contains(shown, line) {
			t.Errorf("%s is missing from\n%s", line, w.Body)
		}
	}
}
