package server

import (
	"fmt"
	"strings"
	"testing"

	"github.com/seed4ac54ce5/edge/metrics"
	"github.com/seed4ac54ce5/edge/netpoll"
)

// Misuse ends the session, or does not, as the reference has it.
func TestPollingMisuse(t *testing.T) {
	n := openNode(t, engineEchoConfig(func(c *SocketIO) { c.MaxPayload = 1000 }))
	alone := n.holdings()
	misuse := func(rule string, why metrics.Rejection, times int, f func(t *testing.T, p *poller)) {
		n.awaitHoldings(t, alone) // conns of earlier rows have gone
		n.attack(rule, why, times, func(t *testing.T) {
			p := n.poller("")
			defer p.close()
			f(t, p)
		})
	}
	n.run("E02 a second GET", func(t *testing.T) {
		p := n.poller("")
		defer p.close()
		p.hold()
		c := n.dial()
		defer c.close()
		if got := c.says(get(p.target)); got != badRequest {
			t.Errorf("the second GET = %s", got)
		}
		if got := p.gets.hears(); got != "200 1" {
			t.Errorf("the first GET = %s; want a close packet", got)
		}
		p.gone(t)
	})
	n.run("E02 a second POST", func(t *testing.T) {
		p := n.poller("")
		defer p.close()
		p.posts.send([]byte(post(p.target, "4hello")[:len(post(p.target, "4hello"))-2]))
		n.await("a POST is under way", func() bool { return n.underWay() == 1 })
		c := n.dial()
		defer c.close()
		if got := c.says(post(p.target, "4x")); got != badRequest {
			t.Errorf("the second POST = %s", got)
		}
		p.posts.send([]byte("lo"))
		if got := p.posts.hears(); got != unknownSession {
			t.Errorf("the first POST = %s", got)
		}
		p.gone(t)
	})
	n.run("an aborted GET", func(t *testing.T) {
		p := n.poller("")
		defer p.close()
		p.hold()
		p.gets.close()
		if got := p.post("4x"); got != unknownSession {
			t.Errorf("a POST right behind = %s; want that the session has ended", got)
		}
		p.gone(t)
	})
	n.run("an aborted POST", func(t *testing.T) {
		p := n.poller("")
		defer p.close()
		p.posts.send([]byte(post(p.target, "4hello")[:len(post(p.target, "4hello"))-2]))
		n.await("a POST is under way", func() bool { return n.underWay() == 1 })
		p.posts.close()
		n.await("the session has ended", func() bool { return n.counts().Connections[metrics.SocketPolling] == 0 })
		p.gone(t)
	})
	for _, kind := range []string{"application/octet-stream", "application/json", "image/png", ""} {
		n.run("E04 a body of type "+kind, func(t *testing.T) {
			p := n.poller("")
			defer p.close()
			head, _, _ := strings.Cut(post(p.target, "4hello", "Content-Type: "+kind), "4hello")
			p.posts.send([]byte(head)) // the answer does not wait for the body
			if got := p.posts.hears(); got != badRequest {
				t.Errorf("POST = %s", got)
			}
			p.gone(t)
		})
	}
	for _, kind := range []string{"text/plain;charset=UTF-8", "Text/Plain", "application/x-www-form-urlencoded"} {
		n.run("a body of type "+kind, func(t *testing.T) {
			p := n.poller("")
			defer p.end()
			if got := p.posts.says(post(p.target, "4hello", "Content-Type: "+kind)); got != okReply {
				t.Errorf("POST = %s", got)
			}
		})
	}
	for _, body := range []string{"abc", "", "4x\x1e", "4x\x1e7", "b!", "4\xff"} {
		n.run(fmt.Sprintf("E06 a POST of %q", body), func(t *testing.T) {
			p := n.poller("")
			defer p.close()
			if got := p.post(body); got != badRequest {
				t.Errorf("POST = %s", got)
			}
			p.gone(t)
		})
	}
	misuse("E01 a ping is of version 3", metrics.RejectCommand, 1, func(t *testing.T, p *poller) {
		p.hold()
		if got := p.post("2"); got != okReply {
			t.Errorf("POST = %s", got)
		}
		if got := p.gets.hears(); got != "200 1" {
			t.Errorf("GET = %s; want a close packet", got)
		}
	})
	misuse("E03 a body over the limit, by its head", metrics.RejectTooLarge, 1, func(t *testing.T, p *poller) {
		head, _, _ := strings.Cut(post(p.target, "4"+strings.Repeat("x", 1000)), "4x")
		p.posts.send([]byte(head))
		if got := p.posts.hears(); got != "413 " {
			t.Errorf("POST = %q; want 413 without a body", got)
		}
		c := n.dial()
		defer c.close()
		if got := c.says(post(p.target, "4"+strings.Repeat("x", 999))); got != okReply {
			t.Errorf("a POST of as much as may be = %s; want that the session lives", got)
		}
		c.says(post(p.target, "1"))
	})
	misuse("E03 a body over the limit, without end", metrics.RejectTooLarge, 1, func(t *testing.T, p *poller) {
		chunk := "100\r\n" + strings.Repeat("x", 256) + "\r\n"
		p.posts.send([]byte("POST " + p.target + " HTTP/1.1\r\nHost: edge.test\r\nTransfer-Encoding: chunked\r\n\r\n" + strings.Repeat(chunk, 4)))
		if got := p.posts.hears(); got != "413 " {
			t.Errorf("POST = %q; want 413 without a body", got)
		}
		c := n.dial()
		defer c.close()
		if got := c.says(post(p.target, "4x")); got != okReply {
			t.Errorf("a POST = %s; want that the session lives", got)
		}
		c.says(post(p.target, "1"))
	})
	n.checkNeighbour()
}

// underWay returns how many POSTs are registered with their sessions.
func (n *node) underWay() (sum int) {
	n.onEach(func(l *loop) {
		l.net.Each(func(c *netpoll.Conn) {
			if s := l.sessions.At(c.Slot()); s.engine != 0 && s.state == stateHead {
				sum++
			}
		})
	})
	return sum
}
