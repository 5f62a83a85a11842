package tracing

import (
	"strings"
	"testing"
	"time"
)

// variables is an environment of a test.
type variables map[string]string

func (v variables) environment() environment {
	return environment{func(name string) string { return v[name] }}
}

func TestEndpoint(t *testing.T) {
	const (
		all    = "OTEL_EXPORTER_OTLP_ENDPOINT"
		traces = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"
	)
	for _, r := range []struct {
		name string
		set  variables
		want string // address, "" for none
	}{
		{"nothing", variables{}, ""},
		{"other variables alone", variables{"OTEL_SERVICE_NAME": "a"}, ""},
		{"for all signals", variables{all: "http://a:4318/"}, "http://a:4318/v1/traces"},
		{"for traces", variables{all: "http://a:4318", traces: "https://b/x"}, "https://b/x"},
		{"the exporter alone", variables{"OTEL_TRACES_EXPORTER": "otlp"}, "http://localhost:4318/v1/traces"},
		{"no exporter", variables{"OTEL_TRACES_EXPORTER": "none", all: "http://a"}, ""},
		{"disabled", variables{"OTEL_SDK_DISABLED": "True", all: "http://a"}, ""},
		{"protobuf, which collectors take beside JSON", variables{"OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf", all: "http://a"}, "http://a/v1/traces"},
	} {
		to, err := endpointOf(r.set.environment())
		got := ""
		if to != nil {
			got = to.url
		}
		if got != r.want || err != nil {
			t.Errorf("%s: endpoint %q, %v; want %q", r.name, got, err, r.want)
		}
	}
}

func TestEndpointErrors(t *testing.T) {
	const address = "OTEL_EXPORTER_OTLP_ENDPOINT"
	for name, set := range map[string]variables{
		"OTEL_EXPORTER_OTLP_ENDPOINT":          {address: "collector"},
		"OTEL_TRACES_EXPORTER":                 {"OTEL_TRACES_EXPORTER": "zipkin"},
		"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL":   {address: "http://a", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "grpc"},
		"OTEL_EXPORTER_OTLP_TIMEOUT":           {address: "http://a", "OTEL_EXPORTER_OTLP_TIMEOUT": "10s"},
		"OTEL_EXPORTER_OTLP_HEADERS: number 2": {address: "http://a", "OTEL_EXPORTER_OTLP_HEADERS": "a=b,secret"},
	} {
		if _, err := endpointOf(set.environment()); err == nil || !strings.HasPrefix(err.Error(), name) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%v: %v; want an error about %s", set, err, name)
		}
	}
}

func TestEndpointOptions(t *testing.T) {
	to, err := endpointOf(variables{
		"OTEL_EXPORTER_OTLP_ENDPOINT":       "http://a",
		"OTEL_EXPORTER_OTLP_HEADERS":        "authorization=Bearer%20x%2Cy, other = z",
		"OTEL_EXPORTER_OTLP_TRACES_TIMEOUT": "250",
	}.environment())
	if err != nil || to.timeout != 250*time.Millisecond || to.headers.Get("Authorization") != "Bearer x,y" || to.headers.Get("Other") != "z" {
		t.Errorf("endpoint %+v, %v", to, err)
	}
}
