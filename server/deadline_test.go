package server

import (
	"testing"
	"time"

	"github.com/seed4ac54ce5/edge/metrics"
)

// soon is a deadline for tests that run into it, and late is by when it must have been noticed. unhurried is one for
// tests that must meet it first.
const (
	soon      = time.Second
	unhurried = 5 * time.Second
	late      = time.Minute
)

// trickle writes next() every 50 ms until it fails or stop is closed, and says so on the channel that it returns.
func (c *client) trickle(stop <-chan struct{}, next func() []byte) (done chan struct{}) {
	done = make(chan struct{})
	go func() {
		defer close(done)
		beat := time.NewTicker(soon / 8)
		defer beat.Stop()
		for {
			select {
			case <-stop:
				return
			case <-beat.C:
				c.send(next())
			}
		}
	}()
	return done
}

// Before a conn is a session it has one deadline that nothing it does moves.
func TestHeadDeadline(t *testing.T) {
	t.Parallel()
	n := openNode(t, func(c *Config) { c.HeadTimeout = soon })
	head := request(pathEcho)
	for _, r := range []struct {
		rule string
		next func() []byte
	}{
		{"N01 nothing", func() []byte { return nil }},
		{"H17 a byte at a time", func() []byte { b := head[:1]; head = head[1:]; return []byte(b) }},
	} {
		n.attack(r.rule, metrics.RejectHeadTimeout, 1, func(t *testing.T) {
			began, c := time.Now(), n.dial()
			stop := make(chan struct{})
			done := c.trickle(stop, r.next)
			got := c.readHead()
			if took := time.Since(began); got != "" || took < soon || took > late {
				t.Errorf("%q after %v; want the end of the stream after %v", got, took, soon)
			}
			close(stop)
			<-done
			c.close()
		})
	}
}

// The same deadline holds behind a TLS handshake, which does not move it.
func TestHeadDeadlineOverTLS(t *testing.T) {
	for name, version := range tlsVersions {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := openSecure(t, func(c *Config) { c.HeadTimeout = unhurried })
			head := request(pathEcho)
			moved := n.rejections(func() {
				stop := make(chan struct{})
				defer close(stop)
				silent, slow := n.dial().secure(version), n.dial().secure(version)
				slow.trickle(stop, func() []byte { b := head[:1]; head = head[1:]; return []byte(b) })
				for rule, c := range map[string]*client{"N01 nothing behind a handshake": silent, "H17 a byte at a time": slow} {
					defer c.close()
					if got := c.readHead(); got != "" {
						t.Errorf("%s: %q; want the end of the stream", rule, got)
					}
				}
			})
			checkMoved(t, moved, metrics.RejectHeadTimeout, 2)
		})
	}
}

// A WebSocket on the session's path must become a session in time, however lively it is.
func TestConnectDeadline(t *testing.T) {
	t.Parallel()
	n := openNode(t, func(c *Config) { c.StaleTimeout = soon })
	for _, r := range []struct {
		rule string
		next []byte
	}{
		{"H18 nothing", nil},
		{"H18 pings", masked(0x89, "")},
		{"H18 pongs", masked(0x8a, "")},
		{"H18 fragments without an end", masked(0x01, "")},
	} {
		n.attack(r.rule, metrics.RejectStale, 1, func(t *testing.T) {
			began, c := time.Now(), n.open(pathWebSocket)
			stop := make(chan struct{})
			next := r.next
			done := c.trickle(stop, func() []byte {
				b := next
				if len(b) > 0 && b[0] == 0x01 {
					next = masked(0x00, "")
				}
				return b
			})
			got := c.next()
			for got == `pong ""` {
				got = c.next()
			}
			if took := time.Since(began); got != "close 3502" || took < soon || took > late {
				t.Errorf("%s after %v; want close 3502 after %v", got, took, soon)
			}
			close(stop)
			<-done
			c.close()
		})
	}
}

// The deadline for a head ends with the head.
func TestDeadlinesThatAreMet(t *testing.T) {
	t.Parallel()
	n := openNode(t, func(c *Config) { c.HeadTimeout, c.StaleTimeout = unhurried, unhurried })
	echo, session := n.open(pathEcho), n.open(pathWebSocket)
	defer echo.close()
	defer session.close()
	session.say(hello)
	session.next()
	refused := n.dial()
	defer refused.close()
	refused.conn.SetDeadline(time.Now().Add(late))
	if got := refused.readHead(); got != "" { // by now all deadlines have passed
		t.Errorf("a client that sends nothing got %q", got)
	}
	echo.send(masked(0x81, "x"))
	session.say(subscribe(2, "a"))
	if got := echo.next() + session.next(); got != `text "x"`+said(1, []byte(subscribed(2))) {
		t.Errorf("after the deadlines: %s", got)
	}
	n.awaitReady("/health")
}
