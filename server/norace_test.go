//go:build !race

package server

// raceEnabled tells tests of memory that they run under the race detector.
const raceEnabled = false
