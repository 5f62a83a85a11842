package server

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/seed4ac54ce5/edge/internal/testutil"
	"github.com/seed4ac54ce5/edge/netpoll"
)

// The paths of the routes that requests are tested on.
const (
	pathSame = "/test/same" // answers with method, query and body
	pathLate = "/test/late" // holds the request until its conn is told to go on
)

// openHTTP opens a node that serves the paths of tests.
func openHTTP(t testing.TB, change func(c *Config)) *node {
	return openNode(t, func(c *Config) {
		if change != nil {
			change(c)
		}
		c.routes = append(c.routes,
			route{path: pathSame, methods: "GET, POST, OPTIONS", limit: 4096, cors: true, serve: serveSame},
			route{path: pathLate, methods: "GET, POST", limit: 64 << 10, cors: true, serve: func(l *loop, c *netpoll.Conn, s *session, _ *httpRequest) { l.hold(c, s) }},
		)
	})
}

func serveSame(l *loop, c *netpoll.Conn, s *session, r *httpRequest) {
	body := fmt.Sprintf("%s %s %q", r.Method, r.RawQuery, r.body)
	l.answer(c, s, &answer{status: http.StatusOK, kind: "text/plain", body: []byte(body), packs: true})
}

// release answers all requests that are held, on whatever loop.
func (n *node) release(a answer) {
	n.onEach(func(l *loop) {
		l.net.Each(func(c *netpoll.Conn) { l.answerHeld(c, l.sessions.At(c.Slot()), &a) })
	})
}

// onEach has all loops do something.
func (n *node) onEach(f func(l *loop)) {
	n.t.Helper()
	if err := n.onLoops(n.t.Context(), f); err != nil {
		n.t.Fatal(err)
	}
}

// await waits for what a loop shows.
func (n *node) await(what string, is func() bool) {
	n.t.Helper()
	testutil.Eventually(n.t, patience, is, what)
}

// held returns how many requests wait for their answer.
func (n *node) held() (sum int) {
	counts := make(chan int, len(n.loops))
	n.onEach(func(l *loop) {
		held := 0
		l.net.Each(func(c *netpoll.Conn) {
			if l.sessions.At(c.Slot()).state == stateHeld {
				held++
			}
		})
		counts <- held
	})
	for range n.loops {
		sum += <-counts
	}
	return sum
}

// plain is a request without a body.
func plain(method, target string, fields ...string) string {
	return method + " " + target + " HTTP/1.1\r\nHost: edge.test\r\n" + joinFields(fields) + "\r\n"
}

// posted is a request with a body of known length.
func posted(target, body string, fields ...string) string {
	return "POST " + target + " HTTP/1.1\r\nHost: edge.test\r\n" + joinFields(fields) + fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(body), body)
}

// chunked is a request with a body in chunks.
func chunked(target string, fields []string, chunks ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "POST %s HTTP/1.1\r\nHost: edge.test\r\n%sTransfer-Encoding: chunked\r\n\r\n", target, joinFields(fields))
	for _, c := range chunks {
		fmt.Fprintf(&b, "%x\r\n%s\r\n", len(c), c)
	}
	return b.String() + "0\r\n\r\n"
}

func joinFields(fields []string) string {
	if len(fields) == 0 {
		return ""
	}
	return strings.Join(fields, "\r\n") + "\r\n"
}

// answered is what a client reads of an answer.
type answered struct {
	*http.Response
	body string
}

// response reads one whole answer; of a stream only its head.
func (c *client) response() answered {
	c.t.Helper()
	c.extend()
	r, err := http.ReadResponse(c.in, nil)
	if err != nil {
		c.t.Fatalf("answer: %v", err)
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		c.t.Fatalf("body: %v", err)
	}
	return answered{r, string(body)}
}

// TestRequestsInOrder sends requests ahead of their answers, cut in any way: they are answered in order, and the conn stays.
func TestRequestsInOrder(t *testing.T) {
	n := openHTTP(t, nil)
	all := plain("GET", pathSame+"?1") + posted(pathSame+"?2", "two") + chunked(pathSame+"?3", nil, "thr", "ee") + posted(pathSame+"?4", "") + plain("GET", pathSame+"?5")
	want := []string{`GET 1 ""`, `POST 2 "two"`, `POST 3 "three"`, `POST 4 ""`, `GET 5 ""`}
	for _, cuts := range cutsOf(t, len(all)) {
		c := n.dial()
		n.sendCut(c, []byte(all), cuts)
		for _, w := range want {
			if got := c.response(); got.StatusCode != http.StatusOK || got.Close || got.body != w {
				t.Fatalf("cut at %v: %d %q close %t; want %q", cuts, got.StatusCode, got.body, got.Close, w)
			}
		}
		c.send([]byte(request(pathEcho)))
		if head := c.readHead(); head != accepted() {
			t.Fatalf("upgrade behind requests: %q", head)
		}
		c.close()
	}
}

// TestHeldRequest: what stands behind a request that is held waits for its answer, and a conn whose client goes is let go.
func TestHeldRequest(t *testing.T) {
	n := openHTTP(t, nil)
	c := n.dial()
	c.send([]byte(plain("GET", pathSame+"?before") + plain("GET", pathLate) + posted(pathSame+"?behind", "x")))
	if got := c.response(); got.body != `GET before ""` {
		t.Fatal(got.body)
	}
	n.await("a request is held", func() bool { return n.held() == 1 })
	if c.in.Buffered() > 0 {
		t.Fatal("an answer came before its turn")
	}
	n.release(answer{status: http.StatusOK, kind: "text/plain", body: []byte("late")})
	for _, want := range []string{"late", `POST behind "x"`} {
		if got := c.response(); got.body != want {
			t.Fatalf("got %q; want %q", got.body, want)
		}
	}
	c.send([]byte(plain("GET", pathLate)))
	n.await("another is", func() bool { return n.held() == 1 })
	c.close()
	n.await("it has gone with its conn", func() bool { return n.held() == 0 })
}
