package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"

	"github.com/seed4ac54ce5/edge/internal/testutil"
)

// A node whose configuration names a backend asks it who connects, and tells it who has left.
func TestServeAsksBackends(t *testing.T) {
	news := make(chan string, 1)
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if r.URL.Path == "/gone" {
			news <- string(body)
		}
		_, _ = io.WriteString(w, `{"result":{"user":"alice"}}`)
	}))
	defer backend.Close()
	s := start(t, "--config", configFile(t, "hooks: {connect: {url: '"+backend.URL+"/who', timeout: 1m}, disconnect: {url: '"+backend.URL+"/gone', timeout: 1m}}"))
	if log := s.past.String(); strings.Contains(log, "no client may connect") {
		t.Errorf("with a connect hook the log says %s", log)
	}
	c := s.connect(t)
	c.close()
	if body := <-news; !strings.Contains(body, `"user":"alice"`) {
		t.Errorf("the backend is told %s", body)
	}
	testutil.Eventually(t, patience, func() bool {
		return strings.Contains(s.get(t, "/metrics"), "\n"+`edge_hook_requests_total{event="disconnect",result="ok"} 1`)
	}, "the event of the end is counted")
	s.term(t)
}

// What becomes of calls shows in the metrics: tries, answers, calls that the backend was spared, and events that were given up.
func TestHooksAreCounted(t *testing.T) {
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/rpc" {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		_, _ = io.WriteString(w, `{"result":{"user":"alice"}}`)
	}))
	defer backend.Close()
	s := start(t, "--config", configFile(t, "hooks:\n  connect: {url: '"+backend.URL+"', timeout: 1m}\n"+
		"  rpc: {url: '"+backend.URL+"/rpc', timeout: 1m, breaker_failures: 1, breaker_pause: 1m}\n"+
		"  disconnect: {url: 'http://127.0.0.1:1', tries: 1}\n"))
	c := s.connect(t)
	for _, command := range []string{`{"id":2,"rpc":{}}`, `{"id":3,"rpc":{}}`} {
		if reply := c.ask(command); !strings.Contains(reply, `"code":100`) {
			t.Errorf("%s is answered %s", command, reply)
		}
	}
	c.close()
	testutil.Eventually(t, patience, func() bool {
		return strings.Contains(s.get(t, "/metrics"), "\nedge_hook_dropped_total 1\n")
	}, "the event that nobody took is counted")
	shown := s.get(t, "/metrics")
	for _, line := range []string{
		`edge_hook_requests_total{event="connect",result="ok"} 1`,
		`edge_hook_requests_total{event="rpc",result="status"} 1`,
		`edge_hook_requests_total{event="rpc",result="breaker_open"} 1`,
		`edge_hook_request_duration_seconds_count{event="connect"} 1`,
		`edge_hook_request_duration_seconds_count{event="rpc"} 1`,
	} {
		if !strings.Contains(shown, "\n"+line+"\n") {
			t.Errorf("the metrics lack %s", line)
		}
	}
	s.term(t)
}

// A backend that does not answer does not hold up a node that has been interrupted twice.
func TestSecondInterruptWaitsForNoBackend(t *testing.T) {
	asked, free := make(chan struct{}, 1), make(chan struct{})
	backend := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked <- struct{}{}; <-free }))
	defer backend.Close()
	defer close(free)
	s := start(t, "--config", configFile(t, "hooks: {connect: {url: '"+backend.URL+"', timeout: 1m}}"))
	if err := s.open(t).say(`{"id":1,"connect":{}}`); err != nil {
		t.Fatal(err)
	}
	<-asked
	if err := s.cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	for s.log.Scan() && !strings.Contains(s.log.Text(), `"msg":"draining"`) { // the second one must not come before the first is taken
	}
	if err := s.cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if code, log := s.end(t); code != 0 || !strings.Contains(log, `"msg":"ended at once`) {
		t.Errorf("edge ended with %d, log %s; want 0 at once", code, log)
	}
}

func TestServeRefusesABadBackend(t *testing.T) {
	file := configFile(t, "hooks: {rpc: {url: 'https://app.example', ca_file: /none/ca.pem}}")
	const want = "edge: hooks.rpc.ca_file: open /none/ca.pem: no such file or directory\n"
	for _, args := range [][]string{{"serve", "--config", file}, {"checkconfig", file}} {
		if code, out, complaint := run(t, args...); code != exitUsage || out != "" || complaint != want {
			t.Errorf("edge %q = %d, %q, %q; want %d and %q", args, code, out, complaint, exitUsage, want)
		}
	}
}
