package page

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/seed4ac54ce5/edge/bench"
)

//go:embed page.html
var source string

// form escapes whatever is put into it, save what we have drawn ourselves.
var form = template.Must(template.New("page").Parse(source))

// content is what the page shows.
type content struct {
	Title    string
	State    string // of the verdict: "good", "fair" or "bad"
	Verdict  string
	Warnings []string
	Command  string
	About    string // when and where
	Figures  []figure
	Rows     []row
	Charts   []template.HTML
}

// figure is one number that matters most.
type figure struct{ Name, Value, Unit string }

// row is one line of the table. Sub says more of the one before.
type row struct {
	Name, Text string
	Sub        bool
}

// Write writes the page of r: the verdict first, then the command, the table and the charts.
func Write(w io.Writer, r *bench.Report) error {
	c := content{
		Title:    fmt.Sprintf("edge flood %s: %s", r.Scenario, r.Verdict()),
		State:    state(r),
		Verdict:  r.Verdict(),
		Warnings: r.Warnings,
		Command:  r.Command,
		About:    about(r),
		Figures:  figures(r),
	}
	for _, line := range r.Rows() {
		if line.Name != "warning" && line.Name != "verdict" { // which stand above
			c.Rows = append(c.Rows, row{strings.TrimSpace(line.Name), line.Text, strings.HasPrefix(line.Name, " ")})
		}
	}
	for _, chart := range charts(r) {
		c.Charts = append(c.Charts, template.HTML(themed(chart.svg(), chart.title)))
	}
	return form.Execute(w, &c)
}

// state of the verdict: good, or bad, or fair where the figures may be the load side's.
func state(r *bench.Report) string {
	switch {
	case r.Err() != nil:
		return "bad"
	case r.Interrupted || len(r.Warnings) > 0:
		return "fair"
	}
	return "good"
}

// about says when and where r was made.
func about(r *bench.Report) string {
	parts := []string{r.Began.Format("2006-01-02 15:04 MST")}
	if r.Host.Kernel != "" {
		parts = append(parts, "Linux "+r.Host.Kernel)
	}
	cpus := fmt.Sprintf("%d CPUs", r.Host.CPUs)
	if r.Host.CPU != "" {
		cpus += " (" + r.Host.CPU + ")"
	}
	return strings.Join(append(parts, cpus, fmt.Sprintf("%.1f GiB", float64(r.Host.Memory)/(1<<30)), r.Host.Go), " · ")
}

// figures returns those of r that are read first.
func figures(r *bench.Report) (all []figure) {
	add := func(name, value, unit string) { all = append(all, figure{name, value, unit}) }
	if d := r.Delivery; d.Expected > 0 {
		add("missing", thousands(d.Missing), "of "+thousands(d.Expected))
	}
	add("connections", thousands(r.Ready), fmt.Sprintf("%d failed, %d lost", r.Failed, r.Lost))
	if m := r.Measured; m != nil {
		add("throughput", thousands(uint64(m.PerSecond)), m.Units()+" / s")
		if m.ServerMicros > 0 {
			add("server CPU", fmt.Sprintf("%.2f", m.ServerMicros), "µs / "+m.Unit)
		}
	}
	if l := r.Latency; l != nil {
		for _, q := range []struct {
			name string
			us   float64
		}{{"p50", l.P50}, {"p99", l.P99}} {
			value, unit := inUnits(q.us)
			add(q.name, value, unit)
		}
	}
	return all
}

// inUnits writes so many microseconds with three digits.
func inUnits(us float64) (value, unit string) {
	v, unit := us, "µs"
	switch {
	case us >= 1e6:
		v, unit = us/1e6, "s"
	case us >= 1e3:
		v, unit = us/1e3, "ms"
	}
	digits := max(0, 2-int(math.Log10(max(v, 1))))
	return strconv.FormatFloat(v, 'f', digits, 64), unit
}

// thousands writes n with thin spaces between groups of three digits.
func thousands(n uint64) string {
	s := strconv.FormatUint(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "\u202f" + s[i:]
	}
	return s
}

// WriteSVGs writes each chart of r to a file of its own in dir, which is made if it is not there.
func WriteSVGs(dir string, r *bench.Report) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for _, c := range charts(r) {
		if err := os.WriteFile(filepath.Join(dir, c.name+".svg"), c.svg(), 0o644); err != nil {
			return err
		}
	}
	return nil
}
