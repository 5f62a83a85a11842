package metrics

import (
	"maps"
	"os"
	"testing"
)

func TestParseNetstat(t *testing.T) {
	for _, r := range []struct {
		text string
		want map[string]uint64
	}{
		{"", nil},
		{"TcpExt: A B\n", nil},
		{"TcpExt: A B\nTcpExt: 1 2\nIpExt: A C\nIpExt: 3 4\n", map[string]uint64{"A": 1, "B": 2}},
		{"TcpExt: A B C\nTcpExt: 1 -2\n", map[string]uint64{"A": 1}},
	} {
		if got := parseNetstat([]byte(r.text)); !maps.Equal(got, r.want) {
			t.Errorf("parseNetstat(%q) = %v; want %v", r.text, got, r.want)
		}
	}
}

// The kernel that runs the tests has the counters that are shown.
func TestNetstatHasTheListenersCounters(t *testing.T) {
	b, err := os.ReadFile(netstatFile)
	if err != nil {
		t.Skip(err)
	}
	counters := parseNetstat(b)
	for _, name := range []string{"ListenOverflows", "ListenDrops"} {
		if _, ok := counters[name]; !ok {
			t.Errorf("%s has no %s", netstatFile, name)
		}
	}
}
