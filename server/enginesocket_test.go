package server

import (
	"crypto/tls"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed4ac54ce5/edge/internal/testutil"
	"github.com/seed4ac54ce5/edge/metrics"
)

// probe opens the WebSocket that p tries out.
func (p *poller) probe() *client {
	return p.n.open(engineTestPath + webSocketQuery + "&sid=" + p.handshake.SID)
}

// probed is probe, and the server has answered it.
func (p *poller) probed() *client {
	ws := p.probe()
	ws.send(textOf("2probe"))
	ws.expect(`text "3probe"`)
	return ws
}

// expect fails the test if the next frame is not want.
func (c *client) expect(want string) {
	c.t.Helper()
	if got := c.next(); got != want {
		c.t.Errorf("got %s; want %s", got, want)
	}
}

// TestEngineUpgrade has the way from polling to a WebSocket, step by step.
func TestEngineUpgrade(t *testing.T) {
	n := openNode(t, engineEchoConfig(nil))
	before := n.holdings()
	n.run("as clients do it", func(t *testing.T) {
		p := n.poller("")
		defer p.close()
		p.hold()
		begun := time.Now()
		ws := p.probed()
		defer ws.close()
		if got := p.gets.hears(); got != "200 6" {
			t.Errorf("the poll that was held ends with %s; want a noop", got)
		}
		if d := time.Since(begun); d < noopAfter {
			t.Errorf("it ends %v after the probe; want %v", d, noopAfter)
		}
		ws.send(textOf("5"))
		ws.send(textOf("4hello"))
		ws.expect(`text "4hello"`)
		ws.send(bytesOf("\x01\x02"))
		ws.expect(`binary "\x01\x02"`)
		if n := n.counts().Connections; n[metrics.SocketPolling] != 0 || n[metrics.SocketWebSocket] != 1 {
			t.Errorf("connections by transport = %v; want one of socketio_websocket", n)
		}
		ws.send(textOf("1"))
		if got := ws.rest(); !slices.Equal(got, []string{"close 1005"}) {
			t.Errorf("the end is %s", got)
		}
		p.gone(t)
	})
	n.run("a poll that comes after the probe ends with a noop too", func(t *testing.T) {
		p := n.poller("")
		defer p.end()
		ws := p.probed()
		defer ws.close()
		for range 2 {
			begun := time.Now()
			if got := p.poll(); got != "200 6" {
				t.Errorf("GET = %s; want a noop", got)
			}
			if d := time.Since(begun); d < noopAfter*9/10 {
				t.Errorf("GET was held %v; want %v", d, noopAfter)
			}
		}
	})
	n.run("E02 requests after the upgrade are refused, and harm nothing", func(t *testing.T) {
		p := n.poller("")
		defer p.close()
		ws := p.upgrade()
		defer ws.close()
		if got := p.poll(); got != badRequest {
			t.Errorf("GET = %s", got)
		}
		if got := p.post("4x"); got != badRequest {
			t.Errorf("POST = %s", got)
		}
		ws.send(textOf("4hello"))
		ws.expect(`text "4hello"`)
	})
	n.run("E02 a poll that has come before the upgrade packet is refused", func(t *testing.T) {
		p := n.poller("")
		defer p.close()
		ws := p.probed()
		defer ws.close()
		p.hold()
		ws.send(textOf("5"))
		if got := p.gets.hears(); got != badRequest && got != "200 6" { // if the upgrade packet was slow
			t.Errorf("GET = %s", got)
		}
		ws.send(textOf("4hello"))
		ws.expect(`text "4hello"`)
	})
	n.run("E02 a second WebSocket is opened and closed", func(t *testing.T) {
		p := n.poller("")
		defer p.close()
		ws := p.probed()
		defer ws.close()
		for _, when := range []string{"while the first is tried out", "after the upgrade"} {
			second := p.probe()
			if got := second.rest(); !slices.Equal(got, []string{"close 1005"}) {
				t.Errorf("%s the second got %s; want its end", when, got)
			}
			second.close()
			ws.send(textOf("5"))
		}
		ws.send(textOf("4hello"))
		ws.expect(`text "4hello"`)
	})
	for _, garbage := range [][]byte{textOf("4x"), textOf("2"), textOf("abc"), textOf(""), bytesOf("5"), textOf("1"), slices.Concat(textOf("2probe"), textOf("3"))} {
		n.run(fmt.Sprintf("E05 a probe of %x leaves the session as it is", garbage), func(t *testing.T) {
			p := n.poller("")
			defer p.end()
			ws := p.probe()
			defer ws.close()
			ws.send(garbage)
			got := ws.rest()
			if len(got) == 0 || got[len(got)-1] != "close 1005" {
				t.Errorf("the WebSocket got %s; want its end", got)
			}
			p.checkAlive()
			ws = p.upgrade() // it may try again
			ws.close()
		})
	}
	n.run("E05 a probe that hangs up leaves the session as it is", func(t *testing.T) {
		p := n.poller("")
		defer p.end()
		ws := p.probed()
		ws.close()
		p.checkAlive()
		ws = p.upgrade()
		ws.close()
	})
	n.run("a session that ends takes its probe along", func(t *testing.T) {
		p := n.poller("")
		defer p.close()
		ws := p.probe()
		defer ws.close()
		if got := p.post("1"); got != okReply {
			t.Errorf("POST = %s", got)
		}
		if got := ws.rest(); !slices.Equal(got, []string{"close 1005"}) {
			t.Errorf("the WebSocket got %s; want its end", got)
		}
	})
	n.run("polling serves while a WebSocket is tried out, and what waits goes with the session", func(t *testing.T) {
		p := n.poller("")
		defer p.close()
		ws := p.probed()
		defer ws.close()
		p.post("4a")
		if got := p.poll(); got != "200 4a" {
			t.Errorf("GET = %s", got)
		}
		p.post("4b\x1ebAQIDBA==\x1e4c")
		ws.send(slices.Concat(textOf("5"), textOf("4d")))
		for _, want := range []string{`text "4b"`, `binary "\x01\x02\x03\x04"`, `text "4c"`, `text "4d"`} {
			ws.expect(want)
		}
	})
	n.run("all at once, cut anywhere", func(t *testing.T) {
		all := slices.Concat(textOf("2probe"), textOf("5"), textOf("4hello"))
		for at := 1; at < len(all); at++ {
			p := n.poller("")
			ws := p.probe()
			n.sendCut(ws, all, []int{at})
			ws.expect(`text "3probe"`)
			ws.expect(`text "4hello"`)
			ws.close()
			p.close()
		}
	})
	n.awaitHoldings(t, before)
	n.checkNeighbour()
}

// upgrade takes p's session to a WebSocket.
func (p *poller) upgrade() *client {
	ws := p.probed()
	ws.send(slices.Concat(textOf("5"), textOf("4upgraded")))
	ws.expect(`text "4upgraded"`)
	return ws
}

// checkAlive fails the test if p's session does not answer.
func (p *poller) checkAlive() {
	p.n.t.Helper()
	if got := p.post("4alive"); got != okReply {
		p.n.t.Errorf("POST = %s", got)
	}
	if got := p.poll(); got != "200 4alive" {
		p.n.t.Errorf("GET = %s", got)
	}
}

// E05: an upgrade that stalls is over in time, and the session goes on without.
func TestEngineUpgradeTimeout(t *testing.T) {
	n := openNode(t, engineEchoConfig(func(c *SocketIO) { c.UpgradeTimeout = 200 * time.Millisecond }))
	for _, first := range [][]byte{nil, textOf("2probe")} {
		p := n.poller("")
		ws := p.probe()
		ws.send(first)
		got := ws.rest()
		if len(got) == 0 || got[len(got)-1] != "close 1005" {
			t.Errorf("a WebSocket that goes no further got %s; want its end", got)
		}
		ws.close()
		p.checkAlive()
		p.end()
	}
}

// The upgrade cancels the wait for a pong, and pings go on.
func TestEngineUpgradeCancelsThePong(t *testing.T) {
	n := openNode(t, engineEchoConfig(func(c *SocketIO) { c.PingInterval, c.PingTimeout = 200*time.Millisecond, 20*time.Second }))
	p := n.poller("")
	defer p.close()
	if got := p.poll(); got != "200 2" {
		t.Fatalf("GET = %s; want a ping", got)
	}
	ws := p.probe()
	defer ws.close()
	ws.send(slices.Concat(textOf("2probe"), textOf("5")))
	ws.expect(`text "3probe"`)
	ws.expect(`text "2"`) // an interval later, though the other was never answered
	ws.send(textOf("3"))
	ws.expect(`text "2"`)
}

func TestEngineUpgradeCanBeOff(t *testing.T) {
	n := openNode(t, engineEchoConfig(func(c *SocketIO) { c.NoUpgrades = true }))
	p := n.poller("")
	defer p.end()
	ws := p.probe()
	defer ws.close()
	if got := ws.rest(); !slices.Equal(got, []string{"close 1005"}) {
		t.Errorf("the WebSocket got %s; want its end", got)
	}
	p.checkAlive()
}

// A session's requests come by many conns, which the kernel gives to any loop: one loop owns it, and nothing is lost, doubled or
// out of order, over the upgrade too.
func TestEngineSessionsBetweenLoops(t *testing.T) {
	for _, tables := range []string{"on", "off"} {
		t.Run("private tables "+tables, func(t *testing.T) {
			n := openNode(t, func(c *Config) {
				engineEchoConfig(nil)(c)
				c.Loops, c.PrivateTables = 4, tables
			})
			before := n.holdings()
			var clients sync.WaitGroup
			for i := range 8 {
				clients.Go(func() { n.wander(t, fmt.Sprint(i)) })
			}
			clients.Wait()
			n.awaitHoldings(t, before)
			n.checkNeighbour()
		})
	}
}

// wander runs a session each of whose requests comes by a conn of its own.
func (n *node) wander(t *testing.T, name string) {
	ask := func(request string) string {
		c := n.dial()
		defer c.close()
		return c.says(request)
	}
	open := ask(get(engineTestPath + pollingQuery))
	sid := parseOpen(t, strings.TrimPrefix(open, "200 ")).SID
	target := engineTestPath + pollingQuery + "&sid=" + sid
	rounds := fewer(40)
	said, heard := 0, 0
	hear := func(body string) {
		for packet := range strings.SplitSeq(body, "\x1e") {
			if packet == "6" {
				continue
			}
			if want := fmt.Sprintf("4%s-%d", name, heard); packet != want {
				t.Errorf("session %s heard %q; want %q", name, packet, want)
			}
			heard++
		}
	}
	speak := func() string {
		said++
		return fmt.Sprintf("4%s-%d", name, said-1)
	}
	for range rounds {
		var poll sync.WaitGroup
		poll.Go(func() {
			status, body, _ := strings.Cut(ask(get(target)), " ")
			if status != "200" {
				t.Errorf("session %s: GET = %s %s", name, status, body)
			}
			hear(body)
		})
		if got := ask(post(target, speak()+"\x1e"+speak())); got != okReply {
			t.Errorf("session %s: POST = %s", name, got)
		}
		poll.Wait()
		if t.Failed() {
			return
		}
	}
	ws := n.open(engineTestPath + webSocketQuery + "&sid=" + sid)
	defer ws.close()
	ws.send(textOf("2probe"))
	ws.expect(`text "3probe"`)
	if got := ask(post(target, speak())); got != okReply {
		t.Errorf("session %s: POST while a WebSocket is tried out = %s", name, got)
	}
	ws.send(slices.Concat(textOf("5"), textOf(speak())))
	for heard < said {
		f, end := ws.frame()
		if end != "" {
			t.Errorf("session %s: %s", name, end)
			return
		}
		hear(string(f.Payload))
	}
	if got := ask(get(target)); got != badRequest {
		t.Errorf("session %s: GET after the upgrade = %s", name, got)
	}
}

// An upgrade takes TLS along, whoever does the records, from whatever loop.
func TestEngineOverTLS(t *testing.T) {
	for name, version := range tlsVersions {
		t.Run(name, func(t *testing.T) {
			n := openSecure(t, func(c *Config) {
				engineEchoConfig(nil)(c)
				c.Loops = 2
			})
			for range 4 { // so that some come by the other loop
				n.overTLS(t, version)
			}
		})
	}
}

func TestEngineOverKernelTLS(t *testing.T) {
	eachKernel(t, func(t *testing.T, kernel *testutil.Kernel) {
		openKernel(t, kernel, engineEchoConfig(nil)).overTLS(t, tls.VersionTLS13)
	})
}

// overTLS runs a session from its handshake to its end.
func (n *node) overTLS(t *testing.T, version uint16) {
	c := n.dial().secure(version)
	defer c.close()
	c.send([]byte(get(engineTestPath + pollingQuery)))
	_, body := c.reply("GET")
	sid := parseOpen(t, body).SID
	target := engineTestPath + pollingQuery + "&sid=" + sid
	for _, row := range []struct{ request, want string }{{post(target, "4a"), okReply}, {get(target), "200 4a"}, {post(target, "4b"), okReply}} {
		if got := c.says(row.request); got != row.want {
			t.Errorf("%.40q = %s; want %s", row.request, got, row.want)
		}
	}
	ws := n.dial().secure(version).upgrade(engineTestPath + webSocketQuery + "&sid=" + sid)
	defer ws.close()
	ws.send(slices.Concat(textOf("2probe"), textOf("5"), textOf("4c"), textOf("4half")[:4]))
	for _, want := range []string{`text "3probe"`, `text "4b"`, `text "4c"`} {
		ws.expect(want)
	}
	ws.send(textOf("4half")[4:])
	ws.expect(`text "4half"`)
	ws.send(textOf("1"))
	ws.expect("close 1005")
}
