package server

import (
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/seed4ac54ce5/edge/internal/testutil"
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
	a.expect(t, "connect /gone ", "disconnect /gone never connected: transport close []")

	c = n.socket()
	defer c.close()
	c.send(textOf(`40{"user":1}`))
	c.next()
	a.expect(t, `connect / {"user":1}`, "connected /")
	c.send(textOf(`40/b,{"user":2}`))
	c.receives(t, text(`44/b,{"message":"permission denied","data":{"code":103,"message":"permission denied"}}`))
	a.expect(t, `connect /b {"user":2}`, "disconnect /b never connected: server namespace disconnect []")

	c.send(textOf("40/closed,"))
	<-asked
	n.Close()
	got := a.wait(t, 3)
	want := []string{"connect /closed ", "disconnect /: transport close []", "disconnect /closed never connected: server shutting down []"}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("at the end the application was called %q; want %q", got, want)
	}
	if joined.Load() != 4 {
		t.Errorf("Joined was called %d times for 4 sockets", joined.Load())
	}
}
