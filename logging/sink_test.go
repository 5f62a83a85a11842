package logging

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// output keeps what is written. While it is blocked a write waits; while it fails one takes half.
type output struct {
	mu      sync.Mutex
	free    *sync.Cond
	blocked bool
	failing error
	got     bytes.Buffer
}

func newOutput() *output {
	o := new(output)
	o.free = sync.NewCond(&o.mu)
	return o
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for o.blocked {
		o.free.Wait()
	}
	if o.failing != nil {
		n, _ := o.got.Write(b[:len(b)/2])
		return n, o.failing
	}
	return o.got.Write(b)
}

// set changes what the output does.
func (o *output) set(blocked bool, failing error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.blocked, o.failing = blocked, failing
	o.free.Broadcast()
}

// lines returns what has been written, line by line.
func (o *output) lines() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return strings.Split(strings.TrimSuffix(o.got.String(), "\n"), "\n")
}

// decode returns the fields of a line.
func decode(t *testing.T, line string) (fields map[string]any) {
	t.Helper()
	if err := json.Unmarshal([]byte(line), &fields); err != nil {
		t.Fatalf("line %q: %v", line, err)
	}
	return fields
}

func TestLinesComeInOrder(t *testing.T) {
	out := newOutput()
	s := Open(Options{Output: out, JSON: true, PerSecond: -1})
	log := slog.New(s.Handler()).With("node", "a").WithGroup("g")
	const n = 1000
	for i := range n {
		log.Info("line", "i", i)
	}
	if !s.Close(time.Minute) || s.Dropped() != 0 {
		t.Errorf("%d lines dropped, or not all written", s.Dropped())
	}
	lines := out.lines()
	if len(lines) != n {
		t.Fatalf("%d lines; want %d", len(lines), n)
	}
	for i, line := range lines {
		f := decode(t, line)
		if f["msg"] != "line" || f["node"] != "a" || f["g"].(map[string]any)["i"] != float64(i) {
			t.Fatalf("line %d is %s", i, line)
		}
	}
}

// A reader that has stopped costs lines, and nobody's time. What is lost is said in the place where it was.
func TestBlockedOutput(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := newOutput()
		out.set(true, nil)
		s := Open(Options{Output: out, JSON: true, QueueSize: 4 << 10, PerSecond: -1})
		log := slog.New(s.Handler())
		log.Info("first")
		synctest.Wait() // it is being written
		const n = 1000
		for range n {
			log.Info("waits")
		}
		dropped := s.Dropped()
		if dropped == 0 || dropped >= n {
			t.Fatalf("%d of %d lines dropped; want some", dropped, n)
		}
		out.set(false, nil)
		synctest.Wait()
		log.Info("last")
		if !s.Close(time.Minute) {
			t.Error("Close has lost lines")
		}
		lines := out.lines()
		if len(lines) != n-int(dropped)+3 {
			t.Fatalf("%d lines came of %d, %d dropped, and 3 more", len(lines), n, dropped)
		}
		complaint := decode(t, lines[len(lines)-2])
		if complaint["level"] != "ERROR" || complaint["dropped"] != float64(dropped) || decode(t, lines[len(lines)-1])["msg"] != "last" {
			t.Errorf("the log ends with %q; want a line about %d dropped, and the last", lines[len(lines)-2:], dropped)
		}
	})
}

// A full disk is tried again every second, from the byte on that it did not take.
func TestFailingOutput(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := newOutput()
		out.set(false, errors.New("no space left on device"))
		s := Open(Options{Output: out, JSON: true})
		log := slog.New(s.Handler())
		log.Info("one")
		synctest.Wait()
		log.Info("two")
		out.set(false, nil)
		time.Sleep(retryAfter)
		synctest.Wait()
		if !s.Close(time.Minute) {
			t.Error("Close has lost lines")
		}
		lines := out.lines()
		if len(lines) != 2 || decode(t, lines[0])["msg"] != "one" || decode(t, lines[1])["msg"] != "two" {
			t.Errorf("the log is %q; want one and two", lines)
		}
	})
}

// Close does not wait for what may never end, and says so.
func TestCloseGivesUp(t *testing.T) {
	for _, blocked := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			out := newOutput()
			out.set(blocked, io.ErrClosedPipe)
			s := Open(Options{Output: out})
			slog.New(s.Handler()).Info("a line")
			began := time.Now()
			if s.Close(3*time.Second) || time.Since(began) > 3*time.Second {
				t.Errorf("blocked %v: Close reports that all is written, after %v", blocked, time.Since(began))
			}
			slog.New(s.Handler()).Info("too late")
			if s.Dropped() != 1 {
				t.Errorf("blocked %v: %d lines dropped after Close; want 1", blocked, s.Dropped())
			}
			out.set(false, nil)
		})
	}
}

// A message that comes too often is written so many times in a second, and then once with how many more there were.
func TestLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := newOutput()
		s := Open(Options{Output: out, JSON: true, PerSecond: 3})
		log := slog.New(s.Handler())
		for i := range 10 {
			log.Info("often", "i", i)
			log.Debug("often")
		}
		log.Warn("rare")
		time.Sleep(2 * time.Second)
		log.With("a", 1).Warn("often")
		s.Close(time.Minute)
		var got []string
		for _, line := range out.lines() {
			f := decode(t, line)
			got = append(got, fmt.Sprintf("%v %v, i %v, of %v %v", f["level"], f["msg"], f["i"], f["message"], f["suppressed"]))
		}
		want := []string{
			"INFO often, i 0, of <nil> <nil>",
			"INFO often, i 1, of <nil> <nil>",
			"INFO often, i 2, of <nil> <nil>",
			"WARN rare, i <nil>, of <nil> <nil>",
			"INFO lines suppressed, i <nil>, of often 7",
			"WARN often, i <nil>, of <nil> <nil>",
		}
		if !slices.Equal(got, want) {
			t.Errorf("the log is\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	})
}

// Close tells what was suppressed in a second that has not ended, and messages without number share a count.
func TestLimitIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := newOutput()
		s := Open(Options{Output: out, JSON: true, PerSecond: 1})
		log := slog.New(s.Handler())
		const extra = 5
		for i := range maxWindows + extra {
			log.Info(fmt.Sprintf("value %d", i))
		}
		s.Close(time.Minute)
		lines := out.lines()
		last := decode(t, lines[len(lines)-1])
		if len(lines) != maxWindows+2 || last["message"] != "other messages" || last["suppressed"] != float64(extra-1) {
			t.Errorf("%d lines, the last %v; want %d, and %d other messages suppressed", len(lines), last, maxWindows+2, extra-1)
		}
	})
}

// What a peer sends cannot steer a terminal, and JSON keeps its meaning.
func TestEscapes(t *testing.T) {
	const evil = "a\x1b[2J\u009b2J\x7f\u202egpj.exe\u2028\U000e0001\n{\"msg\":\"forged\"} é😀"
	for _, isJSON := range []bool{true, false} {
		out := newOutput()
		s := Open(Options{Output: out, JSON: isJSON})
		slog.New(s.Handler()).Warn("peer", "said", evil, "del", "\x7f")
		s.Close(time.Minute)
		line := out.got.String()
		if strings.Count(line, "\n") != 1 || strings.ContainsFunc(strings.TrimSuffix(line, "\n"), steers) || !strings.Contains(line, "é😀") {
			t.Errorf("JSON %v: the line is %q", isJSON, line)
		}
		if isJSON && decode(t, line)["said"] != evil {
			t.Errorf("%s does not say %q", line, evil)
		}
	}
}

// A duration has its unit, in JSON as in text, wherever it stands.
func TestDurationsHaveUnits(t *testing.T) {
	for _, isJSON := range []bool{true, false} {
		out := newOutput()
		s := Open(Options{Output: out, JSON: isJSON})
		slog.New(s.Handler()).With("age", 90*time.Second).WithGroup("g").Info("line", "window", 30*time.Second, "delay", time.Duration(0), "any", any(1500*time.Microsecond))
		s.Close(time.Minute)
		line := out.got.String()
		want := []string{"age=1m30s", "g.window=30s", "g.delay=0s", "g.any=1.5ms"}
		if isJSON {
			want = []string{`"age":"1m30s"`, `"g":{"window":"30s","delay":"0s","any":"1.5ms"}`}
		}
		for _, w := range want {
			if !strings.Contains(line, w) {
				t.Errorf("JSON %v: the line is %s; want %s in it", isJSON, line, w)
			}
		}
	}
}

// Lines of many goroutines are whole.
func TestManyAuthors(t *testing.T) {
	out := newOutput()
	s := Open(Options{Output: out, JSON: true, QueueSize: 2 << 10, PerSecond: 20})
	log := slog.New(s.Handler())
	var authors sync.WaitGroup
	for a := range 8 {
		authors.Go(func() {
			for range 500 {
				log.Info(fmt.Sprint("author ", a), "text", strings.Repeat("x", 50))
			}
		})
	}
	authors.Wait()
	s.Close(time.Minute)
	for _, line := range out.lines() {
		decode(t, line)
	}
}

func BenchmarkLine(b *testing.B) {
	for name, per := range map[string]int{"written": -1, "suppressed": 1} {
		b.Run(name, func(b *testing.B) {
			s := Open(Options{Output: io.Discard, JSON: true, PerSecond: per})
			defer s.Close(time.Minute)
			log := slog.New(s.Handler())
			for b.Loop() {
				log.Info("rejected", "stage", "handshake", "reason", "bad_request")
			}
		})
	}
}
