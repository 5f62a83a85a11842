package metrics

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/seed4ac54ce5/edge/internal/testutil"
)

// TestDocsNameMetrics holds the metrics in the docs against those that are shown.
func TestDocsNameMetrics(t *testing.T) {
	registry := prometheus.NewRegistry()
	registry.MustRegister(NewCollector(func() Snapshot {
		var c Counts
		c.Disconnect(1000) // codes show when they have occurred
		return Snapshot{Loops: []Loop{{Counts: c}}, Store: new(Store), Insecure: map[string]bool{"development": true}}
	}))
	api := NewAPI()
	api.Observe("info", 0, 0) // methods show when they have been called
	hooks := NewHooks()
	hooks.Called("connect", "ok", 0) // and events
	hooks.Retried("connect")
	registry.MustRegister(api, hooks)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range families {
		names = append(names, f.GetName())
	}
	testutil.CompareDocs(t, "..", "Metrics", "`(edge_[a-z_]+)[`{]", names)
}
