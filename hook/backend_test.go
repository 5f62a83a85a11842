package hook

import (
	"cmp"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/seed4ac54ce5/edge/internal/testutil"
)

// secret signs the requests of tests.
const secret = "0123456789abcdef"

// fakeClock is time that only the test moves, and chance that always gives the most.
type fakeClock struct {
	mu    sync.Mutex
	time  time.Time
	waits []time.Duration
}

func newFakeClock() *fakeClock { return &fakeClock{time: time.Unix(1_700_000_000, 0)} }

func (f *fakeClock) clock() clock {
	return clock{now: f.now, wait: f.wait, jitter: func(d time.Duration) time.Duration { return d }}
}

func (f *fakeClock) now() time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.time
}

func (f *fakeClock) advance(d time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.time = f.time.Add(d)
}

func (f *fakeClock) wait(ctx context.Context, d time.Duration) bool {
	f.advance(d)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.waits = append(f.waits, d)
	return ctx.Err() == nil
}

func (f *fakeClock) waited() []time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.waits)
}

// received is a request as the backend got it.
type received struct {
	header http.Header
	body   string
}

// backend is an application's end: a real HTTP server that keeps what it gets and answers with what the test says.
type backend struct {
	*httptest.Server
	mu   sync.Mutex
	got  []received
	play []http.HandlerFunc // one for each request, the last for all further ones
}

func newBackend(t testing.TB, play ...http.HandlerFunc) *backend {
	t.Helper()
	b := &backend{play: play}
	b.Server = httptest.NewServer(b)
	t.Cleanup(b.Close)
	return b
}

func (b *backend) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	b.mu.Lock()
	n := len(b.got)
	b.got = append(b.got, received{r.Header, string(body)})
	b.mu.Unlock()
	b.play[min(n, len(b.play)-1)](w, r)
}

func (b *backend) requests() []received {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.got)
}

// says answers with a body.
func says(body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, body) }
}

// status answers with a status that is not 200.
func status(code int, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(code)
	}
}

// resets breaks the connection, after some bytes of an answer.
func resets(part string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		c, rw, err := w.(http.Hijacker).Hijack()
		if err != nil {
			return
		}
		_, _ = rw.WriteString(part)
		_ = rw.Flush()
		_ = c.(*net.TCPConn).SetLinger(0)
		_ = c.Close()
	}
}

// hangs answers nothing, or not all, until the node gives up.
func hangs(part string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if part != "" {
			_, _ = io.WriteString(w, part)
			_ = http.NewResponseController(w).Flush()
		}
		<-r.Context().Done()
	}
}

// newTestHooks returns what c describes, with a clock of the test, and closes it at the end. A time limit that the test
// does not set is one that no busy machine reaches.
func newTestHooks(t testing.TB, c Config, f *fakeClock) *Hooks {
	t.Helper()
	for _, e := range c.endpoints() {
		orElse(&e.Timeout, time.Minute)
	}
	h, err := newHooks(c, cmp.Or(f, newFakeClock()).clock())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		_ = h.Close(ctx)
	})
	return h
}

// deadURL is where nobody listens.
const deadURL = "http://" + testutil.Nobody

// tally counts what Config.Observe is told.
type tally struct {
	mu   sync.Mutex
	seen map[Result]int
}

func (y *tally) observe(_ Event, r Result, _ time.Duration) {
	y.mu.Lock()
	defer y.mu.Unlock()
	if y.seen == nil {
		y.seen = make(map[Result]int)
	}
	y.seen[r]++
}

func (y *tally) count(r Result) int {
	y.mu.Lock()
	defer y.mu.Unlock()
	return y.seen[r]
}
