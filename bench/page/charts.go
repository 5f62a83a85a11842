package page

import (
	"math"
	"strconv"

	"github.com/seed4ac54ce5/edge/bench"
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
)

// charts returns those of which r has something to show.
func charts(r *bench.Report) (all []chart) {
	if c := distribution(r); len(c.lines) > 0 {
		all = append(all, c)
	}
	if len(r.Timeline) == 0 {
		return all
	}
	t := times{r: r, axis: timeAxis(r.Timeline[len(r.Timeline)-1].At), phases: phasesOf(r.Timeline)}
	for _, c := range []chart{t.throughput(), t.latency(), t.processes(), t.kernel(), t.cpu(), t.connections(), t.errors()} {
		if len(c.lines) > 0 {
			all = append(all, c)
		}
	}
	return all
}

// distribution draws latency by percentile. Equal distances are equal factors in how many were slower.
func distribution(r *bench.Report) chart {
	c := chart{
		name: "latency-distribution", title: "Latency by percentile", scale: micros,
		unit: "so many came within this time, counted from when each was due",
	}
	if r.Latency == nil || len(r.Distribution) == 0 {
		return c
	}
	c.across = percentiles(r.Latency.Count)
	l := line{name: string(r.Scenario)}
	for _, q := range r.Distribution {
		l.points = append(l.points, plotter.XY{X: min(nines(q.Share), c.across.max), Y: q.Micros})
	}
	c.lines = []line{l}
	return c
}

// nines returns how many nines a share has: 0.9 has one, 0.99 two.
func nines(share float64) float64 { return -math.Log10(1 - share) }

// percentiles is the axis for the distribution of count values: the last of them is its end.
func percentiles(count int64) axis {
	a := axis{label: "percentile", max: max(1, math.Log10(float64(count)))}
	for _, t := range []struct {
		share float64
		label string
	}{{0, "0"}, {0.5, "50"}, {0.9, "90"}, {0.99, "99"}, {0.999, "99.9"}, {0.9999, "99.99"}, {0.99999, "99.999"}, {0.999999, "99.9999"}, {0.9999999, "99.99999"}} {
		if at := nines(t.share); at <= a.max {
			a.ticks = append(a.ticks, plot.Tick{Value: at, Label: t.label})
		}
	}
	return a
}

// times makes the charts over time.
type times struct {
	r      *bench.Report
	axis   axis
	phases []phase
}

func (t *times) chart(name, title, unit string, s scale) chart {
	return chart{name: name, title: title, unit: unit, scale: s, across: t.axis, phases: t.phases}
}

// steps returns a line on which every moment has its value for as long as it lasted, or none if all are zero.
func (t *times) steps(name string, value func(m *bench.Moment) float64) []line {
	l := line{name: name}
	some := false
	for i := range t.r.Timeline {
		m := &t.r.Timeline[i]
		v := value(m)
		some = some || v > 0
		l.points = append(l.points, plotter.XY{X: max(m.At-m.Seconds, 0), Y: v}, plotter.XY{X: m.At, Y: v})
	}
	if !some {
		return nil
	}
	return []line{l}
}

// throughput draws what the scenario counts.
func (t *times) throughput() chart {
	what, count := "connections", func(m *bench.Moment) uint64 { return m.Ready }
	if l := t.r.Measured; l != nil {
		what = l.Units()
		switch l.Unit {
		case "echo":
			count = func(m *bench.Moment) uint64 { return m.Answered }
		case "delivery":
			count = func(m *bench.Moment) uint64 { return m.Delivered }
		case "cycle":
			count = func(m *bench.Moment) uint64 { return m.Cycled }
		default:
			count = func(m *bench.Moment) uint64 { return m.Answered + m.Delivered }
		}
	}
	c := t.chart("throughput", "Throughput", what+" a second", counts)
	c.lines = t.steps(what, func(m *bench.Moment) float64 { return float64(count(m)) / m.Seconds })
	return c
}

func (t *times) latency() chart {
	c := t.chart("latency", "Latency", "of what came in each moment, counted from when it was due", micros)
	for _, q := range []struct {
		name  string
		value func(m *bench.Moment) float64
	}{
		{"median", func(m *bench.Moment) float64 { return m.P50 }},
		{"99th percentile", func(m *bench.Moment) float64 { return m.P99 }},
	} {
		c.lines = append(c.lines, t.steps(q.name, func(m *bench.Moment) float64 {
			if m.Max == 0 {
				return math.NaN() // nothing was timed
			}
			return q.value(m)
		})...)
	}
	return c
}

func (t *times) processes() chart {
	c := t.chart("memory", "Memory of the processes", "resident", memory)
	c.lines = append(c.lines, t.steps("server", func(m *bench.Moment) float64 { return float64(m.ServerRSS) })...)
	c.lines = append(c.lines, t.steps("flooder", func(m *bench.Moment) float64 { return float64(m.OwnRSS) })...)
	return c
}

func (t *times) kernel() chart {
	c := t.chart("kernel-memory", "Memory of the kernel", "of the flooder's whole machine", memory)
	c.lines = append(c.lines, t.steps("slab", func(m *bench.Moment) float64 { return float64(m.Slab) })...)
	c.lines = append(c.lines, t.steps("socket buffers", func(m *bench.Moment) float64 { return float64(m.Socket) })...)
	return c
}

func (t *times) cpu() chart {
	c := t.chart("cpu", "CPU", "CPUs in use; loop: the share of its time that the flooder's busiest loop did not wait", cpus)
	c.lines = append(c.lines, t.steps("server", func(m *bench.Moment) float64 { return m.ServerCPUs })...)
	c.lines = append(c.lines, t.steps("flooder", func(m *bench.Moment) float64 { return m.OwnCPUs })...)
	c.lines = append(c.lines, t.steps("loop", func(m *bench.Moment) float64 { return m.BusiestLoop })...)
	c.lines = append(c.lines, t.steps("idle", func(m *bench.Moment) float64 { return m.Idle * float64(t.r.Host.CPUs) })...)
	return c
}

func (t *times) connections() chart {
	c := t.chart("connections", "Connections", "open, those under way included", counts)
	c.lines = t.steps("open", func(m *bench.Moment) float64 { return float64(m.Open) })
	return c
}

func (t *times) errors() chart {
	c := t.chart("errors", "Errors", "connections that failed or were lost, refusals, wrong messages, a second", counts)
	c.lines = t.steps("errors", func(m *bench.Moment) float64 { return float64(m.Errors) / m.Seconds })
	return c
}

// timeAxis is the axis for a run of so many seconds.
func timeAxis(seconds float64) axis {
	a := axis{label: "seconds since the run began", max: seconds}
	per := 1.0
	switch {
	case seconds > 3*3600:
		a.label, per = "hours since the run began", 3600
	case seconds > 300:
		a.label, per = "minutes since the run began", 60
	}
	step := round(seconds / per / 8)
	for i := 0.0; i*step*per <= seconds; i++ {
		a.ticks = append(a.ticks, plot.Tick{Value: i * step * per, Label: strconv.FormatFloat(i*step, 'g', 6, 64)})
	}
	return a
}

// phasesOf returns where the phases begin.
func phasesOf(all []bench.Moment) (begin []phase) {
	for _, m := range all {
		if n := len(begin); n == 0 || begin[n-1].name != m.Phase {
			begin = append(begin, phase{max(m.At-m.Seconds, 0), m.Phase})
		}
	}
	return begin
}
