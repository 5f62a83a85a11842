//go:build !race

package netpoll

// raceEnabled tells tests of memory and speed that they run under the race detector.
const raceEnabled = false
