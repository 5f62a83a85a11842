package server

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/seed4ac54ce5/edge/internal/testutil"
	"github.com/seed4ac54ce5/edge/metrics"
	"github.com/seed4ac54ce5/edge/netpoll"
	"github.com/seed4ac54ce5/edge/tlsrecord"
)

// certificate writes a certificate that its own key has signed, and the key, and returns their files.
func certificate(t *testing.T, name string) tlsrecord.KeyPair {
	t.Helper()
	cert, key := testutil.SelfSigned(t, name)
	certFile, keyFile := testutil.SaveKeyPair(t, t.TempDir(), cert, key)
	return tlsrecord.KeyPair{Cert: certFile, Key: keyFile}
}

// openSecure opens a node with TLS.
func openSecure(t *testing.T, change func(c *Config)) *node {
	t.Helper()
	pair := certificate(t, "one.test")
	return openNodeAlone(t, func(c *Config) {
		c.TLS = &tlsrecord.Config{Certificates: []tlsrecord.KeyPair{pair}}
		if change != nil {
			change(c)
		}
	})
}

// secure makes c speak TLS of a version.
func (c *client) secure(version uint16) *client {
	c.t.Helper()
	c.tls = tls.Client(c.conn, &tls.Config{InsecureSkipVerify: true, MinVersion: version, MaxVersion: version})
	c.in = bufio.NewReader(c.tls)
	if err := c.tls.Handshake(); err != nil {
		c.t.Fatal(err)
	}
	return c
}

// upgrade opens a WebSocket at target.
func (c *client) upgrade(target string) *client {
	c.t.Helper()
	c.send([]byte(request(target)))
	if head := c.readHead(); !strings.HasPrefix(head, "HTTP/1.1 101 ") {
		c.t.Fatalf("upgrade of %s: %q", target, head)
	}
	return c
}

var tlsVersions = map[string]uint16{"1.2": tls.VersionTLS12, "1.3": tls.VersionTLS13}

// Sessions over TLS are sessions: commands, publications to many, and the end of a node.
func TestSessionsOverTLS(t *testing.T) {
	for name, version := range tlsVersions {
		t.Run(name, func(t *testing.T) {
			n := openSecure(t, func(c *Config) { c.Loops = 2 })
			var members []*client
			for range 5 {
				c := n.dial().secure(version).upgrade(pathWebSocket)
				defer c.close()
				c.say(hello)
				c.say(subscribe(2, "room"))
				if got := c.hear(2, 0, false).replies; fmt.Sprint(got) != fmt.Sprint([]string{connected, subscribed(2)}) {
					t.Fatalf("connect and subscribe: %q", got)
				}
				members = append(members, c)
			}
			members[0].say(publish(3, "room", `"to all"`))
			for i, c := range members {
				replies := 0
				if i == 0 {
					replies = 1
				}
				if got := c.hear(replies, 1, false).pushes; len(got) != 1 || got[0] != pushOf("room", `"to all"`) {
					t.Errorf("member %d heard %q", i, got)
				}
			}
			done := n.serve()()
			for i, c := range members {
				if got := fmt.Sprint(c.rest()); got != "[close 3001]" {
					t.Errorf("member %d: %s; want close 3001 and close_notify", i, got)
				}
				c.close()
			}
			<-done
		})
	}
}

// A node with TLS says what the kernel could do, and one without does not ask.
func TestKernelTLSIsReported(t *testing.T) {
	want := "not used, but found"
	if err := netpoll.KernelTLS(); err != nil {
		want = "not used, and not found: " + err.Error()
	}
	if _, body := openSecure(t, nil).get("/info"); !strings.Contains(body, `"kernel_tls":"`+want+`"`) {
		t.Errorf("/info says %s; want %s", body, want)
	}
	if _, body := openNode(t, nil).get("/info"); strings.Contains(body, "kernel_tls") {
		t.Errorf("/info of a node without TLS says %s", body)
	}
}

// lateWriter is a conn whose second write, which ends a handshake, waits.
type lateWriter struct {
	net.Conn
	writes  int
	reached chan struct{} // closed when it waits
	release chan struct{}
}

func (h *lateWriter) Write(b []byte) (int, error) {
	if h.writes++; h.writes == 2 {
		close(h.reached)
		<-h.release
	}
	return h.Conn.Write(b)
}

// While the pool is behind, no handshake begins, at no cost, and those that have begun come to their end.
func TestBegunHandshakesGoOn(t *testing.T) {
	for name, version := range tlsVersions {
		t.Run(name, func(t *testing.T) {
			n := openSecure(t, func(c *Config) { c.HeadTimeout = time.Hour })
			begun := n.dial()
			defer begun.close()
			h := &lateWriter{Conn: begun.conn, reached: make(chan struct{}), release: make(chan struct{})}
			begun.tls = tls.Client(h, &tls.Config{InsecureSkipVerify: true, MinVersion: version, MaxVersion: version})
			begun.in = bufio.NewReader(begun.tls)
			shaken := make(chan error, 1)
			go func() { shaken <- begun.tls.Handshake() }()
			<-h.reached
			release := occupy(n.shakes)
			n.shakes.submitFresh(func() {}, func() {}, -1)
			moved := n.rejections(func() {
				late := n.dial()
				defer late.close()
				if err := tls.Client(late.conn, &tls.Config{InsecureSkipVerify: true}).Handshake(); err == nil {
					t.Error("a handshake began while the pool was behind")
				}
			})
			checkMoved(t, moved, metrics.RejectTLSOverload, 1)
			close(h.release)
			testutil.Eventually(t, patience, func() bool { return n.shakes.waiting() > 1 }, "the last step of the first one is queued")
			close(release)
			if err := <-shaken; err != nil {
				t.Fatal(err)
			}
			begun.upgrade(pathEcho)
			if n.tls.Handshakes() != 0 {
				t.Errorf("%d handshakes are under way", n.tls.Handshakes())
			}
		})
	}
}

// Whoever comes while the pool is busy waits. One that has waited for so long that it would come too late is turned away by its turn,
// and costs no cryptography; those behind it are served.
func TestHandshakesThatComeTooLate(t *testing.T) {
	n := openSecure(t, func(c *Config) { c.HeadTimeout = time.Hour })
	release := occupy(n.shakes)
	shaken := make(chan error)
	dial := func(waiting int) {
		c := n.dial()
		t.Cleanup(c.close)
		go func() { shaken <- tls.Client(c.conn, &tls.Config{InsecureSkipVerify: true}).Handshake() }()
		testutil.Eventually(t, patience, func() bool { return n.shakes.waiting() == waiting }, "its ClientHello waits for the pool")
	}
	dial(1)
	dial(2)
	n.shakes.mu.Lock()
	n.shakes.fresh.next().until = time.Time{} // as if it had waited
	n.shakes.mu.Unlock()
	moved := n.rejections(func() {
		close(release)
		if first, second := <-shaken, <-shaken; (first == nil) == (second == nil) {
			t.Errorf("handshakes ended with %v and %v; want one that succeeds", first, second)
		}
	})
	checkMoved(t, moved, metrics.RejectTLSOverload, 1)
	testutil.Eventually(t, patience, func() bool { return n.tls.Handshakes() == 0 }, "no handshake is under way")
}

// An application that has got stuck with all of its pool keeps nobody from coming in over TLS.
func TestHandshakesNeedNothingOfTheApplication(t *testing.T) {
	n := openSecure(t, nil)
	release := n.fillPool()
	defer release()
	for _, version := range tlsVersions {
		c := n.dial().secure(version).upgrade(pathEcho)
		c.send(masked(0x81, "hello"))
		if got := c.next(); got != `text "hello"` {
			t.Errorf("TLS %x: %s", version, got)
		}
		c.close()
	}
	if n.work.waiting() != poolQueue {
		t.Errorf("%d jobs wait for the application; want %d", n.work.waiting(), poolQueue)
	}
}

// echoMany sends messages of many sizes, in pieces that do not end where they do, and wants each of them back.
func (c *client) echoMany() {
	c.t.Helper()
	var send []byte
	var want []string
	for _, size := range []int{0, 1, 125, 126, 4000, 16 << 10, 70_000, 1 << 20} {
		text := strings.Repeat("x", size)
		send = append(send, masked(0x81, text)...)
		want = append(want, said(ws.OpText, []byte(text)))
	}
	for i := range 1000 {
		send = append(send, masked(0x81, fmt.Sprint(i))...)
		want = append(want, said(ws.OpText, fmt.Append(nil, i)))
	}
	go func() {
		for len(send) > 0 {
			piece := min(len(send), 1+len(send)%20_011)
			c.send(send[:piece])
			send = send[piece:]
		}
	}()
	for i := range want {
		if got := c.next(); got != want[i] {
			c.t.Fatalf("message %d: %.100s; want %.100s", i, got, want[i])
		}
	}
}

// Messages of any size pass TLS whole and in order, whatever the pieces, and more of them than a turn serves.
func TestMessagesOverTLS(t *testing.T) {
	for name, version := range tlsVersions {
		t.Run(name, func(t *testing.T) {
			n := openSecure(t, func(c *Config) { c.MessageLimit = 2 << 20 })
			c := n.dial().secure(version).upgrade(pathEcho)
			defer c.close()
			c.echoMany()
			testutil.Eventually(t, patience, func() bool { return n.inputs.Used() == 0 }, "nothing is held of a conn that has sent whole messages")
		})
	}
}

// What is not TLS, or stops in the middle of a handshake, is cut off (N01, N02).
func TestNotTLS(t *testing.T) {
	t.Parallel() // it waits for times
	for _, r := range []struct {
		what, send string
		reject     metrics.Rejection
	}{
		{"N02 a plain request", request(pathEcho), metrics.RejectTLSPlain},
		{"N02 HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", metrics.RejectTLSPlain},
		{"N01 nothing", "", metrics.RejectHeadTimeout},
		{"N01 half a ClientHello", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", metrics.RejectHeadTimeout},
	} {
		n := openSecure(t, func(c *Config) {
			if r.reject == metrics.RejectHeadTimeout {
				c.HeadTimeout = soon
			}
		})
		moved := n.rejections(func() {
			c := n.dial()
			defer c.close()
			c.send([]byte(r.send))
			if got, err := io.ReadAll(c.in); len(got) > 0 || err != nil && !isGone(err) {
				t.Errorf("%s: %q, %v; want nothing", r.what, got, err)
			}
		})
		checkMoved(t, moved, r.reject, 1)
	}
}

// Each label of a TLS failure is the reason of a rejection, at the stage tls.
func TestTLSRejectionsHaveLabels(t *testing.T) {
	for label, want := range map[string]error{
		"not_tls": tlsrecord.ErrNotTLS, "hello": tlsrecord.ErrHello, "busy": tlsrecord.ErrBusy, "record": tlsrecord.ErrRecord,
		"flights": tlsrecord.ErrFlights, "flood": tlsrecord.ErrFlood, "panic": &tlsrecord.PanicError{Value: "bug"},
		"key_update":  tlsrecord.ErrKeyUpdate,
		"certificate": &tls.CertificateVerificationError{}, "peer_alert": &net.OpError{Op: "remote error", Err: tls.AlertError(42)},
		"protocol": io.ErrUnexpectedEOF,
	} {
		if stage, reason := whyTLS(want).Labels(); stage != "tls" || reason != label || tlsrecord.Label(want) != label {
			t.Errorf("%v is rejected as %s/%s; want tls/%s", want, stage, reason, label)
		}
	}
}

// The log and the metrics say what is wrong with a client's TLS, so that its operator knows where to look.
func TestTLSRejectionsSayWhy(t *testing.T) {
	book := new(logbook)
	authority := certificate(t, "authority.test")
	stranger, err := tls.LoadX509KeyPair(authority.Cert, authority.Key)
	if err != nil {
		t.Fatal(err)
	}
	shown := func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &stranger, nil } // whoever may have signed it
	n := openSecure(t, func(c *Config) {
		c.Log = slog.New(slog.NewJSONHandler(book, nil))
		c.TLS.ClientCerts, c.TLS.ClientCA = tlsrecord.ClientCertsOptional, c.TLS.Certificates[0].Cert
	})
	for _, r := range []struct {
		reason string
		config *tls.Config
		reject metrics.Rejection
	}{
		{"peer_alert", &tls.Config{ServerName: "one.test", RootCAs: x509.NewCertPool()}, metrics.RejectTLSAlert}, // trusts nobody
		{"certificate", &tls.Config{InsecureSkipVerify: true, GetClientCertificate: shown}, metrics.RejectTLSCertificate},
		{"protocol", &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}, metrics.RejectTLS},
	} {
		moved := n.rejections(func() {
			c := n.dial()
			defer c.close()
			if s := tls.Client(c.conn, r.config); s.Handshake() == nil {
				_, _ = s.Read(make([]byte, 1)) // with version 1.3 the client hears of it only then
			}
			testutil.Eventually(t, patience, func() bool { return n.counts().Open == 0 }, "its conn has gone")
		})
		checkMoved(t, moved, r.reject, 1)
		testutil.Eventually(t, patience, func() bool {
			return slices.ContainsFunc(book.lines(t, "rejected"), func(l map[string]any) bool { return l["stage"] == "tls" && l["reason"] == r.reason })
		}, "a line with the reason "+r.reason)
		n.checkMetric(`edge_reject_total{reason="` + r.reason + `",stage="tls"} 1`)
	}
}

// A certificate is exchanged without a drop, and a bad one changes nothing.
func TestNewCertificate(t *testing.T) {
	n := openSecure(t, nil)
	old := n.dial().secure(tls.VersionTLS13).upgrade(pathEcho)
	defer old.close()
	named := func() string {
		c := n.dial().secure(tls.VersionTLS13)
		defer c.close()
		return c.tls.ConnectionState().PeerCertificates[0].Subject.CommonName
	}
	missing := tlsrecord.Config{Certificates: []tlsrecord.KeyPair{{Cert: "missing.pem", Key: "missing.pem"}}}
	if err := n.SetTLS(missing); err == nil || named() != "one.test" {
		t.Errorf("a certificate that is not there: %v, then %s", err, named())
	}
	if err := n.SetTLS(tlsrecord.Config{Certificates: []tlsrecord.KeyPair{certificate(t, "two.test")}}); err != nil || named() != "two.test" {
		t.Errorf("a new certificate: %v, then %s", err, named())
	}
	old.send(masked(0x81, "still there?"))
	if got := old.next(); got != `text "still there?"` {
		t.Errorf("a conn from before: %s", got)
	}
	if err := openNode(t, nil).SetTLS(missing); err == nil {
		t.Error("a node without TLS takes certificates")
	}
}

// A client that says close_notify hears it too. The alert is read as it is: crypto/tls takes the end of the stream for one.
func TestCloseNotifyIsAnswered(t *testing.T) {
	for name, alert := range map[string]byte{"1.2": 21, "1.3": 23} { // encrypted, it looks like data (RFC 8446 section 5.2)
		n := openSecure(t, nil)
		c := n.dial().secure(tlsVersions[name]).upgrade(pathEcho)
		defer c.close()
		if err := c.tls.CloseWrite(); err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(c.conn); err != nil || len(got) < 5 || got[0] != alert || len(got) != 5+int(got[4]) {
			t.Errorf("TLS %s: close_notify is answered with %x, %v; want one record of type %d", name, got, err, alert)
		}
	}
}

// A balancer's header stands before TLS, and in it one is no request (N13).
func TestProxyHeaderBeforeTLS(t *testing.T) {
	pair := certificate(t, "one.test")
	n := behindBalancer(t, func(c *Config) { c.TLS = &tlsrecord.Config{Certificates: []tlsrecord.KeyPair{pair}} })
	c := n.dial()
	defer c.close()
	c.send(from("198.51.100.7:4711"))
	c.secure(tls.VersionTLS13).upgrade(pathEcho)
	if got := n.addresses(); !slices.Equal(got, []string{"198.51.100.7:4711"}) {
		t.Errorf("addresses %v", got)
	}
	inside := n.dial()
	defer inside.close()
	inside.send(from("198.51.100.7:4711"))
	inside.secure(tls.VersionTLS13)
	inside.send(from("198.51.100.8:4711"))
	const rule = "N13 a header within TLS"
	if head := inside.readHead(); !strings.HasPrefix(head, "HTTP/1.1 400 ") {
		t.Errorf("%s: %q", rule, head)
	}
}

// A member that reads nothing is cut off, as its records cannot be dropped, and holds up nobody.
func TestSlowOverTLS(t *testing.T) {
	n := openSecure(t, func(c *Config) { c.QueueLimit = 64 << 10 })
	slow := n.dial().sluggish().secure(tls.VersionTLS13).upgrade(pathWebSocket)
	defer slow.close()
	slow.say(hello)
	slow.say(subscribe(2, "room"))
	slow.hear(2, 0, false)
	testutil.Eventually(t, patience, func() bool {
		n.publish("room", filler, PublishOptions{})
		return n.counts().Slow[metrics.SlowClosedBytes] == 1
	}, "the member that does not read is found slow")
	testutil.Eventually(t, patience, func() bool { return n.counts().Open == 0 }, "its conn has gone")
	if got := n.counts().Disconnects[16+8]; got != 1 {
		t.Errorf("%d sessions were ended with 3008; want 1", got)
	}
}

// TestSecuredRequestsFasterThanServed: of a client that sends requests faster than its turn comes, no more is kept than was read at
// once.
func TestSecuredRequestsFasterThanServed(t *testing.T) {
	n := openNodeAlone(t, func(c *Config) {
		c.TLS = &tlsrecord.Config{Certificates: []tlsrecord.KeyPair{certificate(t, "one.test")}}
		c.Loops = 1
	})
	c := n.dial().secure(tls.VersionTLS12)
	defer c.close()
	const requests = 50_000
	go c.send([]byte(strings.Repeat(plain("OPTIONS", pathEmulation), requests)))
	most := 0
	for i := range requests {
		if got := c.response(); got.StatusCode != http.StatusNoContent {
			t.Fatalf("answer %d: %d", i, got.StatusCode)
		}
		if i%500 == 0 {
			n.onEach(func(l *loop) {
				for _, t := range l.secured {
					if t != nil {
						most = max(most, cap(t.plain))
					}
				}
			})
		}
	}
	if most > 512<<10 {
		t.Errorf("%d bytes were kept", most)
	}
}

// joiner is a conn whose second write, which ends a handshake of TLS 1.3, leaves with the third.
type joiner struct {
	net.Conn
	writes int
	second []byte
}

func (j *joiner) Write(b []byte) (int, error) {
	switch j.writes++; j.writes {
	case 2:
		j.second = bytes.Clone(b)
		return len(b), nil
	case 3:
		_, err := j.Conn.Write(append(j.second, b...))
		return len(b), err
	}
	return j.Conn.Write(b)
}

// A request that comes right behind the handshake and is held has its conn wait like any other: what stands behind it stays in the socket,
// and is not decrypted into memory.
func TestHeldBehindTheHandshake(t *testing.T) {
	n := openSecure(t, func(c *Config) {
		c.routes = []route{{path: pathLate, methods: "GET", serve: func(l *loop, c *netpoll.Conn, s *session, _ *httpRequest) { l.hold(c, s) }}}
	})
	c := n.dial()
	defer c.close()
	c.tls = tls.Client(&joiner{Conn: c.conn}, &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS13})
	c.in = bufio.NewReader(c.tls)
	c.send([]byte(plain("GET", pathLate)))
	n.await("the request is held", func() bool { return n.held() == 1 })
	c.conn.SetWriteDeadline(time.Now().Add(2 * time.Second))
	_, err := c.tls.Write(make([]byte, 64<<20)) // far more than sockets hold
	if used := n.inputs.Used(); err == nil || used > 1<<20 {
		t.Errorf("64 MiB behind a request that is held: %v; %d are in memory", err, used)
	}
	n.release(answer{status: http.StatusOK, kind: "text/plain"})
}
