package store

import "testing"

func TestParsePolicy(t *testing.T) {
	for name, want := range map[string]Policy{"always": Always, "interval": Interval} {
		if got, err := ParsePolicy(name); got != want || err != nil || got.String() != name {
			t.Errorf("ParsePolicy(%q) = %v, %v", name, got, err)
		}
	}
	for _, name := range []string{"", "never", "Always", "interval "} {
		if got, err := ParsePolicy(name); err == nil {
			t.Errorf("ParsePolicy(%q) = %v; want an error", name, got)
		}
	}
}
