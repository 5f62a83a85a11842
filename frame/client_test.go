package frame

import (
	"bytes"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
)

func TestRetryAfter(t *testing.T) {
	for value, want := range map[string]int{
		"7": 7, "120": 120, "0": 0, "": 0, "-1": 0, "1.5": 0, "Fri, 31 Dec 1999 23:59:59 GMT": 0, "99999999999999999999": maxSeconds,
	} {
		var r Response
		head := lines("HTTP/1.1 503 Service Unavailable", "retry-after: "+value)
		if n, err := ParseResponse([]byte(head), 0, &ClientRequest{}, &r); n != len(head) || err != nil || r.RetryAfter != want || r.Status != 503 {
			t.Errorf("Retry-After: %s: %d s, status %d, %v; want %d", value, r.RetryAfter, r.Status, err, want)
		}
	}
}

func TestParseResponse(t *testing.T) {
	const accepted = "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
	const deflate = "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover"
	answer := func(more ...string) string {
		return lines(append([]string{"HTTP/1.1 101 Switching Protocols", "Upgrade: WebSocket", "Connection: upgrade"}, more...)...)
	}
	offer := ClientRequest{Key: [24]byte([]byte("dGhlIHNhbXBsZSBub25jZQ==")), Protocols: []string{"a", "b"}, Deflate: true}
	plain := ClientRequest{Key: offer.Key}
	for _, row := range []struct {
		name string
		q    ClientRequest
		head string
		want error
	}{
		{"bare", plain, answer(accepted), nil},
		{"no reason phrase", plain, strings.Replace(answer(accepted), " Switching Protocols", "", 1), nil},
		{"HTTP/1.0 of an old proxy", plain, strings.Replace(answer(accepted), "HTTP/1.1", "HTTP/1.0", 1), nil},
		{"protocol and deflate", offer, answer(accepted, "Sec-WebSocket-Protocol: b", deflate), nil},
		{"deflate, server's window", offer, answer(accepted, deflate+"; server_max_window_bits=9"), nil},
		{"another status is no error", plain, lines("HTTP/1.1 404 Not Found", "Content-Length: 0"), nil},

		{"accept missing", plain, answer(), ErrAccept},
		{"accept wrong", plain, answer("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo"), ErrAccept},
		{"accept twice", plain, answer(accepted, accepted), ErrResponse},
		{"upgrade missing", plain, lines("HTTP/1.1 101 OK", "Connection: upgrade", accepted), ErrNotUpgrade},
		{"upgrade to something else", plain, lines("HTTP/1.1 101 OK", "Upgrade: h2c", "Connection: upgrade", accepted), ErrNotUpgrade},
		{"connection missing", plain, lines("HTTP/1.1 101 OK", "Upgrade: websocket", accepted), ErrNotUpgrade},
		{"connection is no list", plain, lines("HTTP/1.1 101 OK", "Upgrade: websocket", "Connection: \"", accepted), ErrResponse},
		{"protocol not asked for", offer, answer(accepted, "Sec-WebSocket-Protocol: c"), ErrProtocol},
		{"two protocols", offer, answer(accepted, "Sec-WebSocket-Protocol: a, b"), ErrProtocol},
		{"deflate not asked for", plain, answer(accepted, deflate), ErrExtension},
		{"deflate with context", offer, answer(accepted, "Sec-WebSocket-Extensions: permessage-deflate"), ErrExtension},
		{"deflate, our window", offer, answer(accepted, deflate+"; client_max_window_bits=9"), ErrExtension},
		{"deflate, unknown parameter", offer, answer(accepted, deflate+"; x"), ErrExtension},
		{"deflate twice", offer, answer(accepted, deflate, deflate), ErrExtension},
		{"another extension", offer, answer(accepted, "Sec-WebSocket-Extensions: x"), ErrExtension},
		{"an extension that is none", offer, answer(accepted, "Sec-WebSocket-Extensions:"), ErrExtension},
		{"not HTTP", plain, "SSH-2.0-OpenSSH\r\n", ErrResponse},
		{"HTTP/2", plain, "HTTP/2 200\r\n\r\n", ErrResponse},
		{"status of two digits", plain, "HTTP/1.1 99 \r\n\r\n", ErrResponse},
		{"status of four digits", plain, "HTTP/1.1 1010 OK\r\n\r\n", ErrResponse},
		{"status is no number", plain, "HTTP/1.1 1o1 OK\r\n\r\n", ErrResponse},
		{"bad line end", plain, "HTTP/1.1 101 OK\n\n", ErrResponse},
		{"bad field", plain, answer("Host : a"), ErrResponse},
		{"too large", plain, answer("X: " + strings.Repeat("a", maxResponseHead)), ErrResponse},
	} {
		t.Run(row.name, func(t *testing.T) {
			var r Response
			n, err := ParseResponse([]byte(row.head), 0, &row.q, &r)
			if err != row.want || err == nil && n != len(row.head) {
				t.Errorf("ParseResponse = %d, %v; want %v", n, err, row.want)
			}
			if got := responseDripping([]byte(row.head), &row.q); got != row.want {
				t.Errorf("byte by byte: %v; want %v", got, row.want)
			}
		})
	}
	var r Response
	head := lines("HTTP/1.1 503 Service Unavailable", "Retry-After: 5")
	if _, err := ParseResponse([]byte(head), 0, &plain, &r); err != nil || r.Status != http.StatusServiceUnavailable {
		t.Errorf("ParseResponse(%q) = %v, status %d", head, err, r.Status)
	}
	for name, value := range r.All() {
		if string(name) != "Retry-After" || string(value) != "5" {
			t.Errorf("All yields %s: %s", name, value)
		}
	}
}

// responseDripping is the verdict on a head that comes byte by byte.
func responseDripping(b []byte, q *ClientRequest) error {
	for end := 1; end <= len(b); end++ {
		var r Response
		if n, err := ParseResponse(b[:end], end-1, q, &r); n != 0 || err != nil {
			return err
		}
	}
	return errors.New("not complete")
}

// FuzzResponse holds: the verdict does not depend on cuts, and 101 takes the right accept key and nothing that was
// not offered.
func FuzzResponse(f *testing.F) {
	q := ClientRequest{Key: [24]byte([]byte("dGhlIHNhbXBsZSBub25jZQ==")), Protocols: []string{"a"}, Deflate: true}
	f.Add(AppendUpgrade(nil, q.Key[:], "a", DeflateParams{WindowBits: 15}))
	f.Add(AppendUpgrade(nil, q.Key[:], "", DeflateParams{}))
	f.Add(AppendHTTPError(nil, ErrUnavailable))
	f.Add([]byte("HTTP/1.1 101\r\nConnection: a,\tupgrade\r\n\r\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		var r Response
		n, err := ParseResponse(slices.Clone(b), 0, &q, &r)
		if n == 0 && err == nil {
			return
		}
		if got := responseDripping(b, &q); got != err {
			t.Fatalf("byte by byte: %v; want %v", got, err)
		}
		if err != nil || r.Status != http.StatusSwitchingProtocols {
			return
		}
		if !bytes.Contains(b[:n], []byte("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")) {
			t.Fatalf("%q was accepted", b[:n])
		}
		if r.Protocol != "" && r.Protocol != "a" {
			t.Fatalf("protocol %q", r.Protocol)
		}
	})
}
