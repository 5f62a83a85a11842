// Compare measures what edge costs as a ratio to the baseline, the bare loop in bench/baseline: both
// are started in turn, round after round, so that both meet the machine in the same moods, and
// each is driven by edge flood as a separate process. It prints minimum, median and maximum of the
// server's CPU time for each message, and the ratio of the medians.
//
//	go run ./bench/compare --rounds 5 --loops 1,2
package main
