package api

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/seed4ac54ce5/edge/internal/testutil"
)

const patience = 2 * time.Minute

// M01: nobody gets anywhere without the key, and the key only counts in a header.
func TestM01KeyIsAsked(t *testing.T) {
	d := newDesk(nil)
	for _, r := range []struct {
		what    string
		path    string
		headers []string
		status  int
	}{
		{"no key", "/api/info", nil, 401},
		{"wrong key", "/api/info", []string{"X-API-Key", "wrong"}, 401},
		{"a part of the key", "/api/info", []string{"X-API-Key", key[:len(key)-1]}, 401},
		{"more than the key", "/api/info", []string{"X-API-Key", key + "x"}, 401},
		{"key", "/api/info", []string{"X-API-Key", key}, 200},
		{"key as gocent has it", "/api/info", []string{"Authorization", "apikey " + key}, 200},
		{"bearer", "/api/info", []string{"Authorization", "Bearer " + key}, 200},
		{"bearer in small letters", "/api/info", []string{"authorization", "bearer  " + key}, 200},
		{"another scheme", "/api/info", []string{"Authorization", "Basic " + key}, 401},
		{"no scheme", "/api/info", []string{"Authorization", key}, 401},
		{"empty bearer", "/api/info", []string{"Authorization", "Bearer "}, 401},
		{"both, the first one wrong", "/api/info", []string{"X-API-Key", "wrong", "Authorization", "Bearer " + key}, 401},
		{"key in the query", "/api/info?api_key=" + key, nil, 401},
		{"no key, no such method", "/api/nothing", nil, 401},
	} {
		w := d.send("POST", r.path, "{}", r.headers...)
		if w.Code != r.status || w.Code == 401 && w.Body.Len() > 0 {
			t.Errorf("%s: %d %s; want %d", r.what, w.Code, w.Body, r.status)
		}
	}
	if w := d.send("GET", "/api/info", ""); w.Code != 401 {
		t.Errorf("GET without a key: %d; want 401", w.Code)
	}
	if got := len(d.done()); got != 5-1 {
		t.Errorf("the node was called %d times; want 4", got)
	}
}

func TestKeyChanges(t *testing.T) {
	d := newDesk(func(o *Options) { o.Key = "" })
	status := func(key string) int { return d.send("POST", "/api/info", "{}", "X-API-Key", key).Code }
	if got := status(""); got != 401 {
		t.Errorf("without any key set: %d; want 401", got)
	}
	d.SetKey("first")
	d.SetKey("second")
	if old, new := status("first"), status("second"); old != 401 || new != 200 {
		t.Errorf("after a change the old key gets %d and the new one %d; want 401 and 200", old, new)
	}
}

// Without a key, programs are let in. A page that a developer looks at sends an Origin with each POST, and is not. A key that
// is set later is asked for.
func TestInsecure(t *testing.T) {
	d := newDesk(func(o *Options) { o.Key, o.Insecure = "", true })
	if w := d.send("POST", "/api/info", "{}"); w.Code != 200 {
		t.Errorf("a program got %d; want 200", w.Code)
	}
	if w := d.send("POST", "/api/info", "{}", "Origin", "http://127.0.0.1:9000"); w.Code != 403 {
		t.Errorf("a page got %d; want 403", w.Code)
	}
	d.SetKey(key)
	if w := d.send("POST", "/api/info", "{}"); w.Code != 401 {
		t.Errorf("with a key set, a program without it got %d; want 401", w.Code)
	}
	check(t, "with the key", d.post("/api/presence_stats", `{"channel":"a"}`), 200, `{"result":{"num_clients":2,"num_users":1}}`)
}

func TestRequestsThatAreRefused(t *testing.T) {
	d := newDesk(func(o *Options) { o.BodyLimit, o.BatchLimit = 1000, 3 })
	const badRequest, notFound, tooLarge = "Bad Request", "Not Found", "Request Entity Too Large"
	four := `{"commands":[{"info":{}},{"info":{}},{"info":{}},{"info":{}}]}`
	for _, r := range []struct {
		what, path, body string
		status           int
		text             string
	}{
		{"no such method", "/api/nothing", "{}", 404, notFound},
		{"another path", "/metrics", "{}", 404, notFound},
		{"a path that begins alike", "/apis/info", "{}", 404, notFound},
		{"no method", "/api/", "{}", 404, notFound},
		{"a method below", "/api/info/", "{}", 404, notFound},
		{"a method in capitals", "/api/INFO", "{}", 404, notFound},
		{"no body", "/api/info", "", 400, badRequest},
		{"no JSON", "/api/info", "{", 400, badRequest},
		{"something behind it", "/api/info", "{}{}", 400, badRequest},
		{"no object", "/api/publish", "[]", 400, badRequest},
		{"a field of another type", "/api/publish", `{"channel":1}`, 400, badRequest},
		{"a number that does not fit", "/api/publish", `{"version":18446744073709551616}`, 400, badRequest},
		{"not UTF-8", "/api/publish", "{\"channel\":\"a\",\"data\":\"\xff\"}", 400, badRequest},
		{"M02 one byte too many", "/api/publish", `{"data":"` + strings.Repeat("x", 1001-11) + `"}`, 413, tooLarge},
		{"M02 batch of too many", "/api/batch", four, 413, tooLarge},
		{"M02 lines of too many", "/api", strings.Repeat(`{"method":"info"}`, 4), 413, tooLarge},
		{"M02 broadcast to too many", "/api/broadcast", `{"channels":["a","b","c","d"],"data":1}`, 200, `{"error":{"code":106,"message":"limit exceeded"}}`},
		{"a batch that is none", "/api/batch", `{"commands":{}}`, 400, badRequest},
		{"a batch of what are no commands", "/api/batch", `{"commands":[1]}`, 400, badRequest},
		{"a batch with a broken command", "/api/batch", `{"commands":[{"info":{}},{"publish":[]}]}`, 400, badRequest},
		{"lines without any", "/api", " \n", 400, badRequest},
		{"lines with a broken one", "/api", `{"method":"info"}` + "\n" + `{"method"`, 400, badRequest},
		{"lines with an unknown method", "/api", `{"method":"info"}{"method":"nothing"}`, 400, badRequest},
		{"lines with a batch", "/api", `{"method":"batch"}`, 400, badRequest},
		{"lines with a method of another type", "/api", `{"method":{}}`, 400, badRequest},
		{"lines with a broken name", "/api", `{"method":"\ud800"}`, 400, badRequest},
	} {
		check(t, r.what, d.post(r.path, r.body), r.status, r.text)
	}
	if calls := d.done(); len(calls) > 0 {
		t.Errorf("the node was called all the same: %q", calls)
	}
	w := d.send("GET", "/api/info", "", "X-API-Key", key)
	if w.Code != 405 || w.Header().Get("Allow") != "POST" {
		t.Errorf("GET: %d, Allow %q; want 405, POST", w.Code, w.Header().Get("Allow"))
	}
	check(t, "a body of just the limit", d.post("/api/rpc", `{"method":"nothing","x":"`+strings.Repeat("x", 1000-27)+`"}`), 200, `{"result":{}}`)
}

// M02: a request that does not say how large it is comes no further than the limit.
func TestM02BodyOfUnknownSize(t *testing.T) {
	d := newDesk(func(o *Options) { o.BodyLimit = 100 })
	r := httptest.NewRequest("POST", "/api/info", io.MultiReader(strings.NewReader("{}"), strings.NewReader(strings.Repeat(" ", 99))))
	r.Header.Set("X-API-Key", key)
	w := httptest.NewRecorder()
	d.ServeHTTP(w, r)
	check(t, "101 bytes in chunks", w, 413, "Request Entity Too Large")
}

// M02: one that does say so is not read at all.
func TestM02BodyOfKnownSize(t *testing.T) {
	d := newDesk(func(o *Options) { o.BodyLimit = 100 })
	r := httptest.NewRequest("POST", "/api/info", unread{t})
	r.Header.Set("X-API-Key", key)
	r.ContentLength = 101
	w := httptest.NewRecorder()
	d.ServeHTTP(w, r)
	check(t, "101 bytes", w, 413, "Request Entity Too Large")
}

// unread is a body that nobody should look at.
type unread struct{ t *testing.T }

func (u unread) Read([]byte) (int, error) {
	u.t.Error("the body is read")
	return 0, io.EOF
}

// A body that stops coming ends its request in time, and the time does not run on once it is there.
func TestBodyTimeout(t *testing.T) {
	ended := make(chan error, 1)
	d := newDesk(func(o *Options) {
		o.BodyTimeout = time.Second
		o.RPC = func(ctx context.Context, _ string, _ json.RawMessage) (json.RawMessage, error) {
			select {
			case <-ctx.Done():
			case <-time.After(3 * o.BodyTimeout / 2):
			}
			ended <- ctx.Err()
			return nil, nil
		}
	})
	s := httptest.NewServer(d)
	defer s.Close()
	if got := converse(t, s, "{", 2); !strings.HasPrefix(got, "HTTP/1.1 408 ") {
		t.Errorf("half a body got %q; want 408", got)
	}
	if got := converse(t, s, `{"method":"slow"}`, 17); !strings.HasPrefix(got, "HTTP/1.1 200 ") {
		t.Errorf("a long call got %q; want 200", got)
	}
	if err := <-ended; err != nil {
		t.Errorf("the context of a long call ended: %v", err)
	}
}

// converse posts a body that is said to have size bytes, and returns the answer.
func converse(t *testing.T, s *httptest.Server, body string, size int) string {
	t.Helper()
	conn, err := net.Dial("tcp", s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(patience))
	fmt.Fprintf(conn, "POST /api/rpc HTTP/1.1\r\nHost: a\r\nConnection: close\r\nX-API-Key: %s\r\nContent-Length: %d\r\n\r\n%s", key, size, body)
	answer, err := io.ReadAll(conn)
	if err != nil {
		t.Fatal(err)
	}
	return string(answer)
}

// A client that goes away ends the context of what it has asked for.
func TestClientGoesAway(t *testing.T) {
	began, ended := make(chan struct{}), make(chan struct{})
	d := newDesk(func(o *Options) {
		o.RPC = func(ctx context.Context, _ string, _ json.RawMessage) (json.RawMessage, error) {
			close(began)
			<-ctx.Done()
			close(ended)
			return nil, ctx.Err()
		}
	})
	s := httptest.NewServer(d)
	defer s.Close()
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-began; cancel() }()
	r, err := http.NewRequestWithContext(ctx, "POST", s.URL+"/api/rpc", strings.NewReader(`{"method":"m"}`))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-API-Key", key)
	if w, err := s.Client().Do(r); err == nil {
		_ = w.Body.Close()
		t.Errorf("a cancelled request got %s", w.Status)
	}
	testutil.Eventually(t, patience, func() bool {
		select {
		case <-ended:
			return true
		default:
			return false
		}
	}, "the context of the call ends")
}

func TestErrorModes(t *testing.T) {
	transport := newDesk(func(o *Options) { o.ErrorMode = ErrorModeTransport })
	plain := newDesk(nil)
	for _, r := range []struct {
		method, body string
		status       int
		error        string
	}{
		{"presence", `{"channel":"broken"}`, 500, `{"code":100,"message":"internal server error"}`},
		{"presence", `{"channel":"panic"}`, 500, `{"code":100,"message":"internal server error"}`},
		{"presence", `{"channel":"what:a"}`, 404, `{"code":102,"message":"unknown channel"}`},
		{"rpc", `{"method":"what"}`, 404, `{"code":104,"message":"not found"}`},
		{"presence", `{}`, 400, `{"code":107,"message":"bad request"}`},
		{"presence", `{"channel":"off"}`, 400, `{"code":108,"message":"not available"}`},
		{"presence", `{"channel":"busy"}`, 429, `{"code":111,"message":"too many requests"}`},
		{"history", `{"channel":"old"}`, 416, `{"code":112,"message":"unrecoverable position"}`},
		{"presence", `{"channel":"paged"}`, 409, `{"code":113,"message":"conflict"}`},
		{"presence", `{"channel":"mine"}`, 400, `{"code":1234,"message":"not today"}`},
		{"rpc", `{"method":"garbage"}`, 500, `{"code":100,"message":"internal server error"}`},
	} {
		path := "/api/" + r.method
		check(t, "by option: "+r.body, transport.post(path, r.body), r.status, r.error)
		check(t, "by header: "+r.body, plain.post(path, r.body, "X-Centrifugo-Error-Mode", "transport"), r.status, r.error)
		check(t, "in the reply: "+r.body, plain.post(path, r.body), 200, `{"error":`+r.error+`}`)
	}
	w := transport.post("/api/info", "{}")
	if w.Code != 200 || w.Header().Get("Content-Type") != "application/json" {
		t.Errorf("info: %d, %s; want 200, application/json", w.Code, w.Header().Get("Content-Type"))
	}
}
