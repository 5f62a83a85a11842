package deploy

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/seed4ac54ce5/edge/metrics"
)

func TestPrometheusAccepts(t *testing.T) {
	promtool := need(t, "promtool", "prometheus")
	for _, args := range [][]string{
		{"check", "config", "prometheus/prometheus.yml"},
		{"check", "rules", "prometheus/edge.rules.yml"},
		{"test", "rules", "prometheus/edge.rules.test.yml"},
	} {
		accept(t, promtool, args...)
	}
}

// A rule or a graph about a metric that nobody shows is silent for ever.
func TestMetricsExist(t *testing.T) {
	shown := shownMetrics(t)
	for _, path := range []string{
		"prometheus/edge.rules.yml", "prometheus/edge.rules.test.yml", "grafana/edge.json",
		"kubernetes/autoscaling.yaml", "kubernetes/prometheus-adapter.yaml",
	} {
		used := usedMetrics(read(t, path))
		if len(used) == 0 {
			t.Errorf("%s uses no metric", path)
		}
		for _, name := range used {
			if !slices.Contains(shown, name) {
				t.Errorf("%s uses %s, which edge does not show", path, name)
			}
		}
	}
}

// metricName finds names of metrics, but not the parts of names of recording rules.
var metricName = regexp.MustCompile(`(?:^|[^a-z_:.])((?:edge|process|go)_[a-z_]+)(?:[^a-z_:]|$)`)

// usedMetrics returns the metrics that text names. The buckets of a histogram are of its name.
func usedMetrics(text string) []string {
	var names []string
	for _, m := range metricName.FindAllStringSubmatch(text, -1) {
		names = append(names, strings.TrimSuffix(m[1], "_bucket"))
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func TestUsedMetricsAreSeen(t *testing.T) {
	const text = `{"expr": "sum(edge_rooms{a=\"b\"}) / rate(process_cpu_seconds_total[5m]) + instance:edge_drops:rate5m > edge_rooms"}`
	if got, want := usedMetrics(text), []string{"edge_rooms", "process_cpu_seconds_total"}; !slices.Equal(got, want) {
		t.Errorf("usedMetrics = %q; want %q", got, want)
	}
}

// shownMetrics returns what a node shows.
func shownMetrics(t *testing.T) []string {
	t.Helper()
	api := metrics.NewAPI()
	api.Observe("info", 0, 0) // methods show when they have been called
	hooks := metrics.NewHooks()
	hooks.Called("connect", "ok", 0) // and events
	hooks.Retried("connect")
	registry := prometheus.NewRegistry()
	registry.MustRegister(
		api, hooks,
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		metrics.NewCollector(func() metrics.Snapshot {
			var c metrics.Counts
			c.Disconnect(1000) // codes show when they have occurred
			return metrics.Snapshot{Loops: []metrics.Loop{{Counts: c}}, Store: new(metrics.Store), Insecure: map[string]bool{"development": true}}
		}),
	)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range families {
		names = append(names, f.GetName())
	}
	return names
}

// Each graph asks the data source and the nodes that the user has chosen.
func TestDashboardUsesItsVariables(t *testing.T) {
	ids := map[int]bool{}
	for _, panel := range panels(t) {
		if ids[panel.ID] {
			t.Errorf("panel %q: the id %d is taken", panel.Title, panel.ID)
		}
		ids[panel.ID] = true
		if panel.Type != "row" && len(panel.Targets) == 0 {
			t.Errorf("panel %q shows nothing", panel.Title)
		}
		for _, target := range panel.Targets {
			if target.Datasource.UID != "${datasource}" || !strings.Contains(target.Expr, `{job=~"$job",instance=~"$instance"}`) {
				t.Errorf("panel %q asks %q for %s", panel.Title, target.Datasource.UID, target.Expr)
			}
		}
	}
}

// panel is a graph of the dashboard.
type panel struct {
	ID      int
	Title   string
	Type    string
	Targets []struct {
		Expr       string
		Datasource struct{ UID string }
	}
}

func panels(t *testing.T) []panel {
	t.Helper()
	var board struct{ Panels []panel }
	if err := json.Unmarshal([]byte(read(t, "grafana/edge.json")), &board); err != nil {
		t.Fatal(err)
	}
	return board.Panels
}
