package tuning

import "testing"

// What the check at the start of a node costs.
func BenchmarkCheckThisHost(b *testing.B) {
	for b.Loop() {
		check(b, This(), Load{Connections: 1_000_000})
	}
}
