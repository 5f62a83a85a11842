package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
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
	s := start(t, "--config", configFile(t, "hooks: {connect: {url: '"+backend.URL+"/who'}, disconnect: {url: '"+backend.URL+"/gone'}}"))
	c := s.connect(t)
	c.close()
	if body := <-news; !strings.Contains(body, `"user":"alice"`) {
		t.Errorf("the backend is told %s", body)
	}
	s.term(t)
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
