//go:build !race

package testutil

// Race tells tests of memory and allocations that they run under the race detector, which changes both.
const Race = false
