package server

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed4ac54ce5/edge/internal/testutil"
	"github.com/seed4ac54ce5/edge/metrics"
)

// The path of the echo in tests, and the queries of requests there.
const (
	engineTestPath = "/engine.io/"
	webSocketQuery = "?EIO=4&transport=websocket"
	pollingQuery   = "?EIO=4&transport=polling"
)

// engineEchoConfig serves bare Engine.IO, with changes.
func engineEchoConfig(change func(c *SocketIO)) func(*Config) {
	return func(c *Config) {
		c.SocketIO = &SocketIO{EchoPath: engineTestPath}
		if change != nil {
			change(c.SocketIO)
		}
	}
}

// handshake is what an open packet says.
type handshake struct {
	SID          string   `json:"sid"`
	Upgrades     []string `json:"upgrades"`
	PingInterval int      `json:"pingInterval"`
	PingTimeout  int      `json:"pingTimeout"`
	MaxPayload   int      `json:"maxPayload"`
}

// parseOpen returns what an open packet says, all of which it must say and nothing else.
func parseOpen(t testing.TB, packet string) (h handshake) {
	t.Helper()
	var keys map[string]any
	rest, ok := strings.CutPrefix(packet, "0")
	if !ok || json.Unmarshal([]byte(rest), &h) != nil || json.Unmarshal([]byte(rest), &keys) != nil || len(keys) != 5 || len(h.SID) != 20 {
		t.Fatalf("open packet = %q; want 0 and an object of five keys, sid 20 characters", packet)
	}
	return h
}

// engineSocket is a WebSocket with a session of its own; h is what that begins with.
func (n *node) engineSocket(query string) (c *client, h handshake) {
	n.t.Helper()
	c = n.open(engineTestPath + query)
	f, end := c.frame()
	if end != "" {
		n.t.Fatalf("in place of an open packet: %s", end)
	}
	return c, parseOpen(n.t, string(f.Payload))
}

func textOf(payload string) []byte  { return masked(0x81, payload) }
func bytesOf(payload string) []byte { return masked(0x82, payload) }

func TestEngineHandshakeOfWebSockets(t *testing.T) {
	n := openNode(t, engineEchoConfig(func(c *SocketIO) {
		c.PingInterval, c.PingTimeout, c.MaxPayload = 300*time.Millisecond, 200*time.Millisecond, 1e6
	}))
	c, h := n.engineSocket(webSocketQuery)
	defer c.close()
	want := handshake{SID: h.SID, Upgrades: []string{}, PingInterval: 300, PingTimeout: 200, MaxPayload: 1_000_000}
	if fmt.Sprint(h) != fmt.Sprint(want) {
		t.Errorf("open packet says %+v; want %+v", h, want)
	}
	if n := n.counts().Connections; n[metrics.SocketWebSocket] != 1 || n[metrics.WebSocket] != 0 {
		t.Errorf("connections by transport = %v; want one of socketio_websocket", n)
	}
	other, h2 := n.engineSocket(webSocketQuery + "&t=abc&x=y")
	defer other.close()
	if h2.SID == h.SID {
		t.Errorf("two sessions have the id %q", h.SID)
	}
}

// TestEngineWebSocketRows has the rules for packets in a WebSocket: section 1 of the protocol, and what the reference does about
// misuse.
func TestEngineWebSocketRows(t *testing.T) {
	n := openNode(t, engineEchoConfig(func(c *SocketIO) { c.MaxPayload = maxEngineRow }))
	for _, r := range engineRows() {
		n.run(r.rule, func(t *testing.T) { n.runEngineRow(t, &r, webSocketQuery) })
	}
	n.run("b64=1 wants text", func(t *testing.T) {
		r := row{"", slices.Concat(bytesOf("\x01\x02\x03\x04"), textOf("bAQI=")), []string{`text "bAQIDBA=="`, `text "bAQI="`}, none}
		n.runEngineRow(t, &r, webSocketQuery+"&b64=1")
	})
}

const maxEngineRow = 1000

// engineRows are the rules, where a packet has at most maxEngineRow bytes.
func engineRows() []row {
	return []row{
		{"text comes back", textOf("4hello"), []string{`text "4hello"`}, none},
		{"empty text", textOf("4"), []string{`text "4"`}, none},
		{"binary comes back", bytesOf("\x01\x02\x03\x04"), []string{`binary "\x01\x02\x03\x04"`}, none},
		{"empty binary", bytesOf(""), []string{`binary ""`}, none},
		{"base64 is binary", textOf("bAQIDBA=="), []string{`binary "\x01\x02\x03\x04"`}, none},
		{"several", slices.Concat(textOf("4a"), bytesOf("b"), textOf("4c")), []string{`text "4a"`, `binary "b"`, `text "4c"`}, none},
		{"fragments", slices.Concat(masked(0x01, "4he"), masked(0x80, "llo")), []string{`text "4hello"`}, none},
		{"a pong nobody asked for", slices.Concat(textOf("3"), textOf("4x")), []string{`text "4x"`}, none},
		{"open, upgrade and noop are ignored", slices.Concat(textOf("0"), textOf("5"), textOf("6"), textOf("4x")), []string{`text "4x"`}, none},
		{"a WebSocket's ping", masked(0x89, "p"), []string{`pong "p"`}, none},
		{"close ends at once", slices.Concat(textOf("1"), textOf("4x")), []string{"close 1005"}, none},
		{"E01 a ping is of version 3", textOf("2"), []string{"close 1005"}, metrics.RejectCommand},
		{"E06 a probe without polling", textOf("2probe"), []string{"close 1005"}, metrics.RejectCommand},
		{"E06 an unknown type", textOf("abc"), []string{"close 1005"}, metrics.RejectCommand},
		{"E06 an empty message", textOf(""), []string{"close 1005"}, metrics.RejectCommand},
		{"E06 base64 that is none", textOf("b!"), []string{"close 1005"}, metrics.RejectCommand},
		{"what came before counts", slices.Concat(textOf("4x"), textOf("7")), []string{`text "4x"`, "close 1005"}, metrics.RejectCommand},
		{"E03 as large as may be", textOf("4" + strings.Repeat("x", maxEngineRow-1)), []string{said(1, []byte("4"+strings.Repeat("x", maxEngineRow-1)))}, none},
		{"E03 over the limit", textOf("4" + strings.Repeat("x", maxEngineRow)), []string{"close 1009"}, metrics.RejectMessageSize},
		{"not UTF-8", textOf("4\xff"), []string{"close 1007"}, metrics.RejectUTF8},
		{"unmasked", []byte{0x81, 1, '3'}, []string{"close 1002"}, metrics.RejectProtocol},
	}
}

// runEngineRow is runRow for what stands behind an open packet.
func (n *node) runEngineRow(t *testing.T, r *row, query string) {
	send, want := r.stream()
	runs := cutsOf(t, len(send))
	n.withstand(t, r.reject, len(runs), func() {
		for _, cuts := range runs {
			got := n.exchange(send, cuts, engineTestPath+query, nil)
			if len(got) == 0 || !strings.HasPrefix(got[0], `text "0{`) || !slices.Equal(got[1:], want) {
				t.Fatalf("%s\ncut at %v\n got %s\nwant an open packet and %s", hexOf(send), cuts, got, want)
			}
		}
	})
}

// Each error of the table for a request that wants a WebSocket, before any 101.
func TestEngineUpgradeErrors(t *testing.T) {
	n := openNode(t, func(c *Config) {
		engineEchoConfig(nil)(c)
		c.Access.Origins = []string{"https://good.test"}
	})
	stranger := "AAAAAAAAAAAAAAAAAAAA"
	for _, row := range []struct {
		rule, query string
		field       string
		want        string // of the status line and the body
		reject      metrics.Rejection
	}{
		{"E01 no transport", "?EIO=4", "", "400 Bad Request: Transport unknown", metrics.RejectBadRequest},
		{"E01 unknown transport", "?EIO=4&transport=abc", "", "400 Bad Request: Transport unknown", metrics.RejectBadRequest},
		{"E01 webtransport", "?EIO=4&transport=webtransport", "", "400 Bad Request: Transport unknown", metrics.RejectBadRequest},
		{"E01 transport twice", webSocketQuery + "&transport=websocket", "", "400 Bad Request: Transport unknown", metrics.RejectBadRequest},
		{"E01 unknown session", webSocketQuery + "&sid=" + stranger, "", "400 Bad Request: Session ID unknown", metrics.RejectBadRequest},
		{"E01 garbage for a session", webSocketQuery + "&sid=%00..", "", "400 Bad Request: Session ID unknown", metrics.RejectBadRequest},
		{"E01 two sessions", webSocketQuery + "&sid=a&sid=b", "", "400 Bad Request: Session ID unknown", metrics.RejectBadRequest},
		{"A01 another site", webSocketQuery, "Origin: https://evil.test", "403 Forbidden: Forbidden", metrics.RejectOrigin},
		{"E01 no version", "?transport=websocket", "", "400 Bad Request: Unsupported protocol version", metrics.RejectBadRequest},
		{"E01 version 3", "?EIO=3&transport=websocket", "", "400 Bad Request: Unsupported protocol version", metrics.RejectBadRequest},
		{"E01 version twice", webSocketQuery + "&EIO=4", "", "400 Bad Request: Unsupported protocol version", metrics.RejectBadRequest},
		{"the first in the order counts", "?EIO=3&transport=abc&sid=" + stranger, "", "400 Bad Request: Transport unknown", metrics.RejectBadRequest},
	} {
		n.attack(row.rule, row.reject, 1, func(t *testing.T) {
			c := n.dial()
			defer c.close()
			var fields []string
			if row.field != "" {
				fields = append(fields, row.field)
			}
			c.send([]byte(request(engineTestPath+row.query, fields...)))
			head := c.readHead()
			rest, _ := c.in.ReadString(0)
			status, _, _ := strings.Cut(strings.TrimPrefix(head, "HTTP/1.1 "), "\r\n")
			if got := status + ": " + rest; got != row.want || !strings.Contains(head, "\r\nContent-type: text/html\r\n") {
				t.Errorf("answer = %s of %q; want %s of text/html", got, head, row.want)
			}
		})
	}
	c := n.open(engineTestPath+webSocketQuery, "Origin: https://good.test")
	c.close()
}

func TestEngineIsOffByItself(t *testing.T) {
	n := openNode(t, nil)
	for _, path := range []string{"/socket.io/", engineTestPath} {
		c := n.dial()
		c.send([]byte(request(path + webSocketQuery)))
		if head := c.readHead(); !strings.HasPrefix(head, "HTTP/1.1 404 ") {
			t.Errorf("%s = %q; want 404", path, head)
		}
		c.close()
	}
}

// The heartbeat is the server's, and keeps to its deadlines. What is asserted is their order among each other and that nothing
// comes early: a slow machine is late with everything.
func TestEngineHeartbeat(t *testing.T) {
	const interval, timeout = 300 * time.Millisecond, 200 * time.Millisecond
	patient := openNode(t, engineEchoConfig(func(c *SocketIO) { c.PingInterval, c.PingTimeout = interval, time.Hour }))
	patient.run("a ping an interval after each pong", func(t *testing.T) {
		c, _ := patient.engineSocket(webSocketQuery)
		defer c.close()
		last := time.Now()
		for range 3 {
			if got := c.next(); got != `text "2"` {
				t.Fatalf("got %s; want a ping", got)
			}
			if d := time.Since(last); d < interval-20*time.Millisecond {
				t.Errorf("a ping %v after the last pong; want %v", d, interval)
			}
			last = time.Now()
			c.send(textOf("3"))
		}
	})
	n := openNode(t, engineEchoConfig(func(c *SocketIO) { c.PingInterval, c.PingTimeout = interval, timeout }))
	n.run("no pong, no session", func(t *testing.T) {
		begun := time.Now()
		c, _ := n.engineSocket(webSocketQuery)
		defer c.close()
		if got := c.rest(); !slices.Equal(got, []string{`text "2"`, "close 1005"}) {
			t.Errorf("got %s; want a ping and an end", got)
		}
		if d := time.Since(begun); d < interval+timeout {
			t.Errorf("ended after %v; want %v", d, interval+timeout)
		}
	})
	n.run("the first other packet gives it as long again, a second does not", func(t *testing.T) {
		var got []string
		for range 20 { // on a busy machine the packets may come too late
			c, _ := n.engineSocket(webSocketQuery)
			defer c.close()
			if got := c.next(); got != `text "2"` {
				t.Fatalf("got %s; want a ping", got)
			}
			pinged := time.Now()
			time.Sleep(timeout / 2) // neither at once nor too late
			c.send(slices.Concat(textOf("4x"), textOf("4y")))
			if got = c.rest(); !slices.Equal(got, []string{`text "4x"`, `text "4y"`, "close 1005"}) {
				continue
			}
			if d := time.Since(pinged); d < timeout+timeout/2-20*time.Millisecond {
				t.Errorf("ended %v after the ping; want %v", d, timeout+timeout/2)
			}
			return
		}
		t.Errorf("got %s; want both packets back, and then an end", got)
	})
}

// A node that leaves says so, and clients come back.
func TestEngineSessionsEndWithTheNode(t *testing.T) {
	n := openNodeAlone(t, func(c *Config) {
		engineEchoConfig(nil)(c)
		c.ShutdownWindow = time.Millisecond
	})
	c, _ := n.engineSocket(webSocketQuery)
	defer c.close()
	go n.Drain()
	done := make(chan error, 1)
	go func() { done <- n.Run(t.Context()) }()
	if got := c.rest(); !slices.Equal(got, []string{"close 1001"}) {
		t.Errorf("got %s; want an end", got)
	}
	c.close()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// A client that is cut off leaves nothing behind.
func TestEngineSessionsLeaveNothing(t *testing.T) {
	n := openNode(t, engineEchoConfig(nil))
	before := n.holdings()
	for range 50 {
		c, _ := n.engineSocket(webSocketQuery)
		c.send(textOf("4half")[:4])
		c.close()
	}
	n.awaitHoldings(t, before)
	testutil.Eventually(t, patience, func() bool { return n.counts().Connections[metrics.SocketWebSocket] == 0 }, "no session stands")
}

func TestSocketIOConfig(t *testing.T) {
	for _, row := range []struct {
		change func(c *SocketIO)
		good   bool
	}{
		{func(*SocketIO) {}, true},
		{func(c *SocketIO) { c.Path, c.EchoPath = "/a", "/b" }, true},
		{func(c *SocketIO) { c.Path = "a" }, false},
		{func(c *SocketIO) { c.EchoPath = "a" }, false},
		{func(c *SocketIO) { c.EchoPath = "/socket.io" }, false},
		{func(c *SocketIO) { c.EchoPath = "/socket.io/below" }, false},
		{func(c *SocketIO) { c.PingInterval = -1 }, false},
		{func(c *SocketIO) { c.PingTimeout = time.Microsecond }, false},
		{func(c *SocketIO) { c.UpgradeTimeout = -1 }, false},
		{func(c *SocketIO) { c.ConnectTimeout = -1 }, false},
		{func(c *SocketIO) { c.Limits.AttachmentTimeout = -1 }, false},
		{func(c *SocketIO) { c.Limits.Sessions = -1 }, false},
		{func(c *SocketIO) { c.MaxPayload = -1 }, false},
		{func(c *SocketIO) { c.NoPolling, c.NoWebSocket = true, true }, false},
	} {
		var c SocketIO
		row.change(&c)
		if err := c.withDefaults().check(); (err == nil) != row.good {
			t.Errorf("check of %+v = %v; want good %v", c, err, row.good)
		}
	}
	if c := (*SocketIO)(nil).withDefaults(); c != nil || c.check() != nil {
		t.Error("nothing has defaults")
	}
}
