package main

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/seed4ac54ce5/edge/metrics"
	"github.com/spf13/pflag"
)

// TestDocsNameFlags holds the flags of docs/operations.md against those of the command.
func TestDocsNameFlags(t *testing.T) {
	var flags []string
	serveCommand().Flags().VisitAll(func(f *pflag.Flag) { flags = append(flags, "--"+f.Name) })
	compare(t, "flag", flags, documented(t, "Flags", "(?m)^\\| `(--[a-z-]+)`"))
}

// TestDocsNameMetrics holds the metrics of docs/operations.md against those of the collector.
func TestDocsNameMetrics(t *testing.T) {
	registry := prometheus.NewRegistry()
	registry.MustRegister(metrics.NewCollector(func() metrics.Snapshot {
		busy := metrics.Counts{}
		busy.Disconnect(1000) // codes show when they have occurred
		return metrics.Snapshot{Loops: []metrics.Counts{busy}}
	}))
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range families {
		names = append(names, f.GetName())
	}
	compare(t, "metric", names, documented(t, "Metrics", "`(edge_[a-z_]+)[`{]"))
}

// documented returns what a section of docs/operations.md names.
func documented(t *testing.T, section, pattern string) []string {
	t.Helper()
	page, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	_, text, ok := strings.Cut(string(page), "\n## "+section+"\n")
	if !ok {
		t.Fatalf("docs/operations.md has no section %q", section)
	}
	text, _, _ = strings.Cut(text, "\n## ")
	var names []string
	for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(text, -1) {
		names = append(names, m[1])
	}
	return names
}

// compare reports what only one side has.
func compare(t *testing.T, kind string, code, docs []string) {
	t.Helper()
	for _, name := range code {
		if !slices.Contains(docs, name) {
			t.Errorf("%s %s is not in docs/operations.md", kind, name)
		}
	}
	for _, name := range docs {
		if !slices.Contains(code, name) {
			t.Errorf("docs/operations.md names %s %s, which does not exist", kind, name)
		}
	}
}
