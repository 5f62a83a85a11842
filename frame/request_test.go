package frame

import (
	"bufio"
	"bytes"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
)

var testLimits = RequestLimits{Head: 8 << 10, Target: 2 << 10, Fields: 100}

// lines joins header lines to what goes over the wire, the empty line at the end.
func lines(l ...string) string { return strings.Join(l, "\r\n") + "\r\n\r\n" }

// opening is a good request to open a WebSocket, with more lines behind.
func opening(more ...string) string {
	return lines(append([]string{
		"GET /ws HTTP/1.1", "Host: example.com", "Upgrade: websocket", "Connection: Upgrade",
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version: 13",
	}, more...)...)
}

// openingWith is a good request in which one line stands in for the one of the same name, or is left out if it is
// empty.
func openingWith(name, line string) string {
	l := strings.Split(strings.TrimSuffix(opening(), "\r\n\r\n"), "\r\n")
	var kept []string
	for i, old := range l {
		if i == 0 && name == "GET" || strings.HasPrefix(old, name+":") {
			old = line
		}
		if old != "" {
			kept = append(kept, old)
		}
	}
	return lines(kept...)
}

// answer is the status that a request gets, from the parser or from CheckUpgrade; 101 if it is good and 0 if it is
// not complete.
func answer(b []byte, lim RequestLimits) int {
	var r Request
	n, err := ParseRequest(b, 0, &lim, &r)
	switch {
	case err != nil:
		return err.Status
	case n == 0:
		return 0
	}
	if err := CheckUpgrade(&r); err != nil {
		return err.Status
	}
	return http.StatusSwitchingProtocols
}

// answerDripping is answer for a head that comes byte by byte.
func answerDripping(b []byte, lim RequestLimits) int {
	for end := range len(b) {
		var r Request
		if n, err := ParseRequest(b[:end], max(end-1, 0), &lim, &r); err != nil || n != 0 {
			return answer(b[:end], lim)
		}
	}
	var r Request
	if n, err := ParseRequest(b, len(b)-1, &lim, &r); n == 0 && err == nil {
		return 0
	}
	return answer(b, lim)
}

func TestParseRequest(t *testing.T) {
	head := lines(
		"GET /connection/websocket?token=a?b HTTP/1.1", "host: example.com:8000", "ORIGIN:https://example.com", "Upgrade: WebSocket",
		"Connection: keep-alive, Upgrade", "Sec-WebSocket-Key:\t dGhlIHNhbXBsZSBub25jZQ== \t", "Sec-WebSocket-Version: 13",
		"Sec-WebSocket-Protocol: a", "X-Empty:", "Sec-WebSocket-Protocol: b,c", "Sec-WebSocket-Extensions: permessage-deflate", "X-Latin: \xe9")
	b := []byte(head + "and more")
	var r Request
	n, err := ParseRequest(b, 0, &testLimits, &r)
	if n != len(head) || err != nil {
		t.Fatalf("ParseRequest = %d, %v; want %d", n, err, len(head))
	}
	for _, row := range []struct {
		name      string
		got, want any
	}{
		{"Method", string(r.Method), "GET"},
		{"Path", string(r.Path), "/connection/websocket"},
		{"RawQuery", string(r.RawQuery), "token=a?b"},
		{"Host", string(r.Host), "example.com:8000"},
		{"Origin", string(r.Origin), "https://example.com"},
		{"Key", string(r.Key), "dGhlIHNhbXBsZSBub25jZQ=="},
		{"Version", string(r.Version), "13"},
		{"Protocols", string(r.Protocols), "a, b,c"},
		{"Extensions", string(r.Extensions), "permessage-deflate"},
		{"Header(x-empty) is nil", r.Header("x-empty") == nil, false},
		{"Header(x-absent) is nil", r.Header("x-absent") == nil, true},
		{"Header(x-latin)", string(r.Header("x-latin")), "\xe9"},
		{"CheckUpgrade", CheckUpgrade(&r), (*HTTPError)(nil)},
		{"the bytes behind the head", string(b[n:]), "and more"},
	} {
		if row.got != row.want {
			t.Errorf("%s = %v; want %v", row.name, row.got, row.want)
		}
	}
	var names []string
	for name := range r.All() {
		if names = append(names, string(name)); len(names) == 3 {
			break
		}
	}
	if got := strings.Join(names, " "); got != "host ORIGIN Upgrade" {
		t.Errorf("All yields %s", got)
	}
}

func TestRequestAnswers(t *testing.T) {
	long := func(n int) string { return strings.Repeat("a", n) }
	for _, row := range []struct {
		name string
		head string
		want int
	}{
		{"a good one", opening(), 101},
		{"a browser's", browserRequest, 101},
		{"not complete", strings.TrimSuffix(opening(), "\r\n"), 0},

		{"N02 TLS", "\x16\x03\x01\x02\x00", 400},
		{"N02 an HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400},
		{"N02 an empty line first", "\r\n" + opening(), 400},
		{"N02 noise", "\x00\xff\x80", 400},

		{"H01 POST", openingWith("GET", "POST /ws HTTP/1.1"), 405},
		{"H01 HEAD", openingWith("GET", "HEAD /ws HTTP/1.1"), 405},
		{"H01 method in lower case", openingWith("GET", "get /ws HTTP/1.1"), 405},
		{"H01 POST with a body", lines("POST /ws HTTP/1.1", "Host: a", "Content-Length: 5"), 405},
		{"H01 HTTP/1.0", openingWith("GET", "GET /ws HTTP/1.0"), 400},
		{"H01 a method alone", "GET\r\n\r\n", 400},
		{"H01 HTTP/0.9", "GET /ws\r\n\r\n", 400},
		{"H01 HTTP/2.0", openingWith("GET", "GET /ws HTTP/2.0"), 505},
		{"H01 HTTP/1.2", openingWith("GET", "GET /ws HTTP/1.2"), 101},
		{"H01 version in lower case", openingWith("GET", "GET /ws http/1.1"), 400},
		{"H01 no version", openingWith("GET", "GET /ws "), 400},
		{"H01 two spaces", openingWith("GET", "GET  /ws HTTP/1.1"), 400},
		{"H01 a space in the target", openingWith("GET", "GET /w s HTTP/1.1"), 400},
		{"H01 no host", openingWith("Host", ""), 400},
		{"H01 empty host", openingWith("Host", "Host:"), 400},
		{"H01 host twice", opening("Host: example.com"), 400},
		{"H01 host with a path", openingWith("Host", "Host: example.com/x"), 400},
		{"H01 host with user", openingWith("Host", "Host: user@example.com"), 400},
		{"H01 host is an address", openingWith("Host", "Host: [::1]:8000"), 101},
		{"H01 host is an address with a zone", openingWith("Host", "Host: [fe80::1%25eth0]"), 101},
		{"H01 host is an address without a port", openingWith("Host", "Host: 127.0.0.1"), 101},
		{"H01 host with an empty port", openingWith("Host", "Host: example.com:"), 101},
		{"H01 host with an escape", openingWith("Host", "Host: caf%C3%a9.example:80"), 101},
		{"H01 host with an escape that is none", openingWith("Host", "Host: example%zz"), 400},
		{"H01 host with half an escape", openingWith("Host", "Host: example%4"), 400},
		{"H01 host is a port", openingWith("Host", "Host: :80"), 400},
		{"H01 host with a port that is no number", openingWith("Host", "Host: example.com:http"), 400},
		{"H01 host with two ports", openingWith("Host", "Host: example.com:80:80"), 400},
		{"H01 host is an address without brackets", openingWith("Host", "Host: ::1"), 400},
		{"H01 host with an open bracket", openingWith("Host", "Host: [::1"), 400},
		{"H01 host with empty brackets", openingWith("Host", "Host: []:80"), 400},
		{"H01 host behind brackets", openingWith("Host", "Host: [::1]example.com"), 400},
		{"H01 host with brackets within", openingWith("Host", "Host: a[::1]"), 400},
		{"H01 host with brackets in brackets", openingWith("Host", "Host: [[::1]]"), 400},

		{"absolute form", openingWith("GET", "GET http://example.com/ws HTTP/1.1"), 101},
		{"absolute form, capitals", openingWith("GET", "GET HTTPS://Example.com/ws?a HTTP/1.1"), 101},
		{"absolute form, another host", openingWith("GET", "GET http://evil.com/ws HTTP/1.1"), 400},
		{"absolute form, no path", openingWith("GET", "GET http://example.com HTTP/1.1"), 400},
		{"absolute form, no host", openingWith("GET", "GET http:///ws HTTP/1.1"), 400},
		{"absolute form, another scheme", openingWith("GET", "GET ftp://example.com/ws HTTP/1.1"), 400},
		{"target without a slash", openingWith("GET", "GET ws HTTP/1.1"), 400},
		{"target with a fragment", openingWith("GET", "GET /ws#a HTTP/1.1"), 400},

		{"H02 upgrade to something else", openingWith("Upgrade", "Upgrade: websockets"), 400},
		{"H02 upgrade missing", openingWith("Upgrade", ""), 400},
		{"H02 upgrade in capitals", openingWith("Upgrade", "Upgrade: WEBSOCKET"), 101},
		{"H02 upgrade among others", openingWith("Upgrade", "Upgrade: foo, websocket"), 101},
		{"H02 upgrade before one with a version", openingWith("Upgrade", "Upgrade: websocket, HTTP/2.0"), 101},
		{"H02 upgrade behind one with a version", openingWith("Upgrade", "Upgrade: TLS/1.0 , websocket"), 101},
		{"H02 upgrade to a version of websocket", openingWith("Upgrade", "Upgrade: websocket/13"), 400},
		{"H02 upgrade to a version without a number", openingWith("Upgrade", "Upgrade: HTTP/, websocket"), 400},
		{"H02 upgrade to a version without a name", openingWith("Upgrade", "Upgrade: /2.0, websocket"), 400},
		{"H02 upgrade to two versions in one", openingWith("Upgrade", "Upgrade: HTTP/2/0, websocket"), 400},
		{"H02 connection without upgrade", openingWith("Connection", "Connection: keep-alive"), 400},
		{"H02 connection missing", openingWith("Connection", ""), 400},
		{"H02 keep-alive, Upgrade", openingWith("Connection", "Connection: keep-alive, Upgrade"), 101},
		{"H02 connection in two lines", openingWith("Connection", "Connection: keep-alive\r\nConnection: UPGRADE"), 101},
		{"H02 connection upgrades", openingWith("Connection", "Connection: upgrades"), 400},
		{"H02 connection is no list", openingWith("Connection", "Connection: keep alive, upgrade"), 400},
		{"H02 connection is a list with holes", openingWith("Connection", "Connection: ,, ,upgrade,"), 101},

		{"H03 key missing", openingWith("Sec-WebSocket-Key", ""), 400},
		{"H03 key empty", openingWith("Sec-WebSocket-Key", "Sec-WebSocket-Key:"), 400},
		{"H03 key twice", opening("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="), 400},
		{"H03 key not base64", openingWith("Sec-WebSocket-Key", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZ!=="), 400},
		{"H03 key of 15 bytes", openingWith("Sec-WebSocket-Key", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25j"), 400},
		{"H03 key of 17 bytes", openingWith("Sec-WebSocket-Key", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZWU="), 400},
		{"H03 key of 18 bytes", openingWith("Sec-WebSocket-Key", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZWVl"), 400},
		{"H03 key without padding", openingWith("Sec-WebSocket-Key", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ"), 400},

		{"H04 version missing", openingWith("Sec-WebSocket-Version", ""), 426},
		{"H04 version 8", openingWith("Sec-WebSocket-Version", "Sec-WebSocket-Version: 8"), 426},
		{"H04 version 013", openingWith("Sec-WebSocket-Version", "Sec-WebSocket-Version: 013"), 426},
		{"H04 versions 13, 8", openingWith("Sec-WebSocket-Version", "Sec-WebSocket-Version: 13, 8"), 426},
		{"H04 version twice", opening("Sec-WebSocket-Version: 13"), 400},
		{"H04 no handshake at all", lines("GET /ws HTTP/1.1", "Host: a"), 426},

		{"H06 head over the limit", opening("X: " + long(testLimits.Head)), 431},
		{"H06 head over the limit, no end", strings.TrimSuffix(opening("X: "+long(testLimits.Head)), "\r\n\r\n"), 431},
		{"H06 head at the limit", opening("X: " + long(testLimits.Head-len(opening())-len("X: \r\n"))), 101},
		{"H06 head one over the limit", opening("X: " + long(testLimits.Head-len(opening())-len("X: \r\n")+1)), 431},
		{"H07 fields over the limit", opening(slices.Repeat([]string{"a: b"}, testLimits.Fields-4)...), 431},
		{"H07 fields at the limit", opening(slices.Repeat([]string{"a: b"}, testLimits.Fields-5)...), 101},
		{"H11 NUL in a value", opening("X: a\x00b"), 400},
		{"H11 CR in a value", opening("X: a\rb"), 400},
		{"H11 LF in a value", opening("X: a\nb"), 400},
		{"H11 DEL in a value", opening("X: abcdefgh\x7fijklmnop"), 400},
		{"H11 a control character far in", opening("X: " + long(77) + "\x1f" + long(20)), 400},
		{"H11 tab in a value", opening("X: a\tb" + long(30)), 101},
		{"H11 CRLF in a name", opening("X\r\n: a"), 400},

		{"H13 a body", opening("Content-Length: 1"), 400},
		{"H13 no body, said so", opening("Content-Length: 0"), 101},
		{"H13 chunked", opening("Transfer-Encoding: chunked"), 400},
		{"H14 both", lines("POST / HTTP/1.1", "Host: a", "Content-Length: 1", "Transfer-Encoding: chunked"), 400},
		{"H14 both, no upgrade needed to see it", lines("POST / HTTP/1.1", "Host: a", "Transfer-Encoding: chunked", "Content-Length: 0"), 400},
		{"H14 two lengths", opening("Content-Length: 0", "Content-Length: 0"), 400},
		{"H14 two lengths in one", opening("Content-Length: 0, 0"), 400},
		{"H14 negative", opening("Content-Length: -1"), 400},
		{"H14 +5", opening("Content-Length: +5"), 400},
		{"H14 hex", opening("Content-Length: 0x0"), 400},
		{"H14 empty", opening("Content-Length:"), 400},
		{"H14 huge", opening("Content-Length: 9999999999999999999"), 400},
		{"H14 chunked on HTTP/1.0", lines("POST / HTTP/1.0", "Host: a", "Transfer-Encoding: chunked"), 400},

		{"H15 bare LF", strings.ReplaceAll(opening(), "\r\n", "\n"), 400},
		{"H15 bare LF, once", strings.Replace(opening(), "\r\n", "\n", 3), 400},
		{"H15 bare LF, not complete", "GET /ws HTTP/1.1\nHost", 400},
		{"H15 bare CR", strings.ReplaceAll(opening(), "\r\n", "\r"), 400},
		{"H15 LF CR", strings.ReplaceAll(opening(), "\r\n", "\n\r"), 400},
		{"H15 bare LF at the end", strings.TrimSuffix(opening(), "\r\n") + "\n", 400},
		{"H15 space before the colon", openingWith("Host", "Host : example.com"), 400},
		{"H15 folded", opening("X: a", " b"), 400},
		{"H15 folded with a tab", opening("X: a", "\tb"), 400},
		{"H15 folded at once", openingWith("GET", "GET /ws HTTP/1.1\r\n X: a"), 400},
		{"H15 no colon", opening("Host"), 400},
		{"H15 no name", opening(": a"), 400},
		{"H15 NUL in the target", openingWith("GET", "GET /ws\x00 HTTP/1.1"), 400},
		{"H16 h2c", openingWith("Upgrade", "Upgrade: h2c"), 400},
		{"H21 another header in disguise", openingWith("Host", "H_ost: example.com"), 400},

		{"H22 target over the limit", openingWith("GET", "GET /"+long(testLimits.Target)+" HTTP/1.1"), 414},
		{"H22 target at the limit", openingWith("GET", "GET /"+long(testLimits.Target-1)+" HTTP/1.1"), 101},
		{"H22 target of 64 KiB", openingWith("GET", "GET /"+long(64<<10)+" HTTP/1.1"), 414},
		{"H23 target is not UTF-8", openingWith("GET", "GET /\xff HTTP/1.1"), 400},
		{"H23 query is not UTF-8", openingWith("GET", "GET /?\xc3( HTTP/1.1"), 400},
		{"H23 host is not UTF-8", openingWith("Host", "Host: \xff"), 400},
		{"H23 origin is not UTF-8", opening("Origin: https://\xff"), 400},
		{"A01 origin twice", opening("Origin: https://a", "Origin: https://b"), 400},
		{"A02 origin is two", opening("Origin: https://a https://b"), 400},
		{"A02 origin null", opening("Origin: null"), 101},
	} {
		t.Run(row.name, func(t *testing.T) {
			if got := answer([]byte(row.head), testLimits); got != row.want {
				t.Errorf("answered %d; want %d", got, row.want)
			}
			if got := answerDripping([]byte(row.head), testLimits); got != row.want {
				t.Errorf("byte by byte: answered %d; want %d", got, row.want)
			}
		})
	}
}

// TestH06RequestLinear holds that what an earlier call has looked at is not looked at again while the head grows.
func TestH06RequestLinear(t *testing.T) {
	b := []byte(opening("X: " + strings.Repeat("a", 4000)))
	var r Request
	for end := 1; end < len(b); end++ {
		seen := bytes.Clone(b[:end])
		for i := 2; i < end-3; i++ { // the last three may be part of the end
			seen[i] = '\n' // a bad line end, if it were looked at
		}
		if n, err := ParseRequest(seen, end-1, &testLimits, &r); n != 0 || err != nil {
			t.Fatalf("%d bytes: %d, %v; the old ones were looked at again", end, n, err)
		}
	}
}

// FuzzRequest holds: a head gets the same answer however it is cut; what is accepted, net/http reads the same way.
func FuzzRequest(f *testing.F) {
	f.Add([]byte(browserRequest))
	f.Add([]byte(opening("Origin: null", "Sec-WebSocket-Protocol: a", "Sec-WebSocket-Protocol: b", "Content-Length: 0")))
	f.Add([]byte(openingWith("GET", "GET http://example.com/ws?a=b HTTP/1.1")))
	f.Add([]byte("GET / HTTP/1.1\r\nHost : a\r\n b\r\n\r\n"))
	f.Add([]byte("\x16\x03\x01"))
	lim := RequestLimits{Head: 1 << 10, Target: 256, Fields: 20}
	f.Fuzz(func(t *testing.T, b []byte) {
		if got, want := answerDripping(b, lim), answer(b, lim); got != want {
			t.Fatalf("byte by byte: answered %d; want %d", got, want)
		}
		var r Request
		n, err := ParseRequest(b, 0, &lim, &r)
		if n == 0 || err != nil {
			return
		}
		want, httpErr := http.ReadRequest(bufio.NewReader(bytes.NewReader(b[:n])))
		if httpErr != nil {
			return // stricter than we are about escapes in targets
		}
		checkSameRequest(t, &r, want)
	})
}

func checkSameRequest(t *testing.T, got *Request, want *http.Request) {
	target := string(got.Path)
	if got.RawQuery != nil {
		target += "?" + string(got.RawQuery)
	}
	if string(got.Method) != want.Method || !strings.HasSuffix(want.RequestURI, target) || !strings.EqualFold(string(got.Host), want.Host) {
		t.Fatalf("%s %s on %s; net/http: %s %s on %s", got.Method, target, got.Host, want.Method, want.RequestURI, want.Host)
	}
	fields := http.Header{}
	for name, value := range got.All() {
		if !equalFold(name, "host") && !equalFold(name, "transfer-encoding") {
			fields.Add(string(name), string(value))
		}
	}
	if fields.Get("Pragma") == "no-cache" && fields.Get("Cache-Control") == "" {
		fields.Set("Cache-Control", "no-cache") // net/http makes one of the other
	}
	if g, w := fmt.Sprint(fields), fmt.Sprint(want.Header); g != w {
		t.Fatalf("fields %s; net/http: %s", g, w)
	}
}
