package bench

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// watchTimeout is how long the server's metrics are waited for.
const watchTimeout = 5 * time.Second

// watch looks at a server from outside: at its process, if it is of this machine, and at its metrics, if they are to be
// had.
type watch struct {
	pid    int    // 0 for none
	url    string // of the metrics, "" for none
	client http.Client
}

// newWatch returns one that keeps no connection to the server, as it counts them, and has it compress nothing, which would be most of
// what there is to see in the heap of a calm one.
func newWatch(o *Options) *watch {
	w := &watch{pid: o.ServerPID, client: http.Client{Timeout: watchTimeout, Transport: &http.Transport{DisableKeepAlives: true, DisableCompression: true}}}
	if o.Internal != "" {
		w.url = strings.TrimSuffix(o.Internal, "/")
		if !strings.HasSuffix(w.url, "/metrics") {
			w.url += "/metrics"
		}
	}
	return w
}

// look returns what there is to see, by name. What cannot be seen is missing, and the error says why.
func (w *watch) look() (map[string]float64, error) {
	seen := make(map[string]float64)
	var errs []error
	if w.pid != 0 {
		errs = append(errs, w.process(seen))
	}
	if w.url != "" {
		errs = append(errs, w.metrics(seen))
	}
	return seen, errors.Join(errs...)
}

// What the process shows. Names of metrics are those of the server.
const (
	seenPss         = "process_pss"
	seenRss         = "process_rss"
	seenDescriptors = "descriptors" // over all tables
	seenThreads     = "threads"
	seenConnections = "edge_connections"
)

func (w *watch) process(seen map[string]float64) error {
	m, err := readMemory(w.pid)
	if err != nil {
		return err
	}
	seen[seenPss], seen[seenRss] = float64(m.Pss), float64(m.Rss)
	descriptors, threads, err := countDescriptors(w.pid)
	if err != nil {
		return err
	}
	seen[seenDescriptors], seen[seenThreads] = float64(descriptors), float64(threads)
	return nil
}

// countDescriptors returns how many descriptors a process has open in all its tables, and how many threads. Threads have
// the same table if they have a socket in common among the lowest descriptors, the first three aside, which tables of
// their own may share with others: for the rest they hold sockets of their own.
func countDescriptors(pid int) (descriptors, threads int, err error) {
	root := fmt.Sprintf("/proc/%d/task", pid)
	tasks, err := names(root)
	if err != nil {
		return 0, 0, err
	}
	known := make(map[string]bool)
	for _, task := range tasks {
		path := root + "/" + task + "/fd"
		open, err := names(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue // the thread has ended
		}
		if err != nil {
			return 0, 0, err
		}
		threads++
		marks := marksOf(path, open)
		if !slices.ContainsFunc(marks, func(mark string) bool { return known[mark] }) {
			descriptors += len(open)
		}
		for _, mark := range marks {
			known[mark] = true
		}
	}
	return descriptors, threads, nil
}

func names(path string) ([]string, error) {
	dir, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = dir.Close() }() // it was only read
	return dir.Readdirnames(-1)
}

// lowest is how many descriptors of a table are looked at.
const lowest = 32

// marksOf returns what tells the table at path from others: the sockets among its lowest descriptors, or else that it has
// none.
func marksOf(path string, open []string) (marks []string) {
	low := slices.Clone(open)
	slices.SortFunc(low, func(a, b string) int { return len(a)*10 - len(b)*10 + strings.Compare(a, b) })
	for _, name := range low[:min(len(low), lowest)] {
		link, err := os.Readlink(path + "/" + name)
		if err == nil && strings.HasPrefix(link, "socket:") && !slices.Contains([]string{"0", "1", "2"}, name) {
			marks = append(marks, link)
		}
	}
	if len(marks) == 0 {
		marks = append(marks, "nothing")
	}
	return marks
}

// maxMetrics is how many bytes of metrics are read.
const maxMetrics = 16 << 20

func (w *watch) metrics(seen map[string]float64) error {
	response, err := w.client.Get(w.url)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }() // it was only read
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: HTTP status %d", w.url, response.StatusCode)
	}
	page, err := io.ReadAll(io.LimitReader(response.Body, maxMetrics))
	if err != nil {
		return err
	}
	parseGauges(page, seen)
	return nil
}

// runtimeGauges are those of the Go runtime that a leak shows in.
var runtimeGauges = []string{
	"go_goroutines", "go_threads", "go_memstats_heap_alloc_bytes", "go_memstats_heap_inuse_bytes", "go_memstats_heap_objects",
	"go_memstats_stack_inuse_bytes", "go_memstats_sys_bytes", "process_open_fds",
}

// parseGauges reads a page of the Prometheus text format: the server's own gauges, each over all its labels, and those of
// the runtime.
func parseGauges(page []byte, seen map[string]float64) {
	wanted := make(map[string]bool)
	for _, name := range runtimeGauges {
		wanted[name] = true
	}
	for raw := range bytes.Lines(page) {
		words := strings.Fields(string(raw))
		if len(words) == 4 && words[0] == "#" && words[1] == "TYPE" && words[3] == "gauge" && strings.HasPrefix(words[2], "edge_") {
			wanted[words[2]] = true
		}
		if len(words) < 2 || words[0] == "#" {
			continue
		}
		name, _, _ := strings.Cut(words[0], "{")
		if v, err := strconv.ParseFloat(words[len(words)-1], 64); err == nil && wanted[name] {
			seen[name] += v
		}
	}
}

// unitOf returns the unit of what is seen under a name.
func unitOf(name string) string {
	if name == seenPss || name == seenRss || strings.HasSuffix(name, "_bytes") {
		return bytesUnit
	}
	return ""
}
