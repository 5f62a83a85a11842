package testutil

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

// settle is how long what a test has closed may take to disappear: a goroutine that was told to
// end, a thread that the kernel is still taking down together with its private descriptor table.
const settle = 2 * time.Minute

// init keeps the main thread for the main goroutine. The runtime never lets that thread end, so the
// private table of a goroutine locked to it would stay, with all that is open there.
func init() { runtime.LockOSThread() }

// Main runs the tests of m and ends the process, with status 1 if they passed but left a goroutine
// or a file descriptor that was not there before, in the process's table or in a thread's own.
// A test that used an http.Client closes its idle connections, which hold both. What the tests share is taken away by clean.
func Main(m *testing.M, clean ...func()) {
	startPoller()
	before := inventory()
	code := m.Run()
	for _, f := range clean {
		f()
	}
	if code == 0 {
		if left := leftovers(before, settle); len(left) > 0 {
			fmt.Fprintf(os.Stderr, "FAIL: the tests left %d behind:\n%s\n", len(left), strings.Join(left, "\n"))
			code = 1
		}
	}
	os.Exit(code)
}

// startPoller makes the runtime open the epoll set and the eventfd that it keeps for good,
// so that they are no news later.
func startPoller() {
	r, w, err := os.Pipe()
	if err != nil {
		return
	}
	_ = r.Close()
	_ = w.Close()
}

// leftovers waits at most limit until nothing is there that before lacks. It returns the
// descriptions of what stayed, sorted.
func leftovers(before map[string]string, limit time.Duration) []string {
	for deadline := time.Now().Add(limit); ; time.Sleep(pause) {
		left := news(before, inventory())
		if len(left) == 0 || time.Now().After(deadline) {
			return left
		}
	}
}

// news returns the descriptions of what now has and before lacks.
func news(before, now map[string]string) []string {
	var out []string
	for name, what := range now {
		if _, ok := before[name]; !ok {
			out = append(out, what)
		}
	}
	slices.Sort(out)
	return out
}

// inventory maps the name of each goroutine and open descriptor to its description.
func inventory() map[string]string {
	all := make(map[string]string)
	addGoroutines(all)
	addDescriptors(all)
	return all
}

// addGoroutines adds all goroutines but the calling one, each under the words "goroutine N" that
// its stack begins with: N is never given twice.
func addGoroutines(all map[string]string) {
	stacks := strings.Split(stackDump(), "\n\n")
	for _, stack := range stacks[1:] { // the caller's comes first
		if strings.Contains(stack, "\nos/signal.") { // the one that serves signal.Notify never ends
			continue
		}
		name, _, _ := strings.Cut(stack, " [")
		all[name] = stack
	}
}

// stackDump returns the stacks of all goroutines, with an empty line between two.
func stackDump() string {
	for size := 1 << 16; ; size *= 2 {
		buf := make([]byte, size)
		if n := runtime.Stack(buf, true); n < size {
			return string(buf[:n])
		}
	}
}

// addDescriptors adds the descriptors of every thread. Threads that share a table show the same
// number and target, and so the same name; a table of a thread's own adds what only it has.
func addDescriptors(all map[string]string) {
	links, _ := filepath.Glob("/proc/self/task/*/fd/*") // the pattern is well formed
	for _, link := range links {
		target, err := os.Readlink(link)
		if err != nil { // closed since, like the descriptor that listed the directory
			continue
		}
		name := fmt.Sprintf("descriptor %s -> %s", filepath.Base(link), target)
		all[name] = name
	}
}
