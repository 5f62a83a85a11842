package main

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/seed4ac54ce5/edge/bench"
)

// What a server must do at a rate to sustain it.
const (
	longestP99   = 100_000 // microseconds
	leastReached = 0.95    // of the deliveries that are offered
)

// The rates that are tried, in publications a second, each of which is a thousand deliveries.
const (
	firstRate = 50
	lastRate  = 50 << 8
	halvings  = 3 // of the distance between the greatest rate that was sustained and the least that was not
)

// trialLength is how long a rate is tried.
var trialLength = []string{"--duration", "2s"}

// errRate means that a server does not sustain a rate.
var errRate = errors.New("not sustained")

// search returns the report of the greatest rate that a server sustains: it is doubled until that fails, and
// then bisected. A server that sustains none yields the report of the first rate, and an error.
func search(try func(args []string) (*bench.Report, error)) (*bench.Report, error) {
	best, err := sustain(try, firstRate)
	if err != nil {
		return best, err
	}
	good, bad := firstRate, 0
	for step := 0; step < halvings && good < lastRate; {
		rate := 2 * good
		if bad > 0 {
			rate = (good + bad) / 2
			step++
		}
		report, err := sustain(try, rate)
		switch {
		case err == nil:
			best, good = report, rate
		case errors.Is(err, errRate):
			bad = rate
		default:
			return best, err
		}
	}
	return best, nil
}

// sustain tries one rate. A near miss is tried once more, as it may be the machine's.
func sustain(try func(args []string) (*bench.Report, error), rate int) (report *bench.Report, err error) {
	for range 2 {
		if report, err = try(append(audience(strconv.Itoa(rate)), trialLength...)); err != nil {
			return nil, err
		}
		if err = sustained(report); err == nil || reached(report) < leastReached {
			break
		}
	}
	return report, err
}

// sustained returns why the load of a report was too much.
func sustained(r *bench.Report) error {
	switch {
	case r.Err() != nil:
		return fmt.Errorf("%w: %w", errRate, r.Err())
	case reached(r) < leastReached:
		return fmt.Errorf("%w: %.0f %% of what was offered", errRate, 100*reached(r))
	case r.Latency == nil || r.Latency.P99 > longestP99:
		return fmt.Errorf("%w: latency %v", errRate, r.Latency)
	}
	return nil
}

// reached returns which share of the deliveries that were offered came about in time; 1 where nothing was offered.
func reached(r *bench.Report) float64 {
	if r.Scenario != bench.Fanout || r.Measured == nil {
		return 1
	}
	return r.Measured.PerSecond / (float64(r.Rate) * float64(r.Connections) / float64(r.Rooms))
}
