package main

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
)

// style is how results are printed.
type style struct{ json, markdown, extremes bool }

// write prints r.
func (s style) write(w io.Writer, r *results) error {
	r.Rows = r.rows()
	switch {
	case s.json:
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return e.Encode(r)
	case s.markdown:
		return s.writeMarkdown(w, r)
	}
	return s.writeText(w, r)
}

// writeText prints a table for terminals, and below it what was wrong.
func (s style) writeText(w io.Writer, r *results) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, line := range s.grid(r) {
		_, _ = fmt.Fprintln(t, strings.Join(line, "\t")) // Flush says what goes wrong
	}
	_, _ = fmt.Fprintf(t, "\nmedians of %d rounds of %s, %d loops; in brackets the ratio to %s; us is CPU time of the server\n",
		r.Rounds, r.Duration, r.Loops, r.kinds[0].name)
	for _, note := range r.notes() {
		_, _ = fmt.Fprintln(t, note)
	}
	return t.Flush()
}

// writeMarkdown prints the table alone.
func (s style) writeMarkdown(w io.Writer, r *results) error {
	var b strings.Builder
	for i, line := range s.grid(r) {
		fmt.Fprintf(&b, "| %s |\n", strings.Join(line, " | "))
		if i == 0 {
			b.WriteString(strings.Repeat("|---", len(line)) + "|\n")
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// grid puts the figures in lines: a column for each measure, a line for each server, and last how idle the machine was.
func (s style) grid(r *results) [][]string {
	head, idle := []string{"server"}, []string{"machine idle"}
	lines := make([][]string, len(r.kinds))
	for i, k := range r.kinds {
		lines[i] = []string{k.name}
	}
	for _, c := range r.contests {
		for _, m := range c.measures {
			head = append(head, m.name+", "+m.unit)
			var shares []float64
			for i, k := range r.kinds {
				one := r.find(c, &m, k)
				lines[i] = append(lines[i], s.text(one))
				if one != nil && len(one.Values) > 0 {
					shares = append(shares, one.Idle)
				}
			}
			idle = append(idle, share(shares))
		}
	}
	lines = slices.DeleteFunc(lines, func(line []string) bool { return strings.Join(line[1:], "") == "" })
	return slices.Concat([][]string{head}, lines, [][]string{idle})
}

// find returns one of the rows, nil if it is not there.
func (r *results) find(c *contest, m *measure, k *kind) *row {
	for i := range r.Rows {
		if one := &r.Rows[i]; one.Contest == c.name && one.Measure == m.name && one.Server == k.name {
			return one
		}
	}
	return nil
}

// text writes a figure as in 4.39 (1.59), with its extremes as in 4.39 4.31..4.52 (1.59).
func (s style) text(one *row) string {
	if one == nil {
		return ""
	}
	if len(one.Values) == 0 {
		return "failed"
	}
	text := figure(one.Median)
	if s.extremes {
		text += " " + figure(one.Min) + ".." + figure(one.Max)
	}
	if one.Ratio != 0 {
		text += fmt.Sprintf(" (%.2f)", one.Ratio)
	}
	if len(one.Notes) > 0 {
		text += "*"
	}
	return text
}

// figure writes v with three digits or all before the point.
func figure(v float64) string {
	switch {
	case v >= 100:
		return fmt.Sprintf("%.0f", v)
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	case v >= 1:
		return fmt.Sprintf("%.2f", v)
	}
	return fmt.Sprintf("%.3f", v)
}

func share(of []float64) string {
	if len(of) == 0 {
		return ""
	}
	return fmt.Sprintf("%.0f %%", 100*figuresOf(of).median)
}

// notes are what was wrong: the places with a star, and who did not run.
func (r *results) notes() (lines []string) {
	for _, c := range r.contests {
		for _, k := range r.kinds {
			for _, note := range r.cell(c, k).notes {
				lines = append(lines, fmt.Sprintf("* %s, %s: %s", c.name, k.name, note))
			}
		}
	}
	for _, note := range r.Skipped {
		lines = append(lines, "skipped: "+note)
	}
	return lines
}
