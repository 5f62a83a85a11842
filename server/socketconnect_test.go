package server

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed4ac54ce5/edge/internal/testutil"
	"github.com/seed4ac54ce5/edge/metrics"
)

func TestSocketConnects(t *testing.T) {
	a := newSocketApp()
	shakes := make(chan *SocketHandshake, 100)
	a.connect = func(r *SocketConnect) (SocketWelcome, error) {
		shakes <- r.Handshake
		switch r.Namespace {
		case "/no":
			return SocketWelcome{}, &SocketRefusal{Message: "go \"away\"", Data: []byte(`{"why":1}`)}
		case "/bug":
			return SocketWelcome{}, errors.New("secret")
		case "/panic":
			panic("secret")
		case "/again":
			return SocketWelcome{ID: "the-id-it-had-before", PID: "private", Missed: []SocketPacket{packetOf(`["missed"]`)}, Rooms: []string{"r"}}, nil
		}
		return SocketWelcome{}, nil
	}
	n := openSocketNode(t, a, nil)
	c := n.socket()
	defer c.close()
	c.send(textOf(`40{"token":"x"}`))
	first := c.next()
	a.expect(t, `connect / {"token":"x"}`, "connected /")
	if id := n.SocketID(a.newest); first != text(`40{"sid":"`+id+`"}`) || len(id) != 20 {
		t.Errorf("answer %s; the id is %s", first, id)
	}
	if shake := <-shakes; shake.URL != "/socket.io/"+webSocketQuery || shake.Header.Get("Upgrade") != "websocket" || !shake.Address.IsValid() || shake.Secure || time.Since(shake.Issued) > patience {
		t.Errorf("handshake %+v", shake)
	}
	c.send(textOf(`40/no,`))
	c.receives(t, text(`44/no,{"message":"go \"away\"","data":{"why":1}}`))
	c.send(textOf(`40/bug`))
	c.receives(t, text(`44/bug,{"message":"internal error"}`))
	a.expect(t, "connect /no ", "connect /bug ")
	c.send(textOf(`40/again,7`))
	c.receives(t, text(`42/again,["missed"]`), text(`40/again,{"sid":"the-id-it-had-before","pid":"private"}`))
	a.expect(t, "connect /again ", "connected /again")
	c.send(textOf(`41/again,`))
	a.expect(t, "disconnect /again: client namespace disconnect [r]")
	c.send(textOf(`40/again`))
	c.next()
	c.next()
	a.expect(t, "connect /again ", "connected /again")
	c.close()
	got := a.wait(t, 2)
	slices.Sort(got)
	if want := []string{"disconnect /: transport close []", "disconnect /again: transport close [r]"}; !slices.Equal(got, want) {
		t.Errorf("at the end %q; want %q", got, want)
	}
	c = n.socket()
	defer c.close()
	c.send(textOf(`40/panic`))
	if got := c.rest(); got[len(got)-1] != "close 1005" {
		t.Errorf("application panics: %q", got)
	}
}

// Whoever waits for a client to be in its rooms does not wait for ever if it never is.
func TestSocketJoinedIsCalled(t *testing.T) {
	joined := make(chan struct{}, 3)
	a, entered, gone := newSocketApp(), make(chan struct{}), make(chan struct{})
	a.connect = func(r *SocketConnect) (SocketWelcome, error) {
		w := SocketWelcome{Joined: func() { joined <- struct{}{} }}
		switch r.Namespace {
		case "/gone":
			close(entered)
			<-gone
		case "/other":
			w.Grant = &ConnectReply{User: "another"}
		}
		return w, nil
	}
	n := openSocketNode(t, a, nil)
	c := n.socket()
	c.send(textOf("40"))
	c.send(textOf("40/other,"))
	for range 2 {
		<-joined
	}
	c.send(textOf("40/gone,"))
	<-entered
	c.close()
	testutil.Eventually(t, patience, func() bool { return n.counts().Connections[metrics.SocketWebSocket] == 0 }, "the client has gone")
	close(gone)
	<-joined
	notes := a.wait(t, 7)
	for _, namespace := range []string{"/other", "/gone"} { // it has let them in
		if want := "disconnect " + namespace + " never connected:  []"; !slices.Contains(notes, want) {
			t.Errorf("application was called %q; want %s", notes, want)
		}
	}
}

// E10: a session that enters no namespace ends at its deadline, also if it has been refused. One that has entered one stays.
func TestSocketConnectTimeout(t *testing.T) {
	a := newSocketApp()
	a.connect = func(r *SocketConnect) (SocketWelcome, error) {
		if r.Namespace == "/no" {
			return SocketWelcome{}, &SocketRefusal{Message: "no"}
		}
		return SocketWelcome{}, nil
	}
	n := openSocketNode(t, a, func(c *Config) { c.SocketIO.ConnectTimeout = 300 * time.Millisecond })
	silent, refused := n.socket(), n.socket()
	defer silent.close()
	defer refused.close()
	refused.send(textOf("40/no,"))
	refused.receives(t, text(`44/no,{"message":"no"}`), "close 1005")
	silent.receives(t, "close 1005")
	a.wait(t, 1)
	c, _ := a.enter(n, "/")
	defer c.close()
	c.send(textOf("41"))
	a.expect(t, "disconnect /: client namespace disconnect []")
	n.socket().receives(t, "close 1005") // a timeout later
	c.send(textOf("40/b,"))
	if got := c.next(); !strings.Contains(got, "sid") {
		t.Errorf("after the timeout: %s", got)
	}
}
