//go:build faults

package faults

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// figures are the node's metrics by their full name, labels included.
type figures map[string]float64

// figures scrapes the node.
func (n *node) figures() figures {
	n.t.Helper()
	_, body := n.get("/metrics")
	f := make(figures)
	for line := range strings.Lines(body) {
		name, value, ok := strings.Cut(strings.TrimSpace(line), " ")
		if v, err := strconv.ParseFloat(value, 64); ok && err == nil && !strings.HasPrefix(name, "#") {
			f[name] = v
		}
	}
	return f
}

// sum adds up a metric over all values of its labels that have these parts.
func (f figures) sum(metric string, parts ...string) (total float64) {
	for name, v := range f {
		if name != metric && !strings.HasPrefix(name, metric+"{") {
			continue
		}
		if !slices.ContainsFunc(parts, func(p string) bool { return !strings.Contains(name, p) }) {
			total += v
		}
	}
	return total
}

// sessions is how many sessions stand.
func (f figures) sessions() int { return int(f.sum("edge_connections")) }

// disconnects is how many sessions have ended with a code.
func (f figures) disconnects(code int) int {
	return int(f.sum("edge_disconnects_total", fmt.Sprintf(`code="%d"`, code)))
}

// awaitSessions waits until so many sessions stand.
func (n *node) awaitSessions(want int) {
	n.t.Helper()
	n.await(fmt.Sprintf("%d sessions stand", want), func() bool { return n.figures().sessions() == want })
}

// cpu returns what the process has used, in user and in system mode.
func (n *node) cpu() time.Duration {
	n.t.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", n.pid()))
	if err != nil {
		n.t.Fatal(err)
	}
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	var ticks int
	for _, field := range fields[11:13] { // utime and stime, in hundredths of a second
		v, err := strconv.Atoi(field)
		if err != nil {
			n.t.Fatal(err)
		}
		ticks += v
	}
	return time.Duration(ticks) * 10 * time.Millisecond
}

// share returns the share of one CPU that the process uses while f runs.
func (n *node) share(f func()) float64 {
	n.t.Helper()
	before, began := n.cpu(), time.Now()
	f()
	return (n.cpu() - before).Seconds() / time.Since(began).Seconds()
}

// status returns a value of the process's status file, in bytes where the file has kB.
func (n *node) status(field string) int64 {
	n.t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", n.pid()))
	if err != nil {
		n.t.Fatal(err)
	}
	m := regexp.MustCompile(`(?m)^` + field + `:\s+(\d+)`).FindSubmatch(b)
	if m == nil {
		n.t.Fatalf("no %s in the status of a process", field)
	}
	v, _ := strconv.ParseInt(string(m[1]), 10, 64) // digits
	if strings.Contains(string(b), " kB") && strings.HasPrefix(field, "Vm") {
		v <<= 10
	}
	return v
}

// descriptors returns how many descriptors the process has open, in the tables of all its threads.
func (n *node) descriptors() int {
	n.t.Helper()
	tasks, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", n.pid()))
	if err != nil {
		n.t.Fatal(err)
	}
	links := make(map[string]bool) // threads that share a table show the same ones
	for _, task := range tasks {
		dir := fmt.Sprintf("/proc/%d/task/%s/fd", n.pid(), task.Name())
		fds, err := os.ReadDir(dir)
		if err != nil {
			continue // the thread has ended
		}
		for _, fd := range fds {
			if target, err := os.Readlink(dir + "/" + fd.Name()); err == nil {
				links[fd.Name()+" "+target] = true
			}
		}
	}
	return len(links)
}

// goroutines returns how many goroutines the process has.
func (n *node) goroutines() int { return int(n.figures()["go_goroutines"]) }

// heap returns the bytes in use after a garbage collection.
func (n *node) heap() int64 {
	n.t.Helper()
	_, body := n.get("/debug/pprof/heap?gc=1&debug=1")
	m := regexp.MustCompile(`# HeapAlloc = (\d+)`).FindStringSubmatch(body)
	if m == nil {
		n.t.Fatal("the heap profile has no HeapAlloc")
	}
	v, _ := strconv.ParseInt(m[1], 10, 64) // digits
	return v
}

// latencies are how long something took each time.
type latencies []time.Duration

// at returns the value that a share q of all do not exceed.
func (l latencies) at(q float64) time.Duration {
	if len(l) == 0 {
		return 0
	}
	s := slices.Sorted(slices.Values(l))
	return s[min(int(q*float64(len(s))), len(s)-1)].Round(10 * time.Microsecond)
}

func (l latencies) String() string {
	return fmt.Sprintf("p50 %v, p99 %v, max %v of %d", l.at(0.5), l.at(0.99), l.at(1), len(l))
}
