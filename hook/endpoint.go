package hook

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptrace"
	"slices"
	"sync/atomic"
	"time"
)

// endpoint is the way to one backend, with all that its calls share. Any goroutine may call.
type endpoint struct {
	// Set before use.
	event     Event
	options   Endpoint
	url       string
	transport *http.Transport
	tripper   http.RoundTripper // transport, with what Config.Wrap puts around it
	observe   func(Event, Result, time.Duration)
	clock     clock

	secrets atomic.Pointer[[]string] // that sign; none for unsigned requests
	slots   chan struct{}            // one for each call under way
	breaker breaker
}

func newEndpoint(event Event, e Endpoint, c *Config, clock clock) (*endpoint, error) {
	if err := e.check(); err != nil {
		return nil, err
	}
	to, err := parseTarget(e.URL)
	if err != nil {
		return nil, err
	}
	t, err := newTransport(&e, to)
	if err != nil {
		return nil, err
	}
	made := &endpoint{
		event:     event,
		options:   e,
		url:       to.url,
		transport: t,
		tripper:   c.Wrap(t),
		observe:   c.Observe,
		clock:     clock,
		slots:     make(chan struct{}, e.MaxConcurrent),
		breaker:   breaker{threshold: e.BreakerFailures},
	}
	made.rekey(&e)
	return made, nil
}

// rekey takes the secrets of from for the requests from now on. Any goroutine.
func (e *endpoint) rekey(from *Endpoint) {
	all := from.secrets()
	e.secrets.Store(&all)
}

func (e *Endpoint) secrets() (all []string) {
	for _, s := range []string{e.Secret, e.PreviousSecret} {
		if s != "" {
			all = append(all, s)
		}
	}
	return all
}

// call sends body to the backend, again if that is harmless, and returns what it answers. client is the header of the
// client's handshake, may be nil. An error is errLimited, errOpen or a *Failure.
func (e *endpoint) call(ctx context.Context, client http.Header, body []byte) ([]byte, error) {
	select {
	case e.slots <- struct{}{}:
		defer func() { <-e.slots }()
	default:
		return nil, errLimited
	}
	ctx, cancel := context.WithTimeout(ctx, e.options.Budget)
	defer cancel()
	header := e.requestHeader(client)
	for try := 0; ; try++ {
		began := e.clock.now()
		answer, err := e.guarded(ctx, header, body)
		if err == nil || try >= e.options.Retries || !e.rest(ctx, try, err) {
			return answer, err
		}
		e.observe(e.event, Retried, e.clock.now().Sub(began))
	}
}

// The pause between two tries of a question, which somebody waits for.
const (
	pauseBase  = 50 * time.Millisecond
	pauseLimit = 500 * time.Millisecond
)

// rest waits for the right moment of another try, and reports false if there is none.
func (e *endpoint) rest(ctx context.Context, try int, err error) bool {
	var f *Failure
	if !errors.As(err, &f) || !f.transient() {
		return false
	}
	pause := e.clock.backoff(try, pauseBase, pauseLimit)
	if end, ok := ctx.Deadline(); ok && time.Until(end) <= pause {
		return false
	}
	return e.clock.wait(ctx, pause)
}

// guarded is one try, unless the breaker is open.
func (e *endpoint) guarded(ctx context.Context, header http.Header, body []byte) ([]byte, error) {
	turn, ok := e.breaker.enter(e.clock.now())
	if !ok {
		return nil, errOpen
	}
	seen := unknown // holds if a RoundTripper of the application panics
	defer func() { e.breaker.leave(turn, seen, e.reopening()) }()
	answer, f := e.attempt(ctx, header, body)
	if f != nil {
		seen = f.health()
		return nil, f
	}
	seen = alive
	return answer, nil
}

// reopening returns when a breaker that opens now lets a probe through. Nodes that lost a backend together do not come
// back to it together.
func (e *endpoint) reopening() time.Time {
	half := e.options.BreakerPause / 2
	return e.clock.now().Add(half + e.clock.jitter(half))
}

// attempt is one request and its answer.
func (e *endpoint) attempt(ctx context.Context, header http.Header, body []byte) ([]byte, *Failure) {
	within, cancel := context.WithTimeout(ctx, e.options.Timeout)
	defer cancel()
	var sent atomic.Bool
	r, err := http.NewRequestWithContext(traceSent(within, &sent), http.MethodPost, e.url, bytes.NewReader(body))
	if err != nil {
		return nil, e.fail(Unreachable, brokenError{err}) // never: the URL was parsed before
	}
	r.Header = e.signed(header, body)
	answer, err := e.tripper.RoundTrip(r) // not a Client: redirects are not for a decision to follow
	if err != nil {
		return nil, e.broken(ctx, within, sent.Load(), err)
	}
	defer func() { _ = answer.Body.Close() }()
	return e.read(ctx, within, answer)
}

// traceSent makes the transport set sent when it has a connection for a request of ctx: from then on the backend may
// have seen some of it. The transport looks for another only if it has written nothing.
func traceSent(ctx context.Context, sent *atomic.Bool) context.Context {
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GetConn: func(string) { sent.Store(false) },
		GotConn: func(httptrace.GotConnInfo) { sent.Store(true) },
	})
}

// read returns the body of a good answer.
func (e *endpoint) read(ctx, within context.Context, answer *http.Response) ([]byte, *Failure) {
	if !e.accepts(answer.StatusCode) {
		f := e.fail(Status, nil)
		f.Status, f.busy = answer.StatusCode, answer.Header.Get("Retry-After") != ""
		_, _ = io.CopyN(io.Discard, answer.Body, 4<<10) // what is short leaves the connection fit for use
		return nil, f
	}
	limit := e.options.MaxResponse
	if answer.ContentLength > limit {
		return nil, e.fail(Oversized, nil)
	}
	body, err := io.ReadAll(io.LimitReader(answer.Body, limit+1))
	switch {
	case err != nil:
		return nil, e.broken(ctx, within, true, err)
	case int64(len(body)) > limit:
		return nil, e.fail(Oversized, nil)
	}
	return body, nil
}

// accepts reports whether an answer with status counts. For an event that nothing is decided about any 2xx does.
func (e *endpoint) accepts(status int) bool {
	return status == http.StatusOK || e.event.tells() && status/100 == 2
}

// broken is what came of a request that err ended. ctx is the call's context, within the attempt's.
func (e *endpoint) broken(ctx, within context.Context, sent bool, err error) *Failure {
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		return e.fail(Canceled, nil)
	case within.Err() != nil:
		return e.fail(Timeout, nil)
	case !sent:
		return e.fail(Unreachable, brokenError{err})
	}
	return e.fail(Reset, brokenError{err})
}

func (e *endpoint) fail(why Result, err error) *Failure {
	return &Failure{Event: e.event, Result: why, Err: err}
}

// requestHeader returns the header of a call for a client. What is configured is not for the client to say.
func (e *endpoint) requestHeader(client http.Header) http.Header {
	h := http.Header{"Content-Type": {"application/json"}, "User-Agent": {"edge"}}
	for _, name := range e.options.ForwardHeaders {
		if values := client.Values(name); len(values) > 0 && !slices.ContainsFunc(values, invalid) {
			h[http.CanonicalHeaderKey(name)] = slices.Clone(values)
		}
	}
	for name, value := range e.options.Headers {
		h.Set(name, value)
	}
	return h
}

func invalid(value string) bool { return !validValue(value) }

// signed returns header for one request, with the body's signature if there is a secret.
func (e *endpoint) signed(header http.Header, body []byte) http.Header {
	h := header.Clone() // RoundTrippers may write into it
	if secrets := *e.secrets.Load(); len(secrets) > 0 {
		h.Set(SignatureHeader, Sign(body, e.clock.now(), secrets...))
	}
	return h
}
