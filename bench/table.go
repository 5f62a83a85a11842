package bench

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"text/tabwriter"
)

// WriteJSON writes r as one object.
func (r *Report) WriteJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(r)
}

// WriteTable writes r for people: first whether all is well.
func (r *Report) WriteTable(w io.Writer) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, row := range r.Rows() {
		_, _ = fmt.Fprintf(tw, "%s\t%s\n", row.Name, row.Text) // Flush says what goes wrong
	}
	return tw.Flush()
}

// Row is one line of the table. The name of one that says more of the row before it begins with spaces.
type Row struct{ Name, Text string }

// Rows returns the table.
func (r *Report) Rows() []Row {
	t := &table{}
	r.writeDelivery(t)
	r.writeScenario(t)
	r.writeConnections(t)
	r.writeWorkers(t)
	r.writeAPI(t)
	r.writeMix(t)
	r.writeSoak(t)
	t.load("connecting", r.Connecting)
	t.load("measured", r.Measured)
	t.load("holding", r.Holding)
	t.load("publishing once", r.Publishing)
	r.writeStorms(t)
	r.writeSlow(t)
	t.latency("connect latency", r.ConnectLatency)
	t.latency("latency", r.Latency)
	t.row("load side", "%s", &r.LoadSide)
	r.writeMemory(t)
	for _, p := range r.Probe {
		t.row("probe, "+p.Phase, "%s%s", p.Latency, failures(p.Failed))
	}
	for _, text := range r.Warnings {
		t.row("warning", "%s", text)
	}
	return t.rows
}

// Verdict says whether all is well or, in a line, what is not.
func (r *Report) Verdict() string {
	verdict := "all is well"
	if err := r.Err(); err != nil {
		verdict = err.Error()
	}
	if r.Interrupted {
		verdict += " (interrupted)"
	}
	return verdict
}

func (r *Report) writeDelivery(t *table) {
	t.row("verdict", "%s", r.Verdict())
	d := &r.Delivery
	t.row("delivery", "expected %d, received %d, missing %d, duplicated %d, reordered %d, misrouted %d, damaged %d",
		d.Expected, d.Received, d.Missing, d.Duplicated, d.Reordered, d.Misrouted, d.Damaged)
}

// writeScenario says what was done.
func (r *Report) writeScenario(t *table) {
	text := fmt.Sprintf("%s with %d connections", r.Scenario, r.Connections)
	for _, n := range []struct {
		is   int
		says string
	}{{r.Rooms, "%d rooms"}, {r.Payload, "%d bytes"}, {r.Rate, "%d/s"}, {r.Pipeline, "%d in flight"}} {
		if n.is > 0 {
			text += ", " + fmt.Sprintf(n.says, n.is)
		}
	}
	t.row("scenario", "%s, for %.1f s", text, r.Seconds)
}

func (r *Report) writeConnections(t *table) {
	t.row("connections", "%d ready, %d failed, %d lost; %d loops", r.Ready, r.Failed, r.Lost, r.Loops)
	t.counts("failure", r.Failures)
	t.counts("close", r.Closes)
	t.counts("error", r.Errors)
}

// writeWorkers says who did what of a shared run.
func (r *Report) writeWorkers(t *table) {
	for i, w := range r.Workers {
		name, gone := fmt.Sprintf("worker %d", i+1), ""
		if w.Gone != "" {
			gone = "; gone: " + w.Gone
		}
		t.row(name, "%s: %d ready, %d failed, %d lost; %d loops, own %.2f CPUs, machine %.0f %% idle; clock within %.0f us%s",
			w.Name, w.Ready, w.Failed, w.Lost, w.Loops, w.OwnCPUs, 100*w.Idle, w.ClockError, gone)
	}
	if len(r.Workers) > 0 {
		t.row("clocks", "latencies from one worker to another may be wrong by %.0f us", r.ClockError)
	}
}

func (r *Report) writeMemory(t *table) {
	for _, m := range r.Memory {
		t.row("memory, "+m.At, "process %s (%.0f B/connection grown), kernel slab %s (%.0f B/connection grown), socket buffers %s",
			size(m.Pss), m.PssPerConnection, size(m.Slab), m.SlabPerConnection, size(m.Socket))
	}
}

// table gathers rows.
type table struct{ rows []Row }

func (t *table) row(name, format string, a ...any) {
	t.rows = append(t.rows, Row{name, fmt.Sprintf(format, a...)})
}

func (t *table) counts(name string, m map[string]uint64) {
	for _, label := range slices.Sorted(maps.Keys(m)) {
		t.row(name, "%d x %s", m[label], label)
	}
}

func (t *table) load(name string, l *Load) {
	if l == nil {
		return
	}
	t.row(name, "%d %s in %.2f s, %.0f/s", l.Count, l.Units(), l.Seconds, l.PerSecond)
	t.row("  CPU", "server %.3f us/%s, %.2f CPUs; own %.2f CPUs; machine %.0f %% idle, %.0f %% stolen",
		l.ServerMicros, l.Unit, l.ServerCPUs, l.OwnCPUs, 100*l.Idle, 100*l.Stolen)
}

func (t *table) latency(name string, l *Latency) {
	if l != nil {
		t.row(name, "%s", l)
	}
}

// String returns the quantiles in milliseconds.
func (l *Latency) String() string {
	if l == nil {
		return "none"
	}
	return fmt.Sprintf("p50 %.3f, p90 %.3f, p99 %.3f, p99.9 %.3f, max %.3f ms (%d)",
		l.P50/1e3, l.P90/1e3, l.P99/1e3, l.P999/1e3, l.Max/1e3, l.Count)
}

func failures(n uint64) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf(", %d failed", n)
}

// Units returns the plural of l's unit: echoes, deliveries, cycles, connections.
func (l *Load) Units() string {
	switch l.Unit {
	case "echo":
		return "echoes"
	case "delivery":
		return "deliveries"
	}
	return l.Unit + "s"
}

// size returns bytes in words.
func size(bytes uint64) string {
	switch {
	case bytes >= 1<<30:
		return fmt.Sprintf("%.2f GiB", float64(bytes)/(1<<30))
	case bytes >= 1<<20:
		return fmt.Sprintf("%.1f MiB", float64(bytes)/(1<<20))
	}
	return fmt.Sprintf("%.1f KiB", float64(bytes)/(1<<10))
}
