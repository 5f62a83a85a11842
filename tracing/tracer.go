package tracing

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// Tracer makes spans. The nil Tracer makes none. Any goroutine may use it.
type Tracer struct {
	provider *sdk.TracerProvider
	tracer   trace.Tracer
	context  propagation.TraceContext
}

// Open returns a tracer that sends its spans where the environment says, nil if it says nothing. The sampler and the batches are
// as OTEL_TRACES_SAMPLER and OTEL_BSP_… have them, the service is edge unless OTEL_SERVICE_NAME or OTEL_RESOURCE_ATTRIBUTES has
// another name. Errors are about variables.
func Open(version string, log *slog.Logger) (*Tracer, error) {
	to, err := endpointOf(environment{})
	if to == nil || err != nil {
		return nil, err
	}
	of, err := resource.New(context.Background(),
		resource.WithAttributes(attribute.String("service.name", "edge"), attribute.String("service.version", version)),
		resource.WithFromEnv())
	if err != nil {
		return nil, fmt.Errorf("OTEL_RESOURCE_ATTRIBUTES: %w", err)
	}
	return newTracer(of, sdk.WithBatcher(newExporter(*to, log))), nil
}

func newTracer(of *resource.Resource, how sdk.TracerProviderOption) *Tracer {
	p := sdk.NewTracerProvider(sdk.WithResource(of), how)
	return &Tracer{provider: p, tracer: p.Tracer("github.com/seed4ac54ce5/edge")}
}

// Close sends what waits, until ctx is done.
func (t *Tracer) Close(ctx context.Context) error {
	if t == nil {
		return nil
	}
	return t.provider.Shutdown(ctx)
}

// Handler returns a handler that makes a span of each request that next serves.
func (t *Tracer) Handler(next http.Handler) http.Handler {
	if t == nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx := t.context.Extract(r.Context(), propagation.HeaderCarrier(r.Header))
		ctx, span := t.tracer.Start(ctx, "HTTP", trace.WithSpanKind(trace.SpanKindServer))
		defer span.End()
		answer := &answer{ResponseWriter: w, status: http.StatusOK}
		next.ServeHTTP(answer, r.WithContext(ctx))
		if answer.served() { // else method and path are of the asker's choice, and of any length
			span.SetName(r.Method + " " + r.URL.Path)
			span.SetAttributes(attribute.String("http.request.method", r.Method), attribute.String("url.path", r.URL.Path))
		}
		finish(span, answer.status, http.StatusInternalServerError)
	})
}

// answer notes the status of an answer.
type answer struct {
	http.ResponseWriter
	status int
}

// WriteHeader implements [http.ResponseWriter].
func (a *answer) WriteHeader(status int) {
	a.status = status
	a.ResponseWriter.WriteHeader(status)
}

// served reports whether it answers somebody who may ask, for what there is.
func (a *answer) served() bool {
	switch a.status {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusMethodNotAllowed:
		return false
	}
	return true
}

// Unwrap is for [http.ResponseController].
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }

// Transport returns a RoundTripper that makes a span of each request of next's, up to the head of its answer, and tells the other
// side of it.
func (t *Tracer) Transport(next http.RoundTripper) http.RoundTripper {
	if t == nil {
		return next
	}
	return transport{t, next}
}

type transport struct {
	*Tracer
	next http.RoundTripper
}

// RoundTrip implements [http.RoundTripper].
func (t transport) RoundTrip(r *http.Request) (*http.Response, error) {
	ctx, span := t.tracer.Start(r.Context(), r.Method+" "+r.URL.Path, trace.WithSpanKind(trace.SpanKindClient),
		trace.WithAttributes(attribute.String("http.request.method", r.Method), attribute.String("server.address", r.URL.Hostname()),
			attribute.String("url.path", r.URL.Path)))
	defer span.End()
	r = r.Clone(ctx)
	t.context.Inject(ctx, propagation.HeaderCarrier(r.Header))
	response, err := t.next.RoundTrip(r)
	if err != nil {
		span.SetAttributes(attribute.String("error.type", fmt.Sprintf("%T", err)))
		span.SetStatus(codes.Error, "")
		return response, err
	}
	finish(span, response.StatusCode, http.StatusBadRequest)
	return response, nil
}

// finish notes the status of an answer, which is an error from failure on.
func finish(span trace.Span, status, failure int) {
	span.SetAttributes(attribute.Int("http.response.status_code", status))
	if status >= failure {
		span.SetStatus(codes.Error, "")
	}
}
