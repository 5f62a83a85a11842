package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/seed4ac54ce5/edge/bench"
	"github.com/seed4ac54ce5/edge/internal/testutil"
)

func TestMain(m *testing.M) { testutil.Main(m) }

func TestFigures(t *testing.T) {
	for _, row := range []struct {
		of   []float64
		want figures
	}{
		{[]float64{3}, figures{3, 3, 3}},
		{[]float64{4, 2}, figures{2, 3, 4}},
		{[]float64{9, 1, 5}, figures{1, 5, 9}},
		{[]float64{4, 3, 2, 1}, figures{1, 2.5, 4}},
	} {
		if got := figuresOf(row.of); got != row.want {
			t.Errorf("figuresOf(%v) = %v; want %v", row.of, got, row.want)
		}
	}
}

func TestParsePlan(t *testing.T) {
	p, err := parsePlan([]string{"--rounds", "3", "--loops", "1,2", "--only", "^(fan|echo)", "--servers", "^edge|gws", "--range"})
	if err != nil || p.rounds != 3 || !slices.Equal(p.loops, []int{1, 2}) || !p.style.extremes {
		t.Fatalf("parsePlan = %+v, %v", p, err)
	}
	if got := joined(p.contests(), func(c *contest) string { return c.name }); got != "echo, fan-out" {
		t.Errorf("contests %s; want echo, fan-out", got)
	}
	if got := joined(p.chosen(), func(k *kind) string { return k.name }); got != "edge, edge-batch, gws" {
		t.Errorf("servers %s; want edge, edge-batch, gws", got)
	}
	for _, bad := range [][]string{
		{"--rounds", "0"}, {"--duration", "-1s"}, {"--loops", "0"}, {"--loops", "1,x"}, {"--only", "("}, {"--servers", "("},
		{"--only", "fanout"}, {"--servers", "^base$"}, {"more"},
	} {
		if p, err := parsePlan(bad); err == nil {
			t.Errorf("parsePlan(%q) = %+v; want an error", bad, p)
		}
	}
	if p, err := parsePlan([]string{"--base", "edge-before", "--servers", "^(base|edge)$"}); err != nil || len(p.chosen()) != 2 {
		t.Errorf("parsePlan with --base = %+v, %v; want two servers", p, err)
	}
}

func joined[T any](all []*T, name func(*T) string) string {
	var s []string
	for _, one := range all {
		s = append(s, name(one))
	}
	return strings.Join(s, ", ")
}

// fanoutReport is what a run of this many publications a second reports, of whose deliveries a share is made in time.
func fanoutReport(rate int, share, p99 float64) *bench.Report {
	return &bench.Report{
		Scenario: bench.Fanout, Connections: 10_000, Rooms: 10, Rate: rate,
		Measured: &bench.Load{Unit: "delivery", Count: 1, PerSecond: share * 1000 * float64(rate), ServerMicros: 4, Idle: 0.5},
		Latency:  &bench.Latency{P99: p99},
	}
}

// A server that sustains rates up to a limit is found to do so, to an eighth of a doubling.
func TestSearch(t *testing.T) {
	for _, row := range []struct{ first, limit, want int }{
		{100, 100, 100}, {100, 130, 125}, {100, 399, 375}, {100, lastRate * 4, lastRate}, {1600, 7000, 6400}, {1600, 90, 87}, {100, 12, 12},
	} {
		tries := 0
		report, err := search(row.first, func(args []string) (*bench.Report, error) {
			tries++
			rate := rateOf(t, args)
			if rate > row.limit {
				return fanoutReport(rate, 0.97, 250e3), nil
			}
			return fanoutReport(rate, 1, 20e3), nil
		})
		if err != nil || report.Rate != row.want || tries > 24 {
			t.Errorf("search from %d of a server that sustains %d: %+v, %v, after %d tries; want %d", row.first, row.limit, report, err, tries, row.want)
		}
	}
}

func TestSearchOfServersThatFail(t *testing.T) {
	var least *bench.Report
	r, err := search(100, func(args []string) (*bench.Report, error) {
		least = fanoutReport(rateOf(t, args), 0.5, 20e3)
		return least, nil
	})
	if r != least || r.Rate != leastRate || !errors.Is(err, errRate) {
		t.Errorf("search of a server that sustains nothing = %+v, %v; want the report of the least rate and an error", r, err)
	}
	broken := errors.New("broken")
	if r, err := search(100, func([]string) (*bench.Report, error) { return nil, broken }); r != nil || !errors.Is(err, broken) {
		t.Errorf("search of a server that does not start = %v, %v; want the error", r, err)
	}
	r, err = search(100, func(args []string) (*bench.Report, error) {
		if rate := rateOf(t, args); rate < 400 {
			return fanoutReport(rate, 1, 20e3), nil
		}
		return nil, broken
	})
	if !errors.Is(err, broken) || r.Rate != 200 {
		t.Errorf("search of a server that breaks at 400 = %v, %v; want the report at 200, and the error", r, err)
	}
}

func TestSustained(t *testing.T) {
	lost := fanoutReport(100, 1, 20e3)
	lost.Delivery.Missing = 1
	for name, row := range map[string]struct {
		report *bench.Report
		want   bool
	}{
		"all is well":   {fanoutReport(100, 1, 99e3), true},
		"late":          {fanoutReport(100, 1, 101e3), false},
		"too little":    {fanoutReport(100, 0.9, 20e3), false},
		"one was lost":  {lost, false},
		"none has come": {&bench.Report{Scenario: bench.Fanout, Connections: 10, Rooms: 1, Rate: 1, Measured: new(bench.Load)}, false},
	} {
		if err := sustained(row.report); (err == nil) != row.want || err != nil && !errors.Is(err, errRate) {
			t.Errorf("%s: sustained = %v; want it sustained: %v", name, err, row.want)
		}
	}
}

// rateOf returns the --rate among arguments of flood.
func rateOf(t *testing.T, args []string) int {
	t.Helper()
	rate, err := strconv.Atoi(args[slices.Index(args, "--rate")+1])
	if err != nil {
		t.Fatal(err)
	}
	return rate
}

// sampleResults has two servers, of which one fell behind and one did not start at first.
func sampleResults(t *testing.T) *results {
	t.Helper()
	p, err := parsePlan([]string{"--only", "^(merged|maximum)", "--servers", "^(baseline|edge|gws)$"})
	if err != nil {
		t.Fatal(err)
	}
	r := newResults(p, 2, p.chosen(), []string{"ws: npm is not found"})
	merged, maximum := r.contests[0], r.contests[1]
	baseline, edge := r.kinds[0], r.kinds[1]
	r.cell(merged, baseline).add(fanoutReport(1000, 0.25, 9e6), errors.New("lost some"))
	r.cell(merged, edge).add(nil, errors.New("did not start"))
	r.cell(merged, edge).add(fanoutReport(1000, 1, 20e3), nil)
	r.cell(merged, edge).reports[0].Measured.ServerMicros = 1
	r.cell(maximum, edge).add(fanoutReport(5000, 1, 20e3), nil)
	return r
}

func TestTable(t *testing.T) {
	for name, row := range map[string]struct {
		style style
		want  string
	}{
		"text": {style{}, `
server        merged, us    maximum, M/s  at that, us
baseline      4.00 (1.00)*
edge          1.00 (0.25)*  5.00          4.00
machine idle  50 %          50 %          50 %

medians of 3 rounds of 2s, 2 loops; in brackets the ratio to baseline; us is CPU time of the server
* merged fan-out, baseline: could not keep up: 25 % of 1000 publications a second
* merged fan-out, edge: did not start
skipped: ws: npm is not found
`},
		"Markdown": {style{markdown: true, extremes: true}, `
| server | merged, us | maximum, M/s | at that, us |
|---|---|---|---|
| baseline | 4.00 4.00..4.00 (1.00)* |  |  |
| edge | 1.00 1.00..1.00 (0.25)* | 5.00 5.00..5.00 | 4.00 4.00..4.00 |
| machine idle | 50 % | 50 % | 50 % |
`},
	} {
		var out bytes.Buffer
		if err := row.style.write(&out, sampleResults(t)); err != nil {
			t.Fatal(err)
		}
		var got []string
		for line := range strings.SplitSeq(out.String(), "\n") {
			got = append(got, strings.TrimRight(line, " "))
		}
		if want := strings.TrimPrefix(row.want, "\n"); strings.Join(got, "\n") != want {
			t.Errorf("%s:\n%s\nwant\n%s", name, out.String(), want)
		}
	}
}

func TestJSON(t *testing.T) {
	var out bytes.Buffer
	if err := (style{json: true}).write(&out, sampleResults(t)); err != nil {
		t.Fatal(err)
	}
	var got results
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if len(got.Rows) != 4 || got.Loops != 2 || len(got.Skipped) != 1 {
		t.Fatalf("JSON holds %d rows, %d loops, skipped %q; want 4, 2 and one", len(got.Rows), got.Loops, got.Skipped)
	}
	if one := got.Rows[1]; one.Server != "edge" || one.Median != 1 || one.Ratio != 0.25 || one.Unit != "us" || len(one.Notes) != 1 {
		t.Errorf("edge's row is %+v", one)
	}
}

// A server that falls far behind in a merged fan-out is not asked again, and one that lost its process has no figures.
func TestCellKeepsWhatThereIs(t *testing.T) {
	var c cell
	c.add(&bench.Report{Scenario: bench.Idle}, bench.ErrLoss)
	c.add(&bench.Report{Scenario: bench.Echo}, nil)
	if len(c.reports) != 0 || len(c.notes) != 1 || c.farOff {
		t.Errorf("a cell of empty reports is %+v", c)
	}
	c.add(fanoutReport(1000, 0.94, 1), nil)
	if len(c.reports) != 1 || len(c.notes) != 2 || c.farOff {
		t.Errorf("a cell of a report that fell short is %+v", c)
	}
	c.add(fanoutReport(1000, 0.3, 1), nil)
	if len(c.reports) != 2 || !c.farOff {
		t.Errorf("a cell of a report that fell far short is %+v", c)
	}
}

// Every server but edge, which has tests enough, must do all the work, or its figures would flatter it.
func TestServers(t *testing.T) {
	p, err := parsePlan([]string{"--edge", "not used", "--servers", "^[^e]"})
	if err != nil {
		t.Fatal(err)
	}
	chosen := p.chosen()
	if _, err := os.Stat("../peers/node/node_modules"); err != nil { // a test installs nothing
		chosen = slices.DeleteFunc(chosen, func(k *kind) bool { return k.needs == needsNode })
	}
	kinds, skipped, err := p.prepare(t.Context(), t.TempDir(), chosen)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range skipped {
		if !strings.Contains(name, "is not found") && !strings.Contains(name, "npm ci") {
			t.Errorf("skipped %s", name)
		}
	}
	for _, k := range kinds {
		settings := []setting{{loops: 1, socket: k.socket}}
		if k.tables {
			settings = append(settings, setting{loops: 2, socket: k.socket, tables: true})
		}
		for _, of := range settings {
			t.Run(fmt.Sprintf("%s %+v", k.name, of), func(t *testing.T) { startAndTest(t, k, &p.binaries, of) })
		}
	}
}

func startAndTest(t *testing.T, k *kind, b *binaries, of setting) {
	t.Helper()
	s, err := k.start(t.Context(), b, of)
	if err != nil {
		t.Fatal(err)
	}
	defer s.stop()
	if k.protocol == "" {
		testServer(t, s.address, "")
	}
	if of.socket {
		testServer(t, s.address, bench.SocketIO)
	}
}

// Of a crowd only servers take part whose loops have tables of descriptors of their own.
func TestTakes(t *testing.T) {
	for name, want := range map[string]string{
		"idle": "base, baseline, edge, gobwas, gws, gorilla, coder, ws, socket.io", "crowd": "base, baseline, edge",
		"echo": "base, baseline, edge, gobwas, gws, gorilla, coder, ws", "broadcast": "base, baseline, edge, socket.io",
	} {
		c := &contests[slices.IndexFunc(contests, func(c contest) bool { return c.name == name })]
		var taking []string
		for i := range kinds {
			if k := &kinds[i]; c.takes(k) {
				taking = append(taking, k.name)
			}
		}
		if got := strings.Join(taking, ", "); got != want {
			t.Errorf("%s is for %s; want %s", name, got, want)
		}
		if of := c.setting(2); of.tables != (name == "crowd") || of.loops < 2 {
			t.Errorf("%s is measured with %+v", name, of)
		}
	}
}

// testServer has the flooder check, delivery by delivery, what the server at address does.
func testServer(t *testing.T, address string, protocol bench.Protocol) {
	t.Helper()
	const long = 300 // bytes: a frame with a longer header
	for _, o := range []bench.Options{
		{Scenario: bench.Echo, Connections: 20, Pipeline: 4, Duration: 50 * time.Millisecond},
		{Scenario: bench.Echo, Connections: 5, Payload: long, Duration: 20 * time.Millisecond},
		{Scenario: bench.Fanout, Connections: 40, Rooms: 4, Publishers: 2, Rate: 200, Duration: 100 * time.Millisecond},
		{Scenario: bench.Fanout, Connections: 5, Payload: long, Rate: 100, Duration: 50 * time.Millisecond},
		{Scenario: bench.Idle, Connections: 20, Rooms: 2, PublishOnce: true},
		{Scenario: bench.Churn, Connections: 8, Duration: 50 * time.Millisecond},
	} {
		o.Protocol = protocol
		o.Targets, o.Loops, o.PrivateTables, o.Drain = []string{address}, 1, "off", 2*time.Minute
		r, err := bench.Run(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Err(); err != nil {
			t.Errorf("%s: %v; failures %v, closes %v, errors %v", o.Scenario, err, r.Failures, r.Closes, r.Errors)
		}
		// Of a fan-out nothing may have become due in so short a time.
		if (o.Scenario == bench.Echo || o.Scenario == bench.Idle) && r.Delivery.Received == 0 || r.Ready == 0 {
			t.Errorf("%s: nothing happened: %+v", o.Scenario, r)
		}
	}
}

// The whole way, once, for two builds of edge.
func TestRun(t *testing.T) {
	edge := filepath.Join(t.TempDir(), "edge")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", edge, modulePath+"/cmd/edge").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	p, err := parsePlan([]string{"--edge", edge, "--base", edge, "--servers", "^(base|edge)$", "--only", "^echo$", "--rounds", "2", "--duration", "50ms"})
	if err != nil {
		t.Fatal(err)
	}
	kinds, skipped, err := p.prepare(t.Context(), t.TempDir(), p.chosen())
	if err != nil || len(skipped) > 0 {
		t.Fatalf("skipped %q, %v", skipped, err)
	}
	r := newResults(p, 1, kinds, nil)
	if err := p.compare(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := p.style.write(&out, r); err != nil {
		t.Fatal(err)
	}
	for _, one := range r.Rows {
		if len(one.Values) != 2 || len(one.Notes) > 0 {
			t.Errorf("%+v; want two values and nothing wrong", one)
		}
	}
	if len(r.Rows) != 2 || !strings.Contains(out.String(), "ratio to base;") {
		t.Errorf("%d rows; want 2, compared with base:\n%s", len(r.Rows), out.String())
	}
}

func TestServersThatDoNotServe(t *testing.T) {
	ctx := context.Background()
	if s, err := startSpeaking(ctx, "echo", "something else"); err == nil {
		s.stop()
		t.Error("a server that says something else has started")
	}
	if s, err := startSpeaking(ctx, filepath.Join(t.TempDir(), "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a server that is not there: %v, %v", s, err)
	}
}
