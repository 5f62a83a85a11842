package server

import (
	"strings"
	"testing"
)

// early is what tells a client that has sent on behind the opening of a WebSocket: if what it sent comes later, it is too late to.
const early = "data before the handshake"

// FuzzHTTP sends any bytes as requests, whole and cut in two: both are answered alike, nothing panics, and the node and the
// neighbour stay as they were.
func FuzzHTTP(f *testing.F) {
	for _, send := range []string{
		plain("GET", pathSame+"?1") + posted(pathSame, "body") + plain("GET", pathSame, "Connection: close"),
		chunked(pathSame, nil, "a", "bc") + plain("OPTIONS", pathSame, "Origin: http://localhost", "Access-Control-Request-Headers: a"),
		httpStream(nil, hello, `{"id":2,"subscribe":{"channel":"x"}}`) + "more",
		sseStream(nil, hello), ssePost(nil, hello), httpStream([]string{"Content-Type: application/octet-stream"}, "\x04\x08\x01\x22\x00"),
		plain("GET", pathSSE+"?room=a&rooms=b,c", "Last-Event-ID: AAAAAAAB:1,,AAAAAAAB:2"),
		posted(pathEmulation, `{"session":"00000000-0000-4000-8000-000000000000","node":"x","data":"{}"}`) + plain("GET", "/"),
		posted(pathSame, "x", "Expect: 100-continue"), request(pathEcho) + "x", "POST " + pathSame + " HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\na\r\n",
	} {
		f.Add(uint16(len(send)/2), []byte(send))
	}
	n := openHTTP(f, nil)
	f.Fuzz(func(t *testing.T, cut uint16, b []byte) {
		if len(b) > 16<<10 || strings.Contains(string(b), pathLate) {
			return
		}
		n.t = t
		defer func() { n.t = f }()
		before := n.counts()
		whole := n.answerHTTP(t, b)
		at := int(cut) % (len(b) + 1)
		split := n.answerHTTP(t, b[:at], b[at:])
		if split != whole && !strings.Contains(whole, early) {
			t.Errorf("%q cut at %d\n got %q\nwhole %q", b, at, split, whole)
		}
		if after := n.counts(); after.Panics != before.Panics {
			t.Errorf("%q panics", b)
		}
		n.checkNeighbour()
	})
}

// answerHTTP sends pieces, each when the one before has been read, and returns what comes back, with ids made alike. Whether the
// client is asked for a body that is there already depends on how it comes.
func (n *node) answerHTTP(t *testing.T, pieces ...[]byte) string {
	c := n.dial()
	defer c.close()
	for _, p := range pieces {
		before := n.counts().WireIn
		c.send(p)
		n.awaitRead(before + uint64(len(p)))
	}
	n.counts() // a turn of the loop later, rooms have been served
	got := uuid.ReplaceAllString(string(c.available(t)), "ID")
	return strings.ReplaceAll(got, "HTTP/1.1 100 Continue\r\n\r\n", "")
}
