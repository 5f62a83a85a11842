// Compare measures what edge costs beside the baseline, the bare loop in bench/baseline, and beside servers
// with other libraries, bench/peers: each is started in turn, round after round, so that all meet
// the machine in the same moods, and each is driven by edge flood as a separate process. It prints medians, and
// their ratios to those of the first server, the baseline if nothing else is asked for.
//
//	go run ./bench/compare --rounds 5 --loops 1,2
//	go run ./bench/compare --servers 'baseline|edge|gobwas' --only 'echo|fan-out' --range
//	go run ./bench/compare --base bin/edge-before --servers '^(base|edge)$' --only echo
package main
