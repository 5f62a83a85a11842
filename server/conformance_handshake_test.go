package server

import (
	"bufio"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/seed4ac54ce5/edge/metrics"
)

// headRow is a request, and what answers it.
type headRow struct {
	rule   string
	send   string
	status int
	fields []string          // of the answer: of a 101 all besides those that it must have, of a refusal some
	reject metrics.Rejection // none for none
}

// accepted is the whole head that makes a conn a WebSocket.
func accepted(fields ...string) string {
	must := []string{"HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Accept: " + proof}
	return strings.Join(append(must, fields...), "\r\n") + "\r\n\r\n"
}

// changed is the opening of a WebSocket on /echo with each field of which only the name is given left out, and
// each other one put in the place of its namesake, or added.
func changed(fields ...string) string { return changedAt("GET "+pathEcho+" HTTP/1.1", fields...) }

func changedAt(line string, fields ...string) string {
	_, rest, _ := strings.Cut(request(pathEcho), "\r\n")
	have := strings.Split(strings.TrimSuffix(rest, "\r\n\r\n"), "\r\n")
	for _, f := range fields {
		name, _, given := strings.Cut(f, ":")
		have = slices.DeleteFunc(have, func(old string) bool { return strings.HasPrefix(old, name+":") })
		if given {
			have = append(have, strings.Split(f, "\n")...)
		}
	}
	return line + "\r\n" + strings.Join(have, "\r\n") + "\r\n\r\n"
}

// runHeads runs each row whole, cut at each byte and byte by byte.
func (n *node) runHeads(rows []headRow) {
	for _, r := range rows {
		n.run(r.rule, func(t *testing.T) {
			runs := cutsOf(t, len(r.send))
			n.withstand(t, r.reject, len(runs), func() {
				for _, cuts := range runs {
					n.checkHead(t, &r, cuts)
				}
			})
		})
	}
}

// checkHead sends r's request cut in pieces and checks the answer and what must follow it: a refusal ends the
// stream, and anything else is a WebSocket.
func (n *node) checkHead(t *testing.T, r *headRow, cuts []int) {
	c := n.dial()
	defer c.close()
	n.sendCut(c, []byte(r.send), cuts)
	if r.status != http.StatusSwitchingProtocols {
		c.checkRefusal(t, r, cuts)
		return
	}
	if got, want := c.readHead(), accepted(r.fields...); got != want {
		t.Fatalf("%q cut at %v\n got %q\nwant %q", r.send, cuts, got, want)
	}
	c.send(closing(1000, ""))
	if got := c.rest(); !slices.Equal(got, []string{"close 1000"}) {
		t.Fatalf("%q cut at %v: then %s", r.send, cuts, got)
	}
}

// checkRefusal reads a refusal: a whole answer that says that the conn closes, without a body if it is to a HEAD, and the end of the
// stream.
func (c *client) checkRefusal(t *testing.T, r *headRow, cuts []int) {
	t.Helper()
	method, _, _ := strings.Cut(r.send, " ")
	response, err := http.ReadResponse(bufio.NewReader(c.in), &http.Request{Method: method})
	if err != nil {
		t.Fatalf("%.200q cut at %v: %v", r.send, cuts, err)
	}
	body, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != r.status || !response.Close || method != http.MethodHead && response.ContentLength != int64(len(body)) {
		t.Fatalf("%.200q cut at %v\n got %d %v %q, %v; want %d", r.send, cuts, response.StatusCode, response.Header, body, err, r.status)
	}
	for _, f := range r.fields {
		name, value, _ := strings.Cut(f, ": ")
		if got := response.Header.Get(name); got != value {
			t.Errorf("%.200q: %s: %q; want %q", r.send, name, got, value)
		}
	}
	if _, err := c.in.ReadByte(); err != io.EOF {
		t.Errorf("%.200q cut at %v: behind the answer %v; want the end", r.send, cuts, err)
	}
}

// TestConformanceHandshake holds the server against RFC 6455 section 4.2 and RFC 9112 on the request that opens
// a WebSocket.
func TestConformanceHandshake(t *testing.T) {
	n := openNode(t, nil)
	n.runHeads(acceptedHeads())
	n.runHeads(refusedHeads())
	n.runHeads(malformedHeads())
	n.runHeads(largeHeads())
}

func acceptedHeads() []headRow {
	const ok = http.StatusSwitchingProtocols
	rows := []headRow{
		{"4.2.1 least", request(pathEcho), ok, nil, none},
		{"4.2.1 names and tokens in any case", strings.NewReplacer("Upgrade:", "uPGRADE:", "websocket", "WebSocket", "Connection: Upgrade", "CONNECTION: uPgRaDe").Replace(request(pathEcho)), ok, nil, none},
		{"4.2.1 H02 Connection with more tokens", changed("Connection: keep-alive, Upgrade"), ok, nil, none},
		{"4.2.1 H02 Connection in two fields", changed("Connection: keep-alive\nConnection: Upgrade"), ok, nil, none},
		{"4.2.1 Upgrade with more tokens", changed("Upgrade: h2c, websocket"), ok, nil, none},
		{"9110 7.8 Upgrade with versions", changed("Upgrade: TLS/1.0, websocket, HTTP/2.0"), ok, nil, none},
		{"4.2.1 query", changedAt("GET " + pathEcho + "?a=b&cf_ws_frame_ping_pong=true HTTP/1.1"), ok, nil, none},
		{"4.2.1 target in absolute form", changedAt("GET http://edge.test" + pathEcho + " HTTP/1.1"), ok, nil, none},
		{"9112 5.1 no space before a value, many behind it", changed("Connection:Upgrade \t "), ok, nil, none},
		{"9112 2.3 HTTP/1.2", changedAt("GET " + pathEcho + " HTTP/1.2"), ok, nil, none},
		{"H10 no known subprotocol", changed("Sec-WebSocket-Protocol: chat, superchat"), ok, nil, none},
		{"H13 Content-Length: 0", changed("Content-Length: 0"), ok, nil, none},
		{"H09 unknown extension", changed("Sec-WebSocket-Extensions: __proto__; constructor=1, x-webkit-deflate-frame"), ok, nil, none},
		{"H21 header names that look like others", changed("X_Forwarded_For: 1.2.3.4\nSec_WebSocket_Version: 8"), ok, nil, none},
		{"H21 addresses that nobody asked for", changed("X-Forwarded-For:\nX-Forwarded-For: 1.2.3.4, unknown, ::1\nForwarded: for=_x\nX-Real-IP: nobody"), ok, nil, none},
		{"A03 Origin of this machine", changed("Origin: http://localhost:3000"), ok, nil, none},
		{"A02 Origin of the host asked", changed("Origin: https://edge.test"), ok, nil, none},
	}
	for _, r := range []struct{ offer, answer string }{
		{"centrifuge-json", "centrifuge-json"},
		{"chat, centrifuge-json", "centrifuge-json"},
		{"centrifuge-json, centrifuge-json", "centrifuge-json"},
		{"centrifuge-protobuf, centrifuge-json", "centrifuge-protobuf"},
		{"centrifuge-protobuf", "centrifuge-protobuf"},
	} {
		send := changedAt("GET "+pathWebSocket+" HTTP/1.1", "Sec-WebSocket-Protocol: "+r.offer)
		rows = append(rows, headRow{"H10 subprotocols " + r.offer, send, ok, []string{"Sec-WebSocket-Protocol: " + r.answer}, none})
	}
	return append(rows, headRow{"H10 session without a subprotocol", request(pathWebSocket), ok, nil, none})
}

func refusedHeads() []headRow {
	bad := func(rule, send string) headRow {
		return headRow{rule, send, http.StatusBadRequest, nil, metrics.RejectBadRequest}
	}
	version := func(rule, send string) headRow {
		return headRow{rule, send, http.StatusUpgradeRequired, []string{"Sec-WebSocket-Version: 13"}, metrics.RejectVersion}
	}
	rows := []headRow{
		{"H01 POST", changedAt("POST " + pathEcho + " HTTP/1.1"), http.StatusMethodNotAllowed, []string{"Allow: GET"}, metrics.RejectMethod},
		{"H01 HEAD", changedAt("HEAD " + pathEcho + " HTTP/1.1"), http.StatusMethodNotAllowed, []string{"Allow: GET"}, metrics.RejectMethod},
		{"H01 OPTIONS", changedAt("OPTIONS " + pathEcho + " HTTP/1.1"), http.StatusMethodNotAllowed, []string{"Allow: GET"}, metrics.RejectMethod},
		bad("H01 HTTP/1.0", changedAt("GET "+pathEcho+" HTTP/1.0")),
		{"9112 2.3 HTTP/2.0", changedAt("GET " + pathEcho + " HTTP/2.0"), http.StatusHTTPVersionNotSupported, nil, metrics.RejectBadRequest},
		bad("H01 no Host", changed("Host")),
		bad("H01 empty Host", changed("Host:")),
		bad("H01 two Hosts", changed("Host: a\nHost: a")),
		bad("H01 Host with a space", changed("Host: a b")),
		bad("9112 3.2 Host that is not the target's", changedAt("GET http://other"+pathEcho+" HTTP/1.1")),
		bad("H02 no Connection", changed("Connection")),
		bad("H02 Connection: close", changed("Connection: close")),
		bad("H02 Upgrade: websocket2", changed("Upgrade: websocket2")),
		bad("H02 Upgrade: websocket/13", changed("Upgrade: websocket/13")),
		bad("H16 Upgrade: h2c", changed("Upgrade: h2c")),
		bad("H03 no key", changed("Sec-WebSocket-Key")),
		bad("H03 empty key", changed("Sec-WebSocket-Key:")),
		bad("H03 two keys", changed("Sec-WebSocket-Key: "+someKey+"\nSec-WebSocket-Key: "+someKey)),
		bad("H03 key that is not base64", changed("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZ!==")),
		bad("H03 key of 15 bytes", changed("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25j")),
		bad("H03 key of 17 bytes", changed("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZTE=")),
		version("H04 no version", changed("Sec-WebSocket-Version")),
		version("H04 version 8", changed("Sec-WebSocket-Version: 8")),
		version("H04 version 0", changed("Sec-WebSocket-Version: 0")),
		version("H04 version 013", changed("Sec-WebSocket-Version: 013")),
		bad("H04 two versions", changed("Sec-WebSocket-Version: 13\nSec-WebSocket-Version: 8")),
		version("4.2.2 plain request", "GET "+pathEcho+" HTTP/1.1\r\nHost: a\r\n\r\n"),
		bad("H10 subprotocol that is no token", changed("Sec-WebSocket-Protocol: a b")),
		bad("H09 extension with an open quote", changed(`Sec-WebSocket-Extensions: permessage-deflate; a="b`)),
		bad("H09 extension without a name", changed("Sec-WebSocket-Extensions: ; a=b")),
		bad("H09 extension with a value that is no token", changed(`Sec-WebSocket-Extensions: x; a="b c"`)),
		bad("H13 Content-Length: 5", changed("Content-Length: 5")),
		bad("H13 Transfer-Encoding", changed("Transfer-Encoding: chunked")),
	}
	for _, path := range []string{"/", "/nothing", "/echo/", "/Echo", "//echo", "/%65cho", "/connection/websocket/", "/connection"} {
		rows = append(rows, headRow{"H05 path " + path, changedAt("GET " + path + " HTTP/1.1"), http.StatusNotFound, nil, metrics.RejectNotFound})
	}
	for _, origin := range []string{"null", "https://evil.example", "http://localhost.evil.example", "http://edge.test.evil.example", "http://edge.test@evil.example", "file://", "ftp://localhost", "http://edge.test:81", "http://"} {
		rows = append(rows, headRow{"A01 A02 Origin " + origin, changed("Origin: " + origin), http.StatusForbidden, nil, metrics.RejectOrigin})
	}
	return rows
}

// malformedHeads are what RFC 9112 lets nobody send.
func malformedHeads() (rows []headRow) {
	for _, r := range []struct{ rule, send string }{
		{"H11 NUL in a value", changed("X: a\x00b")},
		{"H11 CR in a value", changed("X: a\rb")},
		{"H11 DEL in a subprotocol", changed("Sec-WebSocket-Protocol: a\x7f")},
		{"H11 CR and LF in a query", changedAt("GET " + pathEcho + "?a=\rb HTTP/1.1")},
		{"H14 two Content-Lengths", changed("Content-Length: 0\nContent-Length: 0")},
		{"H14 Content-Length: +5", changed("Content-Length: +5")},
		{"H14 Content-Length: -1", changed("Content-Length: -1")},
		{"H14 Content-Length: 0x0", changed("Content-Length: 0x0")},
		{"H14 Content-Length of 25 digits", changed("Content-Length: " + strings.Repeat("9", 25))},
		{"H14 Content-Length and Transfer-Encoding", changed("Content-Length: 0\nTransfer-Encoding: chunked")},
		{"H15 bare LF behind the request line", strings.Replace(request(pathEcho), "\r\n", "\n", 1)},
		{"H15 bare LF behind a field", strings.Replace(request(pathEcho), "edge.test\r\n", "edge.test\n", 1)},
		{"H15 bare CR behind a field", strings.Replace(request(pathEcho), "edge.test\r\n", "edge.test\r", 1)},
		{"H15 space before a colon", changed("X : a")},
		{"H15 no colon", changed("X: a\nfield")},
		{"H15 no name", changed("X: a\n: b")},
		{"H15 folded field", changed("X: a\n b")},
		{"H15 space before the first field", strings.Replace(request(pathEcho), "Host", " Host", 1)},
		{"H15 NUL in the target", changedAt("GET " + pathEcho + "\x00 HTTP/1.1")},
		{"H15 no target", changedAt("GET HTTP/1.1")},
		{"H15 two spaces", changedAt("GET  " + pathEcho + " HTTP/1.1")},
		{"H15 no version", changedAt("GET " + pathEcho)},
		{"H15 target without a slash", changedAt("GET echo HTTP/1.1")},
		{"H15 fragment in the target", changedAt("GET " + pathEcho + "#x HTTP/1.1")},
		{"H15 version in lower case", changedAt("GET " + pathEcho + " http/1.1")},
		{"H15 empty line before the request", "\r\n" + request(pathEcho)},
		{"H23 bytes that are not ASCII in the path", changedAt("GET " + pathEcho + "\xc3\xa9 HTTP/1.1")},
		{"H23 bytes that are not UTF-8 in the query", changedAt("GET " + pathEcho + "?\xff HTTP/1.1")},
		{"H23 bytes that are not UTF-8 in Host", changed("Host: \xff")},
		{"H23 bytes that are not UTF-8 in Origin", changed("Origin: \xff")},
		{"N02 TLS on the plain port", "\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03"},
		{"N02 SOCKS on the plain port", "\x05\x01\x00"},
		{"N02 PROXY header on a plain port", "PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n" + request(pathEcho)},
		{"N02 PROXY header on a plain port, version 2", "\r\n\r\n\x00\r\nQUIT\n"},
	} {
		rows = append(rows, headRow{r.rule, r.send, http.StatusBadRequest, nil, metrics.RejectBadRequest})
	}
	return rows
}

// largeHeads pass one of the limits on a head, or just do not.
func largeHeads() []headRow {
	many := func(n int) string {
		var fields []string
		for i := range n {
			fields = append(fields, "X-"+strconv.Itoa(i)+": y")
		}
		return changed(strings.Join(fields, "\n"))
	}
	const ok = http.StatusSwitchingProtocols
	long := strings.Repeat("x", 64<<10)
	fits := len("?") + len(pathEcho)
	room := headLimits.Head - len(changed("X: "))
	tooLarge := func(rule string, status int, send string) headRow {
		return headRow{rule, send, status, nil, metrics.RejectTooLarge}
	}
	return []headRow{
		{"H06 head at the limit", changed("X: " + long[:room]), ok, nil, none},
		tooLarge("H06 head over the limit", http.StatusRequestHeaderFieldsTooLarge, changed("X: "+long[:room+1])),
		{"H07 as many fields as allowed", many(headLimits.Fields - 5), ok, nil, none},
		{"H07 thousands of cookies in a field", changed("Cookie: " + strings.Repeat("a=b; ", 3000)), ok, nil, none},
		tooLarge("H07 thousands of cookies in fields of their own", http.StatusRequestHeaderFieldsTooLarge, changed(strings.Repeat("Cookie: a=b\n", 1000)+"X: y")),
		tooLarge("H07 a field too many", http.StatusRequestHeaderFieldsTooLarge, many(headLimits.Fields-4)),
		{"H22 target at the limit", changedAt("GET " + pathEcho + "?" + long[:headLimits.Target-fits] + " HTTP/1.1"), ok, nil, none},
		tooLarge("H22 target over the limit", http.StatusRequestURITooLong, changedAt("GET "+pathEcho+"?"+long[:headLimits.Target-fits+1]+" HTTP/1.1")),
		tooLarge("H22 target of 64 KiB", http.StatusRequestURITooLong, changedAt("GET "+pathEcho+"?"+long+" HTTP/1.1")),
		tooLarge("H06 a single endless line", http.StatusRequestURITooLong, long),
		{"H08 subprotocol with many spaces", changed("Sec-WebSocket-Protocol: b" + strings.Repeat(" ", 15<<10) + "x"), http.StatusBadRequest, nil, metrics.RejectBadRequest},
		{"H09 thousands of extensions", changed("Sec-WebSocket-Extensions: " + strings.Repeat("x,", 7<<10) + "x"), ok, nil, none},
	}
}

// A client that sends frames before it has seen that it may breaks RFC 6455 section 4.1. Only when they come
// in the same read as the request can it be told.
func TestEarlyFrames(t *testing.T) {
	n := openNode(t, nil)
	for _, r := range []struct{ rule, early string }{
		{"H12 a byte behind the request", "\x00"},
		{"H12 a frame behind the request", string(masked(0x81, "Hello"))},
		{"H12 a request behind the request", request(pathEcho)},
	} {
		n.attack(r.rule, metrics.RejectBadRequest, 1, func(t *testing.T) {
			c := n.dial()
			defer c.close()
			c.send([]byte(request(pathEcho) + r.early))
			c.checkRefusal(t, &headRow{send: r.early, status: http.StatusBadRequest}, nil)
		})
	}
}
