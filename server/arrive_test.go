package server

import (
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/seed4ac54ce5/edge/admission"
	"github.com/seed4ac54ce5/edge/auth"
	"github.com/seed4ac54ce5/edge/internal/testutil"
	"github.com/seed4ac54ce5/edge/metrics"
	"github.com/seed4ac54ce5/edge/netpoll"
	"github.com/seed4ac54ce5/edge/proxyproto"
)

// behindBalancer opens a node whose clients come by way of balancers on the loopback.
func behindBalancer(t *testing.T, change func(c *Config)) *node {
	t.Helper()
	config := func(c *Config) {
		c.ProxyProtocol = ProxyProtocol{Enabled: true, Trusted: []string{"127.0.0.0/8"}}
		if change != nil {
			change(c)
		}
	}
	return openNodeAlone(t, config)
}

// from is the header of a balancer for a client.
func from(client string) []byte {
	return proxyproto.AppendV2(nil, &proxyproto.Header{
		Source: netip.MustParseAddrPort(client), Destination: netip.MustParseAddrPort("192.0.2.1:443"),
	}, true)
}

// Headers of both versions, cut anywhere, bring a client with its own address, and what follows them is its
// request (N12, N13).
func TestProxyHeader(t *testing.T) {
	n := behindBalancer(t, nil)
	tail := []byte(request(pathEcho))
	for _, r := range []struct {
		what   string
		header []byte
		want   string
	}{
		{"v1", []byte("PROXY TCP4 198.51.100.7 192.0.2.1 4711 443\r\n"), "198.51.100.7:4711"},
		{"v2", from("198.51.100.7:4711"), "198.51.100.7:4711"},
		{"v2 IPv6", from6(), "[2001:db8::7]:4711"},
		{"N12 v1 UNKNOWN", []byte("PROXY UNKNOWN\r\n"), "127.0.0.1"},
		{"N12 v2 LOCAL", proxyproto.AppendV2(nil, &proxyproto.Header{Local: true}, false), "127.0.0.1"},
	} {
		stream := slices.Concat(r.header, tail)
		for at := range len(r.header) + 3 {
			c := n.dial()
			before := n.counts().WireIn
			c.send(stream[:at])
			n.awaitRead(before + uint64(at))
			c.send(stream[at:])
			if head := c.readHead(); !strings.HasPrefix(head, "HTTP/1.1 101 ") {
				t.Fatalf("%s cut at %d: %q", r.what, at, head)
			}
			if got := n.addresses(); len(got) != 1 || !strings.HasPrefix(got[0], r.want) {
				t.Fatalf("%s cut at %d: addresses %v; want %s", r.what, at, got, r.want)
			}
			c.close()
			testutil.Eventually(t, patience, func() bool { return n.counts().Open == 0 }, "the conn has gone")
		}
	}
}

func from6() []byte {
	return proxyproto.AppendV2(nil, &proxyproto.Header{
		Source: netip.MustParseAddrPort("[2001:db8::7]:4711"), Destination: netip.MustParseAddrPort("[2001:db8::1]:443"),
	}, true)
}

// addresses returns where the node's conns come from.
func (n *node) addresses() (all []string) {
	n.t.Helper()
	for _, l := range n.loops {
		if err := n.onLoops(n.t.Context(), func(on *loop) {
			if on == l {
				on.net.Each(func(c *netpoll.Conn) { all = append(all, on.addressOf(c, on.sessions.At(c.Slot())).String()) })
			}
		}); err != nil {
			n.t.Fatal(err)
		}
	}
	return all
}

// Whoever is no balancer, or does not say where a client comes from, is cut off without a word (N06 to N11).
func TestBadProxyHeader(t *testing.T) {
	t.Parallel() // it waits for times
	for _, r := range []struct {
		what    string
		trusted string
		send    string
		reject  metrics.Rejection
	}{
		{"N06 a header from somebody who is not trusted", "10.0.0.0/8", string(from("198.51.100.7:1")), metrics.RejectProxyPeer},
		{"N06 nothing from somebody who is not trusted", "10.0.0.0/8", "", metrics.RejectProxyPeer},
		{"N07 a request without a header", "127.0.0.0/8", request(pathEcho), metrics.RejectProxyHeader},
		{"N09 v1 without an end", "127.0.0.0/8", "PROXY TCP4 " + strings.Repeat("1", 120), metrics.RejectProxyHeader},
		{"N09 v1 port 65536", "127.0.0.0/8", "PROXY TCP4 1.2.3.4 1.2.3.4 65536 1\r\n", metrics.RejectProxyHeader},
		{"N10 v2 of version 3", "127.0.0.0/8", "\r\n\r\n\x00\r\nQUIT\n\x31\x11\x00\x0c", metrics.RejectProxyHeader},
		{"N11 v2 of 65,535 bytes", "127.0.0.0/8", "\r\n\r\n\x00\r\nQUIT\n\x21\x11\xff\xff", metrics.RejectProxyHeader},
		{"N08 R47 half a header", "127.0.0.0/8", "PROXY TCP4 1.2.3", metrics.RejectHeadTimeout},
		{"N13 a second header", "127.0.0.0/8", string(slices.Concat(from("198.51.100.7:1"), from("198.51.100.7:1"))), metrics.RejectBadRequest},
	} {
		n := behindBalancer(t, func(c *Config) {
			c.ProxyProtocol.Trusted = []string{r.trusted}
			if r.reject == metrics.RejectHeadTimeout {
				c.HeadTimeout = soon
			}
		})
		moved := n.rejections(func() {
			c := n.dial()
			defer c.close()
			c.send([]byte(r.send))
			got := c.readHead()
			if bad := r.reject == metrics.RejectBadRequest; bad != strings.HasPrefix(got, "HTTP/1.1 400 ") || !bad && got != "" {
				t.Errorf("%s: %q", r.what, got)
			}
		})
		checkMoved(t, moved, r.reject, 1)
	}
}

// Who comes once too often is told when to come again, and the others stay (H19, H20).
func TestAdmission(t *testing.T) {
	for _, r := range []struct {
		what   string
		limits admission.Limits
		status int
		reject metrics.Rejection
	}{
		{"H19 connections", admission.Limits{Connections: 2}, 503, metrics.RejectConnections},
		{"H19 connects a second", admission.Limits{Rate: admission.Rate{PerSecond: 0.001, Burst: 2}}, 503, metrics.RejectConnectRate},
		{"H20 connections of an address", admission.Limits{AddressConnections: 2}, 429, metrics.RejectAddressConnections},
		{"H20 connects a second of an address", admission.Limits{AddressRate: admission.Rate{PerSecond: 0.001, Burst: 2}}, 429, metrics.RejectAddressRate},
	} {
		n := behindBalancer(t, func(c *Config) { c.Limits = r.limits })
		open := func(client string) (*client, string) {
			c := n.dial()
			c.send(slices.Concat(from(client), []byte(request(pathEcho))))
			return c, c.readHead()
		}
		var clients []*client
		for range 2 {
			c, head := open("198.51.100.7:1")
			defer c.close()
			if !strings.HasPrefix(head, "HTTP/1.1 101 ") {
				t.Fatalf("%s: %q", r.what, head)
			}
			clients = append(clients, c)
		}
		moved := n.rejections(func() {
			c, head := open("198.51.100.7:2")
			defer c.close()
			if !strings.HasPrefix(head, fmt.Sprintf("HTTP/1.1 %d ", r.status)) || !strings.Contains(head, "\r\nRetry-After: ") {
				t.Errorf("%s: the third got %q; want %d", r.what, head, r.status)
			}
		})
		checkMoved(t, moved, r.reject, 1)
		if c, head := open("203.0.113.9:1"); strings.HasPrefix(head, "HTTP/1.1 101 ") != (r.status == 429) {
			t.Errorf("%s: another address got %q", r.what, head)
		} else {
			c.close()
		}
		clients[0].send(masked(0x81, "still there?"))
		if got := clients[0].next(); got != `text "still there?"` {
			t.Errorf("%s: one who is in got %s", r.what, got)
		}
		n.SetLimits(admission.Limits{})
		if c, head := open("198.51.100.7:3"); !strings.HasPrefix(head, "HTTP/1.1 101 ") {
			t.Errorf("%s: without limits: %q", r.what, head)
		} else {
			c.close()
		}
		for _, c := range clients {
			c.close()
		}
		testutil.Eventually(t, patience, func() bool { return n.admission.Connections() == 0 }, "nobody is counted any more")
	}
}

// A user has so many connections, whoever serves them (H20).
func TestUserConnections(t *testing.T) {
	n := openKeyed(t, func(c *Config) { c.Limits.UserConnections, c.Loops = 2, 2 })
	token := tokenOf(t, auth.ConnectClaims{Identity: user("ann", 0)})
	var in []*client
	for range 2 {
		c, reply := n.enter(token)
		defer c.close()
		if reply != connected {
			t.Fatalf("connect: %s", reply)
		}
		in = append(in, c)
	}
	moved := n.rejections(func() {
		c, reply := n.enter(token)
		defer c.close()
		if reply != "close 3504" {
			t.Errorf("a third connection: %s; want close 3504", reply)
		}
		c, reply = n.enter(tokenOf(t, auth.ConnectClaims{Identity: user("bob", 0)}))
		defer c.close()
		if reply != connected {
			t.Errorf("another user's: %s", reply)
		}
	})
	checkMoved(t, moved, metrics.RejectUserConnections, 1)
	in[0].close()
	testutil.Eventually(t, patience, func() bool {
		c, reply := n.enter(token)
		defer c.close()
		return reply == connected
	}, "there is room again")
}

// The first line of the log says what bounds the node.
func TestStartSaysLimits(t *testing.T) {
	book := new(logbook)
	openNodeAlone(t, func(c *Config) {
		c.Log, c.MemoryLimit = slog.New(slog.NewJSONHandler(book, nil)), 64<<20
		c.Limits.Connections = 7
	})
	lines := book.lines(t, "serving")
	if len(lines) != 1 {
		t.Fatalf("%d lines; want 1", len(lines))
	}
	l := lines[0]
	if files, _ := l["open_files"].(float64); l["connection_limit"] != 7.0 || l["memory_limit"] != 64.0*(1<<20) || files < 1 {
		t.Errorf("the line says %v; want connection_limit 7, memory_limit 64 MiB and open_files", l)
	}
	shares := []string{"queue_memory_limit", "input_memory_limit", "history_memory_limit"}
	for _, name := range shares {
		if l[name] != 8.0*(1<<20) {
			t.Errorf("the line says %v; want %s 8 MiB", l, name)
		}
	}
	free := new(logbook)
	openNodeAlone(t, func(c *Config) {
		c.Log, c.Limits.Connections = slog.New(slog.NewJSONHandler(free, nil)), -1
		c.QueueBudget, c.InputBudget, c.HistoryMemoryLimit = -1, -1, -1
	})
	l = free.lines(t, "serving")[0]
	for _, name := range append(shares, "connection_limit", "memory_limit") {
		if l[name] != 0.0 {
			t.Errorf("without limits the line says %v; want %s 0", l, name)
		}
	}
}

// Without memory nobody is let in, and who is in stays (M, R18).
func TestMemoryLimit(t *testing.T) {
	n := openNodeAlone(t, func(c *Config) { c.MemoryLimit = 1 })
	in := n.dial()
	defer in.close()
	testutil.Eventually(t, patience, func() bool { return n.memory.Usage().Refusing }, "there is no memory")
	moved := n.rejections(func() {
		c := n.dial()
		defer c.close()
		c.send([]byte(request(pathEcho)))
		if head := c.readHead(); !strings.HasPrefix(head, "HTTP/1.1 503 ") {
			t.Errorf("got %q", head)
		}
	})
	checkMoved(t, moved, metrics.RejectMemory, 1)
	n.SetMemoryLimit(-1)
	n.open(pathEcho).close()
}
