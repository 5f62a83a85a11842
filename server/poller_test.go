package server

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
)

// post is a request with a body.
func post(target, body string, fields ...string) string {
	return "POST " + target + " HTTP/1.1\r\n" + lines(append(fields, fmt.Sprintf("Content-Length: %d", len(body)))) + "\r\n" + body
}

// get is one without.
func get(target string, fields ...string) string { return bodyless("GET", target, fields...) }

func bodyless(method, target string, fields ...string) string {
	return method + " " + target + " HTTP/1.1\r\n" + lines(fields) + "\r\n"
}

func lines(fields []string) string {
	return "Host: edge.test\r\n" + strings.Join(append(fields, ""), "\r\n")
}

// reply reads the answer to a request.
func (c *client) reply(method string) (r *http.Response, body string) {
	c.extend()
	r, err := http.ReadResponse(c.in, &http.Request{Method: method})
	if err != nil {
		return &http.Response{Status: err.Error()}, ""
	}
	whole, err := io.ReadAll(r.Body)
	if err != nil {
		c.t.Errorf("body: %v", err)
	}
	return r, string(whole)
}

// says sends a request and returns status and body of its answer.
func (c *client) says(request string) string {
	c.send([]byte(request))
	return c.hears()
}

// hears returns status and body of the answer to a request that has been sent.
func (c *client) hears() string {
	r, body := c.reply("")
	return fmt.Sprintf("%d %s", r.StatusCode, body)
}

// poller is a client that polls: one conn for GETs and one for POSTs, as browsers do.
type poller struct {
	n         *node
	handshake handshake
	target    string
	gets      *client
	posts     *client
}

// poller returns one that has begun a session.
func (n *node) poller(more string) *poller { return n.pollerAt(engineTestPath, more) }

// pollerAt is poller at another path.
func (n *node) pollerAt(path, more string) *poller {
	n.t.Helper()
	p := &poller{n: n, gets: n.dial(), posts: n.dial()}
	p.gets.send([]byte(get(path + pollingQuery + more)))
	r, body := p.gets.reply("GET")
	if r.StatusCode != 200 {
		n.t.Fatalf("handshake = %s %q", r.Status, body)
	}
	p.handshake = parseOpen(n.t, body)
	p.target = path + pollingQuery + "&sid=" + p.handshake.SID
	return p
}

func (p *poller) close() {
	p.gets.close()
	p.posts.close()
}

// end ends the session in order.
func (p *poller) end() {
	p.posts.says(post(p.target, "1"))
	p.close()
}

func (p *poller) poll() string            { return p.gets.says(get(p.target)) }
func (p *poller) post(body string) string { return p.posts.says(post(p.target, body)) }

// hold sends a GET and waits until it is held.
func (p *poller) hold() {
	p.n.t.Helper()
	before := p.n.held()
	p.gets.send([]byte(get(p.target)))
	p.n.await("a poll is held", func() bool { return p.n.held() > before })
}

// gone fails the test if the session of p is still known.
func (p *poller) gone(t *testing.T) {
	t.Helper()
	c := p.n.dial()
	defer c.close()
	if got := c.says(get(p.target)); got != unknownSession {
		t.Errorf("a later GET = %s; want %s", got, unknownSession)
	}
}

const (
	unknownSession = `400 {"code":1,"message":"Session ID unknown"}`
	badRequest     = `400 {"code":3,"message":"Bad request"}`
	okReply        = "200 ok"
)
