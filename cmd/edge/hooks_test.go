package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"
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
