package bench

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed4ac54ce5/edge/internal/testutil"
	"github.com/seed4ac54ce5/edge/protocol"
)

// door is an HTTP API before a liar.
type door struct {
	t    *testing.T
	liar *liar

	// spoil is asked for each request, from 1, and returns whether its publications are made and what is answered:
	// "" for what an honest server says, "refuse" for a refusal of each, "cut" for no answer at all, or else a status or
	// an HTTP body.
	spoil    func(request int) (publish bool, answer string)
	requests int
	batches  int
	unmade   uint64 // publications that were asked for and not made
}

// openDoor serves until the test ends.
func openDoor(t *testing.T, d *door) string {
	t.Helper()
	d.t = t
	s := httptest.NewServer(d)
	t.Cleanup(s.Close)
	return s.URL
}

func (d *door) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	d.liar.mu.Lock()
	defer d.liar.mu.Unlock()
	d.requests++
	publish, answer := true, ""
	if d.spoil != nil {
		publish, answer = d.spoil(d.requests)
	}
	honest, refusal := d.obey(r, publish)
	switch answer {
	case "":
		_, _ = io.WriteString(w, honest)
	case "refuse":
		_, _ = io.WriteString(w, refusal)
	case "401", "503":
		status := http.StatusUnauthorized
		if answer == "503" {
			status = http.StatusServiceUnavailable
		}
		w.WriteHeader(status)
	case "cut":
		panic(http.ErrAbortHandler)
	default:
		_, _ = io.WriteString(w, answer)
	}
}

// obey makes the publications of a request, if they are to be made, and returns what an honest server answers, and what
// one that refuses each.
func (d *door) obey(r *http.Request, publish bool) (honest, refusal string) {
	if r.Header.Get("X-API-Key") != "secret" || r.Method != http.MethodPost {
		d.t.Errorf("the flooder's request: %s, key %q", r.Method, r.Header.Get("X-API-Key"))
	}
	type publication struct {
		Channel string          `json:"channel"`
		Data    json.RawMessage `json:"data"`
	}
	var body struct {
		publication
		Commands []struct {
			Publish *publication `json:"publish"`
		} `json:"commands"`
	}
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
		d.t.Errorf("the flooder's request: %v", err)
	}
	const no = `{"error":{"code":103,"message":"permission denied"}}`
	honest, refusal = `{"result":{}}`, no
	all := []*publication{&body.publication}
	if strings.HasSuffix(r.URL.Path, "/batch") {
		d.batches++
		all = nil
		n := len(body.Commands)
		honest = `{"replies":[` + strings.Repeat(`{"publish":{}},`, n-1) + `{"publish":{}}]}`
		refusal = `{"replies":[` + strings.Repeat(no+",", n-1) + no + `]}`
		for _, c := range body.Commands {
			all = append(all, c.Publish)
		}
	}
	for _, p := range all {
		if publish {
			d.liar.publish(&protocol.PublishRequest{Channel: []byte(p.Channel), Data: p.Data})
		} else {
			d.unmade++
		}
	}
	return honest, refusal
}

// throughDoor floods through d and returns the report and how many publications were made.
func throughDoor(t *testing.T, d *door, rate, members int, drain time.Duration) (*Report, uint64) {
	t.Helper()
	ctx, enough := context.WithCancel(t.Context())
	defer enough()
	d.liar = &liar{enough: enough, spoil: func(_, _ int, push string) []string { return []string{push} }}
	r, err := Run(ctx, Options{
		Scenario: Fanout, Targets: []string{startLiar(t, d.liar)}, Connections: members, Rate: rate, Duration: time.Hour, Drain: drain,
		PublishVia: ViaAPI, API: openDoor(t, d), APIKey: "secret", Publishers: 3,
	})
	if err != nil {
		t.Fatal(err)
	}
	d.liar.mu.Lock()
	defer d.liar.mu.Unlock()
	return r, uint64(d.liar.publications)
}

// What the API fails at is counted as that, and not as loss of delivery.
func TestPublishersOverAPI(t *testing.T) {
	t.Parallel()
	const members = 3
	only := func(n int, publish bool, answer string) func(int) (bool, string) {
		return func(request int) (bool, string) {
			if request == n {
				return publish, answer
			}
			return true, ""
		}
	}
	for _, row := range []struct {
		name             string
		spoil            func(request int) (publish bool, answer string)
		refused, unknown bool
		label            string
	}{
		{name: "all is well"},
		{name: "refused", spoil: only(2, false, "refuse"), refused: true, label: `publish: error 103 "permission denied"`},
		{name: "a wrong key", spoil: only(2, false, "401"), refused: true, label: "request: HTTP status 401"},
		{name: "turned away", spoil: only(2, false, "503"), refused: true, label: "request: HTTP status 503"},
		{name: "made, without an answer", spoil: only(3, true, "cut"), label: "request: "},
		{name: "not made, without an answer", spoil: only(3, false, "cut"), unknown: true, label: "request: "},
		{name: "made, with a strange answer", spoil: only(3, true, `{"reply":1}`), label: "request: an answer that does not fit"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			d := &door{spoil: row.spoil}
			drain := patience
			if row.unknown {
				drain = 1500 * time.Millisecond // it is looked for
			}
			r, made := throughDoor(t, d, 50, members, drain)
			var refused, unknown uint64
			if row.refused {
				refused = d.unmade
			}
			if row.unknown {
				unknown = d.unmade
			}
			if want := (Ledger{Expected: members * made, Received: members * made}); r.Delivery != want {
				t.Errorf("delivery = %+v; want %+v", r.Delivery, want)
			}
			a := r.API
			if a.Published != made || a.Refused != refused || a.Unknown != unknown {
				t.Errorf("API: %d published of %d, %d refused, %d unknown; want %d and %d", a.Published, made, a.Refused, a.Unknown, refused, unknown)
			}
			said := slices.ContainsFunc(slices.Collect(maps.Keys(a.Errors)), func(label string) bool { return strings.HasPrefix(label, row.label) })
			if said != (row.label != "") {
				t.Errorf("API errors %v; want %s", a.Errors, row.label)
			}
			if clean := !row.refused && !row.unknown; errors.Is(r.Err(), ErrLoss) == clean {
				t.Errorf("Err() = %v; want an error: %v", r.Err(), !clean)
			}
		})
	}
}

// Publications that are due faster than the API answers go together, and nothing is lost by that.
func TestPublishersOverAPIBatch(t *testing.T) {
	t.Parallel()
	d := &door{spoil: func(int) (bool, string) {
		time.Sleep(2 * time.Millisecond) // the slow server itself
		return true, ""
	}}
	r, made := throughDoor(t, d, 100_000, 2, patience)
	if want := (Ledger{Expected: 2 * made, Received: 2 * made}); r.Delivery != want || r.API.Published != made {
		t.Errorf("delivery = %+v, %d published; want %+v", r.Delivery, r.API.Published, want)
	}
	if r.API.Batches == 0 || r.API.Batches != uint64(d.batches) || r.API.Requests != uint64(d.requests) {
		t.Errorf("%d requests, %d batches; the API saw %d and %d", r.API.Requests, r.API.Batches, d.requests, d.batches)
	}
}

// Where no API listens, no delivery is missing: there was nothing to deliver.
func TestNobodyListensForPublications(t *testing.T) {
	l := &liar{}
	r, err := Run(t.Context(), Options{
		Scenario: Fanout, Targets: []string{startLiar(t, l)}, Connections: 2, Rate: 500, Duration: 50 * time.Millisecond, Drain: time.Second,
		PublishVia: ViaAPI, API: "http://" + testutil.Nobody,
	})
	if err != nil {
		t.Fatal(err)
	}
	if r.Delivery != (Ledger{}) || r.API.Refused == 0 || r.API.Published+r.API.Unknown != 0 || !errors.Is(r.Err(), ErrLoss) {
		t.Errorf("delivery %+v, API %+v, %v", r.Delivery, r.API, r.Err())
	}
}

// What a server accepts without saying that it is done may have been done.
func TestIsUnsent(t *testing.T) {
	for status, want := range map[statusError]bool{202: false, 204: false, 302: true, 401: true, 500: false, 502: false, 503: true} {
		if got := isUnsent(status); got != want {
			t.Errorf("isUnsent(%v) = %v; want %v", status, got, want)
		}
	}
}

func TestAPIOptions(t *testing.T) {
	for _, row := range []struct {
		name string
		o    Options
		says string
	}{
		{"no address", Options{Scenario: Fanout, PublishVia: ViaAPI}, `--api ""`},
		{"no scheme", Options{Scenario: Fanout, PublishVia: ViaAPI, API: "127.0.0.1:9000"}, `--api "127.0.0.1:9000"`},
		{"another way", Options{Scenario: Fanout, PublishVia: "pigeon"}, `--publish-via "pigeon"`},
		{"another scenario", Options{Scenario: Idle, PublishVia: ViaAPI, API: "http://127.0.0.1:9000"}, "only fanout"},
		{"a user", Options{Scenario: Fanout, PublishVia: ViaAPI, API: "http://me:pw@127.0.0.1:9000"}, "--api: leave out the user"},
		{"an address for nothing", Options{Scenario: Fanout, API: "http://127.0.0.1:9000"}, "--publish-via api"},
	} {
		o := row.o.withDefaults()
		o.Connections, o.Rate, o.Duration = 1, 1, time.Second
		if err := o.check(); !errors.Is(err, ErrUsage) || !strings.Contains(err.Error(), row.says) {
			t.Errorf("%s: %v; want a word of %s", row.name, err, row.says)
		}
	}
	for address, want := range map[string]string{
		"http://127.0.0.1:9000":       "http://127.0.0.1:9000/api",
		"http://127.0.0.1:9000/":      "http://127.0.0.1:9000/api",
		"https://api.example/v2/api/": "https://api.example/v2/api",
	} {
		if got, err := apiBase(address); got != want || err != nil {
			t.Errorf("apiBase(%s) = %s, %v; want %s", address, got, err, want)
		}
	}
}
