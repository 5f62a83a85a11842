package server

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/seed4ac54ce5/edge/metrics"
	"github.com/seed4ac54ce5/edge/netpoll"
)

// TestConformanceRequests holds requests against RFC 9112 and the rows of attacks on what frames them: what could be read in
// two ways is refused, and ends the conn, so that nothing of it is taken for the next request.
func TestConformanceRequests(t *testing.T) {
	n := openHTTP(t, nil)
	bad := func(rule, send string) headRow { return headRow{rule, send, 400, nil, metrics.RejectBadRequest} }
	large := func(rule, send string) headRow { return headRow{rule, send, 413, nil, metrics.RejectTooLarge} }
	post := func(fields, body string) string {
		return "POST " + pathSame + " HTTP/1.1\r\nHost: a\r\n" + fields + "\r\n\r\n" + body
	}
	n.runHeads([]headRow{
		bad("H14 Content-Length and Transfer-Encoding", post("Content-Length: 3\r\nTransfer-Encoding: chunked", "0\r\n\r\n")),
		bad("H14 two Content-Lengths", post("Content-Length: 1\r\nContent-Length: 2", "ab")),
		bad("H14 two that are alike", post("Content-Length: 1\r\nContent-Length: 1", "a")),
		bad("H14 a list of them", post("Content-Length: 1, 1", "a")),
		bad("H14 +1", post("Content-Length: +1", "a")),
		bad("H14 hexadecimal", post("Content-Length: 0x1", "a")),
		bad("H14 Transfer-Encoding: gzip, chunked", post("Transfer-Encoding: gzip, chunked", "0\r\n\r\n")),
		bad("H14 Transfer-Encoding twice", post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", "0\r\n\r\n")),
		bad("H14 Transfer-Encoding: xchunked", post("Transfer-Encoding: xchunked", "0\r\n\r\n")),
		bad("H14 Transfer-Encoding with a control character", post("Transfer-Encoding: chunked\x0b", "0\r\n\r\n")),
		bad("H14 Transfer-Encoding of HTTP/1.0", "POST "+pathSame+" HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
		bad("H15 bare LF behind a chunk's size", post("Transfer-Encoding: chunked", "1\na\r\n0\r\n\r\n")),
		bad("H15 bare LF behind a chunk", post("Transfer-Encoding: chunked", "1\r\na\n0\r\n\r\n")),
		bad("H15 more in a chunk than its size", post("Transfer-Encoding: chunked", "1\r\nab\r\n0\r\n\r\n")),
		bad("H13 upgrade with a body", changedAt("POST "+pathSame+" HTTP/1.1", "Content-Length: 1")),
		bad("H16 upgrade to h2c", plain("GET", pathSame, "Upgrade: h2c", "Connection: Upgrade")),
		large("length over the cap, before any of it", post("Content-Length: 4097", "")),
		large("length that no number holds", post("Content-Length: 999999999999999999", "")),
		large("chunks over the cap, as soon as one says so", post("Transfer-Encoding: chunked", "800\r\n"+strings.Repeat("a", 0x800)+"\r\n801\r\n")),
		{"unknown expectation", post("Expect: x\r\nContent-Length: 1", "a"), 417, nil, metrics.RejectBadRequest},
		{"unknown method", "DELETE " + pathSame + " HTTP/1.1\r\nHost: a\r\n\r\n", 405, []string{"Allow: GET, POST, OPTIONS"}, metrics.RejectMethod},
		{"foreign page", plain("GET", pathSame, "Origin: https://evil.example"), 403, nil, metrics.RejectOrigin},
	})
}

// TestSmuggling: what follows a refused request is never served, whatever it looks like.
func TestSmuggling(t *testing.T) {
	n := openHTTP(t, nil)
	for _, send := range []string{
		"POST " + pathSame + " HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + plain("GET", pathSame+"?smuggled"),
		"POST " + pathSame + " HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n" + plain("GET", pathSame+"?smuggled"),
		plain("GET", "/nothing") + plain("GET", pathSame+"?smuggled"),
		"POST " + pathSame + " HTTP/1.1\r\nHost: a\r\nContent-Length: 9999\r\n\r\n" + plain("GET", pathSame+"?smuggled"),
		plain("GET", pathSame, "Connection: close") + plain("GET", pathSame+"?smuggled"),
	} {
		c := n.dial()
		c.send([]byte(send))
		all, err := io.ReadAll(c.in)
		if err != nil || bytes.Contains(all, []byte("smuggled")) || bytes.Count(all, []byte("HTTP/1.1 ")) != 1 {
			t.Errorf("%q: %q, %v", send, all, err)
		}
		c.close()
	}
}

// The answer to a HEAD has no body, whoever gives it (RFC 9110 section 9.3.2): a client would take one for the answer to its next request.
func TestHeadHasNoBody(t *testing.T) {
	n := openSocketNode(t, newSocketApp(), func(c *Config) { c.Development = true })
	long := strings.Repeat("x", 20<<10)
	for what, row := range map[string]struct {
		send   string
		status int
	}{
		"no such path":                 {plain("HEAD", "/nothing"), 404},
		"a WebSocket's path":           {plain("HEAD", pathEcho), 405},
		"an upgrade":                   {changedAt("HEAD " + pathEcho + " HTTP/1.1"), 405},
		"a route that takes GET":       {plain("HEAD", pathSSE), 405},
		"an upgrade to something else": {plain("HEAD", pathSSE, "Upgrade: h2c", "Connection: Upgrade"), 400},
		"a foreign page":               {plain("HEAD", pathSSE, "Origin: https://evil.example"), 403},
		"a bad field":                  {"HEAD / HTTP/1.1\r\nHost: a\r\nbad\r\n\r\n", 400},
		"a head that is too large":     {plain("HEAD", "/", "X: "+long), 431},
		"a target that is too large":   {plain("HEAD", "/"+long), 414},
		"Engine.IO, in the end":        {plain("HEAD", "/socket.io/?EIO=4&transport=polling", "Connection: close"), 400},
	} {
		c := n.dial()
		c.send([]byte(row.send))
		all, err := io.ReadAll(c.in)
		head, body, ended := strings.Cut(string(all), "\r\n\r\n")
		if err != nil || !ended || body != "" || strings.Contains(head, "Content-Length") || !strings.HasPrefix(head, fmt.Sprintf("HTTP/1.1 %d ", row.status)) {
			t.Errorf("%s: answer %q, %v; want %d, and a head alone", what, all, err, row.status)
		}
		c.close()
	}
	// where the conn stays, the next answer begins right behind
	c := n.dial()
	defer c.close()
	c.send([]byte(plain("HEAD", "/socket.io/?EIO=4&transport=polling") + plain("GET", "/socket.io/?EIO=3&transport=polling")))
	for _, method := range []string{"HEAD", "GET"} {
		c.extend()
		r, err := http.ReadResponse(c.in, &http.Request{Method: method})
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(r.Body)
		if err != nil || r.StatusCode != 400 || (len(body) > 0) != (method == "GET") {
			t.Errorf("%s: %d, %q, %v", method, r.StatusCode, body, err)
		}
	}
}

// Who is refused for want of memory before its request is looked at gets the answer to that, not to the one before.
func TestHeadBehindOthers(t *testing.T) {
	n := openSocketNode(t, newSocketApp(), nil)
	const used = 1 << 40
	n.inputs.Add(used) // what others hold
	defer n.inputs.Add(-used)
	for _, methods := range [][2]string{{"GET", "HEAD"}, {"HEAD", "GET"}} {
		c := n.dial()
		const target = "/socket.io/?EIO=3&transport=polling"
		c.send([]byte(strings.Repeat(plain(methods[0], target), maxRequestsPerTurn) + plain(methods[1], target, "Connection: close")))
		for range maxRequestsPerTurn {
			c.extend()
			r, err := http.ReadResponse(c.in, &http.Request{Method: methods[0]})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := io.Copy(io.Discard, r.Body); err != nil {
				t.Fatal(err)
			}
		}
		all, err := io.ReadAll(c.in)
		head, body, ended := strings.Cut(string(all), "\r\n\r\n")
		if err != nil || !ended || (body == "") != (methods[1] == "HEAD") {
			t.Errorf("a %s behind others got %q and %q, %v", methods[1], head, body, err)
		}
		c.close()
	}
}

func TestKeepAlive(t *testing.T) {
	t.Parallel()
	n := openHTTP(t, func(c *Config) { c.KeepAliveTimeout, c.HeadTimeout, c.MessageTimeout = soon, soon, soon })
	quiet := n.rejections(func() { // a conn that has nothing more to ask is closed, and that is no offence
		c := n.dial()
		defer c.close()
		c.send([]byte(plain("GET", pathSame)))
		c.response()
		if got := c.readHead(); got != "" {
			t.Error(got)
		}
	})
	checkMoved(t, quiet, none, 0)
	for _, r := range []struct{ name, send string }{
		{"H17 a second head that does not end", plain("GET", pathSame) + "GET / HTTP/1.1\r\n"},
		{"H17 a body that does not end", plain("GET", pathSame) + "POST " + pathSame + " HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nab"},
		{"H17 chunks that do not end", plain("GET", pathSame) + "POST " + pathSame + " HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n"},
	} {
		n.attack(r.name, metrics.RejectHeadTimeout, 1, func(t *testing.T) {
			c := n.dial()
			defer c.close()
			c.send([]byte(r.send))
			c.response()
			if got := c.readHead(); got != "" {
				t.Error(got)
			}
		})
	}
}

func TestExpectContinue(t *testing.T) {
	n := openHTTP(t, nil)
	c := n.dial()
	defer c.close()
	head, body, _ := strings.Cut(posted(pathSame, "later", "Expect: 100-continue"), "\r\n\r\n")
	c.send([]byte(head + "\r\n\r\n"))
	if got := c.readHead(); got != "HTTP/1.1 100 Continue\r\n\r\n" {
		t.Fatal(got)
	}
	c.send([]byte(body))
	if got := c.response(); got.body != `POST  "later"` {
		t.Error(got.body)
	}
}

// TestPackedAnswer: a large answer is compressed for those who take it so.
func TestPackedAnswer(t *testing.T) {
	n := openHTTP(t, nil)
	c := n.dial()
	defer c.close()
	text := strings.Repeat("long ", 500)
	for coding, accept := range map[string]string{"gzip": "Accept-Encoding: deflate, gzip", "deflate": "Accept-Encoding: deflate", "": "Accept-Encoding: br"} {
		c.send([]byte(posted(pathSame, text, accept)))
		got := c.response()
		if got.Header.Get("Content-Encoding") != coding || (coding != "" && len(got.body) > len(text)/2) {
			t.Errorf("%s: %q, %d bytes", accept, got.Header.Get("Content-Encoding"), len(got.body))
		}
		if coding == "gzip" {
			z, err := gzip.NewReader(strings.NewReader(got.body))
			if err != nil {
				t.Fatal(err)
			}
			if whole, err := io.ReadAll(z); err != nil || string(whole) != fmt.Sprintf("POST  %q", text) {
				t.Errorf("%.40q, %v", whole, err)
			}
		}
	}
}

// TestRequestsWithoutReading: a client that asks and does not take its answers is not read either, and hears them all in the end.
func TestRequestsWithoutReading(t *testing.T) {
	n := openHTTP(t, func(c *Config) { c.StallLimit = patience; c.QueueLimit = 64 << 10 })
	const requests = 5000
	one := posted(pathSame, strings.Repeat("x", 2000))
	c := n.dial()
	defer c.close()
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		for range requests {
			c.send([]byte(one))
		}
	}()
	n.await("its answers wait", func() bool { return n.counts().Queued > 0 })
	for i := range requests {
		if got := c.response(); got.StatusCode != http.StatusOK || len(got.body) < 2000 {
			t.Fatalf("answer %d: %d", i, got.StatusCode)
		}
	}
	<-sent
	if got := n.counts(); got.Slow != [metrics.SlowActions]uint64{} {
		t.Errorf("slow: %v", got.Slow)
	}
}

// TestSlowReaderOfAnswers: a client that has not taken its answers yet is not late with its next request.
func TestSlowReaderOfAnswers(t *testing.T) {
	n := openHTTP(t, func(c *Config) { c.StallLimit = patience; c.QueueLimit = 64 << 10 })
	const requests = 5000
	one := posted(pathSame, strings.Repeat("x", 2000))
	c := n.dial()
	defer c.close()
	go c.send([]byte(strings.Repeat(one, requests)))
	n.await("its answers wait", func() bool { return n.counts().Queued > 0 })
	n.onEach(func(l *loop) {
		l.net.Each(func(c *netpoll.Conn) {
			if l.net.Backlog(c) > 0 {
				l.Expired(c)
			}
		})
	})
	for i := range requests {
		if got := c.response(); got.StatusCode != http.StatusOK {
			t.Fatalf("answer %d: %d", i, got.StatusCode)
		}
	}
}
