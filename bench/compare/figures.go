package main

import (
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
)

// figures sum up several measurements of one thing.
type figures struct{ min, median, max float64 }

// figuresOf sums up v, of which there is at least one.
func figuresOf(v []float64) figures {
	s := slices.Sorted(slices.Values(v))
	middle := len(s) / 2
	median := s[middle]
	if len(s)%2 == 0 {
		median = (s[middle-1] + s[middle]) / 2
	}
	return figures{s[0], median, s[len(s)-1]}
}

func (f figures) String() string { return fmt.Sprintf("%.3f  %.3f  %.3f", f.min, f.median, f.max) }

// writeTable prints the results in the order of the contests.
func writeTable(w io.Writer, loops int, results map[string]*result) error {
	t := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
	row(t, "server CPU in us, %d loops: min median max\tunit\tbaseline\tedge\tratio\tmachine idle", loops)
	for i := range contests {
		if r := results[contests[i].name]; r != nil {
			r.write(t, results[contests[i].against])
		}
	}
	return t.Flush()
}

// write prints one row; against is the contest whose baseline counts, nil for r's own.
func (r *result) write(w io.Writer, against *result) {
	edge := figuresOf(r.edge)
	base, ratio := "-", "-"
	switch {
	case len(r.baseline) > 0:
		own := figuresOf(r.baseline)
		base, ratio = own.String(), fmt.Sprintf("%.2f", edge.median/own.median)
	case against != nil && len(against.baseline) > 0:
		base = "as " + r.contest.against
		ratio = fmt.Sprintf("%.2f", edge.median/figuresOf(against.baseline).median)
	}
	row(w, "%s\t%s\t%s\t%s\t%s\t%.0f %%", r.contest.name, r.unit, base, edge, ratio, 100*figuresOf(r.idle).median)
	for _, trouble := range r.troubles {
		row(w, "  trouble: %s", trouble)
	}
}

// row writes a line of the table; its end, Flush, says what goes wrong.
func row(w io.Writer, format string, a ...any) {
	_, _ = fmt.Fprintf(w, format+"\n", a...)
}
