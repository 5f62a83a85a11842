// Package metrics counts what a node does and shows it to Prometheus.
//
// A loop counts in plain fields that nobody else touches, a [Counts]: no lock, no atomic, no shared
// cache line. A scrape asks each loop for a copy, which the loop makes between two turns, and shows the
// sum. What ordinary goroutines do, they count in an [API] or in [Hooks]. All labels have a fixed set of values.
package metrics
