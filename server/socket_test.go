package server

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed4ac54ce5/edge/internal/testutil"
	"github.com/seed4ac54ce5/edge/metrics"
)

// socketApp is an application for tests: it lets everybody in unless a function says otherwise, and notes what it is called for.
type socketApp struct {
	node  *Server
	event func(Socket, *SocketEvent)
	acked func(Socket, uint64, SocketPacket)
	gone  func(Socket)

	mu      sync.Mutex // guards all below
	connect func(*SocketConnect) (SocketWelcome, error)
	noted   *sync.Cond
	notes   []string
	sockets map[Socket]bool
	newest  Socket
}

func newSocketApp() *socketApp {
	a := &socketApp{sockets: make(map[Socket]bool)}
	a.noted = sync.NewCond(&a.mu)
	return a
}

func (a *socketApp) note(format string, args ...any) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.notes = append(a.notes, fmt.Sprintf(format, args...))
	a.noted.Broadcast()
}

func (a *socketApp) Start(s *Server) { a.node = s }

func (a *socketApp) Connect(r *SocketConnect) (SocketWelcome, error) {
	a.note("connect %s %s", r.Namespace, r.Auth)
	a.mu.Lock()
	connect := a.connect
	a.mu.Unlock()
	if connect != nil {
		return connect(r)
	}
	return SocketWelcome{}, nil
}

func (a *socketApp) Connected(s Socket, namespace string) {
	a.mu.Lock()
	a.sockets[s], a.newest = true, s
	a.mu.Unlock()
	a.note("connected %s", namespace)
}

func (a *socketApp) Event(s Socket, e *SocketEvent) {
	if a.event != nil {
		a.event(s, e)
	}
	ack := ""
	if e.HasAck {
		ack = fmt.Sprint(" ack ", e.AckID)
	}
	a.note("event %s %s %q%s", e.Namespace, e.Data, e.Attachments, ack)
}

func (a *socketApp) Ack(s Socket, id uint64, p SocketPacket) {
	if a.acked != nil {
		a.acked(s, id, p)
	}
	a.note("ack %d %s %q", id, p.Data, p.Attachments)
}

func (a *socketApp) Gone(s Socket) {
	if a.gone != nil {
		a.gone(s)
	}
}

func (a *socketApp) Disconnect(s Socket, namespace, reason string, rooms []string) {
	slices.Sort(rooms)
	a.mu.Lock()
	known := a.sockets[s]
	delete(a.sockets, s)
	a.mu.Unlock()
	if !known {
		namespace += " never connected"
	}
	a.note("disconnect %s: %s %v", namespace, reason, rooms)
}

// wait returns the notes since the last call, as soon as there are so many.
func (a *socketApp) wait(t testing.TB, n int) []string {
	t.Helper()
	timer := time.AfterFunc(patience, a.noted.Broadcast)
	defer timer.Stop()
	deadline := time.Now().Add(patience)
	a.mu.Lock()
	defer a.mu.Unlock()
	for len(a.notes) < n {
		if time.Now().After(deadline) {
			t.Fatalf("application was called %q; want %d calls", a.notes, n)
		}
		a.noted.Wait()
	}
	notes := a.notes
	a.notes = nil
	return notes
}

// expect fails unless the application is called so.
func (a *socketApp) expect(t testing.TB, want ...string) {
	t.Helper()
	if got := a.wait(t, len(want)); !slices.Equal(got, want) {
		t.Fatalf("application was called %q; want %q", got, want)
	}
}

// openSockets opens a node that serves a.
func openSocketNode(t testing.TB, a *socketApp, change func(*Config)) *node {
	return openNode(t, func(c *Config) {
		c.SocketIO = &SocketIO{App: a}
		if change != nil {
			change(c)
		}
	})
}

// socket opens a session of Socket.IO in a WebSocket.
func (n *node) socket() *client {
	n.t.Helper()
	c := n.open("/socket.io/" + webSocketQuery)
	f, end := c.frame()
	if end != "" {
		n.t.Fatalf("in place of an open packet: %s", end)
	}
	parseOpen(n.t, string(f.Payload))
	return c
}

// member opens a session and enters namespaces, the application of which hears that.
func (a *socketApp) enter(n *node, namespaces ...string) (c *client, all []Socket) {
	n.t.Helper()
	c = n.socket()
	for _, name := range namespaces {
		prefix := ""
		if name != "/" {
			prefix = name + ","
		}
		c.send(textOf("40" + prefix))
		if got := c.next(); !strings.HasPrefix(got, `text "40`+prefix+`{\"sid\":\"`) {
			n.t.Fatalf("connect to %s was answered %s", name, got)
		}
		a.wait(n.t, 2)
		a.mu.Lock()
		all = append(all, a.newest)
		a.mu.Unlock()
	}
	return c, all
}

// receives fails unless c receives these frames next.
func (c *client) receives(t testing.TB, want ...string) {
	t.Helper()
	for _, w := range want {
		if got := c.next(); got != w {
			t.Fatalf("received %s; want %s", got, w)
		}
	}
}

func text(payload string) string { return said(1, []byte(payload)) }

func bin(payload string) string { return said(2, []byte(payload)) }

func packetOf(data string) SocketPacket { return SocketPacket{Data: []byte(data)} }

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

// TestSocketRows has the rules for packets: section 2 of the protocol, and what the reference does about misuse.
func TestSocketRows(t *testing.T) {
	const hello = `["hello",1]`
	ends := []string{"close 1005"}
	refused := func(rule, packets string) (rule2 string, sent []string) { return rule, []string{packets} }
	_ = refused
	all := []struct {
		rule string
		sent []string // text, or with b: before it binary
		got  []string // by the client
		app  []string // calls
	}{
		{"an event", []string{`42` + hello}, nil, []string{`event / ["hello",1] []`}},
		{"with an acknowledgement", []string{`4212` + hello}, nil, []string{`event / ["hello",1] [] ack 12`}},
		{"a numeric name", []string{`42[5]`}, nil, []string{`event / [5] []`}},
		{"E09 error is a name", []string{`42["error"]`}, nil, []string{`event / ["error"] []`}},
		{"no payload is no event", []string{`42`, `42["x"]`}, nil, []string{`event / ["x"] []`}},
		{"a placeholder without attachments is an object", []string{`42["a",{"_placeholder":true,"num":0}]`}, nil, []string{`event / ["a",{"_placeholder":true,"num":0}] []`}},
		{"binary", []string{`452-["a",{"_placeholder":true,"num":1},{"_placeholder":true,"num":0}]`, "b:one", "b:"}, nil,
			[]string{`event / ["a",{"_placeholder":true,"num":1},{"_placeholder":true,"num":0}] ["one" ""]`}},
		{"as many as may be", append([]string{`4510-["a"]`}, slices.Repeat([]string{"b:x"}, 10)...), nil,
			[]string{`event / ["a"] ["x" "x" "x" "x" "x" "x" "x" "x" "x" "x"]`}},
		{"an acknowledgement", []string{`437["ok"]`}, nil, []string{`ack 7 ["ok"] []`}},
		{"a binary one", []string{`461-8[{"_placeholder":true,"num":0}]`, "b:x"}, nil, []string{`ack 8 [{"_placeholder":true,"num":0}] ["x"]`}},
		{"one without payload", []string{`439`}, nil, []string{`ack 9 [] []`}},
		{"one without an id is ignored", []string{`43[]`, `42["x"]`}, nil, []string{`event / ["x"] []`}},
		{"disconnect", []string{`41`}, nil, []string{`disconnect /: client namespace disconnect []`}},
		{"E06 an unknown type", []string{`47`}, ends, nil},
		{"E06 no type", []string{`4`}, ends, nil},
		{"E06 bad JSON", []string{`42["hello"`}, ends, nil},
		{"E06 an event that is an object", []string{`42{}`}, ends, nil},
		{"E06 an event without a name", []string{`42[]`}, ends, nil},
		{"E06 a name that is neither", []string{`42[null]`}, ends, nil},
		{"E06 an acknowledgement that is no array", []string{`437{}`}, ends, nil},
		{"E06 an id beyond all numbers", []string{`4299999999999999999999["x"]`}, ends, nil},
		{"E06 disconnect with payload", []string{`41{}`}, ends, nil},
		{"E06 connect with an array", []string{`40/a,[]`}, ends, nil},
		{"E06 connect with a string", []string{`40/a,"x"`}, ends, nil},
		{"connect twice", []string{`40`}, ends, nil},
		{"an event for where it is not", []string{`42/a,["x"]`}, ends, nil},
		{"an acknowledgement for where it is not", []string{`43/a,1[]`}, ends, nil},
		{"disconnect from where it is not", []string{`41/a,`}, ends, nil},
		{"a binary event for where it is not", []string{`451-/a,["x"]`}, ends, nil},
		{"an event behind a disconnect", []string{`41`, `42["x"]`}, ends, []string{`disconnect /: client namespace disconnect []`}},
		{"connect error of a client", []string{`44{"message":"x"}`}, ends, nil},
		{"text while attachments are due", []string{`451-["a"]`, `42["x"]`}, ends, nil},
		{"binary without a packet", []string{"b:x"}, ends, nil},
		{"E07 no attachment", []string{`450-["a"]`}, ends, nil},
		{"E07 too many", []string{`4511-["a"]`}, ends, nil},
		{"E07 thousands", []string{`4599999-["a"]`}, ends, nil},
		{"E07 no number", []string{`45-["a"]`}, ends, nil},
		{"E08 index out of range", []string{`451-["a",{"_placeholder":true,"num":1}]`}, ends, nil},
		{"E08 index below it", []string{`451-["a",{"_placeholder":true,"num":-1}]`}, ends, nil},
		{"E08 half an index", []string{`451-["a",{"_placeholder":true,"num":0.5}]`}, ends, nil},
		{"E09 connect", []string{`42["connect"]`}, ends, nil},
		{"E09 connect_error", []string{`42["connect_error"]`}, ends, nil},
		{"E09 disconnect", []string{`42["disconnect"]`}, ends, nil},
		{"E09 disconnecting", []string{`42["disconnecting"]`}, ends, nil},
		{"E09 newListener", []string{`42["newListener"]`}, ends, nil},
		{"E09 removeListener, hidden", []string{`42["\u0072emoveListener"]`}, ends, nil},
		{"E11 deep", []string{`42["a",` + strings.Repeat("[", 10_000) + strings.Repeat("]", 10_000) + `]`}, ends, nil},
		{"E11 digits", []string{`42` + strings.Repeat("1", 100_000) + `["a"]`}, ends, nil},
		{"E11 a giant namespace", []string{`40/` + strings.Repeat("x", 600)}, []string{text(`44/` + strings.Repeat("x", 600) + `,{"message":"Invalid namespace"}`)}, nil},
	}
	a := newSocketApp()
	n := openSocketNode(t, a, nil)
	for _, r := range all {
		n.run(r.rule, func(t *testing.T) {
			before := n.counts().Rejects[metrics.RejectCommand]
			c, _ := a.enter(n, "/")
			defer c.close()
			for _, p := range r.sent {
				if payload, ok := strings.CutPrefix(p, "b:"); ok {
					c.send(bytesOf(payload))
				} else {
					c.send(textOf(p))
				}
			}
			c.receives(t, r.got...)
			want := slices.Clone(r.app)
			if slices.Equal(r.got, ends) {
				if !slices.Contains(want, `disconnect /: client namespace disconnect []`) {
					want = append(want, "disconnect /: forced close []")
				}
				if got := n.counts().Rejects[metrics.RejectCommand]; got != before+1 {
					t.Errorf("%d rejections; want 1", got-before)
				}
			}
			a.expect(t, want...)
			if !slices.Equal(r.got, ends) && !slices.Contains(want, `disconnect /: client namespace disconnect []`) {
				c.close()
				a.expect(t, "disconnect /: transport close []")
			}
		})
	}
}

// E10: a session that enters no namespace ends at its deadline, also if it has been refused. One that has entered one stays.
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

// What a handler waits for it need not wait for any more when its client has gone.
func TestSocketGoneIsToldAtOnce(t *testing.T) {
	a, gone := newSocketApp(), make(chan Socket, 1)
	a.event = func(s Socket, _ *SocketEvent) {
		if which := <-gone; which != s { // as if for an acknowledgement
			t.Errorf("told of %v; want %v", which, s)
		}
	}
	a.gone = func(s Socket) { gone <- s }
	n := openSocketNode(t, a, nil)
	c, _ := a.enter(n, "/")
	c.send(textOf(`42["x"]`))
	c.close()
	a.expect(t, `event / ["x"] []`, "disconnect /: transport close []")
}

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

// E07: attachments have a deadline, and a byte limit all clients share.
func TestSocketAttachmentTimeout(t *testing.T) {
	a := newSocketApp()
	n := openSocketNode(t, a, func(c *Config) { c.SocketIO.Limits.AttachmentTimeout = 100 * time.Millisecond })
	c, _ := a.enter(n, "/")
	defer c.close()
	c.send(textOf(`452-["a"]`))
	c.send(bytesOf("x"))
	c.receives(t, "close 1005")
	a.expect(t, "disconnect /: forced close []")
	if used := n.inputs.Used(); used != 0 {
		t.Errorf("%d bytes left in the budget", used)
	}
}

// A namespace that is entered meanwhile does not lift the deadline of attachments, and they wait within the budget.
func TestSocketHalfPackets(t *testing.T) {
	a := newSocketApp()
	goOn := make(chan struct{})
	a.connect = func(r *SocketConnect) (SocketWelcome, error) {
		if r.Namespace == "/late" {
			<-goOn
		}
		return SocketWelcome{}, nil
	}
	n := openSocketNode(t, a, func(c *Config) {
		c.SocketIO.Limits.AttachmentTimeout = 300 * time.Millisecond
		c.InputBudget = 1 << 20
	})
	c, _ := a.enter(n, "/")
	defer c.close()
	c.send(textOf("40/late,"))
	c.send(textOf(`451-["a"]`))
	testutil.Eventually(t, patience, func() bool { return n.inputs.Used() > 0 }, "a packet waits for its attachment")
	close(goOn)
	if got := c.rest(); len(got) != 2 || got[1] != "close 1005" {
		t.Errorf("received %q", got)
	}
	a.wait(t, 4)

	n.inputs.Add(1 << 20) // others have used it up
	defer n.inputs.Add(-1 << 20)
	c, _ = a.enter(n, "/")
	defer c.close()
	c.send(textOf(`451-["a"]`))
	c.receives(t, "close 1005")
}

func TestSocketLimits(t *testing.T) {
	a := newSocketApp()
	n := openSocketNode(t, a, func(c *Config) { c.SocketIO.Limits = SocketIOLimits{Namespaces: 2, Rooms: 3, Depth: 2} })
	ctx := context.Background()
	c, all := a.enter(n, "/", "/b")
	defer c.close()
	c.send(textOf("40/c,"))
	c.receives(t, text(`44/c,{"message":"too many namespaces"}`))
	if err := n.JoinSocket(ctx, all[0], "1", "2", "1"); err != nil {
		t.Error(err)
	}
	if err := n.JoinSocket(ctx, all[1], "3", "3", n.SocketID(all[1])); err != nil {
		t.Error(err)
	}
	for _, k := range all {
		if err := n.JoinSocket(ctx, k, "4"); !errors.Is(err, ErrRoomLimit) {
			t.Errorf("a room too many: %v", err)
		}
		if err := n.JoinSocket(ctx, k, strings.Repeat("x", maxRoomName+1)); !errors.Is(err, ErrRoomName) {
			t.Errorf("a giant room: %v", err)
		}
	}
	c.send(textOf(`42["a",[]]`))
	a.expect(t, `event / ["a",[]] []`)
	c.send(textOf(`42["a",[[]]]`))
	c.receives(t, "close 1005")
}

// Answers and emits go to their socket alone.
func TestSocketEmits(t *testing.T) {
	a := newSocketApp()
	a.event = func(s Socket, e *SocketEvent) {
		if e.HasAck {
			a.node.AckSocket(s, e.AckID, SocketPacket{e.Data, e.Attachments})
		}
	}
	n := openSocketNode(t, a, nil)
	c, all := a.enter(n, "/", "/b")
	defer c.close()
	c.send(textOf(`42/b,3["echo",{"a":[1]}]`))
	c.receives(t, text(`43/b,3["echo",{"a":[1]}]`))
	c.send(textOf(`451-4["echo",{"_placeholder":true,"num":0}]`))
	c.send(bytesOf("\x00\xff"))
	c.receives(t, text(`461-4["echo",{"_placeholder":true,"num":0}]`), bin("\x00\xff"))
	n.EmitSocket(all[1], packetOf(`["x",1]`), EmitOptions{})
	n.EmitSocket(all[0], packetOf(`["y"]`), EmitOptions{WantsAck: true, AckID: 0})
	n.EmitSocket(all[0], packetOf(`{}`), EmitOptions{})
	n.EmitSocket(Socket{}, packetOf(`["nobody"]`), EmitOptions{})
	n.EmitSocket(Socket{all[0].Conn, 99}, packetOf(`["nobody"]`), EmitOptions{})
	c.receives(t, text(`42/b,["x",1]`), text(`420["y"]`))
	n.DisconnectSocket(all[1], false)
	n.EmitSocket(all[1], packetOf(`["late"]`), EmitOptions{})
	c.receives(t, text(`41/b,`))
	n.DisconnectSocket(all[0], true)
	c.receives(t, text(`41`), "close 1005")
	got := a.wait(t, 4)
	if want := []string{"disconnect /b: server namespace disconnect []", "disconnect /: server namespace disconnect []"}; !slices.Equal(got[2:], want) {
		t.Errorf("application was called %q; want %q", got[2:], want)
	}
}
