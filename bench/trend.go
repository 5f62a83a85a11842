package bench

import (
	"fmt"
	"math"
)

// Trend is what one quantity of the server did in the course of a run: the slope of the line that fits best, with its
// standard error, by time and by connections that came to stand.
type Trend struct {
	Name          string  `json:"name"`
	Unit          string  `json:"unit,omitempty"` // bytes, or nothing for things that are counted
	Samples       int     `json:"samples"`
	First         float64 `json:"first"`
	Last          float64 `json:"last"`
	PerHour       float64 `json:"per_hour"`
	PerHourError  float64 `json:"per_hour_error"`
	PerCycle      float64 `json:"per_cycle,omitempty"`
	PerCycleError float64 `json:"per_cycle_error,omitempty"`
	Verdict       string  `json:"verdict"`
}

// The verdicts on a trend.
const (
	TrendUnknown = "too few samples to say"
	TrendNone    = "no slope beyond noise"
	TrendGrows   = "grows"
	TrendFalls   = "falls"
)

const (
	leastSamples = 12  // of which nothing can be said
	significance = 3.5 // standard errors that a slope must have to be one
)

// line is the best straight line through points: its slope and the standard error of that.
type line struct{ slope, err float64 }

// fitLine fits a line by least squares. Samples that follow each other say partly the same, the more so the more the
// residuals do: the error is made larger for that, as for a first-order autoregressive process (Kendall's correction for
// the bias of short series included).
func fitLine(x, y []float64) line {
	n := float64(len(x))
	mx, my := mean(x), mean(y)
	var sxx, sxy float64
	for i := range x {
		sxx += (x[i] - mx) * (x[i] - mx)
		sxy += (x[i] - mx) * (y[i] - my)
	}
	if sxx == 0 || n < 3 {
		return line{0, math.Inf(1)}
	}
	slope := sxy / sxx
	var squares, products, before float64
	for i := range x {
		r := y[i] - my - slope*(x[i]-mx)
		squares += r * r
		products += r * before
		before = r
	}
	if squares == 0 {
		return line{slope: slope}
	}
	rho := products / squares
	rho = min(max(rho+(2+4*rho)/n, 0), 0.99)
	return line{slope, math.Sqrt(squares / (n - 2) / sxx * (1 + rho) / (1 - rho))}
}

func mean(v []float64) float64 {
	var sum float64
	for _, x := range v {
		sum += x
	}
	return sum / float64(len(v))
}

// sure reports whether l has a slope that is more than noise.
func (l line) sure() bool { return math.Abs(l.slope) > significance*l.err }

// trendOf says how values moved, at times in seconds and with so many connections made by then.
func trendOf(name, unit string, seconds, cycles, values []float64) Trend {
	t := Trend{Name: name, Unit: unit, Samples: len(values), Verdict: TrendUnknown}
	if len(values) == 0 {
		return t
	}
	t.First, t.Last = values[0], values[len(values)-1]
	if len(values) < leastSamples {
		return t
	}
	whole := fitLine(seconds, values)
	t.PerHour, t.PerHourError = 3600*whole.slope, 3600*whole.err
	if by := fitLine(cycles, values); !math.IsInf(by.err, 1) {
		t.PerCycle, t.PerCycleError = by.slope, by.err
	}
	t.Verdict = whole.verdict()
	return t
}

// verdict says what a slope means.
func (l line) verdict() string {
	switch {
	case !l.sure():
		return TrendNone
	case l.slope < 0:
		return TrendFalls
	}
	return TrendGrows
}

// String returns the verdict with its figures.
func (t *Trend) String() string {
	if t.Verdict == TrendUnknown {
		return fmt.Sprintf("%s (%d)", t.Verdict, t.Samples)
	}
	text := t.Verdict + ": " + t.rate(t.PerHour, t.PerHourError) + "/h"
	if t.PerCycle != 0 || t.PerCycleError != 0 {
		text += ", " + t.rate(t.PerCycle, t.PerCycleError) + "/connection"
	}
	return text + fmt.Sprintf("; from %s to %s", t.amount(t.First), t.amount(t.Last))
}

func (t *Trend) rate(v, err float64) string {
	return fmt.Sprintf("%s ± %s", t.amount(v), t.amount(err))
}

// amount returns v in words.
func (t *Trend) amount(v float64) string {
	if t.Unit != bytesUnit {
		return fmt.Sprintf("%.4g", v)
	}
	sign := ""
	if v < 0 {
		sign, v = "-", -v
	}
	if v < 1<<10 {
		return fmt.Sprintf("%s%.1f B", sign, v)
	}
	return sign + size(uint64(v))
}

const bytesUnit = "bytes"
