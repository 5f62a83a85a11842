package frame

import (
	"context"
	"errors"
	"io"
	"net"
	"net/url"
	"strings"
	"testing"

	"github.com/gobwas/httphead"
	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsflate"
)

// TestAppendUpgrade has the example of RFC 6455 section 1.3.
func TestAppendUpgrade(t *testing.T) {
	const head = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
	const deflate = "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; client_no_context_takeover"
	for _, row := range []struct {
		name     string
		protocol string
		deflate  DeflateParams
		want     string
	}{
		{"bare", "", DeflateParams{}, "\r\n"},
		{"protocol", "chat", DeflateParams{}, "Sec-WebSocket-Protocol: chat\r\n\r\n"},
		{"deflate", "", DeflateParams{WindowBits: 15}, deflate + "\r\n\r\n"},
		{"both, window named", "chat", DeflateParams{WindowBits: 10, Named: true},
			"Sec-WebSocket-Protocol: chat\r\n" + deflate + "; server_max_window_bits=10\r\n\r\n"},
	} {
		t.Run(row.name, func(t *testing.T) {
			if got := string(AppendUpgrade(nil, []byte("dGhlIHNhbXBsZSBub25jZQ=="), row.protocol, row.deflate)); got != head+row.want {
				t.Errorf("AppendUpgrade = %q; want %q", got, head+row.want)
			}
		})
	}
}

func TestSelectProtocol(t *testing.T) {
	for _, row := range []struct {
		name, list, want string
		err              *HTTPError
	}{
		{"none offered", "", "", nil},
		{"one known", "b", "b", nil},
		{"the client's order counts", "x, b, a", "b", nil},
		{"H10 none known", "x, y", "", nil},
		{"H10 twice", "a, a", "a", nil},
		{"H10 empty elements", ", ,a,,", "a", nil},
		{"H10 nothing but commas", " ,\t, ", "", nil},
		{"case counts", "A", "", nil},
		{"H08 one letter, 32 k spaces, one letter", "a" + strings.Repeat(" ", 32<<10) + "b", "", errList},
		{"H08 32 k spaces", strings.Repeat(" ", 32<<10) + "a" + strings.Repeat(" ", 32<<10), "a", nil},
		{"H11 not a token, behind a known one", "a, \"b\"", "", errList},
		{"H11 a slash", "a/b", "", errList},
		{"H11 not ASCII", "caf\xc3\xa9", "", errList},
	} {
		t.Run(row.name, func(t *testing.T) {
			if got, err := SelectProtocol([]byte(row.list), "a", "b"); got != row.want || err != row.err {
				t.Errorf("SelectProtocol(%.40q) = %q, %v; want %q, %v", row.list, got, err, row.want, row.err)
			}
		})
	}
}

// serve answers the request that comes over conn as a session does.
func serve(conn io.ReadWriter, protocols ...string) (DeflateParams, error) {
	var b []byte
	var r Request
	chunk := make([]byte, 100)
	for {
		n, err := conn.Read(chunk)
		if err != nil {
			return DeflateParams{}, err
		}
		seen := len(b)
		b = append(b, chunk[:n]...)
		if n, err := ParseRequest(b, seen, &testLimits, &r); err != nil {
			return DeflateParams{}, err
		} else if n != 0 {
			break
		}
	}
	if err := CheckUpgrade(&r); err != nil {
		return DeflateParams{}, err
	}
	protocol, err := SelectProtocol(r.Protocols, protocols...)
	if err != nil {
		return DeflateParams{}, err
	}
	d, err := NegotiateDeflate(r.Extensions)
	if err != nil {
		return DeflateParams{}, err
	}
	_, writeErr := conn.Write(AppendUpgrade(nil, r.Key, protocol, d))
	return d, writeErr
}

// TestServerOracle has the client of gobwas/ws shake hands with our server.
func TestServerOracle(t *testing.T) {
	for _, row := range []struct {
		name     string
		dialer   ws.Dialer
		protocol string
		window   DeflateParams
	}{
		{"bare", ws.Dialer{}, "", DeflateParams{}},
		{"protocols", ws.Dialer{Protocols: []string{"x", "b", "a"}}, "b", DeflateParams{}},
		{"deflate", ws.Dialer{Extensions: []httphead.Option{wsflate.Parameters{}.Option()}}, "", DeflateParams{WindowBits: 15}},
		{"deflate, window", ws.Dialer{Extensions: []httphead.Option{wsflate.Parameters{ServerMaxWindowBits: 11}.Option()}}, "",
			DeflateParams{WindowBits: 11, Named: true}},
	} {
		t.Run(row.name, func(t *testing.T) {
			client, server := net.Pipe()
			t.Cleanup(func() { _ = client.Close() })
			served := make(chan error, 1)
			var deflate DeflateParams
			go func() {
				var err error
				deflate, err = serve(server, "a", "b")
				if err != nil {
					_ = server.Close()
				}
				served <- err
			}()
			_, hs, err := row.dialer.Upgrade(client, &url.URL{Scheme: "ws", Host: "example.com", Path: "/ws"})
			if err := errors.Join(err, <-served); err != nil {
				t.Fatal(err)
			}
			if hs.Protocol != row.protocol || deflate != row.window || len(hs.Extensions) != len(row.dialer.Extensions) {
				t.Errorf("protocol %q, deflate %+v, extensions %v; want %q, %+v", hs.Protocol, deflate, hs.Extensions, row.protocol, row.window)
			}
		})
	}
}

// TestClientOracle has our client shake hands with the server of gobwas/ws.
func TestClientOracle(t *testing.T) {
	extension := wsflate.Extension{Parameters: wsflate.Parameters{ServerNoContextTakeover: true, ClientNoContextTakeover: true}}
	upgrader := ws.Upgrader{
		Protocol:  func(p []byte) bool { return string(p) == "b" },
		Negotiate: extension.Negotiate,
	}
	client, server := net.Pipe()
	t.Cleanup(func() { _ = client.Close() })
	upgraded := make(chan error, 1)
	go func() {
		_, err := upgrader.Upgrade(server)
		if err != nil {
			_ = server.Close()
		}
		upgraded <- err
	}()
	q := ClientRequest{Host: "example.com", Target: "/ws?a=b", Key: NewKey([16]byte{1, 2, 3}), Protocols: []string{"a", "b"}, Deflate: true, Header: "Origin: https://example.com\r\n"}
	if _, err := client.Write(AppendRequest(nil, &q)); err != nil {
		t.Fatal(err, <-upgraded)
	}
	answer := make([]byte, 4096)
	n, err := client.Read(answer)
	if err := errors.Join(err, <-upgraded); err != nil {
		t.Fatal(err)
	}
	var r Response
	size, err := ParseResponse(answer[:n], 0, &q, &r)
	if size != n || err != nil || r.Status != 101 || r.Protocol != "b" || r.Deflate != (DeflateParams{WindowBits: 15}) {
		t.Errorf("ParseResponse(%q) = %d, %v, %+v", answer[:n], size, err, r)
	}
}

// TestOurOwn has our client and our server shake hands.
func TestOurOwn(t *testing.T) {
	q := ClientRequest{Host: "[::1]:8000", Target: "/", Key: NewKey([16]byte{15: 255}), Protocols: []string{"b"}, Deflate: true}
	var r Request
	b := AppendRequest(nil, &q)
	if n, err := ParseRequest(b, 0, &testLimits, &r); n != len(b) || err != nil || CheckUpgrade(&r) != nil {
		t.Fatalf("ParseRequest(%q) = %d, %v, %v", b, n, err, CheckUpgrade(&r))
	}
	d, err := NegotiateDeflate(r.Extensions)
	if err != nil || !d.Agreed() {
		t.Fatalf("NegotiateDeflate(%q) = %v, %v", r.Extensions, d, err)
	}
	answer := append(AppendUpgrade(nil, r.Key, "b", d), "frames"...)
	var resp Response
	n, respErr := ParseResponse(answer, 0, &q, &resp)
	if string(answer[n:]) != "frames" || respErr != nil || resp.Protocol != "b" || !resp.Deflate.Agreed() {
		t.Errorf("ParseResponse(%q) = %d, %v, %+v", answer, n, respErr, resp)
	}
}

// TestDialRefused has the client of gobwas/ws read our refusals.
func TestDialRefused(t *testing.T) {
	for _, refusal := range []*HTTPError{ErrNotFound, ErrForbidden, ErrUnavailable, errVersion} {
		client, server := net.Pipe()
		written := make(chan error, 1)
		go func() {
			_, err := server.Read(make([]byte, 4096))
			if err == nil {
				_, err = server.Write(AppendHTTPError(nil, refusal))
			}
			written <- errors.Join(err, server.Close())
		}()
		dialer := ws.Dialer{NetDial: func(context.Context, string, string) (net.Conn, error) { return client, nil }}
		_, _, _, err := dialer.Dial(t.Context(), "ws://example.com/")
		var status ws.StatusError
		if !errors.As(err, &status) || int(status) != refusal.Status {
			t.Errorf("the client of a refusal with %d sees %v", refusal.Status, err)
		}
		_ = client.Close()
		if err := <-written; err != nil {
			t.Error(err)
		}
	}
}
