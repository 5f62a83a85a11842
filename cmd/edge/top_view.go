package main

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
	"unicode/utf8"

	"github.com/seed4ac54ce5/edge/server"
)

// view is what a node did between two looks, and how it stands.
type view struct {
	server.Top
	Rates rates      `json:"rates"` // a second
	Delay delays     `json:"delay"`
	Busy  []loopRate `json:"busy"` // the busiest loop first
}

// rates are what happened in a second.
type rates struct {
	Connects     float64 `json:"connects"`
	Disconnects  float64 `json:"disconnects"`
	Rejects      float64 `json:"rejects"`
	MessagesIn   float64 `json:"messages_in"`
	MessagesOut  float64 `json:"messages_out"`
	WireIn       float64 `json:"wire_bytes_in"`
	WireOut      float64 `json:"wire_bytes_out"`
	Writes       float64 `json:"writes"`
	Publications float64 `json:"publications"`
	Deliveries   float64 `json:"deliveries"`
	SlowClosed   float64 `json:"slow_closed"`
	SlowSkipped  float64 `json:"slow_skipped"`
}

// delays are upper bounds of the time from publish to the last member; 0 without a publication, below 0 for more than any bound.
type delays struct {
	Median time.Duration `json:"median_ns"`
	P99    time.Duration `json:"p99_ns"`
}

// loopRate is one loop.
type loopRate struct {
	server.TopLoop
	Ratio float64 `json:"busy_ratio"`
	Turns float64 `json:"turns_rate"`
}

// newView returns the difference of two looks at the same node.
func newView(before, now *server.Top) *view {
	passed := max(now.At.Sub(before.At).Seconds(), 1e-3)
	rate := func(was, is uint64) float64 { return float64(max(is, was)-was) / passed } // less: another process
	a, b := &before.Totals, &now.Totals
	v := &view{Top: *now, Rates: rates{
		Connects:     rate(a.Connects, b.Connects),
		Disconnects:  rate(a.Disconnects, b.Disconnects),
		Rejects:      rate(a.Rejects, b.Rejects),
		MessagesIn:   rate(a.MessagesIn, b.MessagesIn),
		MessagesOut:  rate(a.MessagesOut, b.MessagesOut),
		WireIn:       rate(a.WireIn, b.WireIn),
		WireOut:      rate(a.WireOut, b.WireOut),
		Writes:       rate(a.Writes, b.Writes),
		Publications: rate(a.Publications, b.Publications),
		Deliveries:   rate(a.Deliveries, b.Deliveries),
		SlowClosed:   rate(a.SlowClosed, b.SlowClosed),
		SlowSkipped:  rate(a.SlowSkipped, b.SlowSkipped),
	}}
	v.Delay = delays{quantile(before.Lag, now.Lag, 50), quantile(before.Lag, now.Lag, 99)}
	for _, l := range now.Loops {
		i := slices.IndexFunc(before.Loops, func(o server.TopLoop) bool { return o.Loop == l.Loop })
		if i < 0 {
			continue // it had not answered: there is nothing to compare with
		}
		was := &before.Loops[i]
		v.Busy = append(v.Busy, loopRate{l, max(0, l.BusySeconds-was.BusySeconds) / passed, rate(was.Turns, l.Turns)})
	}
	slices.SortFunc(v.Busy, func(a, b loopRate) int {
		return cmp.Or(cmp.Compare(b.Ratio, a.Ratio), cmp.Compare(a.Loop, b.Loop))
	})
	return v
}

// quantile returns the bound below which so many percent of what came between two looks lie.
func quantile(before, now []server.TopBucket, percent uint64) time.Duration {
	if len(before) != len(now) {
		return 0
	}
	all, below := uint64(0), uint64(0)
	for i := range now {
		all += now[i].Count - before[i].Count
	}
	for i := range now {
		below += now[i].Count - before[i].Count
		if all > 0 && below*100 >= all*percent {
			return cmp.Or(now[i].UpTo, -1)
		}
	}
	return 0
}

// screen draws views.
type screen struct {
	base          string
	live          bool // in place of what was drawn before
	width, height int  // of a terminal, 0 for no limit
}

// The controls of a terminal (ECMA-48) that take the place of what was drawn before without a flicker.
const (
	home      = "\x1b[H"
	endOfLine = "\x1b[K"
	endOfPage = "\x1b[J"
)

// draw returns v as a table, or as several where there is more to say.
func (s *screen) draw(v *view) []byte {
	var text bytes.Buffer
	drawFigures(&text, s.base, v)
	drawLoops(&text, v)
	drawRooms(&text, v)
	drawReaders(&text, v)
	if !s.live {
		return append(text.Bytes(), '\n')
	}
	return s.place(text.String())
}

// place cuts text to the terminal and puts it over what is there.
func (s *screen) place(text string) []byte {
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	if s.height > 1 && len(lines) > s.height-1 {
		lines = lines[:s.height-1]
	}
	out := []byte(home)
	for _, line := range lines {
		if s.width > 0 && utf8.RuneCountInString(line) > s.width {
			line = string([]rune(line)[:s.width])
		}
		out = append(out, line+endOfLine+"\r\n"...)
	}
	return append(out, endOfPage...)
}

func drawFigures(b *bytes.Buffer, base string, v *view) {
	state := "ready"
	if v.NotReady != "" {
		state = "NOT READY: " + v.NotReady
	}
	r := &v.Rates
	fmt.Fprintf(b, "%s  %s  %s\n\n", base, v.At.Format(time.TimeOnly), state)
	fmt.Fprintf(b, "connections %d  subscriptions %d  rooms %d  memory %s + %s kernel  queued %s  jobs %d\n",
		v.Connections, v.Subscriptions, v.Rooms, size(float64(v.ProcessBytes)), size(float64(v.KernelBytes)), size(float64(v.QueuedBytes)), v.WorkerQueue)
	fmt.Fprintf(b, "a second:  connects %s  disconnects %s  rejects %s\n", short(r.Connects), short(r.Disconnects), short(r.Rejects))
	fmt.Fprintf(b, "  in   %s messages  %s\n", short(r.MessagesIn), size(r.WireIn))
	fmt.Fprintf(b, "  out  %s messages  %s  %s writes\n", short(r.MessagesOut), size(r.WireOut), short(r.Writes))
	fmt.Fprintf(b, "  publications %s  deliveries %s  delay %s, 99%% %s\n", short(r.Publications), short(r.Deliveries), bound(v.Delay.Median), bound(v.Delay.P99))
	fmt.Fprintf(b, "  slow: closed %s  skipped %s\n", short(r.SlowClosed), short(r.SlowSkipped))
	if v.Draining > 0 {
		fmt.Fprintf(b, "draining: %d to go\n", v.Draining)
	}
}

// topShown is how many loops, rooms and readers a table has.
const topShown = 8

// table writes rows below a title, if there are any.
func table[T any](b *bytes.Buffer, title string, rows []T, line func(row *T) string) {
	if len(rows) == 0 {
		return
	}
	text := "\n" + title + "\n"
	for i := range rows[:min(topShown, len(rows))] {
		text += line(&rows[i]) + "\n"
	}
	w := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	_, _ = w.Write([]byte(text)) // a buffer takes everything
	_ = w.Flush()
}

func drawLoops(b *bytes.Buffer, v *view) {
	table(b, "LOOP\tBUSY\tTURNS/S\tCONNECTIONS\tQUEUED", v.Busy, func(l *loopRate) string {
		return fmt.Sprintf("%d\t%.0f%%\t%s\t%d\t%s", l.Loop, 100*l.Ratio, short(l.Turns), l.Connections, size(float64(l.QueuedBytes)))
	})
}

func drawRooms(b *bytes.Buffer, v *view) {
	table(b, "ROOM\tMEMBERS", v.Largest, func(r *server.TopRoom) string {
		return fmt.Sprintf("%s\t%d", printable(r.Room), r.Members)
	})
}

func drawReaders(b *bytes.Buffer, v *view) {
	table(b, "SLOW CLIENT\tUSER\tWAITING\tSTALLED\tROOMS", v.Slowest, func(l *server.Laggard) string {
		stalled := time.Duration(l.StalledMS) * time.Millisecond
		return fmt.Sprintf("%s\t%s\t%s\t%v\t%d", printable(l.Client), printable(l.User), size(float64(l.QueuedBytes+l.WaitingBytes)), stalled, l.Rooms)
	})
}

// printable returns a name of a client's choice as a terminal may see it.
func printable(name string) string {
	const most = 60
	quoted := strconv.Quote(name)
	if quoted == `"`+name+`"` && name != "" {
		quoted = name
	}
	if r := []rune(quoted); len(r) > most {
		quoted = string(r[:most-1]) + "…"
	}
	return quoted
}

// bound returns a delay as a table has it.
func bound(d time.Duration) string {
	switch {
	case d < 0:
		return "above all bounds"
	case d == 0:
		return "-"
	}
	return "≤ " + d.String()
}

// short returns a rate in few digits: up to 10,000 all of them.
func short(n float64) string {
	switch {
	case n >= 1e9:
		return fmt.Sprintf("%.1fG", n/1e9)
	case n >= 1e6:
		return fmt.Sprintf("%.1fM", n/1e6)
	case n >= 1e4:
		return fmt.Sprintf("%.1fk", n/1e3)
	}
	return fmt.Sprintf("%.0f", n)
}

// size returns bytes in few digits.
func size(n float64) string {
	unit := 0
	for n >= 1024 && unit < 4 {
		n /= 1024
		unit++
	}
	if unit == 0 {
		return fmt.Sprintf("%.0f B", n)
	}
	return fmt.Sprintf("%.1f %s", n, [...]string{"", "KiB", "MiB", "GiB", "TiB"}[unit])
}
