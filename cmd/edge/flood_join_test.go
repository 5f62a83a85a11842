package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/seed4ac54ce5/edge/bench"
)

func TestFloodJoinUsage(t *testing.T) {
	for args, says := range map[string]string{
		"somewhere":                         "somewhere",
		"--join-key k":                      "--join is missing",
		"--join nowhere":                    "host:port",
		"--join 127.0.0.1:1 --rate 5":       "--rate",
		"idle --workers 2":                  "--listen host:port",
		"idle --listen 127.0.0.1:0":         "--workers",
		"idle --workers 2 --listen nowhere": "--listen nowhere",
	} {
		out, _, err := runFlood(t, strings.Fields(args)...)
		if err == nil || exitCode(err) != exitUsage || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "\n") || out != "" {
			t.Errorf("edge flood %s: %v, and prints %q; want one line that says %s, and exit code %d", args, err, out, says, exitUsage)
		}
	}
}

// A server, a coordinator and two workers, each a process: the report is one, also of a run that is interrupted.
func TestFloodIsShared(t *testing.T) {
	server := start(t, "--development")
	for _, row := range []struct {
		duration string
		end      os.Signal // nil to let it go on for that long
	}{{"200ms", nil}, {"1h", syscall.SIGINT}, {"1h", syscall.SIGTERM}} {
		coordinator := edge("flood", "fanout", "--target", server.Addresses[0], "--connections", "20", "--rooms", "3", "--publishers", "2",
			"--duration", row.duration, "--warmup", "50ms", "--json", "--workers", "2", "--listen", "127.0.0.1:0", "--join-key", "k")
		var out bytes.Buffer
		coordinator.Stdout = &out
		stderr, err := coordinator.StderrPipe()
		if err != nil {
			t.Fatal(err)
		}
		begun(t, coordinator)
		said := bufio.NewScanner(stderr)
		address := after(t, said, " at ")
		workers := []*exec.Cmd{edge("flood", "--join", address, "--join-key", "k"), edge("flood", "--join", address, "--join-key", "k")}
		for _, w := range workers {
			begun(t, w)
		}
		after(t, said, "all 2 workers")
		if row.end != nil {
			if err := coordinator.Process.Signal(row.end); err != nil {
				t.Fatal(err)
			}
		}
		for said.Scan() {
		}
		for _, c := range append(workers, coordinator) {
			if err := c.Wait(); err != nil {
				t.Errorf("%v: %v", c.Args[1:], err)
			}
		}
		var r bench.Report
		if err := json.Unmarshal(out.Bytes(), &r); err != nil {
			t.Fatalf("%v: %s", err, out.Bytes())
		}
		if r.Interrupted != (row.end != nil) || len(r.Workers) != 2 || r.Err() != nil || row.end == nil && r.Delivery.Received == 0 {
			t.Errorf("%v: interrupted: %v, %v; report %+v", row.end, r.Interrupted, r.Err(), r)
		}
	}
}

// begun starts c, and kills it if the test ends before it does.
func begun(t *testing.T, c *exec.Cmd) {
	t.Helper()
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Process.Kill() }) // it has ended long since, if the test has passed
}

// after returns what follows text in the next line that has it.
func after(t *testing.T, lines *bufio.Scanner, text string) string {
	t.Helper()
	var past strings.Builder
	for lines.Scan() {
		if _, rest, ok := strings.Cut(lines.Text(), text); ok {
			return rest
		}
		past.WriteString(lines.Text() + "\n")
	}
	t.Fatalf("no line with %q in\n%s", text, past.String())
	return ""
}
