package server

import (
	"strings"
	"sync"
	"testing"
	"time"
)

// beat leaves a client two seconds for its answers.
const beat = 3 * time.Second

// beating opens a node that pings at each beat.
func beating(t *testing.T) *node {
	t.Parallel()
	return openNode(t, func(c *Config) { c.PingInterval = beat })
}

// connect opens a session at target and returns the reply to its connect.
func (n *node) connect(target string) (c *client, reply string) {
	c = n.open(target)
	c.say(hello)
	reply, _ = c.nextText()
	return c, reply
}

// The first ping comes after half an interval to a whole one, the next ones an interval apart, and each is answered
// by one pong.
func TestPingAndPong(t *testing.T) {
	n := beating(t)
	began := time.Now()
	c, reply := n.connect(pathWebSocket)
	defer c.close()
	if want := `{"id":1,"connect":{"client":"ID","version":"edge","ping":3,"pong":true}}`; reply != want {
		t.Errorf("connect got %s; want %s", reply, want)
	}
	for i := range 3 {
		if got := c.next(); got != `text "{}"` {
			t.Fatalf("ping %d: got %s", i, got)
		}
		if took, least := time.Since(began), beat/2+time.Duration(i)*beat; took < least {
			t.Errorf("ping %d came %v after connect; want %v or more", i, took, least)
		}
		c.say("{}")
	}
	c.say("{}")
	if got := c.next(); got != bad {
		t.Errorf("a second pong to one ping got %s; want %s", got, bad)
	}
}

// Nothing but a pong is an answer to a ping: not another command, not a pong frame.
func TestPingWithoutPong(t *testing.T) {
	n := beating(t)
	var waiting sync.WaitGroup
	for what, send := range map[string][]byte{
		"nothing":      nil,
		"a command":    masked(0x81, unsubscribe(2, "a")),
		"a pong frame": masked(0x8a, ""),
	} {
		c, _ := n.connect(pathWebSocket)
		waiting.Go(func() {
			defer c.close()
			got := c.next()
			for strings.HasPrefix(got, "text ") {
				if got == `text "{}"` {
					c.send(send)
				}
				got = c.next()
			}
			if got != "close 3012" {
				t.Errorf("a client that answers pings with %s: %s; want close 3012", what, got)
			}
		})
	}
	waiting.Wait()
	if got := n.counts().Disconnects[16+12]; got != 3 {
		t.Errorf("%d sessions were ended with 3012; want 3", got)
	}
	n.checkNeighbour()
}

// A pong frame that answers nothing changes nothing: the pong that is due is still taken.
func TestPongFrameBeforePong(t *testing.T) {
	n := beating(t)
	c, _ := n.connect(pathWebSocket)
	defer c.close()
	for i := range 2 {
		if got := c.next(); got != `text "{}"` {
			t.Fatalf("ping %d: got %s", i, got)
		}
		c.send(masked(0x8a, "heartbeat"))
		c.say("{}")
	}
	c.say(subscribe(2, "a"))
	if got, _ := c.nextText(); got != subscribed(2) {
		t.Errorf("after pong frames and pongs: %s", got)
	}
}

// A client may ask for WebSocket pings in place of the protocol's.
func TestFramePings(t *testing.T) {
	n := beating(t)
	c, reply := n.connect(pathWebSocket + "?cf_ws_frame_ping_pong=true")
	defer c.close()
	if reply != connected {
		t.Errorf("connect got %s; want %s", reply, connected)
	}
	for i := range 2 {
		if got := c.next(); got != `ping ""` {
			t.Fatalf("ping %d: got %s", i, got)
		}
		c.send(masked(0x8a, ""))
	}
	if got := c.next(); got != `ping ""` {
		t.Fatalf("third ping: got %s", got)
	}
	if got := c.next(); got != "close 3012" {
		t.Errorf("a client that answers no frame ping got %s; want close 3012", got)
	}
}

// With frame pings the protocol's pong answers nothing.
func TestPongToFramePing(t *testing.T) {
	n := beating(t)
	c, _ := n.connect(pathWebSocket + "?x&cf_ws_frame_ping_pong=true")
	defer c.close()
	if got := c.next(); got != `ping ""` {
		t.Fatalf("got %s", got)
	}
	c.say("{}")
	if got := c.next(); got != bad {
		t.Errorf("a pong command to a frame ping got %s; want %s", got, bad)
	}
}
