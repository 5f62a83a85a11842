package server

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed4ac54ce5/edge/metrics"
)

// What breaks a rule of Socket.IO in any namespace ends its session, counts once, leaves nothing and is nobody else's business.
func TestAttackSocketPackets(t *testing.T) {
	a := newSocketApp()
	n := openSocketNode(t, a, nil)
	deep := strings.Repeat("[", 10_000) + strings.Repeat("]", 10_000)
	for _, r := range []struct {
		rule string
		sent []string // text, or binary behind "b:"
	}{
		{"E06 an unknown type", []string{`49`}},
		{"E06 bad JSON", []string{`42["a"`}},
		{"E06 a payload that is no array", []string{`42"a"`}},
		{"E06 an acknowledgement id that is none", []string{`42-1["a"]`}},
		{"E07 thousands of attachments", []string{`4599999-["a"]`}},
		{"E07 a number of 100 KB", []string{`45` + strings.Repeat("9", 100_000) + `-["a"]`}},
		{"E07 text among attachments", []string{`452-["a",{"_placeholder":true,"num":0}]`, "b:x", `42["b"]`}},
		{"E08 a negative index", []string{`451-["a",{"_placeholder":true,"num":-1}]`, "b:x"}},
		{"E08 a fraction", []string{`451-["a",{"_placeholder":true,"num":0.5}]`, "b:x"}},
		{"E08 a huge index", []string{`451-["a",{"_placeholder":true,"num":1e300}]`, "b:x"}},
		{"E08 an index of another type", []string{`451-["a",{"_placeholder":true,"num":"0"}]`, "b:x"}},
		{"E08 what only JavaScript takes for an index", []string{`451-["a",{"_placeholder":true,"num":0.0}]`, "b:x"}},
		{"E08 an escaped name", []string{`451-["a",{"_pl\u0061ceholder":true,"num":0}]`, "b:x"}},
		{"E08 an index given twice", []string{`451-["a",{"_placeholder":true,"num":"0","num":0}]`, "b:x"}},
		{"E09 connect", []string{`42["connect",{}]`}},
		{"E09 disconnect, escaped", []string{`42["\u0064isconnect"]`}},
		{"E11 deep JSON", []string{`42["a",` + deep + `]`}},
		{"E11 deep JSON in CONNECT", []string{`40/b,{"a":` + deep + `}`}},
		{"E11 digits", []string{`42` + strings.Repeat("1", 500_000) + `["a"]`}},
	} {
		n.attack(r.rule, metrics.RejectCommand, 1, func(t *testing.T) {
			c, _ := a.enter(n, "/")
			defer c.close()
			for _, p := range r.sent {
				if payload, ok := strings.CutPrefix(p, "b:"); ok {
					c.send(bytesOf(payload))
				} else {
					c.send(textOf(p))
				}
			}
			c.receives(t, "close 1005")
			a.expect(t, "disconnect /: forced close []")
		})
	}
}

// E09: "error" is a name like any other.
func TestE09ErrorIsAnEvent(t *testing.T) {
	a := newSocketApp()
	n := openSocketNode(t, a, nil)
	n.attack("E09 error", none, 0, func(t *testing.T) {
		c, _ := a.enter(n, "/")
		defer c.close()
		for _, name := range []string{"error", "__proto__", "constructor", "toString", ""} {
			c.send(textOf(fmt.Sprintf(`42[%q]`, name)))
			a.expect(t, fmt.Sprintf(`event / [%q] []`, name))
		}
		c.close()
		a.expect(t, "disconnect /: transport close []")
	})
}

// E07: attachments that never become whole are dropped at their deadline, however large.
func TestE07StalledAttachments(t *testing.T) {
	a := newSocketApp()
	n := openSocketNode(t, a, func(c *Config) { c.SocketIO.Limits.AttachmentTimeout = 200 * time.Millisecond })
	n.attack("E07 nine of ten attachments", metrics.RejectStale, 1, func(t *testing.T) {
		c, _ := a.enter(n, "/")
		defer c.close()
		c.send(textOf(`4510-["a"]`))
		for range 9 {
			c.send(bytesOf(strings.Repeat("x", 50_000)))
		}
		c.receives(t, "close 1005")
		a.expect(t, "disconnect /: forced close []")
	})
	n.attack("E07 none of them", metrics.RejectStale, 1, func(t *testing.T) {
		c, _ := a.enter(n, "/")
		defer c.close()
		c.send(textOf(`451-["a"]`))
		c.receives(t, "close 1005")
		a.expect(t, "disconnect /: forced close []")
	})
}

// E10: who enters no namespace is gone at the deadline.
func TestE10NoConnect(t *testing.T) {
	n := openSocketNode(t, newSocketApp(), func(c *Config) { c.SocketIO.ConnectTimeout = 200 * time.Millisecond })
	n.attack("E10 no CONNECT", metrics.RejectStale, 20, func(t *testing.T) {
		var all []*client
		for range 20 {
			all = append(all, n.socket())
		}
		for _, c := range all {
			c.receives(t, "close 1005")
			c.close()
		}
	})
}

// E11: namespaces that do not exist cost an answer each and leave nothing, while the session goes on.
func TestE11UnknownNamespaces(t *testing.T) {
	a := newSocketApp()
	a.connect = func(r *SocketConnect) (SocketWelcome, error) {
		if r.Namespace == "/" {
			return SocketWelcome{}, nil
		}
		return SocketWelcome{}, &SocketRefusal{Message: "Invalid namespace"}
	}
	n := openSocketNode(t, a, func(c *Config) { c.SocketIO.NoHandshakes = true })
	n.attack("E11 a thousand unknown namespaces", none, 0, func(t *testing.T) {
		c, _ := a.enter(n, "/")
		defer c.close()
		n.await("its application has been told everything", func() bool {
			var boxes atomic.Int64
			n.onEach(func(l *loop) { boxes.Add(int64(len(l.sockets.boxes))) })
			return boxes.Load() == 0
		})
		before := n.holdings()
		for i := range 1000 {
			c.send(textOf(fmt.Sprintf("40/%d,", i)))
			c.receives(t, text(fmt.Sprintf(`44/%d,{"message":"Invalid namespace"}`, i)))
		}
		n.awaitHoldings(t, before)
		giant := "/" + strings.Repeat("x", 100_000)
		c.send(textOf("40" + giant + ","))
		if f, _ := c.frame(); !strings.HasSuffix(string(f.Payload), `,{"message":"Invalid namespace"}`) {
			t.Errorf("a namespace of 100 KB was answered %.100q", f.Payload)
		}
		n.awaitHoldings(t, before)
	})
}

// E12: polling sessions that nobody comes back for are gone when a pong is missing. TestPollingSessionsAreBounded holds their number.
func TestE12AbandonedSessions(t *testing.T) {
	n := openNode(t, engineEchoConfig(func(c *SocketIO) {
		c.PingInterval, c.PingTimeout = 100*time.Millisecond, 100*time.Millisecond
	}))
	n.attack("E12 a thousand handshakes", none, 0, func(t *testing.T) {
		c := n.dial()
		defer c.close()
		for range 1000 {
			if got := c.says(get(engineTestPath + pollingQuery)); !strings.HasPrefix(got, `200 0{"sid":`) {
				t.Fatalf("handshake = %s", got)
			}
		}
	})
}
