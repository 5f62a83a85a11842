package server

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/seed4ac54ce5/edge/internal/testutil"
)

// witness is an application that writes down what it is called for.
type witness struct {
	held    chan struct{} // gets a value for each call that begins to wait
	release chan struct{} // each value ends one wait

	mu    sync.Mutex
	calls map[string]string // of each client, in their order
}

func newWitness() *witness {
	return &witness{held: make(chan struct{}), release: make(chan struct{}), calls: make(map[string]string)}
}

// note writes down a call, at its end.
func (w *witness) note(client, what string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.calls[client] = strings.TrimSpace(w.calls[client] + " " + what)
}

// take serves a call, which waits if its data says so.
func (w *witness) take(client, what string, data []byte) error {
	if strings.HasPrefix(string(data), `"wait`) {
		w.held <- struct{}{}
		<-w.release
	}
	w.note(client, what)
	return verdict(data)
}

// all returns what each client was called for, sorted.
func (w *witness) all() (all []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, calls := range w.calls {
		all = append(all, calls)
	}
	slices.Sort(all)
	return all
}

func (w *witness) handler() Handler {
	return Handler{
		Connect: func(r *ConnectRequest) (ConnectReply, error) {
			return ConnectReply{User: string(r.Token)}, w.take(r.Client, "connect", r.Data)
		},
		RPC: func(c Client, r *RPCRequest) ([]byte, error) {
			return nil, w.take(c.ID, "rpc", r.Data)
		},
		Disconnect: func(c Client, why Disconnect) { w.note(c.ID, fmt.Sprint("bye", why.Code)) },
	}
}

// check fails the test unless the clients were called for what want says, one string for each client.
func (w *witness) check(t *testing.T, want ...string) {
	t.Helper()
	slices.Sort(want)
	if got := w.all(); !slices.Equal(got, want) {
		t.Errorf("the application was called for\n%q; want\n%q", got, want)
	}
}

// leaving is a way to go, and what the application hears of it.
type leaving struct {
	how  string
	send string
	then func(*node, *client, *witness) // nil to wait for the server's word
	want string
}

func leavings() []leaving {
	kick := func(n *node) {
		if err := n.Disconnect(n.t.Context(), Target{User: "u"}, Disconnect{Code: 4001, Reason: "out"}); err != nil {
			n.t.Error(err)
		}
	}
	goes := func(_ *node, c *client, _ *witness) { c.close() }
	return []leaving{
		{"a closing handshake", "", func(_ *node, c *client, _ *witness) { c.send(closing(1000, "")) }, "connect bye3000"},
		{"the end of the stream", "", goes, "connect bye3000"},
		{"a reset", "", func(_ *node, c *client, _ *witness) { _ = c.conn.SetLinger(0); c.close() }, "connect bye3000"},
		{"a broken rule", "[]", nil, "connect bye3501"},
		{"an end of the application's", rpc(2, `"end"`), nil, "connect rpc bye4500"},
		{"a kick", "", func(n *node, _ *client, _ *witness) { kick(n) }, "connect bye4001"},
	}
}

// leavingsInACall are those in which the application is at work meanwhile.
func leavingsInACall() []leaving {
	gone := func(n *node, c *client, w *witness) {
		<-w.held
		open := n.counts().Open
		c.close()
		testutil.Eventually(n.t, patience, func() bool { return n.counts().Open < open }, "the conn has gone")
		w.release <- struct{}{}
	}
	kicked := func(n *node, _ *client, w *witness) {
		<-w.held
		if err := n.Disconnect(n.t.Context(), Target{User: "u"}, Disconnect{}); err != nil {
			n.t.Error(err)
		}
		w.release <- struct{}{}
	}
	refused := func(data string) string { return `{"id":1,"connect":{"token":"u","data":` + data + `}}` }
	return []leaving{
		{"gone while it connects", refused(`"wait"`), gone, "connect bye3000"},
		{"gone while it is refused", refused(`"wait for an error"`), gone, "connect"},
		{"gone in a call", rpc(2, `"wait"`), gone, "connect rpc bye3000"},
		{"gone in a call that fails", rpc(2, `"wait for an error"`), gone, "connect rpc bye3000"},
		{"kicked in a call", rpc(2, `"wait"`) + "\n" + rpc(3, "1"), kicked, "connect rpc bye3503"},
	}
}

// The application hears of the end of each client that it has let in, once, and after all else.
func TestHandlerDisconnect(t *testing.T) {
	inBothWays(t, func(t *testing.T, nonBlocking bool) {
		w := newWitness()
		h := w.handler()
		h.NonBlocking = nonBlocking
		n := openApp(t, h)
		rows := leavings()
		if !nonBlocking {
			rows = append(rows, leavingsInACall()...)
		}
		var want []string
		for _, r := range rows {
			want = append(want, r.want)
			n.run(r.how, func(*testing.T) { n.leaveAs(&r, w, len(want)) })
		}
		n.Close()
		w.check(t, want...)
	})
}

// leaveAs has a client leave as r says; it is the application's number-th.
func (n *node) leaveAs(r *leaving, w *witness, number int) {
	c := n.open(pathWebSocket)
	defer c.close()
	if !strings.Contains(r.send, `"connect"`) {
		c.say(`{"id":1,"connect":{"token":"u"}}`)
		c.next()
	}
	if r.send != "" {
		c.say(r.send)
	}
	if r.then != nil {
		r.then(n, c, w)
	}
	testutil.Eventually(n.t, patience, func() bool {
		all := w.all()
		return len(all) == number && slices.Contains(all, r.want)
	}, r.want)
}

// A drain waits for what is out, and the application hears of everybody's end before Run returns.
func TestHandlerHearsOfDrain(t *testing.T) {
	w := newWitness()
	n := openApp(t, w.handler())
	stop := n.serve()
	var clients []*client
	var want []string
	for range 20 {
		c := n.open(pathWebSocket)
		c.say(hello)
		c.next()
		clients, want = append(clients, c), append(want, "connect bye3001")
	}
	busy := n.open(pathWebSocket)
	busy.say(hello + "\n" + rpc(2, `"wait"`))
	<-w.held
	done := stop()
	for _, c := range clients {
		if got := c.rest(); len(got) != 1 || got[0] != "close 3001" {
			t.Errorf("a client got %s; want close 3001", got)
		}
	}
	w.release <- struct{}{}
	if got := busy.rest(); len(got) != 3 || !strings.Contains(got[1], "rpc") || got[2] != "close 3001" {
		t.Errorf("a client with a call out got %s; want its connect, the answer and close 3001", got)
	}
	for _, c := range append(clients, busy, n.neighbour) {
		c.close()
	}
	<-done
	w.check(t, append(want, "connect rpc bye3001")...)
}

// A node that is closed at once lets the application finish what it is at, and tells it the rest.
func TestHandlerHearsOfClose(t *testing.T) {
	w := newWitness()
	n := openApp(t, w.handler())
	idle, calling, connecting := n.open(pathWebSocket), n.open(pathWebSocket), n.open(pathWebSocket)
	for _, c := range []*client{idle, calling, connecting} {
		defer c.close()
	}
	idle.say(hello)
	idle.next()
	calling.say(hello + "\n" + rpc(2, `"wait"`))
	connecting.say(`{"id":1,"connect":{"data":"wait"}}`)
	<-w.held
	<-w.held
	closed := make(chan struct{})
	go func() { defer close(closed); n.Close() }()
	<-n.stop // the loops have ended
	w.release <- struct{}{}
	w.release <- struct{}{}
	<-closed
	w.check(t, "connect bye3000", "connect rpc bye3000", "connect bye3000")
}

// The time in which a client must be let in is not the application's to prolong, and an error does not end it.
func TestHandlerConnectIsTimed(t *testing.T) {
	t.Parallel()
	w := newWitness()
	n := openNode(t, func(c *Config) { c.Handler, c.StaleTimeout = w.handler(), unhurried })
	slow := n.open(pathWebSocket)
	defer slow.close()
	slow.say(`{"id":1,"connect":{"data":"wait"}}`)
	<-w.held
	if got := slow.next(); got != "close 3502" {
		t.Errorf("a client that the application keeps at the door got %s; want close 3502", got)
	}
	w.release <- struct{}{}
	refused := n.open(pathWebSocket)
	defer refused.close()
	refused.say(`{"id":1,"connect":{"data":"error"}}`)
	if got := fmt.Sprint(refused.hear(1, 0, true)); got != fmt.Sprint(heard{[]string{failed(1, refusal)}, nil, "close 3502"}) {
		t.Errorf("a client that was refused got %s; want the error and close 3502", got)
	}
	n.Close()
	w.check(t, "connect", "connect bye3000")
}
