package hook

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed4ac54ce5/edge/server"
)

func farewell(client string) *DisconnectEvent {
	return &DisconnectEvent{Origin: Origin{Client: client}, Why: server.Disconnect{Code: 3012, Reason: "no pong"}}
}

// quiet is a log that nobody reads.
var quiet = slog.New(slog.DiscardHandler)

func TestDisconnectIsDelivered(t *testing.T) {
	for name, row := range map[string]struct {
		play     []http.HandlerFunc
		requests int
		pauses   []time.Duration
	}{
		"at once":        {[]http.HandlerFunc{says("")}, 1, nil},
		"with 204":       {[]http.HandlerFunc{status(204)}, 1, nil},
		"on the third":   {[]http.HandlerFunc{status(500), resets(""), status(202)}, 3, []time.Duration{250 * ms, 500 * ms}},
		"after patience": {[]http.HandlerFunc{status(429), status(408), status(200)}, 3, []time.Duration{250 * ms, 500 * ms}},
	} {
		t.Run(name, func(t *testing.T) {
			b, f, y := newBackend(t, row.play...), newFakeClock(), new(tally)
			h := newTestHooks(t, Config{Disconnect: Endpoint{URL: b.URL}, Observe: y.observe, Log: quiet}, f)
			if !h.Disconnect(farewell("c1")) {
				t.Error("the queue has no room")
			}
			if err := h.Close(context.Background()); err != nil {
				t.Errorf("Close = %v", err)
			}
			if n := len(b.requests()); n != row.requests || !reflect.DeepEqual(f.waited(), row.pauses) {
				t.Errorf("%d requests with pauses of %v; want %d with %v", n, f.waited(), row.requests, row.pauses)
			}
			if y.count(OK) != 1 || y.count(Retried) != row.requests-1 || h.Dropped() != 0 {
				t.Errorf("seen %v, dropped %d; want one %s", y.seen, h.Dropped(), OK)
			}
		})
	}
}

func TestDisconnectIsGivenUp(t *testing.T) {
	for name, row := range map[string]struct {
		play     http.HandlerFunc
		requests int
	}{
		"refused":            {status(400), 1},
		"elsewhere":          {status(302, "Location", "/"), 1},
		"after all tries":    {status(500), 3},
		"reset at each try":  {resets(""), 3},
		"overrun every time": {status(503, "Retry-After", "1"), 3},
	} {
		t.Run(name, func(t *testing.T) {
			b, y, log := newBackend(t, row.play), new(tally), new(strings.Builder)
			h := newTestHooks(t, Config{Disconnect: Endpoint{URL: b.URL}, DisconnectTries: 3, DisconnectWorkers: 1,
				Observe: y.observe, Log: slog.New(slog.NewTextHandler(log, nil))}, nil)
			for range 2 {
				h.Disconnect(farewell("c1"))
			}
			_ = h.Close(context.Background()) // an error only if they are given up within it
			if n := len(b.requests()); n != 2*row.requests || h.Dropped() != 2 || y.count(Dropped) != 2 {
				t.Errorf("%d requests, %d dropped, seen %v; want %d, 2", n, h.Dropped(), y.seen, 2*row.requests)
			}
			if n := strings.Count(log.String(), "\n"); n != 1 {
				t.Errorf("%d lines in the log; want one a minute:\n%s", n, log)
			}
		})
	}
}

func TestDisconnectQueueIsBounded(t *testing.T) {
	arrived, release := make(chan struct{}, 1), make(chan struct{})
	b := newBackend(t, func(http.ResponseWriter, *http.Request) {
		arrived <- struct{}{}
		<-release
	}, says(""))
	h := newTestHooks(t, Config{Disconnect: Endpoint{URL: b.URL, Timeout: time.Minute}, DisconnectQueue: 2,
		DisconnectWorkers: 1, Log: quiet}, nil)
	h.Disconnect(farewell("c0"))
	<-arrived
	var taken []bool
	for i := range 4 {
		taken = append(taken, h.Disconnect(farewell(fmt.Sprint("c", i+1))))
	}
	if want := []bool{true, true, false, false}; !slices.Equal(taken, want) || h.Dropped() != 2 {
		t.Errorf("taken %v, dropped %d; want %v, 2", taken, h.Dropped(), want)
	}
	close(release)
	if err := h.Close(context.Background()); err != nil || len(b.requests()) != 3 {
		t.Errorf("Close = %v after %d requests; want none after 3", err, len(b.requests()))
	}
	if h.Disconnect(farewell("late")) || h.Dropped() != 3 {
		t.Error("an event was taken after Close")
	}
}

// Close waits no longer than it may: what is under way then, and what waits, is lost and counted.
func TestCloseHasAnEnd(t *testing.T) {
	arrived := make(chan struct{})
	b := newBackend(t, func(w http.ResponseWriter, r *http.Request) {
		close(arrived)
		<-r.Context().Done()
	})
	h := newTestHooks(t, Config{Disconnect: Endpoint{URL: b.URL, Timeout: time.Hour}, DisconnectWorkers: 1, Log: quiet}, nil)
	for range 3 {
		h.Disconnect(farewell("c"))
	}
	<-arrived
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	err := h.Close(ctx)
	if err == nil || err.Error() != "hook: 3 disconnect events were not delivered" || h.Dropped() != 3 || len(b.requests()) != 1 {
		t.Errorf("Close = %v, %d dropped after %d requests; want 3 after 1", err, h.Dropped(), len(b.requests()))
	}
	if err := h.Close(ctx); err != nil {
		t.Errorf("Close again = %v", err)
	}
}

// An event's header holds what is forwarded and no more, for as long as it waits.
func TestDisconnectForwardsHeaders(t *testing.T) {
	b := newBackend(t, says(""))
	h := newTestHooks(t, Config{Disconnect: Endpoint{URL: b.URL, ForwardHeaders: []string{"X-Tenant"}, Secret: secret}}, nil)
	e := farewell("c")
	e.Header = http.Header{"X-Tenant": {"blue"}, "Cookie": {"a=1"}}
	h.Disconnect(e)
	if err := h.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	r := b.requests()[0]
	if r.header.Get("X-Tenant") != "blue" || r.header.Get("Cookie") != "" || !strings.HasPrefix(r.header.Get(SignatureHeader), "t=1700000000,v1=") {
		t.Errorf("the backend got %v; want X-Tenant, a signature, and no Cookie", r.header)
	}
}

func TestWithoutDisconnectEndpoint(t *testing.T) {
	h := newTestHooks(t, Config{Log: slog.New(slog.NewTextHandler(io.Discard, nil))}, nil)
	if h.Disconnect(farewell("c")) || h.Dropped() != 0 || h.Configured(Disconnect) {
		t.Error("an event without an endpoint was taken, or counted")
	}
	if err := h.Close(context.Background()); err != nil {
		t.Errorf("Close = %v", err)
	}
}
