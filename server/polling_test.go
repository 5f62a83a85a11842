package server

import (
	"compress/gzip"
	"compress/zlib"
	"encoding/base64"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/seed4ac54ce5/edge/metrics"
	"github.com/seed4ac54ce5/edge/netpoll"
)

func TestPollingHandshake(t *testing.T) {
	n := openNode(t, engineEchoConfig(func(c *SocketIO) { c.PingInterval, c.PingTimeout = 300*time.Second, 200*time.Second }))
	before := n.holdings()
	c := n.dial()
	defer c.close()
	c.send([]byte(get(engineTestPath + pollingQuery)))
	r, body := c.reply("GET")
	want := map[string]string{"Content-Type": "text/plain; charset=UTF-8", "Cache-Control": "no-store", "Content-Length": fmt.Sprint(len(body))}
	for name, value := range want {
		if got := r.Header.Get(name); got != value {
			t.Errorf("%s: %q; want %q", name, got, value)
		}
	}
	if len(r.Header) != len(want) {
		t.Errorf("header = %v; want nothing else: no cookie, no CORS", r.Header)
	}
	h := parseOpen(t, body)
	if fmt.Sprint(h) != fmt.Sprint(handshake{h.SID, []string{"websocket"}, 300_000, 200_000, 1_000_000}) {
		t.Errorf("open packet says %+v", h)
	}
	if n := n.counts().Connections; n[metrics.SocketPolling] != 1 || n[metrics.SocketWebSocket] != 0 {
		t.Errorf("connections by transport = %v; want one of socketio_polling", n)
	}
	if got := c.says(post(engineTestPath+pollingQuery+"&sid="+h.SID, "1")); got != okReply {
		t.Errorf("POST of 1 = %s", got)
	}
	c.close()
	n.awaitHoldings(t, before)

	n = openNode(t, engineEchoConfig(func(c *SocketIO) { c.NoUpgrades = true }))
	p := n.poller("")
	defer p.end()
	if len(p.handshake.Upgrades) != 0 {
		t.Errorf("without upgrades the open packet names %q", p.handshake.Upgrades)
	}
}

// Each error of the table, over HTTP.
func TestPollingErrors(t *testing.T) {
	n := openNode(t, func(c *Config) {
		engineEchoConfig(nil)(c)
		c.Access.Origins = []string{"https://good.test"}
	})
	socket, _ := n.engineSocket(webSocketQuery)
	defer socket.close()
	ofSocket, h := n.engineSocket(webSocketQuery)
	defer ofSocket.close()
	p := n.poller("")
	defer p.end()
	unknownTransport, noMethod, noVersion := `400 {"code":0,"message":"Transport unknown"}`, `400 {"code":2,"message":"Bad handshake method"}`, `400 {"code":5,"message":"Unsupported protocol version"}`
	at := func(query string) string { return engineTestPath + query }
	for _, row := range []struct{ rule, request, want string }{
		{"E01 no transport", get(at("?EIO=4")), unknownTransport},
		{"E01 unknown transport", get(at("?EIO=4&transport=abc")), unknownTransport},
		{"E01 no version", get(at("?transport=polling")), noVersion},
		{"E01 version abc", get(at("?EIO=abc&transport=polling")), noVersion},
		{"E01 version 3", get(at("?EIO=3&transport=polling")), noVersion},
		{"E01 version twice", get(at(pollingQuery + "&EIO=4")), noVersion},
		{"E01 handshake by POST", post(at(pollingQuery), "4x"), noMethod},
		{"E01 handshake by PUT", bodyless("PUT", at(pollingQuery)), noMethod},
		{"E01 handshake by DELETE", bodyless("DELETE", at(pollingQuery)), noMethod},
		{"E01 unknown session", get(at(pollingQuery + "&sid=AAAAAAAAAAAAAAAAAAAA")), unknownSession},
		{"E01 unknown session by POST", post(at(pollingQuery+"&sid=x"), "4x"), unknownSession},
		{"E01 two sessions", get(p.target + "&sid=" + p.handshake.SID), unknownSession},
		{"E01 the transport of another kind", get(at(pollingQuery + "&sid=" + h.SID)), badRequest},
		{"websocket without an upgrade", get(at(webSocketQuery)), badRequest},
		{"E01 version 3 in a session", get(strings.Replace(p.target, "EIO=4", "EIO=3", 1)), badRequest},
		{"JSONP", get(at(pollingQuery + "&j=0")), badRequest},
		{"A01 another site", get(at(pollingQuery), "Origin: https://evil.test"), `403 {"code":4,"message":"Forbidden"}`},
		{"A01 another site in a session", get(p.target, "Origin: https://evil.test"), `403 {"code":4,"message":"Forbidden"}`},
		{"another method in a session", bodyless("DELETE", p.target), "500 "},
		{"the first in the order counts", bodyless("PUT", at("?EIO=3&transport=abc&sid=x")), unknownTransport},
	} {
		n.run(row.rule, func(t *testing.T) {
			c := n.dial()
			defer c.close()
			c.send([]byte(row.request))
			r, body := c.reply("")
			if got := fmt.Sprintf("%d %s", r.StatusCode, body); got != row.want {
				t.Errorf("%q = %s; want %s", row.request, got, row.want)
			}
			if kind := r.Header.Get("Content-Type"); body != "" && kind != "application/json" {
				t.Errorf("an error of type %q", kind)
			}
		})
	}
	if got := p.post("4still"); got != okReply {
		t.Errorf("the session is harmed: POST = %s", got)
	}
	if got := p.poll(); got != "200 4still" {
		t.Errorf("the session is harmed: GET = %s", got)
	}
	n.checkNeighbour()
}

func TestPollingTransportsCanBeOff(t *testing.T) {
	n := openNode(t, engineEchoConfig(func(c *SocketIO) { c.NoPolling = true }))
	c := n.dial()
	defer c.close()
	if got := c.says(get(engineTestPath + pollingQuery)); got != `400 {"code":0,"message":"Transport unknown"}` {
		t.Errorf("polling where it is off = %s", got)
	}
}

// Pages of other sites use polling if they may connect.
func TestPollingCORS(t *testing.T) {
	n := openNode(t, func(c *Config) {
		engineEchoConfig(nil)(c)
		c.Access.Origins = []string{"https://good.test"}
	})
	c := n.dial()
	defer c.close()
	origin := "Origin: https://good.test"
	for _, request := range []string{
		bodyless("OPTIONS", engineTestPath+pollingQuery, origin, "Access-Control-Request-Method: POST", "Access-Control-Request-Headers: content-type"),
		get(engineTestPath+"?EIO=4", origin),
	} {
		c.send([]byte(request))
		r, _ := c.reply("")
		if got := r.Header.Get("Access-Control-Allow-Origin"); got != "https://good.test" {
			t.Errorf("%q = %d, allowed origin %q", request, r.StatusCode, got)
		}
		if strings.HasPrefix(request, "OPTIONS") && (r.StatusCode != 204 || r.Header.Get("Access-Control-Allow-Headers") != "content-type") {
			t.Errorf("preflight = %d %v", r.StatusCode, r.Header)
		}
	}
}

// TestPollingMessages has what the echo sends back for what is posted.
func TestPollingMessages(t *testing.T) {
	n := openNode(t, engineEchoConfig(nil))
	large := strings.Repeat("x", 100_000)
	for _, row := range []struct{ rule, send, want string }{
		{"one packet", "4hello", "4hello"},
		{"several in one payload", "4test1\x1e4test2\x1e4test3", "4test1\x1e4test2\x1e4test3"},
		{"text and bytes", "4hello\x1ebAQIDBA==", "4hello\x1ebAQIDBA=="},
		{"UTF-8", "4€uro", "4€uro"},
		{"a large one", "4" + large, "4" + large},
		{"what is ignored", "3\x1e0\x1e5\x1e6\x1e4x", "4x"},
	} {
		n.run(row.rule+", then polled", func(t *testing.T) {
			p := n.poller("")
			defer p.end()
			if got := p.post(row.send); got != okReply {
				t.Errorf("POST = %s", got)
			}
			if got := p.poll(); got != "200 "+row.want {
				t.Errorf("GET = %.100q; want %.100q", got, row.want)
			}
		})
		n.run(row.rule+", while a poll is held", func(t *testing.T) {
			p := n.poller("")
			defer p.end()
			p.hold()
			if got := p.post(row.send); got != okReply {
				t.Errorf("POST = %s", got)
			}
			if got := p.gets.hears(); got != "200 "+row.want {
				t.Errorf("GET = %.100q; want %.100q", got, row.want)
			}
		})
	}
	n.run("in chunks", func(t *testing.T) {
		p := n.poller("")
		defer p.end()
		if got := p.posts.says("POST " + p.target + " HTTP/1.1\r\nHost: edge.test\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n4he\r\n3\r\nllo\r\n0\r\n\r\n"); got != okReply {
			t.Errorf("POST = %s", got)
		}
		if got := p.poll(); got != "200 4hello" {
			t.Errorf("GET = %s", got)
		}
	})
}

// Both sides can end a session.
func TestPollingClose(t *testing.T) {
	n := openNode(t, engineEchoConfig(nil))
	before := n.holdings()
	n.run("the client, with a poll held", func(t *testing.T) {
		p := n.poller("")
		defer p.close()
		p.hold()
		if got := p.post("1"); got != okReply {
			t.Errorf("POST = %s", got)
		}
		if got := p.gets.hears(); got != "200 6" {
			t.Errorf("GET = %s", got)
		}
		p.gone(t)
	})
	n.run("the client, without", func(t *testing.T) {
		p := n.poller("")
		defer p.close()
		if got := p.post("4x\x1e1\x1e4y"); got != okReply {
			t.Errorf("POST = %s", got)
		}
		p.gone(t)
	})
	n.run("the server, with a poll held", func(t *testing.T) {
		p := n.poller("")
		defer p.close()
		p.hold()
		n.endAll()
		if got := p.gets.hears(); got != "200 1" {
			t.Errorf("GET = %s", got)
		}
		p.gone(t)
	})
	n.run("the server, without", func(t *testing.T) {
		p := n.poller("")
		defer p.close()
		n.endAll()
		if got := p.post("4x"); got != okReply {
			t.Errorf("POST = %s", got)
		}
		if got := p.poll(); got != "200 6\x1e1" {
			t.Errorf("GET = %q", got)
		}
		p.gone(t)
	})
	n.awaitHoldings(t, before)
	n.checkNeighbour()
}

// Large answers are compressed for who takes that.
func TestPollingCompression(t *testing.T) {
	n := openNode(t, engineEchoConfig(nil))
	p := n.poller("")
	defer p.end()
	for _, row := range []struct {
		size         int
		accept, want string
	}{
		{1023, "gzip, deflate", ""}, {1024, "gzip, deflate", "gzip"}, {5000, "deflate", "deflate"}, {5000, "br", ""}, {5000, "", ""},
	} {
		packet := "4" + strings.Repeat("x", row.size-1)
		p.post(packet)
		var fields []string
		if row.accept != "" {
			fields = append(fields, "Accept-Encoding: "+row.accept)
		}
		p.gets.send([]byte(get(p.target, fields...)))
		r, body := p.gets.reply("GET")
		if got := r.Header.Get("Content-Encoding"); got != row.want {
			t.Errorf("%d bytes for %q come as %q; want %q", row.size, row.accept, got, row.want)
		}
		if got := unpacked(t, r.Header.Get("Content-Encoding"), body); got != packet {
			t.Errorf("%d bytes for %q = %.80q", row.size, row.accept, got)
		}
	}
}

func unpacked(t *testing.T, coding, body string) string {
	t.Helper()
	var (
		r   io.Reader = strings.NewReader(body)
		err error
	)
	switch coding {
	case "gzip":
		r, err = gzip.NewReader(r)
	case "deflate":
		r, err = zlib.NewReader(r)
	}
	if err != nil {
		t.Fatal(err)
	}
	whole, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(whole)
}

// What a poller sends means the same however it is cut.
func TestPollingSplitInvariance(t *testing.T) {
	n := openNode(t, engineEchoConfig(nil))
	const body = "4hello\x1ebAQIDBA==\x1e4x"
	p := n.poller("")
	defer p.end()
	whole := post(p.target, body, "Content-Type: text/plain;charset=UTF-8")
	for at := 1; at < len(whole); at += 3 {
		n.sendCut(p.posts, []byte(whole), []int{at})
		if got := p.posts.hears(); got != okReply {
			t.Fatalf("cut at %d: POST = %s", at, got)
		}
		if got := p.poll(); got != "200 "+body {
			t.Fatalf("cut at %d: GET = %q", at, got)
		}
	}
}

func TestPollingHeartbeat(t *testing.T) {
	const interval = 300 * time.Millisecond
	n := openNode(t, engineEchoConfig(func(c *SocketIO) { c.PingInterval, c.PingTimeout = interval, 200*time.Millisecond }))
	n.run("E12 nobody polls", func(t *testing.T) {
		p := n.poller("")
		defer p.close()
		n.await("the session has ended", func() bool { return n.counts().Connections[metrics.SocketPolling] == 0 })
		p.gone(t)
	})
	n = openNode(t, engineEchoConfig(func(c *SocketIO) { c.PingInterval, c.PingTimeout = interval, time.Hour })) // a slow machine answers late
	n.run("pings and pongs", func(t *testing.T) {
		p := n.poller("")
		defer p.end()
		for range 3 {
			if got := p.poll(); got != "200 2" {
				t.Fatalf("GET = %s; want a ping", got)
			}
			if got := p.post("3"); got != okReply {
				t.Fatalf("POST = %s", got)
			}
		}
	})
	n.run("a poll, and no pong", func(t *testing.T) {
		p := n.poller("")
		defer p.close()
		if got := p.poll(); got != "200 2" {
			t.Fatalf("GET = %s; want a ping", got)
		}
		p.hold()
		n.onSessions(func(l *loop, c *netpoll.Conn, s *session) {
			e := l.engineOf(s)
			e.beat = l.net.Patience()
			l.aimEngine(c, e)
		})
		if got := p.gets.hears(); got != "200 1" {
			t.Errorf("GET = %s; want the end", got)
		}
		p.gone(t)
	})
}

// E12: abandoned sessions cost no more than there may be of them, and go by themselves.
func TestPollingSessionsAreBounded(t *testing.T) {
	n := openNode(t, engineEchoConfig(func(c *SocketIO) {
		c.Limits.Sessions = 20
		c.PingInterval, c.PingTimeout = 50*time.Millisecond, time.Second
	}))
	before := n.holdings()
	refused := 0
	for range 40 {
		c := n.dial()
		c.send([]byte(get(engineTestPath + pollingQuery)))
		if r, _ := c.reply("GET"); r.StatusCode == 503 && r.Header.Get("Retry-After") != "" {
			refused++
		}
		c.close()
	}
	if n.counts().Rejects[metrics.RejectConnections] != uint64(refused) {
		t.Errorf("%d were refused; %d are counted", refused, n.counts().Rejects[metrics.RejectConnections])
	}
	if refused == 0 {
		t.Log("sessions ended faster than others began")
	}
	n.awaitHoldings(t, before)
	n.checkNeighbour()
}

// A client that takes nothing is cut off at the limit of its queue.
func TestPollingQueueIsBounded(t *testing.T) {
	n := openNode(t, func(c *Config) {
		engineEchoConfig(nil)(c)
		c.QueueLimit = 64 << 10
	})
	p := n.poller("")
	defer p.close()
	for range 100 {
		if got := p.post("4" + strings.Repeat("x", 10_000)); got != okReply {
			if got != unknownSession {
				t.Errorf("POST = %s; want that the session has ended", got)
			}
			return
		}
	}
	t.Error("1 MB waits for a client whose limit is 64 KiB")
}

// A binary message that a WebSocket may bring reaches those who poll as well, whose bytes wait in base64.
func TestPollingTakesTheLargestBinary(t *testing.T) {
	a := newSocketApp()
	n := openSocketNode(t, a, nil)
	p := n.pollerAt("/socket.io/", "")
	defer p.end()
	p.post("40")
	p.poll()
	a.wait(t, 2)
	largest := SocketPacket{Data: []byte(`["x",{"_placeholder":true,"num":0}]`), Attachments: [][]byte{make([]byte, defaultMaxPayload)}}
	n.EmitSocket(a.newest, largest, EmitOptions{})
	if got, want := p.poll(), `200 451-["x",{"_placeholder":true,"num":0}]`+"\x1eb"+base64.StdEncoding.EncodeToString(largest.Attachments[0]); got != want {
		t.Errorf("of %d bytes the poll gets %d, %.60q", len(want), len(got), got)
	}
}
