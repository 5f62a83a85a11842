package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"
)

// A node that is told of a collector sends it a span of what its API was asked, at its end at the latest.
func TestTraces(t *testing.T) {
	const trace = "4bf92f3577b34da6a3ce929d0e0e4736"
	got := make(chan string, 1)
	collector := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body) // what is missing is found missing below
		got <- string(body)
	}))
	defer collector.Close()
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.URL)
	s := start(t)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+s.Internal+"/api/info", strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	r.Close = true
	r.Header.Set("Traceparent", "00-"+trace+"-00f067aa0ba902b7-01")
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = answer.Body.Close()
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if code, log := s.end(t); code != 0 || len(got) == 0 {
		t.Fatalf("the node ended with %d and sent %d times, log %s", code, len(got), log)
	}
	if spans := <-got; !strings.Contains(spans, trace) || !strings.Contains(spans, `"POST /api/info"`) {
		t.Errorf("the collector got %s; want a span of trace %s", spans, trace)
	}
}

// What is wrong with a variable ends the start.
func TestTracesAreChecked(t *testing.T) {
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4317")
	if code, _, complaint := run(t, "serve", "--address=127.0.0.1:0", "--internal-address=127.0.0.1:0"); code != exitUsage || !strings.Contains(complaint, "OTEL_EXPORTER_OTLP_ENDPOINT") {
		t.Errorf("edge serve = %d %q; want %d and the variable", code, complaint, exitUsage)
	}
}
