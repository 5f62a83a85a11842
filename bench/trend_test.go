package bench

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"
)

// trendOfSeries returns the trend of n values a second apart, of which step makes the next, with ten connections a second.
func trendOfSeries(n int, step func(i int) float64) Trend {
	var seconds, cycles, values []float64
	for i := range n {
		seconds, cycles, values = append(seconds, float64(i)), append(cycles, float64(10*i)), append(values, step(i))
	}
	return trendOf("x", bytesUnit, seconds, cycles, values)
}

// A server that leaks is found out, with the right rate, and one that is only restless is not accused.
func TestTrends(t *testing.T) {
	const rounds, n = 200, 300
	for _, row := range []struct {
		name  string
		clean func(rng *rand.Rand) func(i int) float64
		leak  float64 // a second, of which the verdict must be that it grows
	}{
		{"noise", func(rng *rand.Rand) func(int) float64 {
			return func(int) float64 { return 1e6 + 1e4*rng.NormFloat64() }
		}, 100},
		{"noise that lasts", func(rng *rand.Rand) func(int) float64 {
			var v float64
			return func(int) float64 {
				v = 0.8*v + 1e4*rng.NormFloat64()
				return 1e6 + v
			}
		}, 400},
		{"a heap between collections", func(rng *rand.Rand) func(int) float64 {
			phase := rng.IntN(20)
			return func(i int) float64 { return 1e6 + 1e4*float64((i+phase)%20) }
		}, 1000},
	} {
		accused, found := 0, 0
		for round := range rounds {
			rng := rand.New(rand.NewPCG(uint64(round), 5))
			if trend := trendOfSeries(n, row.clean(rng)); trend.Verdict != TrendNone {
				accused++
			}
			clean := row.clean(rng)
			trend := trendOfSeries(n, func(i int) float64 { return clean(i) + row.leak*float64(i) })
			if right := math.Abs(trend.PerHour-3600*row.leak) < 5*trend.PerHourError; trend.Verdict == TrendGrows && right {
				found++
			}
			if math.Abs(trend.PerCycle-trend.PerHour/36000) > 1e-6*trend.PerHour {
				t.Errorf("%s: %g a connection, %g an hour; want ten connections a second", row.name, trend.PerCycle, trend.PerHour)
			}
		}
		t.Logf("%s: %d of %d clean ones accused, %d leaks found", row.name, accused, rounds, found)
		if accused > rounds/50 || found < rounds*95/100 {
			t.Errorf("%s: %d of %d clean ones accused, %d leaks found", row.name, accused, rounds, found)
		}
	}
}

func TestTrendVerdicts(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 5))
	for _, row := range []struct {
		name string
		n    int
		step func(i int) float64
		want string
		says string
	}{
		{"nothing moves", 50, func(int) float64 { return 12 }, TrendNone, "0.0 B ± 0.0 B/h"},
		{"too few", 5, func(i int) float64 { return float64(i) }, TrendUnknown, "(5)"},
		{"a pure leak", 50, func(i int) float64 { return float64(1024 * i) }, TrendGrows, "3.5 MiB ± 0.0 B/h, 102.4 B ± 0.0 B/connection; from 0.0 B to 49.0 KiB"},
		{"it shrinks", 50, func(i int) float64 { return float64(1<<20 - 1024*i) }, TrendFalls, "-3.5 MiB"},
		{"a cache that fills", 300, func(i int) float64 { return 1e6*(1-math.Exp(-float64(i)/40)) + 1e3*rng.NormFloat64() }, TrendNone, TrendNone},
		{"one step", 300, func(i int) float64 { return float64(i / 290) }, TrendNone, TrendNone},
	} {
		trend := trendOfSeries(row.n, row.step)
		if trend.Verdict != row.want || !strings.Contains(trend.String(), row.says) {
			t.Errorf("%s: %s; want %s, with a word of %s", row.name, trend.String(), row.want, row.says)
		}
	}
}
