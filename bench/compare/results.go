package main

import (
	"fmt"
	"slices"

	"github.com/seed4ac54ce5/edge/bench"
)

// results are what one comparison has shown so far.
type results struct {
	Loops    int      `json:"loops"`
	Rounds   int      `json:"rounds"`
	Duration string   `json:"duration"`
	Skipped  []string `json:"skipped,omitempty"` // servers that could not run, and why
	Rows     []row    `json:"rows"`              // once they are asked for

	kinds    []*kind
	contests []*contest
	cells    map[place]*cell
}

// place is where a cell stands.
type place struct{ contest, kind string }

// cell is what one server has done in one contest.
type cell struct {
	reports []*bench.Report
	farOff  bool // it was far from keeping up
	notes   []string
}

// row is one figure of one server.
type row struct {
	Contest string    `json:"contest"`
	Measure string    `json:"measure"`
	Unit    string    `json:"unit"`
	Server  string    `json:"server"`
	Values  []float64 `json:"values"` // by round
	Min     float64   `json:"min"`
	Median  float64   `json:"median"`
	Max     float64   `json:"max"`
	Ratio   float64   `json:"ratio"` // of the median to the first server's, 0 if it has none
	Idle    float64   `json:"machine_idle"`
	Notes   []string  `json:"notes,omitempty"`
}

func newResults(p *plan, loops int, kinds []*kind, skipped []string) *results {
	return &results{
		Loops: loops, Rounds: p.rounds, Duration: p.duration.String(), Skipped: skipped,
		kinds: kinds, contests: p.contests(), cells: make(map[place]*cell),
	}
}

// cell returns the place for what k does in c.
func (r *results) cell(c *contest, k *kind) *cell {
	at := place{c.name, k.name}
	if r.cells[at] == nil {
		r.cells[at] = new(cell)
	}
	return r.cells[at]
}

// add keeps a report, which is nil if there is none, and what was wrong with it.
func (c *cell) add(r *bench.Report, err error) {
	if yields(r) {
		c.reports = append(c.reports, r)
		if part := reached(r); part < leastReached {
			c.farOff = part < farOff
			err = fmt.Errorf("could not keep up: %.0f %% of %d publications a second", 100*part, r.Rate)
		}
	}
	if err != nil {
		c.notes = append(c.notes, err.Error())
	}
}

// yields reports whether r has figures: one of a server that died early has none.
func yields(r *bench.Report) bool {
	switch {
	case r == nil:
		return false
	case r.Scenario == bench.Idle:
		return r.Connecting != nil && len(r.Memory) > 1
	case r.Scenario == bench.Storm:
		return len(r.Storms) > 0 && r.Storms[0].Load != nil
	}
	return r.Measured != nil && r.Measured.Count > 0
}

// rows works out all figures that there are.
func (r *results) rows() (rows []row) {
	for _, c := range r.contests {
		for _, m := range c.measures {
			first := 0.0
			for i, k := range r.kinds {
				one := r.cell(c, k).row(c, &m, k)
				if one == nil {
					continue
				}
				if i == 0 {
					first = one.Median
				}
				if first != 0 {
					one.Ratio = one.Median / first
				}
				rows = append(rows, *one)
			}
		}
	}
	return rows
}

// row works out one figure, nil if there is none and nothing to say either.
func (c *cell) row(in *contest, m *measure, k *kind) *row {
	if len(c.reports) == 0 && len(c.notes) == 0 {
		return nil
	}
	one := &row{Contest: in.name, Measure: m.name, Unit: m.unit, Server: k.name, Notes: c.notes}
	var idle []float64
	for _, r := range c.reports {
		one.Values = append(one.Values, m.of(r))
		idle = append(idle, idleOf(r))
	}
	if len(one.Values) > 0 {
		f := figuresOf(one.Values)
		one.Min, one.Median, one.Max = f.min, f.median, f.max
		one.Idle = figuresOf(idle).median
	}
	return one
}

// idleOf returns the share of the machine's CPU time that nobody used.
func idleOf(r *bench.Report) float64 {
	if r.Measured == nil {
		return r.Connecting.Idle
	}
	return r.Measured.Idle
}

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
