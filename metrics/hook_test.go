package metrics

import (
	"testing"
	"time"
)

func TestHooksCount(t *testing.T) {
	h := NewHooks()
	h.Called("connect", "ok", 20*time.Millisecond)
	h.Called("connect", "timeout", time.Second)
	h.Spared("connect", "breaker_open")
	h.Retried("subscribe")
	h.Dropped()
	checkScrape(t, h,
		`edge_hook_requests_total{event="connect",result="ok"} 1`,
		`edge_hook_requests_total{event="connect",result="timeout"} 1`,
		`edge_hook_requests_total{event="connect",result="breaker_open"} 1`,
		`edge_hook_request_duration_seconds_bucket{event="connect",le="0.025"} 1`,
		`edge_hook_request_duration_seconds_count{event="connect"} 2`,
		`edge_hook_retries_total{event="subscribe"} 1`,
		`edge_hook_dropped_total 1`,
	)
}
