package server

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"html/template"
	"net/http"
	"net/http/pprof"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/seed4ac54ce5/edge/api"
	"github.com/seed4ac54ce5/edge/metrics"
)

//go:embed playground.html
var playgroundPage string

var playground = template.Must(template.New("playground").Parse(playgroundPage))

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
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	s.routeControl(mux)
	return mux, nil
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // the asker may have gone
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
