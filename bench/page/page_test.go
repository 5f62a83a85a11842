package page

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed4ac54ce5/edge/bench"
)

// evil is what a server, or whoever typed the command, may have put into a report.
const evil = `</td><script>alert("x")</script><img src="http://192.0.2.1/x">`

// example returns the report of a run of ten seconds.
func example() *bench.Report {
	r := &bench.Report{
		Command:      "edge flood fanout --target=127.0.0.1:8000",
		Began:        time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
		Host:         bench.Host{Kernel: "6.12.1", CPU: "Some CPU", CPUs: 2, Memory: 8 << 30, Go: "go1.26"},
		Scenario:     bench.Fanout,
		Targets:      []string{"127.0.0.1:8000"},
		Connections:  100,
		Ready:        100,
		Delivery:     bench.Ledger{Expected: 12345, Received: 12345},
		Measured:     &bench.Load{Unit: "delivery", Count: 12345, Seconds: 10, PerSecond: 1234.5, ServerMicros: 0.25, Idle: 0.5},
		Latency:      &bench.Latency{Count: 12345, Min: 80, P50: 450, P90: 900, P99: 2500, P999: 9000, Max: 9500},
		Distribution: []bench.Quantile{{Share: 0, Micros: 80}, {Share: 0.5, Micros: 450}, {Share: 0.99, Micros: 2500}, {Share: 1, Micros: 9500}},
		LoadSide:     bench.LoadSide{Enough: true, BusiestLoop: 0.4, Idle: 0.5},
	}
	for i := range 10 {
		m := bench.Moment{
			At: float64(i + 1), Seconds: 1, Phase: "measuring", Delivered: 1000 + uint64(i), Open: 100, P50: 450, P99: 2500, Max: 9500,
			ServerCPUs: 0.5, OwnCPUs: 0.4, Idle: 0.5, BusiestLoop: 0.4, ServerRSS: 50 << 20, OwnRSS: 40 << 20, Slab: 1 << 30, Socket: 1 << 20,
		}
		if i == 0 {
			m.Phase, m.Ready = "warming up", 100
		}
		r.Timeline = append(r.Timeline, m)
	}
	return r
}

// drawn returns the page of r.
func drawn(t *testing.T, r *bench.Report) string {
	t.Helper()
	var b bytes.Buffer
	if err := Write(&b, r); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestVerdictComesFirst(t *testing.T) {
	html := drawn(t, example())
	body := html[strings.Index(html, "<body>"):]
	at := 0
	for _, part := range []string{
		`<header class="good">`, "all is well", "edge flood fanout --target=127.0.0.1:8000", "2026-01-02 03:04 UTC", "missing", "<table>", "received 12345",
		"Latency by percentile", "Throughput", "deliveries a second", "Latency</text>", "Memory of the processes", "Memory of the kernel", "CPU</text>", "Connections</text>",
	} {
		n := strings.Index(body[at:], part)
		if n < 0 {
			t.Fatalf("%q is not on the page, or not after what is to be before it", part)
		}
		at += n
	}
	if strings.Contains(body, "Errors</text>") {
		t.Error("a run without errors has a chart of them")
	}
}

func TestStateOfTheVerdict(t *testing.T) {
	for _, row := range []struct {
		want   string
		change func(r *bench.Report)
	}{
		{"good", func(*bench.Report) {}},
		{"fair", func(r *bench.Report) { r.Warnings = []string{"no CPU to spare"} }},
		{"fair", func(r *bench.Report) { r.Interrupted = true }},
		{"bad", func(r *bench.Report) { r.Delivery.Missing = 1 }},
		{"bad", func(r *bench.Report) { r.Lost, r.Warnings = 1, []string{"no CPU to spare"} }},
	} {
		r := example()
		row.change(r)
		if html := drawn(t, r); !strings.Contains(html, `<header class="`+row.want+`">`) || !strings.Contains(html, "<h1>"+r.Verdict()+"</h1>") {
			t.Errorf("%s: state and verdict are not on the page", r.Verdict())
		}
	}
}

func TestWhatIsFromOutsideIsEscaped(t *testing.T) {
	r := example()
	r.Command, r.Host.CPU, r.Host.Kernel = evil, evil, evil
	r.Scenario, r.Targets, r.Warnings = bench.Scenario(evil), []string{evil}, []string{evil}
	r.Errors = map[string]uint64{evil: 1}
	r.Closes, r.Failures = r.Errors, r.Errors
	r.Measured.Unit = evil
	r.Probe = []bench.ProbePhase{{Phase: evil, Latency: r.Latency}}
	r.Timeline[0].Phase = evil
	html := drawn(t, r)
	if strings.Contains(html, "<script") || strings.Contains(html, "<img") {
		t.Error("what is from outside is on the page as it is")
	}
	if n := strings.Count(html, "&lt;script&gt;"); n < 10 {
		t.Errorf("what is from outside is on the page %d times; want it everywhere", n)
	}
}

// The page opens without a network and without scripts, in light and in dark.
func TestPageNeedsNothing(t *testing.T) {
	html := drawn(t, example())
	for _, never := range []string{"<script", "<link", "<img", "<iframe", "src=", "href=", "@import", "url(", "<?xml"} {
		if strings.Contains(html, never) {
			t.Errorf("%s is on the page", never)
		}
	}
	for _, address := range strings.Split(html, "http://")[1:] {
		if !strings.HasPrefix(address, "www.w3.org/") { // the names of SVG's name spaces
			t.Errorf("the page names http://%.40s", address)
		}
	}
	for _, c := range append([]string{hex(ink), hex(muted), hex(grid), hex(ground)}, hex(series[0])) {
		if strings.Contains(html, c) {
			t.Errorf("colour %s does not follow the page's", c)
		}
	}
}

func TestPageIsMadeFromJSON(t *testing.T) {
	r := example()
	b, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	var again bench.Report
	if err := json.Unmarshal(b, &again); err != nil {
		t.Fatal(err)
	}
	if drawn(t, r) != drawn(t, &again) {
		t.Error("a report read back from JSON makes another page")
	}
}

// A run that came to nothing has a page all the same.
func TestPageOfNothing(t *testing.T) {
	html := drawn(t, &bench.Report{Scenario: bench.Idle, Failed: 3, Failures: map[string]uint64{"dial: refused": 3}})
	if !strings.Contains(html, "3 connections failed") || !strings.Contains(html, "3 x dial: refused") || strings.Contains(html, "<svg") {
		t.Errorf("page:\n%s", html)
	}
}

func TestSVGFiles(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "plots", "new")
	r := example()
	r.Timeline[3].Errors, r.Timeline[5].Phase = 7, evil
	if err := WriteSVGs(dir, r); err != nil {
		t.Fatal(err)
	}
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range files {
		names = append(names, f.Name())
		b, err := os.ReadFile(filepath.Join(dir, f.Name()))
		if err != nil {
			t.Fatal(err)
		}
		if elements := wellFormed(t, b); elements["svg"] != 1 || elements["text"] < 5 || elements["path"] < 3 || elements["script"] > 0 {
			t.Errorf("%s holds %v", f.Name(), elements)
		}
	}
	want := []string{"connections.svg", "cpu.svg", "errors.svg", "kernel-memory.svg", "latency-distribution.svg", "latency.svg", "memory.svg", "throughput.svg"}
	if !slices.Equal(names, want) {
		t.Errorf("files %q; want %q", names, want)
	}
}

// wellFormed parses b as XML and counts its elements.
func wellFormed(t *testing.T, b []byte) map[string]int {
	t.Helper()
	elements := make(map[string]int)
	d := xml.NewDecoder(bytes.NewReader(b))
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return elements
		}
		if err != nil {
			t.Fatal(err)
		}
		if e, ok := token.(xml.StartElement); ok {
			elements[e.Name.Local]++
		}
	}
}

func TestInUnits(t *testing.T) {
	for us, want := range map[float64]string{0: "0.00 µs", 80: "80.0 µs", 450: "450 µs", 1234: "1.23 ms", 56789: "56.8 ms", 999000: "999 ms", 6.38e6: "6.38 s"} {
		if value, unit := inUnits(us); value+" "+unit != want {
			t.Errorf("inUnits(%v) = %s %s; want %s", us, value, unit, want)
		}
	}
}

func TestThousands(t *testing.T) {
	for n, want := range map[uint64]string{0: "0", 999: "999", 1000: "1\u202f000", 1234567: "1\u202f234\u202f567"} {
		if got := thousands(n); got != want {
			t.Errorf("thousands(%d) = %q; want %q", n, got, want)
		}
	}
}
