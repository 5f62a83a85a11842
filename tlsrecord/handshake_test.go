package tlsrecord

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/seed4ac54ce5/edge/internal/testutil"
)

var versions = []struct {
	name string
	id   uint16
}{{"TLS 1.2", tls.VersionTLS12}, {"TLS 1.3", tls.VersionTLS13}}

// TestEveryCut lets a client shake hands and echo with the stream cut after each byte, and elsewhere.
func TestEveryCut(t *testing.T) {
	ca := newAuthority(t, "ca")
	s := newServer(t, Config{Certificates: []KeyPair{ca.pair(t, "edge.test")}, ClientCerts: ClientCertsOptional, ClientCA: ca.file})
	mine := ca.issue(t, "client", time.Now().Add(time.Hour))
	for _, version := range versions {
		for _, cut := range []int{1, 2, 7, 100, 32 << 10} {
			for _, certs := range [][]tls.Certificate{nil, {mine}} {
				t.Run(fmt.Sprintf("%s/%d/%d", version.name, cut, len(certs)), func(t *testing.T) {
					sock, r := serve(t, s, cut)
					c := tls.Client(sock, &tls.Config{
						RootCAs: ca.pool(), ServerName: "edge.test", MaxVersion: version.id, Certificates: certs,
					})
					checkEcho(t, c, []byte("x"))
					checkEcho(t, c, bytes.Repeat([]byte("0123456789"), 500))
					if err := c.Close(); err != nil {
						t.Error(err)
					}
					if err := r.result(t); !errors.Is(err, io.EOF) {
						t.Errorf("after close_notify the conn ends with %v; want EOF", err)
					}
					if got := len(r.conn.State().PeerCertificates); got != len(certs) {
						t.Errorf("%d certificates of the client; want %d", got, len(certs))
					}
				})
			}
		}
	}
	if got := s.Handshakes(); got != 0 {
		t.Errorf("%d handshakes are under way; want none", got)
	}
}

// helloBytes returns what a client sends first.
func helloBytes(t testing.TB, cfg *tls.Config) []byte {
	t.Helper()
	var w wire
	_ = tls.Client(&w, cfg).Handshake() // would block
	if n, _, err := parseHello(w.out); n == 0 || err != nil {
		t.Fatalf("parseHello(%x) = %d, %v", w.out, n, err)
	}
	return w.out
}

// begin returns a conn whose ClientHello has been answered, set aside until the client's next flight.
func begin(t testing.TB, s *Server, hello []byte) *Conn {
	t.Helper()
	c := s.NewConn()
	if used, _, err := c.Feed(hello); used != len(hello) || err != nil || !c.Ready() {
		t.Fatalf("Feed(ClientHello) = %d, %v, ready %v; want %d and ready", used, err, c.Ready(), len(hello))
	}
	c.Step()
	if c.Err() != nil || c.Established() || len(c.Flush(nil)) == 0 {
		t.Fatalf("after the ClientHello: error %v, established %v; want an answer", c.Err(), c.Established())
	}
	return c
}

func plainServer(t testing.TB) (*Server, *authority) {
	t.Helper()
	ca := newAuthority(t, "ca")
	return newServer(t, Config{Certificates: []KeyPair{ca.pair(t, "edge.test")}, MaxHandshakes: 8}), ca
}

// Slow peers hold neither the pool nor more handshakes than there may be, and give back what they held.
func TestHandshakesAreBounded(t *testing.T) {
	s, ca := plainServer(t)
	hello := helloBytes(t, &tls.Config{ServerName: "edge.test"})
	var slow []*Conn
	for range 8 {
		slow = append(slow, begin(t, s, hello)) // each Step has returned
	}
	extra := s.NewConn()
	if _, _, err := extra.Feed(hello); err != ErrBusy || extra.Ready() {
		t.Errorf("Feed with all handshakes under way = %v, ready %v; want ErrBusy", err, extra.Ready())
	}
	extra.Close()
	slow[0].Close()
	testutil.Eventually(t, patience, func() bool { return s.Handshakes() == 7 }, "the closed handshake is given up")

	sock, _ := serve(t, s, 32<<10)
	checkEcho(t, tls.Client(sock, &tls.Config{RootCAs: ca.pool(), ServerName: "edge.test"}), []byte("in time"))
	for _, c := range slow {
		c.Close()
		c.Close()
	}
	testutil.Eventually(t, patience, func() bool { return s.Handshakes() == 0 }, "all handshakes are given up")
}

// A conn that closes while its step waits in the pool leaves nothing there of what its peer has sent, and the step costs nothing.
func TestClosedConnKeepsNothing(t *testing.T) {
	s, _ := plainServer(t)
	hello := helloBytes(t, &tls.Config{ServerName: "edge.test"})
	fresh := s.NewConn()
	if _, _, err := fresh.Feed(hello); err != nil {
		t.Fatal(err)
	}
	fresh.Close()
	fresh.Step()
	if fresh.tls != nil || fresh.wire.in != nil || s.Handshakes() != 0 {
		t.Errorf("a closed conn keeps %d bytes of its ClientHello, TLS %v; %d handshakes are under way", len(fresh.wire.in), fresh.tls != nil, s.Handshakes())
	}
}

// A conn may be closed at any time: before its step, while that is under way, and after it.
func TestCloseMeetsStep(t *testing.T) {
	s, _ := plainServer(t)
	hello := helloBytes(t, &tls.Config{ServerName: "edge.test"})
	for i := range 200 {
		c := s.NewConn()
		if _, _, err := c.Feed(hello); err != nil {
			t.Fatal(err)
		}
		done := make(chan struct{})
		go func() { c.Step(); close(done) }()
		for range i % 40 * 10 {
			runtime.Gosched()
		}
		c.Close()
		<-done
		testutil.Eventually(t, patience, func() bool { return s.Handshakes() == 0 }, "the handshake is given up")
	}
}

// A half-sent ClientHello costs no handshake, however long it takes (N01).
func TestN01DribbledClientHello(t *testing.T) {
	s, _ := plainServer(t)
	hello := helloBytes(t, &tls.Config{ServerName: "edge.test"})
	c := s.NewConn()
	defer c.Close()
	for n := range hello {
		used, need, err := c.Feed(hello[:n])
		if used != 0 || need <= n || need > len(hello) || err != nil || c.Ready() || s.Handshakes() != 0 {
			t.Fatalf("Feed of %d bytes = %d, need %d, %v; %d handshakes", n, used, need, err, s.Handshakes())
		}
	}
}

func TestN02NotTLS(t *testing.T) {
	s, ca := plainServer(t)
	for name, text := range map[string]string{
		"HTTP":           "GET / HTTP/1.1\r\nHost: edge.test\r\n\r\n",
		"HTTP/2 preface": "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
		"random bytes":   "\x8f\x00\xff\x13\x37",
		"SSL 2":          "\x80\x2e\x01\x00\x02",
		"an alert":       "\x15\x03\x01\x00\x02\x02\x00",
		"PROXY header":   "PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			sock, r := serve(t, s, 1)
			_, _ = sock.Write([]byte(text))
			if b, _ := io.ReadAll(sock); len(b) != 0 {
				t.Errorf("the answer is %q; want none", b)
			}
			r.checkLabel(t, "not_tls")
		})
	}
	sock, _ := serve(t, s, 32<<10)
	checkEcho(t, tls.Client(sock, &tls.Config{RootCAs: ca.pool(), ServerName: "edge.test"}), []byte("still here"))
}

func TestN04ClientHello(t *testing.T) {
	s, ca := plainServer(t)
	for name, row := range map[string]struct{ hello, label string }{
		"huge message":     {"\x16\x03\x01\x40\x00\x01\xff\xff\xff", "hello"},
		"huge record":      {"\x16\x03\x01\xff\xff", "hello"},
		"empty record":     {"\x16\x03\x01\x00\x00", "hello"},
		"other message":    {"\x16\x03\x01\x00\x04\x02\x00\x00\x00", "hello"},
		"message after it": {"\x16\x03\x01\x00\x09\x01\x00\x00\x00\x00\x01\x00\x00\x00", "hello"},
		"empty message":    {"\x16\x03\x01\x00\x04\x01\x00\x00\x00", "protocol"},
	} {
		t.Run(name, func(t *testing.T) {
			sock, r := serve(t, s, 1)
			_, _ = sock.Write([]byte(row.hello))
			r.checkLabel(t, row.label)
		})
	}
	for name, row := range map[string]struct {
		offer []string
		want  string
		label string
	}{
		"no ALPN":       {nil, "", ""},
		"http/1.1":      {[]string{"h2", "http/1.1"}, "http/1.1", ""},
		"only h2":       {[]string{"h2"}, "", "protocol"},
		"control bytes": {[]string{"\x1b[31m\r\nlevel=ERROR"}, "", "protocol"},
	} {
		t.Run(name, func(t *testing.T) {
			sock, r := serve(t, s, 1)
			c := tls.Client(sock, &tls.Config{RootCAs: ca.pool(), ServerName: "edge.test", NextProtos: row.offer})
			err := c.Handshake()
			if got := c.ConnectionState().NegotiatedProtocol; got != row.want || (err != nil) != (row.label != "") {
				t.Errorf("client: protocol %q, %v; want %q", got, err, row.want)
			}
			if err != nil && !strings.Contains(err.Error(), "no application protocol") {
				t.Errorf("the client hears %v; want the alert no_application_protocol", err)
			}
			_ = c.Close()
			r.checkLabel(t, row.label)
			if text := fmt.Sprint(r.err); strings.ContainsFunc(text, func(c rune) bool { return c < ' ' }) && row.label != "" {
				t.Errorf("the error has control bytes: %q", text)
			}
		})
	}
}

// A handshake has a budget of bytes and of trips to the pool.
func TestFlightsAreBounded(t *testing.T) {
	s, _ := plainServer(t)
	hello := helloBytes(t, &tls.Config{ServerName: "edge.test"})
	for name, record := range map[string][]byte{
		"large": append([]byte{23, 3, 3, 0x40, 0x00}, make([]byte, 1<<14)...),
		"small": {20, 3, 3, 0, 1, 1},
	} {
		t.Run(name, func(t *testing.T) {
			c := begin(t, s, hello)
			defer c.Close()
			for range 2 * maxSteps {
				if _, _, err := c.Feed(record); err != nil {
					if !errors.Is(err, ErrFlights) {
						t.Errorf("Feed = %v; want ErrFlights", err)
					}
					return
				}
				if c.Step(); c.Err() != nil {
					return // crypto/tls has had enough first
				}
			}
			t.Error("the handshake goes on for ever")
		})
	}
}

// A panic in the handshake ends this conn and gives its place back.
func TestPanicInHandshake(t *testing.T) {
	s, _ := plainServer(t)
	next := *s.settings.Load()
	next.tls = next.tls.Clone()
	next.tls.GetCertificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error) { panic("certificate") }
	next.tls.Certificates = nil
	s.settings.Store(&next)
	c := s.NewConn()
	defer c.Close()
	if _, _, err := c.Feed(helloBytes(t, &tls.Config{ServerName: "edge.test"})); err != nil {
		t.Fatal(err)
	}
	c.Step()
	if Label(c.Err()) != "panic" || s.Handshakes() != 0 || c.Established() {
		t.Errorf("after a panic: %v, %d handshakes; want a panic and none", c.Err(), s.Handshakes())
	}
	if _, err := c.Seal(nil, []byte("x")); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Seal after it = %v; want ErrClosed", err)
	}
}
