package tuning

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

var update = flag.Bool("update", false, "write the tables that testdata has")

// plans are what each host of testdata is asked for.
var plans = map[string]Load{
	"debian":     {Connections: 1_000_000, Loops: 4},
	"tuned32":    {Connections: 5_000_000, Messages: 1_000_000},
	"container1": {Connections: 1_000_000},
	"container2": {Connections: 100_000, TLS: true},
	"unknown":    {Connections: 1_000_000, Loops: 2},
}

// The whole table of each host, as people see it.
func TestTables(t *testing.T) {
	for _, name := range all(t) {
		plan, ok := plans[name]
		if !ok {
			t.Errorf("testdata/%s.host has no plan", name)
			continue
		}
		var b bytes.Buffer
		if err := check(t, load(t, name), plan).WriteTable(&b, true); err != nil {
			t.Fatal(err)
		}
		golden := filepath.Join("testdata", name+".table")
		if *update {
			if err := os.WriteFile(golden, b.Bytes(), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil || !bytes.Equal(b.Bytes(), want) {
			t.Errorf("the table of %s is\n%s\nwant %s (%v)", name, b.Bytes(), golden, err)
		}
		for line := range strings.Lines(b.String()) {
			if n := utf8.RuneCountInString(strings.TrimSpace(line)); n > tableWidth {
				t.Errorf("a line of %d columns: %s", n, line)
			}
		}
	}
}

// The table of kernel.md's profiles: what the formulas come to.
func TestFormulas(t *testing.T) {
	for _, r := range []struct {
		what  string
		n     need
		shown map[string]int64
	}{
		{"100,000 on 8 GiB and 4 loops", need{Load: Load{Connections: 100_000, Loops: 4}, ram: 8 << 30}, map[string]int64{
			"files": 35_346, "shared": 121_384, "nr_open": 1 << 20, "file-max": 310_000, "pressure": 253_000, "low": 189_750, "high": 379_500,
			"tw": 1 << 18, "wmem": 512 << 10, "rmem": 16 << 10, "backlog": 8192, "minfree": 81_920, "tracking": 195_536, "gomemlimit": 6380,
		}},
		{"1 million on 32 GiB and 16 loops", need{Load: Load{Connections: 1_000_000, Loops: 16}, ram: 32 << 30}, map[string]int64{
			"files": 82_221, "shared": 1_066_384, "nr_open": 1 << 20, "file-max": 1_300_000, "pressure": 1_890_000, "low": 1_417_500, "high": 2_835_000,
			"tw": 1 << 19, "wmem": 256 << 10, "rmem": 16 << 10, "backlog": 16384, "minfree": 327_680, "tracking": 1_365_536, "gomemlimit": 20_817,
		}},
		{"5 million on 128 GiB and 32 loops", need{Load: Load{Connections: 5_000_000, Loops: 32}, ram: 128 << 30}, map[string]int64{
			"files": 199_408, "shared": 5_266_384, "nr_open": 1 << 20, "file-max": 5_700_000, "pressure": 7_850_000, "low": 5_887_500, "high": 11_775_000,
			"tw": 1 << 20, "wmem": 128 << 10, "rmem": 8 << 10, "backlog": 65535, "minfree": 1 << 20, "tracking": 6_565_536, "gomemlimit": 77_722,
		}},
	} {
		n := r.n
		n.hostRAM, n.window, n.Drain, n.Connects = n.ram, windowFor(n.Connections), 2*time.Minute, n.Connections/2
		n.held = n.window
		shared := n
		shared.SharedTables = true
		mem := n.tcpMem()
		for name, got := range map[string]int64{
			"files": n.openFiles(), "shared": shared.openFiles(), "nr_open": n.nrOpen(), "file-max": n.fileMax(), "low": mem[0], "pressure": mem[1], "high": mem[2],
			"tw": n.timeWait(), "wmem": int64(n.window), "rmem": n.firstRead(), "backlog": n.backlog(), "minfree": n.minFree(), "tracking": n.tracking(),
			"gomemlimit": n.goLimit() >> 20,
		} {
			if got != r.shown[name] {
				t.Errorf("%s: %s = %d; want %d", r.what, name, got, r.shown[name])
			}
		}
	}
}

// 1 million fits 16 GiB, 5 million 64 GiB; with TLS they do not.
func TestFeasibility(t *testing.T) {
	for _, r := range []struct {
		conns  int
		memory int64
		tls    bool
		want   State
		sum    int64 // in units of 100 MB
	}{
		{1_000_000, 16 << 30, false, Fine, 108},
		{1_000_000, 16 << 30, true, Short, 179},
		{1_000_000, 24 << 30, true, Fine, 188},
		{5_000_000, 64 << 30, false, Fine, 491},
		{5_000_000, 64 << 30, true, Short, 849},
		{5_000_000, 48 << 30, false, Fine, 473},
		{100_000, 1 << 30, false, Short, 11},
	} {
		m := check(t, load(t, "unknown"), Load{Connections: r.conns, Memory: r.memory, TLS: r.tls}).Memory
		if m.State != r.want || m.Sum/100_000_000 != r.sum || m.Total != r.memory {
			t.Errorf("%d connections (TLS: %v) on %d: %+v; want %s with a sum of %d00 MB", r.conns, r.tls, r.memory, m, r.want, r.sum)
		}
	}
}

func TestLoadThatMeansNothing(t *testing.T) {
	for _, l := range []Load{
		{}, {Connections: -1}, {Connections: MostConnections + 1}, {Connections: 1, Messages: -1}, {Connections: 1, Connects: -1}, {Connections: 1, Loops: -1},
		{Connections: 1, Loops: maxLoops + 1}, {Connections: 1, Memory: -1}, {Connections: 1, Window: 1}, {Connections: 1, Drain: -1},
	} {
		if r, err := Check(load(t, "unknown"), l); !errors.Is(err, ErrLoad) || r != nil {
			t.Errorf("Check(%+v) = %v, %v; want %v", l, r, err, ErrLoad)
		}
	}
}

func TestJSONIsOneObject(t *testing.T) {
	for _, name := range all(t) {
		r := check(t, load(t, name), plans[name])
		var b bytes.Buffer
		if err := r.WriteJSON(&b); err != nil {
			t.Fatal(err)
		}
		var back Report
		d := json.NewDecoder(&b)
		d.DisallowUnknownFields()
		if err := d.Decode(&back); err != nil || d.More() {
			t.Errorf("%s: %v", name, err)
		}
		if len(back.Rows) != len(r.Rows) || back.Memory != r.Memory || back.Clean != r.Clean || back.Load.Connections != r.Load.Connections {
			t.Errorf("%s comes back as %+v", name, back)
		}
	}
}

func TestOnly(t *testing.T) {
	r := check(t, load(t, "container1"), plans["container1"])
	here := r.Only(Here)
	if len(here.Rows) == 0 || slices.ContainsFunc(here.Rows, func(row Row) bool { return row.Where != Here }) || len(r.Rows) <= len(here.Rows) {
		t.Errorf("Only(here) has %+v", here.Rows)
	}
	names, more := Names(r.In(Short), 3)
	if len(names) != 3 || more != len(r.In(Short))-3 {
		t.Errorf("Names = %q and %d more", names, more)
	}
}
