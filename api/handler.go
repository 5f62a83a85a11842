package api

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"time"
	"unicode/utf8"
)

// Prefix is the path of the older form, and with a slash that of the methods.
const Prefix = "/api"

// ErrorMode is how errors are told.
type ErrorMode string

// The modes. A request asks for the second one by the header X-Centrifugo-Error-Mode.
const (
	ErrorModeReply     ErrorMode = ""          // status 200, the error in the reply
	ErrorModeTransport ErrorMode = "transport" // a status of its own, the error alone as the body
)

// Options says how the API answers. Its zero value lets nobody in.
type Options struct {
	Key      string // what requests must show, as the header X-API-Key, or Authorization with Bearer or apikey
	Insecure bool   // as long as there is no key, none is asked for; web pages are kept out all the same

	ErrorMode   ErrorMode
	BodyLimit   int64         // bytes of a request; 4 MiB. A larger one is refused with 413
	BodyTimeout time.Duration // from the end of a request's head to the end of its body; 10 s
	BatchLimit  int           // commands of a request, rooms of a broadcast; 10,000. More are refused: 413, error 106

	// RPC answers the method rpc: data is any JSON value, or nil for none. Without it every method is unknown
	// (error 104). Errors are as those of a [Node].
	RPC func(ctx context.Context, method string, params json.RawMessage) (data json.RawMessage, err error)

	// Observe is told of each command that has run, those of batches one by one and "batch" in the end. Code is 0 for
	// a result. Any goroutine may call it.
	Observe func(method string, code uint32, took time.Duration)

	// Refused is told of each request of which no command has run, by the status that it got. Any goroutine may call it.
	Refused func(status int)

	Log *slog.Logger
}

const (
	defaultBodyLimit   = 4 << 20
	defaultBodyTimeout = 10 * time.Second
	defaultBatchLimit  = 10_000
)

func (o Options) withDefaults() Options {
	if o.BodyLimit <= 0 {
		o.BodyLimit = defaultBodyLimit
	}
	if o.BodyTimeout <= 0 {
		o.BodyTimeout = defaultBodyTimeout
	}
	if o.BatchLimit <= 0 {
		o.BatchLimit = defaultBatchLimit
	}
	if o.Observe == nil {
		o.Observe = func(string, uint32, time.Duration) {}
	}
	if o.Refused == nil {
		o.Refused = func(int) {}
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	return o
}

// Handler serves the API of a node.
type Handler struct {
	// Set before serving.
	node    Node
	options Options

	// Any goroutine (atomic).
	key atomic.Pointer[[32]byte] // hash of the key, nil for none
}

// New returns the API of a node.
func New(node Node, o Options) *Handler {
	h := &Handler{node: node, options: o.withDefaults()}
	h.SetKey(o.Key)
	return h
}

// request is what has come, once its sender is known.
type request struct {
	body      []byte
	transport bool // errors have a status of their own
}

// answer is what goes back. One without a body is refused: the status says it all.
type answer struct {
	status int
	body   []byte
}

// ServeHTTP implements [http.Handler]. Who shows no key learns nothing else.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if status := h.gate(r); status != 0 {
		if status == http.StatusUnauthorized {
			w.Header().Set("WWW-Authenticate", "Bearer")
		}
		h.options.Refused(status)
		w.WriteHeader(status)
		return
	}
	a := answer{status: http.StatusMethodNotAllowed}
	if r.Method == http.MethodPost {
		a = h.serve(w, r)
	} else {
		w.Header().Set("Allow", http.MethodPost)
	}
	if a.body == nil {
		h.options.Refused(a.status)
	}
	a.write(w)
}

// serve answers a POST of somebody who has the key.
func (h *Handler) serve(w http.ResponseWriter, r *http.Request) answer {
	run := h.route(r.URL.Path)
	if run == nil {
		return answer{status: http.StatusNotFound}
	}
	body, status := h.readBody(w, r)
	if status != 0 {
		return answer{status: status}
	}
	transport := h.options.ErrorMode == ErrorModeTransport ||
		ErrorMode(r.Header.Get("X-Centrifugo-Error-Mode")) == ErrorModeTransport
	return run(r.Context(), request{body, transport})
}

// route returns what serves a path, nil for none.
func (h *Handler) route(path string) func(context.Context, request) answer {
	name, ok := strings.CutPrefix(path, Prefix)
	switch {
	case !ok:
		return nil
	case name == "":
		return h.lines
	case name == "/"+batchName:
		return h.batch
	}
	name, ok = strings.CutPrefix(name, "/")
	m := methodNamed(name)
	if !ok || m == nil {
		return nil
	}
	return func(ctx context.Context, q request) answer { return h.single(ctx, m, q) }
}

// single serves a method that has a path of its own.
func (h *Handler) single(ctx context.Context, m *method, q request) answer {
	c, err := m.read(h, q.body)
	if err != nil {
		return answer{status: http.StatusBadRequest}
	}
	result, refusal := h.do(ctx, c)
	if refusal != nil && q.transport {
		return answer{refusal.status(), encode(refusal)}
	}
	return answer{http.StatusOK, encode(reply{Result: result, Error: refusal})}
}

// reply is the answer to one command.
type reply struct {
	ID     uint32 `json:"id,omitempty"` // in the older form only
	Error  *Error `json:"error,omitempty"`
	Result any    `json:"result,omitempty"`
}

// readBody returns a request's body, which is UTF-8 and not empty, or else the status that refuses it.
func (h *Handler) readBody(w http.ResponseWriter, r *http.Request) (body []byte, status int) {
	if r.ContentLength > h.options.BodyLimit {
		return nil, http.StatusRequestEntityTooLarge
	}
	// Not every ResponseWriter has a deadline; net/http lifts it when it has read the whole body.
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(h.options.BodyTimeout))
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, h.options.BodyLimit))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return nil, http.StatusRequestEntityTooLarge
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, http.StatusRequestTimeout
	case err != nil || len(body) == 0 || !utf8.Valid(body):
		return nil, http.StatusBadRequest
	}
	return body, 0
}

func (a answer) write(w http.ResponseWriter) {
	if a.body == nil {
		http.Error(w, http.StatusText(a.status), a.status)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(a.status)
	_, _ = w.Write(a.body) // the asker may have gone
}

// encode returns v in JSON. Values of applications in v are JSON: whoever puts them there sees to that.
func encode(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}
