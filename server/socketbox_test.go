package server

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/seed4ac54ce5/edge/frame"
	"github.com/seed4ac54ce5/edge/internal/testutil"
	"github.com/seed4ac54ce5/edge/netpoll"
)

// A client that the application has let in, and that does not come in for all that, is one that has left: it is told of both.
func TestSocketsThatDoNotComeIn(t *testing.T) {
	a := newSocketApp()
	asked, goOn := make(chan struct{}), make(chan struct{})
	var joined atomic.Int32
	a.connect = func(r *SocketConnect) (SocketWelcome, error) {
		switch r.Namespace {
		case "/gone":
			asked <- struct{}{}
			<-goOn
		case "/closed":
			asked <- struct{}{}
			<-a.node.stop
		}
		user := &ConnectReply{User: string(r.Auth)}
		return SocketWelcome{Grant: user, Joined: func() { joined.Add(1) }}, nil
	}
	n := openNodeAlone(t, func(c *Config) { c.SocketIO = &SocketIO{App: a} })

	c := n.socket()
	c.send(textOf("40/gone,"))
	<-asked
	c.close()
	testutil.Eventually(t, patience, func() bool { return n.holdings().conns == 0 }, "the client has gone")
	close(goOn)
	a.expect(t, "connect /gone ", "disconnect /gone never connected:  []")

	c = n.socket()
	defer c.close()
	c.send(textOf(`40{"user":1}`))
	c.next()
	a.expect(t, `connect / {"user":1}`, "connected /")
	c.send(textOf(`40/b,{"user":2}`))
	c.receives(t, text(`44/b,{"message":"permission denied","data":{"code":103,"message":"permission denied"}}`))
	a.expect(t, `connect /b {"user":2}`, "disconnect /b never connected:  []")

	c.send(textOf("40/closed,"))
	<-asked
	n.Close()
	got := a.wait(t, 3)
	want := []string{"connect /closed ", "disconnect /: transport close []", "disconnect /closed never connected:  []"}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("at the end the application was called %q; want %q", got, want)
	}
	if joined.Load() != 4 {
		t.Errorf("Joined was called %d times for 4 sockets", joined.Load())
	}
}

// A payload with more events than may wait is served bit by bit, in order, and its POST is answered when all of it is.
func TestSocketPayloadWaits(t *testing.T) {
	a := newSocketApp()
	goOn := make(chan struct{})
	a.event = func(Socket, *SocketEvent) { <-goOn }
	n := openSocketNode(t, a, nil)
	p := n.pollerAt("/socket.io/", "")
	defer p.end()
	if got := p.post("40"); got != okReply {
		t.Fatalf("POST = %s", got)
	}
	p.poll()
	a.wait(t, 2)
	const many = 4 * maxCalls
	var payload, want []string
	for i := range many {
		payload = append(payload, fmt.Sprintf(`42["e",%d]`, i))
		want = append(want, fmt.Sprintf(`event / ["e",%d] []`, i))
	}
	done := make(chan string)
	go func() { done <- p.post(strings.Join(payload, "\x1e")) }()
	n.await("a part of the payload waits", func() (waits bool) {
		err := n.onLoops(t.Context(), func(l *loop) {
			waits = len(l.sockets.rests) > 0
			for _, b := range l.sockets.boxes {
				if b.mu.Lock(); len(b.calls) > maxCalls+1 {
					t.Errorf("%d calls wait", len(b.calls))
				}
				b.mu.Unlock()
			}
		})
		return err == nil && waits
	})
	close(goOn)
	if got := <-done; got != okReply {
		t.Errorf("POST = %s", got)
	}
	a.expect(t, want...)
	testutil.Eventually(t, patience, func() bool { return n.inputs.Used() == 0 }, "nothing waits")
}

// While a message of a session is out at the pool, that the application has caught up is no reason to read those behind it.
func TestRelievedWhileAMessageIsOut(t *testing.T) {
	a := newSocketApp()
	n := openSocketNode(t, a, nil)
	c, _ := a.enter(n, "/")
	defer c.close()
	inflated := make(chan struct{})
	if err := n.onLoops(t.Context(), func(l *loop) {
		l.net.Each(func(conn *netpoll.Conn) {
			s := l.sessions.At(conn.Slot())
			if s.state != stateEngine {
				return
			}
			message := &call{finish: func(conn *netpoll.Conn, s *session) { l.inflatedMessage(conn, s, frame.OpText, []byte(`42["first"]`)) }}
			if !l.offload(conn, s, message, func() { <-inflated }) {
				t.Error("the pool has no room")
			}
			if l.relieve(l.net.ID(conn)); !s.has(flagOffloaded) {
				t.Error("the session is read")
			}
		})
	}); err != nil {
		t.Fatal(err)
	}
	c.send(textOf(`42["second"]`))
	close(inflated)
	a.expect(t, `event / ["first"] []`, `event / ["second"] []`)
}
