package tracing

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strconv"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// exporter sends spans by OTLP over HTTP, as JSON: the protobuf form of the SDK's own exporter would bring gRPC into the program,
// which would be twice as large.
type exporter struct {
	endpoint
	client *http.Client
	log    *slog.Logger
}

func newExporter(to endpoint, log *slog.Logger) *exporter {
	return &exporter{to, &http.Client{Transport: http.DefaultTransport.(*http.Transport).Clone()}, log}
}

// ExportSpans implements [sdk.SpanExporter]. What the collector does not take is lost, and logged.
func (x *exporter) ExportSpans(ctx context.Context, spans []sdk.ReadOnlySpan) error {
	if err := x.send(ctx, spans); err != nil {
		x.log.Warn("traces are lost", "spans", len(spans), "error", err)
	}
	return nil
}

// Shutdown implements [sdk.SpanExporter].
func (x *exporter) Shutdown(context.Context) error {
	x.client.CloseIdleConnections()
	return nil
}

func (x *exporter) send(ctx context.Context, spans []sdk.ReadOnlySpan) error {
	body, err := json.Marshal(requestOf(spans))
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, x.timeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, x.url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	if x.headers != nil {
		r.Header = x.headers.Clone()
	}
	r.Header.Set("Content-Type", "application/json")
	answer, err := x.client.Do(r)
	if err != nil {
		return err
	}
	defer func() { _ = answer.Body.Close() }()
	_, _ = io.CopyN(io.Discard, answer.Body, 64<<10) // so that the connection can be used again
	if answer.StatusCode >= http.StatusMultipleChoices {
		return fmt.Errorf("the collector answers %s", answer.Status)
	}
	return nil
}

// The types below are the JSON form of opentelemetry.proto.collector.trace.v1: ids are hexadecimal, 64-bit numbers are strings.
type (
	request struct {
		ResourceSpans []resourceSpans `json:"resourceSpans"`
	}
	resourceSpans struct {
		Resource struct {
			Attributes []keyValue `json:"attributes"`
		} `json:"resource"`
		ScopeSpans []scopeSpans `json:"scopeSpans"`
	}
	scopeSpans struct {
		Scope struct {
			Name string `json:"name"`
		} `json:"scope"`
		Spans []span `json:"spans"`
	}
	span struct {
		TraceID    string     `json:"traceId"`
		SpanID     string     `json:"spanId"`
		ParentID   string     `json:"parentSpanId,omitempty"`
		State      string     `json:"traceState,omitempty"`
		Flags      uint32     `json:"flags"`
		Name       string     `json:"name"`
		Kind       int        `json:"kind"`
		Start      string     `json:"startTimeUnixNano"`
		End        string     `json:"endTimeUnixNano"`
		Attributes []keyValue `json:"attributes"`
		Status     status     `json:"status"`
	}
	status struct {
		Code int `json:"code,omitempty"`
	}
	keyValue struct {
		Key   string         `json:"key"`
		Value map[string]any `json:"value"`
	}
)

// requestOf returns spans, of which there is one at least, as a collector takes them. They are all of one tracer.
func requestOf(spans []sdk.ReadOnlySpan) request {
	var of resourceSpans
	of.Resource.Attributes = keyValues(spans[0].Resource().Attributes())
	of.ScopeSpans = make([]scopeSpans, 1)
	scope := &of.ScopeSpans[0]
	scope.Scope.Name = spans[0].InstrumentationScope().Name
	for _, s := range spans {
		scope.Spans = append(scope.Spans, spanOf(s))
	}
	return request{[]resourceSpans{of}}
}

func spanOf(s sdk.ReadOnlySpan) span {
	is := s.SpanContext()
	out := span{
		TraceID:    is.TraceID().String(),
		SpanID:     is.SpanID().String(),
		State:      is.TraceState().String(),
		Flags:      uint32(is.TraceFlags()),
		Name:       s.Name(),
		Kind:       kindOf(s.SpanKind()),
		Start:      strconv.FormatInt(s.StartTime().UnixNano(), 10),
		End:        strconv.FormatInt(s.EndTime().UnixNano(), 10),
		Attributes: keyValues(s.Attributes()),
	}
	if s.Parent().SpanID().IsValid() {
		out.ParentID = s.Parent().SpanID().String()
	}
	if s.Status().Code == codes.Error {
		out.Status.Code = 2
	}
	return out
}

// kindOf returns the number that the protocol has for a kind.
func kindOf(k trace.SpanKind) int {
	switch k {
	case trace.SpanKindServer:
		return 2
	case trace.SpanKindClient:
		return 3
	}
	return 1
}

func keyValues(attributes []attribute.KeyValue) []keyValue {
	all := make([]keyValue, 0, len(attributes))
	for _, a := range attributes {
		value := map[string]any{"stringValue": a.Value.String()}
		if a.Value.Type() == attribute.INT64 {
			value = map[string]any{"intValue": a.Value.String()}
		}
		all = append(all, keyValue{string(a.Key), value})
	}
	return all
}
