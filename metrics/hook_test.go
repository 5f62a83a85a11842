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

func TestHooksCount(t *testing.T) {
	h := NewHooks()
	h.Called("connect", "ok", 20*time.Millisecond)
	h.Called("connect", "timeout", time.Second)
	h.Spared("connect", "breaker_open")
	h.Retried("subscribe")
	h.Dropped()
	registry := prometheus.NewRegistry()
	registry.MustRegister(h)
	w := httptest.NewRecorder()
	promhttp.HandlerFor(registry, promhttp.HandlerOpts{}).ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	shown := strings.Split(w.Body.String(), "\n")
	for _, line := range []string{
		`edge_hook_requests_total{event="connect",result="ok"} 1`,
		`edge_hook_requests_total{event="connect",result="timeout"} 1`,
		`edge_hook_requests_total{event="connect",result="breaker_open"} 1`,
		`edge_hook_request_duration_seconds_bucket{event="connect",le="0.025"} 1`,
		`edge_hook_request_duration_seconds_count{event="connect"} 2`,
		`edge_hook_retries_total{event="subscribe"} 1`,
		`edge_hook_dropped_total 1`,
	} {
		if !slices.Contains(shown, line) {
			t.Errorf("%s is missing from\n%s", line, w.Body)
		}
	}
}
