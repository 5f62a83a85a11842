package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/seed4ac54ce5/edge/internal/testutil"
	"github.com/seed4ac54ce5/edge/server"
)

// A node in the hands of its operator, from the first look to the drain.
func TestOperator(t *testing.T) {
	file := filepath.Join(t.TempDir(), "edge.yaml")
	write := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("development: true\n")
	s := start(t, "--config="+file, "--loops=2")
	node := "--internal=" + s.Internal
	c := s.connect(t)

	code, out, complaint := run(t, "info", node)
	if code != 0 || complaint != "" || !strings.Contains(out, "ready") || !strings.Contains(out, s.Addresses[0]) {
		t.Errorf("edge info = %d %q %q", code, out, complaint)
	}
	var info server.Info
	code, out, complaint = run(t, "info", "--json", node)
	if err := json.Unmarshal([]byte(out), &info); err != nil || code != 0 || info.PID != s.cmd.Process.Pid || info.Connections != 1 || info.Loops != 2 {
		t.Errorf("edge info --json = %d %q %q: %v", code, out, complaint, err)
	}

	code, out, complaint = run(t, "top", "--once", "--interval=100ms", node)
	if code != 0 || complaint != "" || !strings.Contains(out, "connections 1 ") || !strings.Contains(out, "\nLOOP ") || strings.Contains(out, "\x1b") {
		t.Errorf("edge top --once = %d %q %q", code, out, complaint)
	}
	var v view
	code, out, complaint = run(t, "top", "--once", "--json", "--interval=100ms", "--internal=http://"+s.Internal+"/")
	if err := json.Unmarshal([]byte(out), &v); err != nil || code != 0 || v.Connections != 1 || len(v.Busy) != 2 || v.Rates.Writes == 0 && v.Totals.Writes == 0 {
		t.Errorf("edge top --once --json = %d %q %q: %v", code, out, complaint, err)
	}

	write("development: true\nroom: {without_namespace: {presence: true}}\n")
	code, out, complaint = run(t, "reload", node)
	if code != 0 || complaint != "" || !strings.HasPrefix(out, "reloaded; changed: room.without_namespace") {
		t.Errorf("edge reload = %d %q %q", code, out, complaint)
	}
	write("development: perhaps\n")
	code, out, complaint = run(t, "reload", node)
	if code != exitNo || out != "" || !strings.Contains(complaint, "development") {
		t.Errorf("edge reload of a bad file = %d %q %q; want %d and why", code, out, complaint, exitNo)
	}

	code, out, complaint = run(t, "drain", node)
	if code != 0 || complaint != "" || out != "draining: 1 connections\n" {
		t.Errorf("edge drain = %d %q %q", code, out, complaint)
	}
	c.close()
	if code, log := s.end(t); code != 0 || !strings.Contains(log, `"msg":"drained"`) {
		t.Errorf("the node ended with %d, log %s; want 0 after a drain", code, log)
	}
	if code, _, complaint = run(t, "info", node); code != exitNo || !strings.Contains(complaint, "nothing listens on http://"+s.Internal) {
		t.Errorf("edge info of a node that is gone = %d %q", code, complaint)
	}
}

// What goes wrong is one line that says what to do; the status tells usage from the node's no.
func TestOperatorErrors(t *testing.T) {
	node := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/drain":
			if r.Header.Get("X-API-Key") != "the key" {
				w.WriteHeader(http.StatusUnauthorized)
				return
			}
			_, _ = w.Write([]byte(`{"connections":3}`))
		case "/reload":
			_, _ = w.Write([]byte("<html>"))
		case "/rebalance":
			w.WriteHeader(http.StatusConflict)
			_, _ = w.Write([]byte(`{"error":"the node drains"}`))
		case "/info":
			_, _ = w.Write([]byte(`{"not_ready":"draining"}`))
		default:
			w.WriteHeader(http.StatusInternalServerError)
		}
	}))
	defer node.Close()
	key := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(key, []byte("the key\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, r := range []struct {
		args string
		code int
		says string
	}{
		{"drain", exitNo, "--key-file"},
		{"drain --key-file=" + key, 0, ""},
		{"drain --key-file=/nowhere", exitUsage, "--key-file"},
		{"drain now", exitUsage, "now"},
		{"reload", exitNo, "internal address"},
		{"rebalance --to=5", exitNo, "the node drains"},
		{"rebalance", exitUsage, "--to"},
		{"rebalance --to=-1", exitUsage, "--to"},
		{"info", exitNo, "draining"},
		{"top --interval=1ms", exitUsage, "--interval"},
		{"top --once", exitNo, "500"},
		{"info --internal=ftp://a", exitUsage, "--internal"},
		{"info --internal=http://", exitUsage, "--internal"},
	} {
		args := strings.Fields(r.args)
		if !strings.Contains(r.args, "--internal") {
			args = append(args, "--internal="+node.URL)
		}
		code, _, complaint := run(t, args...)
		if lines := strings.Count(complaint, "\n"); code != r.code || !strings.Contains(complaint, r.says) || lines != min(code, 1) {
			t.Errorf("edge %s = %d, complaint %q; want %d and one line about %s", r.args, code, complaint, r.code, r.says)
		}
	}
	cmd := edge("drain", "--internal="+node.URL)
	cmd.Env = append(cmd.Env, keyVariable+"=the key")
	if out, err := cmd.CombinedOutput(); err != nil || string(out) != "draining: 3 connections\n" {
		t.Errorf("edge drain with the key in the environment: %v, %q", err, out)
	}
}

// On and on, until it is interrupted.
func TestTopGoesOn(t *testing.T) {
	s := start(t)
	cmd := edge("top", "--interval=100ms", "--json", "--internal="+s.Internal)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := json.NewDecoder(out)
	var before, now view
	for range 3 {
		before = now
		if err := lines.Decode(&now); err != nil || !now.At.After(before.At) {
			t.Fatalf("after a view of %v one of %v: %v", before.At, now.At, err)
		}
	}
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	for lines.Decode(&now) == nil {
		before = now
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("after INT edge top ends with %v", err)
	}
	testutil.Eventually(t, patience, func() bool { code, _, _ := run(t, "info", "--internal="+s.Internal); return code == 0 }, "the node does not mind")
}
