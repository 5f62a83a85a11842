package tracing

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
)

// collector takes spans.
type collector struct {
	*httptest.Server
	mu       sync.Mutex
	requests []request
	headers  http.Header // of the last one
	status   int
}

func newCollector(t *testing.T) *collector {
	t.Helper()
	c := &collector{status: http.StatusOK}
	c.Server = httptest.NewServer(c)
	t.Cleanup(c.Close)
	return c
}

func (c *collector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var q request
	err := json.NewDecoder(r.Body).Decode(&q)
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil || r.Method != http.MethodPost || r.URL.Path != tracesPath {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	c.requests, c.headers = append(c.requests, q), r.Header
	w.WriteHeader(c.status)
}

// spans closes t, and returns what has come.
func (c *collector) spans(test *testing.T, t *Tracer) (all []span) {
	test.Helper()
	if err := t.Close(test.Context()); err != nil {
		test.Fatal(err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, q := range c.requests {
		all = append(all, q.ResourceSpans[0].ScopeSpans[0].Spans...)
	}
	return all
}

// open returns a tracer for c.
func (c *collector) open(t *testing.T, log io.Writer) *Tracer {
	t.Helper()
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", c.URL)
	tracer, err := Open("1.2.3", slog.New(slog.NewTextHandler(log, nil)))
	if err != nil || tracer == nil {
		t.Fatalf("Open = %v, %v", tracer, err)
	}
	return tracer
}

const (
	traceID = "4bf92f3577b34da6a3ce929d0e0e4736"
	caller  = "00-" + traceID + "-00f067aa0ba902b7-01"
)

// A trace goes through a node: from the backend that asks its API to the backend that its hook asks.
func TestTraceGoesOn(t *testing.T) {
	c := newCollector(t)
	t.Setenv("OTEL_EXPORTER_OTLP_HEADERS", "authorization=secret")
	t.Setenv("OTEL_RESOURCE_ATTRIBUTES", "host.name=a")
	tracer := c.open(t, io.Discard)
	asked := ""
	backend := tracer.Transport(roundTrip(func(r *http.Request) (*http.Response, error) {
		asked = r.Header.Get("Traceparent")
		return &http.Response{StatusCode: http.StatusTeapot, Body: http.NoBody}, nil
	}))
	api := tracer.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		out, err := http.NewRequestWithContext(r.Context(), http.MethodPost, "http://user:password@app.example/hooks/connect?token=x", nil)
		if err != nil {
			t.Error(err)
		}
		if _, err := backend.RoundTrip(out); err != nil {
			t.Error(err)
		}
		if len(out.Header) != 0 {
			t.Error("the transport has changed the request that it was given")
		}
		w.WriteHeader(http.StatusInternalServerError)
	}))
	r := httptest.NewRequest(http.MethodPost, "/api/publish?key=secret", nil)
	r.Header.Set("Traceparent", caller)
	api.ServeHTTP(httptest.NewRecorder(), r)

	spans := c.spans(t, tracer)
	if len(spans) != 2 {
		t.Fatalf("%d spans; want 2", len(spans))
	}
	out, in := spans[0], spans[1]
	if in.TraceID != traceID || in.ParentID != "00f067aa0ba902b7" || in.Name != "POST /api/publish" || in.Kind != 2 || in.Status.Code != 2 {
		t.Errorf("the span of the request is %+v", in)
	}
	if out.TraceID != traceID || out.ParentID != in.SpanID || out.Name != "POST /hooks/connect" || out.Kind != 3 || out.Status.Code != 2 {
		t.Errorf("the span of the hook is %+v", out)
	}
	if want := "00-" + traceID + "-" + out.SpanID + "-01"; asked != want {
		t.Errorf("the backend was told %q; want %q", asked, want)
	}
	text, err := json.Marshal(c.requests)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"service.name","value":{"stringValue":"edge"}`, `"1.2.3"`, `"host.name"`, `"http.response.status_code","value":{"intValue":"418"}`} {
		if !bytes.Contains(text, []byte(want)) {
			t.Errorf("the collector lacks %s: %s", want, text)
		}
	}
	if bytes.Contains(text, []byte("secret")) || bytes.Contains(text, []byte("password")) || bytes.Contains(text, []byte("token")) {
		t.Errorf("spans have secrets: %s", text)
	}
	if c.headers.Get("Authorization") != "secret" {
		t.Error("the collector was not sent the header that was set")
	}
}

// roundTrip is a RoundTripper that is a function.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// Names and attributes of spans are few, whatever is asked for by whoever.
func TestNamesAreBounded(t *testing.T) {
	c := newCollector(t)
	tracer := c.open(t, io.Discard)
	refusals := []int{http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusMethodNotAllowed}
	for _, status := range refusals {
		refuse := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) })
		tracer.Handler(refuse).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("ANY", "/api/"+traceID, nil))
	}
	spans := c.spans(t, tracer)
	for i, s := range spans {
		if s.Name != "HTTP" || len(s.Attributes) != 1 || s.ParentID != "" || s.Status.Code != 0 {
			t.Errorf("the span of a request that is refused with %d is %+v; want one that is called HTTP and has the status", refusals[i], s)
		}
	}
	if len(spans) != len(refusals) {
		t.Errorf("%d spans; want %d", len(spans), len(refusals))
	}
}

func TestFailedCall(t *testing.T) {
	c := newCollector(t)
	tracer := c.open(t, io.Discard)
	broken := errors.New("broken")
	out := httptest.NewRequest(http.MethodGet, "http://a/b", nil)
	if _, err := tracer.Transport(roundTrip(func(*http.Request) (*http.Response, error) { return nil, broken })).RoundTrip(out); err != broken {
		t.Errorf("RoundTrip = %v; want %v", err, broken)
	}
	if spans := c.spans(t, tracer); len(spans) != 1 || spans[0].Status.Code != 2 {
		t.Errorf("spans %+v; want one with an error", spans)
	}
}

// Without an endpoint there is nothing at all.
func TestOffByDefault(t *testing.T) {
	tracer, err := Open("1", slog.New(slog.DiscardHandler))
	if tracer != nil || err != nil {
		t.Fatalf("Open = %v, %v; want no tracer", tracer, err)
	}
	if got := tracer.Transport(http.DefaultTransport); got != http.DefaultTransport {
		t.Errorf("Transport = %v; want what it was given", got)
	}
	mux := http.NewServeMux()
	if got := tracer.Handler(mux); got != http.Handler(mux) {
		t.Errorf("Handler = %v; want what it was given", got)
	}
	if err := tracer.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

// A collector that takes nothing costs the spans, and a line says so.
func TestCollectorRefuses(t *testing.T) {
	c := newCollector(t)
	c.status = http.StatusServiceUnavailable
	var log bytes.Buffer
	tracer := c.open(t, &log)
	tracer.Handler(http.NotFoundHandler()).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, "/api", nil))
	c.spans(t, tracer)
	if !strings.Contains(log.String(), "traces are lost") || !strings.Contains(log.String(), "503") {
		t.Errorf("the log says %q; want that traces are lost", log.String())
	}
}
