package server

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"html/template"
	"net/http"
	"net/http/pprof"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/seed4ac54ce5/edge/api"
	"github.com/seed4ac54ce5/edge/metrics"
)

//go:embed playground.html
var playgroundPage string

var playground = template.Must(template.New("playground").Parse(playgroundPage))

// How long the internal address bears with those who ask.
const (
	headPatience = 5 * time.Second // for the head of a request
	bodyPatience = time.Minute     // for all of it
	idlePatience = 2 * time.Minute // for the next one: longer than scrapes and health checks are apart
)

// newInternal returns what serves the internal address. Answers may take as long as they do: a profile has its own time, and a
// slow reader of metrics is no client.
func newInternal(h http.Handler) *http.Server {
	return &http.Server{Handler: h, ReadHeaderTimeout: headPatience, ReadTimeout: bodyPatience, IdleTimeout: idlePatience}
}

// takesLong lets h take longer than a request may take to arrive: net/http would end the request's context then.
func takesLong(h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).SetReadDeadline(time.Time{}) // or the answer is cut short
		h(w, r)
	}
}

// registry has all that /metrics shows; requests are those of the HTTP API.
func (s *Server) registry(requests *metrics.API) (*prometheus.Registry, error) {
	registry := prometheus.NewRegistry()
	registry.MustRegister(
		metrics.NewCollector(s.snapshot), requests,
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	for _, more := range s.config.Metrics {
		if err := registry.Register(more); err != nil {
			return nil, fmt.Errorf("%w: metrics: %w", ErrConfig, err)
		}
	}
	return registry, nil
}

// routes are the internal address's paths.
func (s *Server) routes() (http.Handler, error) {
	requests := metrics.NewAPI()
	registry, err := s.registry(requests)
	if err != nil {
		return nil, err
	}
	s.api = s.newAPI(requests)
	mux := http.NewServeMux()
	var backends http.Handler = s.api
	if s.config.WrapAPI != nil {
		backends = s.config.WrapAPI(backends)
	}
	mux.Handle(api.Prefix, backends)
	mux.Handle(api.Prefix+"/", backends)
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /health", s.ready)
	mux.HandleFunc("GET /health/ready", s.ready)
	mux.HandleFunc("GET /health/live", s.live)
	if s.config.Development {
		mux.HandleFunc("GET /{$}", s.playground)
	}
	mux.HandleFunc("GET /info", s.about)
	mux.HandleFunc("GET /debug/top", s.top)
	mux.HandleFunc("GET /debug/slow", s.slowest)
	mux.HandleFunc("GET /debug/pprof/", takesLong(pprof.Index))
	mux.HandleFunc("GET /debug/pprof/profile", takesLong(pprof.Profile))
	mux.HandleFunc("GET /debug/pprof/trace", takesLong(pprof.Trace))
	s.routeControl(mux)
	return mux, nil
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // the asker may have gone
}

// refuse answers with an error.
func refuse(w http.ResponseWriter, status int, why string) {
	writeJSON(w, status, map[string]string{"error": why})
}

// playground serves a page that talks to the first public TCP address.
func (s *Server) playground(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_ = playground.Execute(w, struct{ Address string }{s.browserAddress()}) // the asker may have gone
}

// browserAddress is where a browser on this machine reaches the node.
func (s *Server) browserAddress() string {
	for _, a := range s.Addresses() {
		switch {
		case strings.HasPrefix(a, "unix:"):
		case strings.HasPrefix(a, ":"):
			return "127.0.0.1" + a
		default:
			return a
		}
	}
	return ""
}
