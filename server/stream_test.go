package server

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/seed4ac54ce5/edge/metrics"
)

// listener is the client's end of a stream.
type listener struct {
	*client
	head    *http.Response
	lines   *bufio.Reader // of the body
	session string
	node    string
	id      string
}

// stream opens one with a whole request.
func (n *node) stream(request string) *listener {
	n.t.Helper()
	return n.streamOn(n.dial(), request)
}

// streamOn is stream on a conn that stands.
func (n *node) streamOn(c *client, request string) *listener {
	n.t.Helper()
	c.send([]byte(request))
	r, err := http.ReadResponse(c.in, nil)
	if err != nil {
		n.t.Fatal(err)
	}
	if r.StatusCode != http.StatusOK || len(r.TransferEncoding) != 1 {
		n.t.Fatalf("stream: %d %v", r.StatusCode, r.TransferEncoding)
	}
	return &listener{client: c, head: r, lines: bufio.NewReader(r.Body)}
}

// line reads a line of the body; "EOF" at its end.
func (s *listener) line() string {
	s.extend()
	line, err := s.lines.ReadString('\n')
	if err != nil {
		return strings.TrimSpace(line + " " + err.Error())
	}
	return strings.TrimSuffix(line, "\n")
}

// event reads an event up to its empty line, without the marks of comments; its lines are joined by a bar.
func (s *listener) event() string {
	var all []string
	for {
		switch line := s.line(); {
		case line == "" && len(all) > 0:
			return strings.Join(all, "|")
		case line == "" || line == "\r" || line == ":": // nothing
		default:
			all = append(all, line)
			if strings.HasSuffix(line, "EOF") {
				return strings.Join(all, "|")
			}
		}
	}
}

// message reads a message, in whichever form the stream has it.
func (s *listener) message() string {
	if strings.HasPrefix(s.head.Header.Get("Content-Type"), "text/event-stream") {
		return strings.TrimPrefix(s.event(), "data: ")
	}
	return s.line()
}

// begin reads the answer to connect.
func (s *listener) begin() *listener {
	s.t.Helper()
	text := s.message()
	var reply struct {
		Connect struct{ Client, Session, Node string }
	}
	if err := json.Unmarshal([]byte(text), &reply); err != nil || reply.Connect.Session == "" || reply.Connect.Client == reply.Connect.Session {
		s.t.Fatalf("connect: %s", text)
	}
	s.id, s.session, s.node = reply.Connect.Client, reply.Connect.Session, reply.Connect.Node
	return s
}

// say sends commands by a request on the conn c, and returns its status.
func (s *listener) say(c *client, commands ...string) int {
	s.t.Helper()
	body, err := json.Marshal(map[string]string{"session": s.session, "node": s.node, "data": strings.Join(commands, "\n")})
	if err != nil {
		s.t.Fatal(err)
	}
	c.send([]byte(posted(pathEmulation, string(body))))
	return c.response().StatusCode
}

// The two streams of the client protocol, with first commands.
func httpStream(fields []string, commands ...string) string {
	return posted(pathHTTPStream, strings.Join(commands, "\n"), fields...)
}

func sseStream(fields []string, commands ...string) string {
	return plain("GET", pathSSE+"?cf_connect="+url.QueryEscape(strings.Join(commands, "\n")), fields...)
}

func ssePost(fields []string, commands ...string) string {
	return posted(pathSSE, strings.Join(commands, "\n"), fields...)
}

// streamKinds are all ways to open one.
var streamKinds = []struct {
	name string
	open func(fields []string, commands ...string) string
	as   metrics.Transport
}{{"http_stream", httpStream, metrics.HTTPStream}, {"sse", sseStream, metrics.SSE}, {"sse by POST", ssePost, metrics.SSE}}

func TestStreamSession(t *testing.T) {
	n := openHTTP(t, nil)
	for _, k := range streamKinds {
		n.run(k.name, func(t *testing.T) {
			s := n.stream(k.open(nil, hello, `{"id":2,"subscribe":{"channel":"news"}}`)).begin()
			defer s.close()
			h := s.head.Header
			if h.Get("X-Accel-Buffering") != "no" || !strings.Contains(h.Get("Cache-Control"), "no-cache") || h.Get("Access-Control-Allow-Origin") != "" {
				t.Errorf("head %v", h)
			}
			if got := s.message(); got != `{"id":2,"subscribe":{}}` {
				t.Fatal(got)
			}
			if got := n.counts().Connections[k.as]; got != 1 {
				t.Errorf("%d sessions of the transport", got)
			}
			c := n.dial()
			defer c.close()
			if got := s.say(c, `{"id":3,"publish":{"channel":"news","data":{"a":1}}}`, `{"id":4,"rpc":{"method":"none"}}`); got != http.StatusNoContent {
				t.Fatal(got)
			}
			want := map[string]bool{`{"id":3,"publish":{}}`: true, `{"id":4,"error":{"code":108,"message":"not available"}}`: true, `{"push":{"channel":"news","pub":{"data":{"a":1},"info":{"user":"","client":"` + s.id + `"}}}}`: true}
			for range len(want) {
				if got := s.message(); !want[got] {
					t.Errorf("unexpected %s", got)
				}
			}
			if got := s.say(c, `{"id":4,"connect":{}}`); got != http.StatusNoContent {
				t.Fatal(got)
			}
			if got := s.message(); got != `{"push":{"disconnect":{"code":3501,"reason":"bad request"}}}` {
				t.Error(got)
			}
			if got := s.message(); !strings.HasSuffix(got, "EOF") {
				t.Errorf("behind the last word %q", got)
			}
			if got := s.say(c, `{}`); got != http.StatusNoContent {
				t.Errorf("a session that is no more: %d", got)
			}
		})
	}
}

// Orders may name the client of a stream by its session, which is no other client's.
func TestStreamNamedBySession(t *testing.T) {
	n := openHTTP(t, nil)
	s, other := n.stream(httpStream(nil, hello)).begin(), n.stream(httpStream(nil, hello)).begin()
	defer s.close()
	defer other.close()
	for _, order := range []string{`"user":"someone","session":"` + s.session + `"`, `"user":"","session":"` + s.session + `","client":"` + other.id + `"`} {
		n.checkCall("subscribe", `{"channel":"wrong",`+order+`}`, fine)
	}
	target := `{"user":"","session":"` + s.session + `","channel":"news"}`
	n.checkCall("subscribe", target, fine)
	n.checkCall("unsubscribe", target, fine)
	n.checkCall("refresh", target, fine)
	n.checkCall("disconnect", `{"user":"","session":"`+s.session+`","client":"`+s.id+`"}`, fine)
	for _, want := range []string{
		`{"push":{"channel":"news","subscribe":{}}}`,
		`{"push":{"channel":"news","unsubscribe":{"code":2000,"reason":"server unsubscribe"}}}`,
		`{"push":{"refresh":{}}}`,
		`{"push":{"disconnect":{"code":3503,"reason":"force disconnect"}}}`,
	} {
		if got := s.message(); got != want {
			t.Errorf("the client got %s; want %s", got, want)
		}
	}
	n.checkCall("disconnect", `{"user":""}`, fine)
	if got := other.message(); !strings.Contains(got, "3503") {
		t.Errorf("another one got %s", got)
	}
}

func TestStreamProtobuf(t *testing.T) {
	n := openHTTP(t, nil)
	s := n.stream(httpStream([]string{"Content-Type: application/octet-stream"}, "\x04\x08\x01\x22\x00"))
	defer s.close()
	if got := s.head.Header.Get("Content-Type"); got != "application/octet-stream" {
		t.Error(got)
	}
	size, err := s.lines.ReadByte()
	if err != nil {
		t.Fatal(err)
	}
	reply := make([]byte, int(size))
	if _, err := s.lines.Read(reply); err != nil || !strings.HasPrefix(string(reply), "\x08\x01\x2a") {
		t.Fatalf("%x, %v", reply, err)
	}
}

// TestStreamRefused: what is no stream, with its status.
func TestStreamRefused(t *testing.T) {
	n := openHTTP(t, func(c *Config) { c.Development = false; c.SSE, c.HTTPStream = true, true; c.Access.Anonymous = true })
	evil := []string{"Origin: https://evil.example"}
	for _, r := range []struct {
		name, send string
		status     int
		reject     metrics.Rejection
	}{
		{"no commands and no rooms", plain("GET", pathSSE), 400, metrics.RejectBadRequest},
		{"bad escape", plain("GET", pathSSE+"?cf_connect=%zz"), 400, metrics.RejectBadRequest},
		{"PUT", plain("PUT", pathSSE), 405, metrics.RejectMethod},
		{"GET of http_stream", plain("GET", pathHTTPStream), 405, metrics.RejectMethod},
		{"GET of emulation", plain("GET", pathEmulation), 405, metrics.RejectMethod},
		{"foreign page: sse", sseStream(evil, hello), 403, metrics.RejectOrigin},
		{"foreign page: http_stream", httpStream(evil, hello), 403, metrics.RejectOrigin},
		{"foreign page: emulation", posted(pathEmulation, "{}", evil...), 403, metrics.RejectOrigin},
		{"emulation without JSON", posted(pathEmulation, "x"), 400, metrics.RejectBadRequest},
		{"emulation without protobuf", posted(pathEmulation, "x", "Content-Type: application/octet-stream"), 400, metrics.RejectBadRequest},
		{"emulation too large", "POST /emulation HTTP/1.1\r\nHost: a\r\nContent-Length: 65537\r\n\r\n", 413, metrics.RejectTooLarge},
		{"upgrade", plain("GET", pathSSE, "Upgrade: websocket", "Connection: Upgrade"), 400, metrics.RejectBadRequest},
	} {
		n.run(r.name, func(t *testing.T) {
			n.withstand(t, r.reject, 1, func() {
				c := n.dial()
				defer c.close()
				c.send([]byte(r.send))
				if got := c.response(); got.StatusCode != r.status || !got.Close {
					t.Errorf("%d %q, close %t; want %d", got.StatusCode, got.body, got.Close, r.status)
				}
			})
		})
	}
	c := n.dial()
	defer c.close()
	c.send([]byte(posted(pathEmulation, `{"session":"x","node":"other","data":"{}"}`)))
	if got := c.response(); got.StatusCode != http.StatusNotFound || got.Close {
		t.Errorf("unknown node: %d", got.StatusCode)
	}
}

func TestStreamCORS(t *testing.T) {
	n := openHTTP(t, nil)
	const origin = "http://localhost:3000"
	fields := []string{"Origin: " + origin, "Access-Control-Request-Method: POST", "Access-Control-Request-Headers: content-type,x-y"}
	c := n.dial()
	defer c.close()
	for _, path := range []string{pathEmulation, pathSSE, pathHTTPStream} {
		c.send([]byte(plain("OPTIONS", path, fields...)))
		got := c.response()
		h := got.Header
		if got.StatusCode != http.StatusNoContent || h.Get("Access-Control-Max-Age") != "300" || !strings.Contains(h.Get("Access-Control-Allow-Methods"), "POST") ||
			h.Get("Access-Control-Allow-Origin") != origin || h.Get("Access-Control-Allow-Credentials") != "true" || h.Get("Access-Control-Allow-Headers") != "content-type,x-y" {
			t.Errorf("%s: %d %v", path, got.StatusCode, h)
		}
	}
	c.send([]byte(posted(pathEmulation, `{"node":"x"}`, fields[0])))
	if got := c.response(); got.StatusCode != 404 || got.Header.Get("Access-Control-Allow-Origin") != origin {
		t.Errorf("%d %v", got.StatusCode, got.Header)
	}
	s := n.stream(sseStream(fields[:1], hello)).begin()
	defer s.close()
	if s.head.Header.Get("Access-Control-Allow-Origin") != origin {
		t.Errorf("%v", s.head.Header)
	}
}

// TestStreamCORSWithBody: a question of a browser that has a body is a question all the same, and begins no stream.
func TestStreamCORSWithBody(t *testing.T) {
	n := openHTTP(t, nil)
	for _, path := range []string{pathEmulation, pathSSE, pathHTTPStream} {
		c := n.dial()
		defer c.close()
		c.send([]byte("OPTIONS" + strings.TrimPrefix(posted(path, hello, "Origin: http://localhost:3000"), "POST")))
		if got := c.response(); got.StatusCode != http.StatusNoContent || !got.Close {
			t.Errorf("%s: %d, close %t", path, got.StatusCode, got.Close)
		}
	}
}

// TestStreamIsNotSpokenTo: what comes behind the request of a stream is dropped, and counts against the client's rate.
func TestStreamIsNotSpokenTo(t *testing.T) {
	n := openHTTP(t, func(c *Config) { c.ByteRate = 1 << 20; c.RateBurst = time.Second })
	for _, k := range streamKinds {
		s := n.stream(k.open(nil, hello) + "\r\n").begin()
		defer s.close()
		n.onEach(func(l *loop) {
			if l.net.Holds() {
				t.Errorf("%s: bytes are held of a conn that has no more to say", k.name)
			}
		})
	}
	s := n.stream(httpStream(nil, hello)).begin()
	defer s.close()
	go s.send(make([]byte, 4<<20))
	n.await("it is held against its rate", func() bool { return n.counts().Limited[metrics.LimitBytes] > 0 })
}

// TestStreamHeartbeat: pings come, and a client that does not answer them by requests is let go.
func TestStreamHeartbeat(t *testing.T) {
	n := openHTTP(t, func(c *Config) { c.PingInterval = time.Second; c.PongTimeout = 600 * time.Millisecond })
	s := n.stream(httpStream(nil, hello)).begin()
	defer s.close()
	c := n.dial()
	defer c.close()
	for range 2 {
		if got := s.message(); got != "{}" {
			t.Fatal(got)
		}
		if got := s.say(c, "{}"); got != http.StatusNoContent {
			t.Fatal(got)
		}
	}
	if got := s.message() + s.message(); got != `{}{"push":{"disconnect":{"code":3012,"reason":"no pong","reconnect":true}}}` {
		t.Error(got)
	}
}

// TestStreamOrder: commands of a request wait for those of the request before, whose answer the application has not given yet.
func TestStreamOrder(t *testing.T) {
	release := make(chan struct{})
	n := openHTTP(t, func(c *Config) {
		c.Handler.RPC = func(_ Client, r *RPCRequest) ([]byte, error) {
			if r.Method == "wait" {
				<-release
			}
			return fmt.Appendf(nil, "%q", r.Method), nil
		}
	})
	s := n.stream(sseStream(nil, hello)).begin()
	defer s.close()
	first, second := n.dial(), n.dial()
	defer first.close()
	defer second.close()
	if got := s.say(first, `{"id":2,"rpc":{"method":"wait"}}`, `{"id":3,"rpc":{"method":"a"}}`); got != http.StatusNoContent {
		t.Fatal(got)
	}
	body := fmt.Sprintf(`{"session":%q,"node":%q,"data":"{\"id\":4,\"rpc\":{\"method\":\"b\"}}"}`, s.session, s.node)
	second.send([]byte(posted(pathEmulation, body)))
	n.await("the second request waits", func() bool { return n.held() == 1 })
	close(release)
	if got := second.response(); got.StatusCode != http.StatusNoContent {
		t.Error(got.StatusCode)
	}
	for i, want := range []string{"wait", "a", "b"} {
		if got := s.message(); got != fmt.Sprintf(`{"id":%d,"rpc":{"data":%q}}`, i+2, want) {
			t.Error(got)
		}
	}
}

// TestStreamsThatAreGone holds S03: a client that vanishes is let go, and so is one that takes nothing, at the limit of any queue.
func TestStreamsThatAreGone(t *testing.T) {
	for _, k := range streamKinds {
		t.Run(k.name, func(t *testing.T) {
			n := openHTTP(t, func(c *Config) { c.QueueLimit = 64 << 10 })
			join := `{"id":2,"subscribe":{"channel":"news"}}`
			gone := n.stream(k.open(nil, hello, join)).begin()
			gone.message()
			gone.close()
			n.await("who has hung up has gone", func() bool { return n.counts().Connections[k.as] == 0 })

			deaf := n.stream(k.open(nil, hello, join)).begin()
			defer deaf.close()
			deaf.message()
			text := fmt.Sprintf("%q", strings.Repeat("x", 32<<10))
			for n.counts().Slow[metrics.SlowClosedBytes] == 0 {
				n.publish("news", text, PublishOptions{})
			}
			last := ""
			for line := deaf.message(); !strings.HasSuffix(line, "EOF"); line = deaf.message() {
				last = line
			}
			if last != `{"push":{"disconnect":{"code":3008,"reason":"slow","reconnect":true}}}` {
				t.Errorf("last word %.100q", last)
			}
		})
	}
}
