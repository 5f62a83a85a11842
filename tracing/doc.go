// Package tracing makes spans of what a node does over HTTP: the requests to its API, and its own to backends. A span goes on
// with the trace of whoever asks, and hands it to whoever is asked (W3C Trace Context). Spans go to a collector as the standard
// OTEL_ variables say; without them there is no tracer, and nothing costs anything:
//
//	tracer, err := tracing.Open(version, log) // nil unless an endpoint is set
//	config.WrapAPI = tracer.Handler
//	hooks.Wrap = tracer.Transport
//	err = tracer.Close(ctx)
//
// # Goroutines
//
// A Tracer has one, of the OpenTelemetry SDK, which sends spans in batches from Open to Close. Its queue is bounded: spans that
// find it full, or that the collector does not take, are lost.
package tracing
