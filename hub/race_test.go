//go:build race

package hub

// raceEnabled tells tests of memory and speed that they run under the race detector.
const raceEnabled = true
