package server

import (
	"strings"
	"testing"
	"time"

	"github.com/seed4ac54ce5/edge/netpoll"
)

// onSessions calls f for each session of Engine.IO, on its loop.
func (n *node) onSessions(f func(l *loop, c *netpoll.Conn, s *session)) {
	n.t.Helper()
	n.onEach(func(l *loop) {
		l.net.Each(func(c *netpoll.Conn) {
			if s := l.sessions.At(c.Slot()); s.state == stateEngine {
				f(l, c, s)
			}
		})
	})
}

// sessions returns how many sessions of Engine.IO stand.
func (n *node) sessions() (sum int) {
	n.onSessions(func(*loop, *netpoll.Conn, *session) { sum++ })
	return sum
}

// A client whose poll has ended without its answer cannot have what came in the very turn in which that was noticed: its session ends,
// so that it comes back and recovers.
func TestPollingGivesNothingToWhoHasGone(t *testing.T) {
	n := openNode(t, engineEchoConfig(nil))
	p := n.poller("")
	defer p.close()
	p.hold()
	n.onSessions(func(l *loop, d *netpoll.Conn, ds *session) {
		poll := l.net.Conn(l.pollings.At(l.engineOf(ds).polling).poll)
		l.net.Close(poll, netpoll.ClosedByPeer)
		l.sendText(d, ds, []byte("lost"))
		l.answerPolls()
	})
	if left := n.sessions(); left != 0 {
		t.Errorf("%d sessions have lost a message and stand", left)
	}
}

// A WebSocket that is tried out and ends in the same turn as its session depends on nothing any more.
func TestPollingEndsWithItsProbe(t *testing.T) {
	n := openNode(t, engineEchoConfig(nil))
	p := n.poller("")
	defer p.close()
	ws := p.probed()
	defer ws.close()
	n.onSessions(func(l *loop, d *netpoll.Conn, ds *session) {
		probe := l.net.Conn(l.pollings.At(l.engineOf(ds).polling).probe)
		l.net.Close(probe, netpoll.ClosedByPeer)
		l.endEngine(d, ds, reasonTransportClose)
		if of := l.sessions.At(probe.Slot()).engine; of != 0 {
			t.Errorf("it depends on record %d, which is free", of)
		}
	})
}

// Sessions that end when their time has come need a place for that only if something limits their age.
func TestPollingWithMaxConnectionAge(t *testing.T) {
	n := openNode(t, func(c *Config) {
		engineEchoConfig(nil)(c)
		c.MaxConnectionAge = time.Hour
	})
	p := n.poller("")
	p.checkAlive()
	p.end()
}

// endAll has the node end all sessions.
func (n *node) endAll() {
	n.onSessions(func(l *loop, c *netpoll.Conn, s *session) { l.endEngine(c, s, reasonForcedClose) })
}

// What waits for a client leaves before it hears of the end: it would drop what comes with that.
func TestPollingEndComesLast(t *testing.T) {
	n := openNode(t, engineEchoConfig(nil))
	before := n.holdings()
	n.run("with a poll held", func(t *testing.T) {
		p := n.poller("")
		defer p.close()
		p.hold()
		n.onSessions(func(l *loop, c *netpoll.Conn, s *session) {
			l.sendText(c, s, []byte("x"))
			l.endEngine(c, s, reasonForcedClose)
		})
		if got := p.gets.hears(); got != "200 4x" {
			t.Errorf("GET = %q", got)
		}
		if got := p.poll(); got != "200 6\x1e1" {
			t.Errorf("the next GET = %q", got)
		}
		p.gone(t)
	})
	n.run("without", func(t *testing.T) {
		p := n.poller("")
		defer p.close()
		p.post("4x")
		n.endAll()
		if got := p.poll(); got != "200 4x" {
			t.Errorf("GET = %q", got)
		}
		if got := p.poll(); got != "200 6\x1e1" {
			t.Errorf("the next GET = %q", got)
		}
		p.gone(t)
	})
	n.awaitHoldings(t, before)
}

// Sessions that wait for a poll to be told of their end take room too, E12.
func TestPollingEndsAreBounded(t *testing.T) {
	n := openNode(t, engineEchoConfig(func(c *SocketIO) { c.Limits.Sessions = 1 }))
	p := n.poller("")
	defer p.close()
	n.endAll()
	c := n.dial()
	defer c.close()
	c.send([]byte(get(engineTestPath + pollingQuery)))
	if r, _ := c.reply("GET"); r.StatusCode != 503 {
		t.Errorf("handshake = %s; want that there is no room", r.Status)
	}
	if got := p.poll(); got != "200 6\x1e1" {
		t.Errorf("GET = %q", got)
	}
	n.poller("").end()
}

// A drain does not wait for clients that do not come to hear of the end of their sessions.
func TestDrainEndsPollingSessions(t *testing.T) {
	n := openNodeAlone(t, func(c *Config) {
		engineEchoConfig(nil)(c)
		c.ShutdownWindow = time.Millisecond
	})
	silent, waiting := n.poller(""), n.poller("")
	defer silent.close()
	defer waiting.close()
	n.endAll()
	standing := n.poller("")
	defer standing.close()
	standing.hold()
	n.Drain()
	done := make(chan error, 1)
	go func() { done <- n.Run(t.Context()) }()
	if got := standing.gets.hears(); got != "200 1" {
		t.Errorf("GET = %q", got)
	}
	for _, p := range []*poller{silent, waiting, standing} {
		p.close()
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	if d := n.Departure(); d.Cut != 0 {
		t.Errorf("%d conns were cut off", d.Cut)
	}
}

// A session too many of a user ends as any does.
func TestPollingUserLimit(t *testing.T) {
	a := newSocketApp()
	a.connect = func(*SocketConnect) (SocketWelcome, error) {
		return SocketWelcome{Grant: &ConnectReply{User: "u"}}, nil
	}
	n := openSocketNode(t, a, func(c *Config) { c.Limits.UserConnections = 1 })
	first := n.pollerAt("/socket.io/", "")
	first.post("40")
	if got := first.poll(); !strings.HasPrefix(got, `200 40{"sid"`) {
		t.Errorf("the first is answered %q", got)
	}
	second := n.pollerAt("/socket.io/", "")
	defer second.close()
	second.hold()
	second.post("40")
	if got := second.gets.hears(); got != "200 1" {
		t.Errorf("the second is answered %q; want the end", got)
	}
	first.end()
}
