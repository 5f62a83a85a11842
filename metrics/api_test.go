package metrics

import (
	"testing"
	"time"
)

func TestAPICounts(t *testing.T) {
	a := NewAPI()
	for _, code := range []uint32{0, 0, 100, 111, 102, 112, 400, 1999} {
		a.Observe("publish", code, time.Microsecond)
	}
	a.Refused(401)
	a.Refused(418) // none of the API's
	checkScrape(t, a,
		`edge_api_requests_total{method="publish",result="ok"} 2`,
		`edge_api_requests_total{method="publish",result="failed"} 2`,
		`edge_api_requests_total{method="publish",result="refused"} 2`,
		`edge_api_requests_total{method="publish",result="application"} 2`,
		`edge_api_refused_total{status="401"} 1`,
		`edge_api_refused_total{status="400"} 1`,
		`edge_api_refused_total{status="413"} 0`,
		`edge_api_request_duration_seconds_bucket{method="publish",le="5e-05"} 8`,
		`edge_api_request_duration_seconds_count{method="publish"} 8`,
	)
}
