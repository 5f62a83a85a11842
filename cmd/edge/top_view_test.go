package main

import (
	"strings"
	"testing"
	"time"

	"github.com/seed4ac54ce5/edge/server"
)

// looks are two at a node that was busy for two seconds in between.
func looks() (before, now *server.Top) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	before = &server.Top{
		At:     at,
		Totals: server.TopTotals{MessagesIn: 100, WireOut: 1000, Rejects: 7},
		Lag:    []server.TopBucket{{UpTo: time.Millisecond, Count: 5}, {UpTo: time.Second, Count: 5}, {Count: 5}},
		Loops:  []server.TopLoop{{Loop: 0, BusySeconds: 1}, {Loop: 1, BusySeconds: 1, Turns: 10}},
	}
	now = &server.Top{
		At:            at.Add(2 * time.Second),
		NotReady:      "draining",
		Connections:   12,
		Subscriptions: 34,
		Rooms:         2,
		ProcessBytes:  3 << 20,
		KernelBytes:   5 << 30,
		QueuedBytes:   100,
		Draining:      9,
		Totals:        server.TopTotals{MessagesIn: 300, WireOut: 1000 + 4<<20, Rejects: 3, Publications: 30_000, Deliveries: 3_000_000},
		Lag:           []server.TopBucket{{UpTo: time.Millisecond, Count: 105}, {UpTo: time.Second, Count: 54}, {Count: 6}},
		Loops:         []server.TopLoop{{Loop: 0, BusySeconds: 1.2}, {Loop: 1, BusySeconds: 2.5, Turns: 1010, Connections: 12, QueuedBytes: 100}, {Loop: 2}},
		Largest:       []server.TopRoom{{Room: "news", Members: 30}, {Room: "evil\x1b[2J", Members: 4}, {Room: strings.Repeat("x", 300), Members: 1}},
		Slowest:       []server.Laggard{{Client: "c1", User: "", QueuedBytes: 60, WaitingBytes: 40, StalledMS: 1500, Rooms: 2}},
	}
	return before, now
}

func TestView(t *testing.T) {
	v := newView(looks())
	if r := v.Rates; r.MessagesIn != 100 || r.WireOut != 2<<20 || r.Publications != 15_000 || r.Rejects != 0 {
		t.Errorf("rates = %+v; want half of the differences, and 0 for a counter that has begun anew", r)
	}
	if v.Delay != (delays{time.Millisecond, time.Second}) {
		t.Errorf("delays = %+v; want 1ms and 1s", v.Delay)
	}
	if len(v.Busy) != 2 || v.Busy[0].Loop != 1 || v.Busy[0].Ratio != 0.75 || v.Busy[0].Turns != 500 || v.Busy[1].Loop != 0 {
		t.Errorf("loops = %+v; want 1 before 0, and nothing of 2, which was not there before", v.Busy)
	}
}

func TestQuantile(t *testing.T) {
	zero := []server.TopBucket{{UpTo: 1}, {UpTo: 2}, {}}
	for _, r := range []struct {
		counts  [3]uint64
		percent uint64
		want    time.Duration
	}{
		{[3]uint64{}, 50, 0},
		{[3]uint64{1, 0, 0}, 99, 1},
		{[3]uint64{1, 1, 0}, 50, 1},
		{[3]uint64{1, 2, 0}, 50, 2},
		{[3]uint64{98, 1, 1}, 99, 2},
		{[3]uint64{98, 0, 2}, 99, -1},
	} {
		now := []server.TopBucket{{UpTo: 1, Count: r.counts[0]}, {UpTo: 2, Count: r.counts[1]}, {Count: r.counts[2]}}
		if got := quantile(zero, now, r.percent); got != r.want {
			t.Errorf("quantile %d of %v = %v; want %v", r.percent, r.counts, got, r.want)
		}
	}
	if got := quantile(nil, zero, 50); got != 0 {
		t.Errorf("quantile without a look before = %v; want 0", got)
	}
}

func TestDraw(t *testing.T) {
	text := string((&screen{base: "http://a"}).draw(newView(looks())))
	for _, want := range []string{
		"http://a  03:04:07  NOT READY: draining\n",
		"connections 12  subscriptions 34  rooms 2  memory 3.0 MiB + 5.0 GiB kernel  queued 100 B  jobs 0\n",
		"  out  0 messages  2.0 MiB  0 writes\n",
		"  publications 15.0k  deliveries 1.5M  delay ≤ 1ms, 99% ≤ 1s\n",
		"draining: 9 to go\n",
		"\n1     75%   500      12           100 B\n",
		"\nnews ", `"evil\x1b[2J"`, "xxx…  1\n",
		"\nc1           \"\"    100 B    1.5s     2\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the tables lack %q:\n%s", want, text)
		}
	}
	if strings.Contains(text, "\x1b") {
		t.Error("the tables have controls of a terminal")
	}
}

// On a terminal nothing is written beyond its edges.
func TestDrawOnATerminal(t *testing.T) {
	text := string((&screen{base: "http://a", live: true, width: 20, height: 5}).draw(newView(looks())))
	text, ok := strings.CutPrefix(text, home)
	text, ends := strings.CutSuffix(text, endOfPage)
	lines := strings.Split(strings.TrimSuffix(text, "\r\n"), "\r\n")
	if !ok || !ends || len(lines) != 4 {
		t.Fatalf("%d lines; want 4:\n%q", len(lines), text)
	}
	for _, line := range lines {
		if line, ok := strings.CutSuffix(line, endOfLine); !ok || len([]rune(line)) > 20 {
			t.Errorf("line %q; want 20 characters at most, and the rest of the line cleared", line)
		}
	}
}

func TestShort(t *testing.T) {
	for n, want := range map[float64]string{0: "0", 9999: "9999", 10_000: "10.0k", 1_500_000: "1.5M", 2e9: "2.0G"} {
		if got := short(n); got != want {
			t.Errorf("short(%v) = %s; want %s", n, got, want)
		}
	}
}
