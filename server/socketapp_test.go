package server

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
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
