package tracing

import (
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"
)

// endpoint is where spans go.
type endpoint struct {
	url     string
	headers http.Header
	timeout time.Duration // of one batch
}

// environment is the process's variables, as a type so that a test can have others.
type environment struct{ get func(string) string }

// value returns the first of the variables that is set, and its name.
func (e environment) value(names ...string) (value, name string) {
	get := e.get
	if get == nil {
		get = os.Getenv
	}
	for _, name := range names {
		if v := strings.TrimSpace(get(name)); v != "" {
			return v, name
		}
	}
	return "", ""
}

// exporterValue returns a variable of the OTLP exporter: the one for traces comes before that for all signals.
func (e environment) exporterValue(suffix string) (value, name string) {
	return e.value("OTEL_EXPORTER_OTLP_TRACES_"+suffix, "OTEL_EXPORTER_OTLP_"+suffix)
}

const (
	defaultEndpoint = "http://localhost:4318"
	tracesPath      = "/v1/traces"
	exportTimeout   = 10 * time.Second
)

// endpointOf returns what the variables of the OpenTelemetry specification say; nil if they do not ask for traces. In contrast to
// there, nothing is sent unless an endpoint is set, or OTEL_TRACES_EXPORTER.
func endpointOf(e environment) (*endpoint, error) {
	disabled, _ := e.value("OTEL_SDK_DISABLED")
	kind, _ := e.value("OTEL_TRACES_EXPORTER")
	address, name := e.exporterValue("ENDPOINT")
	switch {
	case strings.EqualFold(disabled, "true") || kind == "none" || kind == "" && address == "":
		return nil, nil
	case kind != "" && kind != "otlp":
		return nil, fmt.Errorf("OTEL_TRACES_EXPORTER is %q; it may be otlp or none", kind)
	}
	if protocol, name := e.exporterValue("PROTOCOL"); protocol != "" && !strings.HasPrefix(protocol, "http/") {
		return nil, fmt.Errorf("%s is %q; traces go by http/json", name, protocol)
	}
	if address == "" {
		address = defaultEndpoint
	}
	if name != "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT" {
		address = strings.TrimSuffix(address, "/") + tracesPath
	}
	if u, err := url.Parse(address); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, fmt.Errorf("%s is no address; write it as %s", name, defaultEndpoint)
	}
	to := &endpoint{url: address, timeout: exportTimeout}
	return to, to.configure(e)
}

// configure adds headers and time limit.
func (to *endpoint) configure(e environment) (err error) {
	if text, name := e.exporterValue("HEADERS"); text != "" {
		if to.headers, err = parseHeaders(text); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	if text, name := e.exporterValue("TIMEOUT"); text != "" {
		ms, err := strconv.Atoi(text)
		if err != nil || ms <= 0 {
			return fmt.Errorf("%s is %q; write milliseconds, as 10000", name, text)
		}
		to.timeout = time.Duration(ms) * time.Millisecond
	}
	return nil
}

// parseHeaders reads name=value,name=value; values are escaped as in URLs. Errors do not have the values, which may be secrets.
func parseHeaders(text string) (http.Header, error) {
	headers := make(http.Header)
	for i, pair := range strings.Split(text, ",") {
		name, value, ok := strings.Cut(pair, "=")
		value, err := url.PathUnescape(strings.TrimSpace(value))
		if name = strings.TrimSpace(name); !ok || name == "" || err != nil {
			return nil, fmt.Errorf("number %d is not name=value", i+1)
		}
		headers.Add(name, value)
	}
	return headers, nil
}
