package hook

import (
	"context"
	"errors"
	"net/http"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed4ac54ce5/edge/server"
)

const ms = time.Millisecond

func subscribe(h *Hooks) error {
	_, err := h.Subscribe(context.Background(), &SubscribeRequest{Origin: who, Room: "a"})
	return err
}

func publish(h *Hooks) error {
	_, err := h.Publish(context.Background(), &PublishRequest{Origin: who, Room: "a", Data: []byte("1")})
	return err
}

func connect(h *Hooks) error {
	_, err := h.Connect(context.Background(), &ConnectRequest{Origin: who})
	return err
}

func rpc(h *Hooks) error {
	_, err := h.RPC(context.Background(), &RPCRequest{Origin: who})
	return err
}

func refresh(h *Hooks) error {
	_, err := h.Refresh(context.Background(), &RefreshRequest{who})
	return err
}

func subRefresh(h *Hooks) error {
	_, err := h.SubRefresh(context.Background(), &SubRefreshRequest{Origin: who, Room: "a"})
	return err
}

// questions are the events that may be asked about twice, and those that may not.
var questions = map[string]struct {
	ask     func(*Hooks) error
	repeats bool
}{
	"connect": {connect, true}, "refresh": {refresh, true}, "subscribe": {subscribe, true},
	"sub_refresh": {subRefresh, true}, "publish": {publish, false}, "rpc": {rpc, false},
}

// Every way in which a backend may fail, and what that costs: three requests where a further one is harmless.
func TestFailures(t *testing.T) {
	big := strings.Repeat("x", 2000)
	for name, row := range map[string]struct {
		play    http.HandlerFunc
		want    Result
		retried bool
	}{
		"reset before the answer":    {resets(""), Reset, true},
		"reset within the answer":    {resets("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"), Reset, true},
		"not HTTP":                   {resets("secret\r\n\r\n"), Reset, true},
		"502":                        {status(502), Status, true},
		"503":                        {status(503), Status, true},
		"504":                        {status(504), Status, true},
		"503 that asks for patience": {status(503, "Retry-After", "5"), Status, false},
		"500":                        {status(500), Status, false},
		"429":                        {status(429), Status, false},
		"404":                        {status(404), Status, false},
		"204":                        {status(204), Status, false},
		"a redirect":                 {status(307, "Location", "/elsewhere"), Status, false},
		"no answer":                  {hangs(""), Timeout, false},
		"half an answer":             {hangs(`{"result":`), Timeout, false},
		"too much, declared":         {status(200, "Content-Length", "2000"), Oversized, false},
		"too much, chunked":          {chunks(big), Oversized, false},
		"malformed":                  {says(`{"result":[]}`), Malformed, false},
	} {
		for event, q := range questions {
			t.Run(name+"/"+event, func(t *testing.T) {
				t.Parallel()
				b, y := newBackend(t, row.play), new(tally)
				c := everywhere(Endpoint{URL: b.URL, MaxResponse: 1000})
				c.Observe = y.observe
				if row.want == Timeout {
					c = withTimeout(c, 30*ms)
				}
				err := q.ask(newTestHooks(t, c, nil))
				var f *Failure
				if !errors.As(err, &f) || f.Result != row.want {
					t.Fatalf("the answer is %v; want a failure of kind %s", err, row.want)
				}
				if strings.Contains(err.Error(), "secret") {
					t.Errorf("the error tells what the backend sent: %v", err)
				}
				want := 1
				if row.retried && q.repeats {
					want = 3
				}
				n := len(b.requests())
				if row.want == Timeout {
					n = max(n, 1) // a busy machine may not have got as far as the request
				}
				if n != want || y.count(Retried) != want-1 || y.count(row.want) != 1 {
					t.Errorf("the backend got %d requests; want %d. Seen: %v", n, want, y.seen)
				}
			})
		}
	}
}

func withTimeout(c Config, d time.Duration) Config {
	for _, e := range c.endpoints() {
		e.Timeout = d
	}
	return c
}

// chunks answers without saying beforehand how much it is.
func chunks(body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		_ = http.NewResponseController(w).Flush()
		_, _ = w.Write([]byte(body))
	}
}

// Where nothing was sent, everything may be tried again.
func TestDeadBackend(t *testing.T) {
	for event, q := range questions {
		t.Run(event, func(t *testing.T) {
			f := newFakeClock()
			err := q.ask(newTestHooks(t, everywhere(Endpoint{URL: deadURL}), f))
			var failure *Failure
			if !errors.As(err, &failure) || failure.Result != Unreachable || !strings.Contains(err.Error(), "connection refused") {
				t.Errorf("the answer is %v; want unreachable", err)
			}
			if got, want := f.waited(), []time.Duration{50 * ms, 100 * ms}; !reflect.DeepEqual(got, want) {
				t.Errorf("it paused for %v; want %v", got, want)
			}
		})
	}
}

func TestAnotherTryMayDo(t *testing.T) {
	y := new(tally)
	b := newBackend(t, status(503), resets(""), says(`{"result":{}}`))
	h := newTestHooks(t, Config{Subscribe: Endpoint{URL: b.URL}, Observe: y.observe}, nil)
	if err := subscribe(h); err != nil || len(b.requests()) != 3 || y.count(OK) != 1 || y.count(Retried) != 2 {
		t.Errorf("Subscribe = %v after %d requests, seen %v; want no error after 3", err, len(b.requests()), y.seen)
	}
}

func TestNoRetries(t *testing.T) {
	b := newBackend(t, status(503))
	h := newTestHooks(t, Config{Subscribe: Endpoint{URL: b.URL, Retries: -1}}, nil)
	if err := subscribe(h); err == nil || len(b.requests()) != 1 {
		t.Errorf("Subscribe = %v after %d requests; want an error after 1", err, len(b.requests()))
	}
}

// The budget holds for all tries together: without enough of it left for the pause, there is no further one.
func TestBudget(t *testing.T) {
	b, f := newBackend(t, status(503)), newFakeClock()
	h := newTestHooks(t, Config{Subscribe: Endpoint{URL: b.URL, Budget: 40 * ms}}, f)
	if err := subscribe(h); err == nil || len(b.requests()) > 1 || len(f.waited()) > 0 {
		t.Errorf("Subscribe = %v after %d requests and pauses of %v; want an error after 1", err, len(b.requests()), f.waited())
	}
	hung := newBackend(t, hangs(""))
	h = newTestHooks(t, Config{Subscribe: Endpoint{URL: hung.URL, Timeout: time.Minute, Budget: 30 * ms}}, nil)
	var failure *Failure
	if err := subscribe(h); !errors.As(err, &failure) || failure.Result != Timeout {
		t.Errorf("Subscribe = %v; want a timeout", err)
	}
}

func TestBackoffIsFullJitter(t *testing.T) {
	most := clock{jitter: func(d time.Duration) time.Duration { return d }}
	for try, want := range []time.Duration{50 * ms, 100 * ms, 200 * ms, 400 * ms, 500 * ms, 500 * ms} {
		if got := most.backoff(try, pauseBase, pauseLimit); got != want {
			t.Errorf("backoff(%d) is at most %v; want %v", try, got, want)
		}
	}
	var low, high bool
	for range 1000 {
		d := realClock.backoff(2, pauseBase, pauseLimit)
		if d < 0 || d >= 200*ms {
			t.Fatalf("backoff(2) = %v; want less than 200ms", d)
		}
		low, high = low || d < 50*ms, high || d >= 150*ms
	}
	if !low || !high {
		t.Error("backoff(2) does not use its range")
	}
}

func TestCallsAtATime(t *testing.T) {
	arrived, release := make(chan struct{}), make(chan struct{})
	b := newBackend(t, func(w http.ResponseWriter, r *http.Request) {
		arrived <- struct{}{}
		<-release
		says(`{"result":{}}`)(w, r)
	}, says(`{"result":{}}`))
	y := new(tally)
	h := newTestHooks(t, Config{Publish: Endpoint{URL: b.URL, MaxConcurrent: 1}, Observe: y.observe}, nil)
	var first error
	var wg sync.WaitGroup
	wg.Go(func() { first = publish(h) })
	<-arrived
	second := publish(h)
	close(release)
	wg.Wait()
	var answer *server.Error
	if !errors.As(second, &answer) || answer.Code != 111 || !answer.Temporary || first != nil {
		t.Errorf("two calls at a time = %v, %v; want none, 111", first, second)
	}
	if err := publish(h); err != nil || y.count(Limited) != 1 || y.count(OK) != 2 {
		t.Errorf("a call later = %v, seen %v; want no error", err, y.seen)
	}
}

func TestCallerGivesUp(t *testing.T) {
	arrived := make(chan struct{})
	b := newBackend(t, func(w http.ResponseWriter, r *http.Request) {
		close(arrived)
		<-r.Context().Done()
	})
	h := newTestHooks(t, Config{Subscribe: Endpoint{URL: b.URL, Timeout: time.Minute, BreakerFailures: 1}}, nil)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() {
		_, err := h.Subscribe(ctx, &SubscribeRequest{Origin: who, Room: "a"})
		done <- err
	}()
	<-arrived
	cancel()
	var f *Failure
	if err := <-done; !errors.As(err, &f) || f.Result != Canceled {
		t.Errorf("Subscribe = %v; want canceled", err)
	}
	if _, ok := h.endpoints[Subscribe].breaker.enter(time.Time{}); !ok {
		t.Error("a caller that gives up opens the breaker")
	}
}

// A dead backend costs its first callers a try each, and the later ones nothing until the pause is over.
func TestBreakerKeepsCallsAway(t *testing.T) {
	b, f, y := newBackend(t, status(500), status(500), status(500), says(`{"result":{}}`)), newFakeClock(), new(tally)
	h := newTestHooks(t, Config{Publish: Endpoint{URL: b.URL, BreakerFailures: 2, BreakerPause: 2 * time.Second}, Observe: y.observe}, f)
	step := func(want Result, requests int) {
		t.Helper()
		if got := resultOf(publish(h)); got != want || len(b.requests()) != requests {
			t.Fatalf("the answer is %s after %d requests; want %s after %d", got, len(b.requests()), want, requests)
		}
	}
	step(Status, 1)
	step(Status, 2)
	step(BreakerOpen, 2)
	f.advance(2*time.Second - 1)
	step(BreakerOpen, 2)
	f.advance(1)
	step(Status, 3) // the probe
	step(BreakerOpen, 3)
	f.advance(2 * time.Second)
	step(OK, 4)
	step(OK, 5)
	if y.count(BreakerOpen) != 3 {
		t.Errorf("seen %v; want 3 times %s", y.seen, BreakerOpen)
	}
}

// Once the breaker is open, a call under way does not go on trying.
func TestBreakerEndsRetries(t *testing.T) {
	b := newBackend(t, status(503))
	h := newTestHooks(t, Config{Subscribe: Endpoint{URL: b.URL, Retries: 10, BreakerFailures: 4}}, nil)
	if err := subscribe(h); resultOf(err) != BreakerOpen || len(b.requests()) != 4 {
		t.Errorf("Subscribe = %v after %d requests; want %v after 4", err, len(b.requests()), errOpen)
	}
}

func TestHeaders(t *testing.T) {
	b := newBackend(t, says(`{"result":{}}`))
	h := newTestHooks(t, Config{Connect: Endpoint{
		URL:            b.URL,
		Headers:        map[string]string{"authorization": "Bearer ours", "X-Team": "edge"},
		ForwardHeaders: []string{"cookie", "Authorization", "User-Agent", "X-Bad", "X-Absent"},
	}}, nil)
	handshake := http.Header{
		"Cookie": {"a=1", "b=2"}, "Authorization": {"Bearer theirs"}, "User-Agent": {"browser"}, "Origin": {"https://example.com"},
		"X-Bad": {"fine", "1\r\nX-Team: other"}, "X-Other": {"1"},
	}
	if _, err := h.Connect(context.Background(), &ConnectRequest{Origin: Origin{Client: "c", Header: handshake}}); err != nil {
		t.Fatal(err)
	}
	want := http.Header{
		"Content-Type": {"application/json"}, "Authorization": {"Bearer ours"},
		"X-Team": {"edge"}, "Cookie": {"a=1", "b=2"}, "User-Agent": {"browser"},
	}
	got := b.requests()[0].header
	got.Del("Content-Length")
	if !reflect.DeepEqual(got, want) {
		t.Errorf("the backend got %v; want %v", got, want)
	}
}

// A panic of the application's own RoundTripper keeps no place that the next call needs.
func TestPanicInRoundTripper(t *testing.T) {
	b := newBackend(t, says(`{"result":{}}`))
	calls := 0
	h := newTestHooks(t, Config{
		Subscribe: Endpoint{URL: b.URL, MaxConcurrent: 1},
		Wrap: func(next http.RoundTripper) http.RoundTripper {
			return roundTripper(func(r *http.Request) (*http.Response, error) {
				if calls++; calls == 1 {
					panic("oh")
				}
				return next.RoundTrip(r)
			})
		},
	}, nil)
	func() {
		defer func() {
			if recover() != "oh" {
				t.Error("the panic does not reach the caller, which contains it")
			}
		}()
		_ = subscribe(h)
	}()
	if err := subscribe(h); err != nil {
		t.Errorf("Subscribe after a panic = %v", err)
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

type traceKey struct{}

func TestWrapSeesTheContextOfTheCall(t *testing.T) {
	b := newBackend(t, says(`{"result":{}}`))
	h := newTestHooks(t, Config{
		RPC: Endpoint{URL: b.URL, Secret: secret},
		Wrap: func(next http.RoundTripper) http.RoundTripper {
			return roundTripper(func(r *http.Request) (*http.Response, error) {
				r = r.Clone(r.Context())
				r.Header.Set("Traceparent", r.Context().Value(traceKey{}).(string))
				return next.RoundTrip(r)
			})
		},
	}, nil)
	const trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	if _, err := h.RPC(context.WithValue(context.Background(), traceKey{}, trace), &RPCRequest{Origin: who}); err != nil {
		t.Fatal(err)
	}
	if got := b.requests()[0].header.Get("Traceparent"); got != trace {
		t.Errorf("traceparent is %q; want %q", got, trace)
	}
}
