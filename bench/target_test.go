package bench

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
)

func TestParseTarget(t *testing.T) {
	for in, want := range map[string]struct{ address, path string }{
		"127.0.0.1:8000":               {"127.0.0.1:8000", ""},
		"ws://127.0.0.1:8000":          {"127.0.0.1:8000", ""},
		"ws://127.0.0.1:8000/echo":     {"127.0.0.1:8000", "/echo"},
		"ws://127.0.0.1:8000/a?b=c":    {"127.0.0.1:8000", "/a?b=c"},
		"ws://[::1]:8000/":             {"[::1]:8000", "/"},
		"localhost:9":                  {"localhost:9", ""},
		"ws://127.0.0.1:8000/with%20x": {"127.0.0.1:8000", "/with%20x"},
	} {
		got, err := parseTarget(&Options{}, in)
		if err != nil || got.address != want.address || got.path != want.path {
			t.Errorf("parseTarget(%q) = %q %q, %v; want %q %q", in, got.address, got.path, err, want.address, want.path)
		}
	}
}

func TestWrongTargetsAreUsage(t *testing.T) {
	for _, in := range []string{"", "127.0.0.1", ":8000", "wss://127.0.0.1", "ws://wss://127.0.0.1:1", "http://127.0.0.1:8000", "127.0.0.1:0x1",
		"127.0.0.1:70000", "127.0.0.1:8000-8001", "ws://", "a b:1",
		"me:pw@127.0.0.1:1", "wss://me:pw@127.0.0.1:1"} {
		if got, err := parseTarget(&Options{}, in); !errors.Is(err, ErrUsage) || strings.Contains(err.Error(), "pw") {
			t.Errorf("parseTarget(%q) = %+v, %v; want a usage error", in, got, err)
		}
	}
}

func TestTargetPaths(t *testing.T) {
	for in, want := range map[string]string{"127.0.0.1:1": "/echo", "ws://127.0.0.1:1/mine": "/mine"} {
		at, err := parseTarget(&Options{}, in)
		if err != nil {
			t.Fatal(err)
		}
		if got := at.request(echoPath).Target; got != want {
			t.Errorf("request to %s is for %s; want %s", in, got, want)
		}
	}
}

func TestRoutesTakeTurns(t *testing.T) {
	r, err := newRoutes(&Options{Targets: []string{"127.0.0.1:1", "127.0.0.1:2"}, Connections: 2*perSource + 2})
	if err != nil {
		t.Fatal(err)
	}
	if len(r.sources) != 2 {
		t.Fatalf("%d sources for %d connections to each of two targets; want 2", len(r.sources), perSource+1)
	}
	for n, want := range []struct{ address, source string }{
		{"127.0.0.1:1", "127.1.1.1"}, {"127.0.0.1:2", "127.1.1.1"},
		{"127.0.0.1:1", "127.1.1.2"}, {"127.0.0.1:2", "127.1.1.2"},
		{"127.0.0.1:1", "127.1.1.1"},
	} {
		to, source := r.of(uint32(n))
		if to.address != want.address || source.String() != want.source {
			t.Errorf("connection %d goes from %v to %s; want %s to %s", n, source, to.address, want.source, want.address)
		}
	}
}

func TestOnlyLoopbackGetsSources(t *testing.T) {
	for _, row := range []struct {
		target  string
		sources int
		want    int
	}{{"192.0.2.1:1", 0, 0}, {"[::1]:1", 0, 0}, {"127.0.0.5:1", 0, 1}, {"127.0.0.5:1", 3, 3}} {
		r, err := newRoutes(&Options{Targets: []string{row.target}, Connections: 1, Sources: row.sources})
		if err != nil || len(r.sources) != row.want {
			t.Errorf("%s, --sources %d: %d sources, %v; want %d", row.target, row.sources, len(r.sources), err, row.want)
		}
	}
}

func TestSourcesAreDistinctLoopbackAddresses(t *testing.T) {
	seen := make(map[netip.Addr]bool)
	for i := range maxSources {
		a := sourceAddr(i)
		if seen[a] || !a.IsLoopback() {
			t.Fatalf("source %d is %v, seen before: %v", i, a, seen[a])
		}
		seen[a] = true
	}
}
