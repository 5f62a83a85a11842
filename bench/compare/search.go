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
	farOff       = 0.6     // of them is so little that nobody need ask again
)

// The rates that are tried, in publications a second, each of which is a thousand deliveries.
const (
	firstRate        = 100
	firstMergingRate = 1600 // of servers that gather on purpose
	lastRate         = 25_600
	leastRate        = 12
	halvings         = 3 // of the distance between the greatest rate that was sustained and the least that was not
)

// trialLength is how long a rate is tried.
var trialLength = []string{"--duration", "2s"}

// errRate means that a server does not sustain a rate.
var errRate = errors.New("not sustained")

// try has a server bear a load, the arguments of flood.
type try func(args []string) (*bench.Report, error)

// search returns the report of the greatest rate that a server sustains: from the first on it is doubled until that
// fails, or halved until that succeeds, and then bisected. A server that sustains none yields the report of the
// least, and an error.
func search(first int, try try) (best *bench.Report, err error) {
	good, bad := 0, 0 // 0 while there is none
	for step := 0; step < halvings; {
		rate := first
		switch {
		case good > 0 && bad > 0:
			rate = (good + bad) / 2
			step++
		case good > 0:
			rate = 2 * good
		case bad > 0:
			rate = bad / 2
		}
		report, err := sustain(try, rate)
		switch {
		case err == nil:
			best, good = report, rate
		case !errors.Is(err, errRate):
			return best, err
		case good == 0 && rate <= leastRate:
			return report, err
		default:
			bad = rate
		}
		if good >= lastRate {
			break
		}
	}
	return best, nil
}

// firstRate returns where to begin with servers of this kind.
func (k *kind) firstRate() int {
	if k.merges {
		return firstMergingRate
	}
	return firstRate
}

// sustain tries one rate. A near miss is tried once more, as it may be the machine's.
func sustain(try try, rate int) (report *bench.Report, err error) {
	for range 2 {
		if report, err = try(append(audience(strconv.Itoa(rate)), trialLength...)); err != nil {
			return nil, err
		}
		if err = sustained(report); err == nil || reached(report) < farOff {
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
