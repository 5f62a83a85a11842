package frame

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"io"
	"net/http"
	"strings"
	"testing"
)

func TestAnswer(t *testing.T) {
	for _, a := range []Answer{
		{Status: 200, Type: "text/plain", Body: []byte("body")},
		{Status: 204, Header: []byte("X: y\r\n")},
		{Status: 404, Close: true},
		{Status: 200, Header: []byte("X: y\r\n"), Body: []byte("b"), Close: true},
	} {
		in := bufio.NewReader(bytes.NewReader(append(a.Append(nil), "next"...)))
		r, err := http.ReadResponse(in, nil)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(r.Body)
		rest, _ := io.ReadAll(in)
		if err != nil || r.StatusCode != a.Status || r.Close != a.Close || r.Header.Get("Content-Type") != a.Type || !bytes.Equal(body, a.Body) || string(rest) != "next" ||
			(r.Header.Get("X") == "y") != (a.Header != nil) {
			t.Errorf("%+v: %d %v %q, then %q, %v", a, r.StatusCode, r.Header, body, rest, err)
		}
		if _, has := r.Header["Content-Length"]; has != (a.Status != 204) {
			t.Errorf("%+v: Content-Length %t", a, has)
		}
	}
}

// The answer to a HEAD has neither a body nor the length of one.
func TestAnswerToHead(t *testing.T) {
	a := Answer{Status: 200, Type: "text/plain", Header: []byte("X: y\r\n"), Body: []byte("body"), Head: true}
	if got, want := string(a.Append(nil)), "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nX: y\r\n\r\n"; got != want {
		t.Errorf("%q; want %q", got, want)
	}
}

func TestStreamHead(t *testing.T) {
	b := AppendStreamHead(nil, "text/event-stream", []byte("X: y\r\n"))
	b = AppendChunk(b, []byte("one"))
	b = AppendChunk(b, bytes.Repeat([]byte("x"), 300))
	b = append(b, LastChunk...)
	r, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(b)), nil)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(r.Body)
	if err != nil || string(body) != "one"+strings.Repeat("x", 300) || r.Header.Get("X") != "y" {
		t.Errorf("%q %v %v", body, r.Header, err)
	}
}

func TestSelectCoding(t *testing.T) {
	for accept, want := range map[string]Coding{
		"": Identity, "gzip": Gzip, "deflate": Zlib, "deflate, GZIP": Gzip, "br, deflate;q=0.5": Zlib, "gzip;q=0": Identity,
		"gzip; q=0.0, deflate": Zlib, "*": Identity, "gzip;q=": Identity, "gzip deflate": Identity, "gzip;q=0.001": Gzip,
	} {
		var r Request
		if n, err := ParseRequest([]byte("GET / HTTP/1.1\r\nHost: a\r\nAccept-Encoding: "+accept+"\r\n\r\n"), 0, &testLimits, &r); n == 0 || err != nil {
			t.Fatal(err)
		}
		if got := SelectCoding(&r); got != want {
			t.Errorf("%q = %v; want %v", accept, got, want)
		}
	}
}

func TestPacked(t *testing.T) {
	text := bytes.Repeat([]byte("what is said often "), 200)
	for range 2 { // the second from the pool
		zipped, err := gzip.NewReader(bytes.NewReader(AppendPacked(nil, Gzip, text)))
		if err != nil {
			t.Fatal(err)
		}
		deflated, err := zlib.NewReader(bytes.NewReader(AppendPacked([]byte("x"), Zlib, text)[1:]))
		if err != nil {
			t.Fatal(err)
		}
		for _, in := range []io.Reader{zipped, deflated, bytes.NewReader(AppendPacked(nil, Identity, text))} {
			if got, err := io.ReadAll(in); err != nil || !bytes.Equal(got, text) {
				t.Errorf("%d bytes, %v", len(got), err)
			}
		}
	}
}
