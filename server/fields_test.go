package server

import (
	"context"
	"net/http"
	"reflect"
	"strings"
	"testing"

	"github.com/seed4ac54ce5/edge/frame"
	"github.com/seed4ac54ce5/edge/metrics"
)

func TestFields(t *testing.T) {
	var r frame.Request
	head := request("/", "cookie: a=1", "X-Trace-ID: t", "Authorization: secret", "Cookie: b=\xff")
	if _, err := frame.ParseRequest([]byte(head), 0, &headLimits, &r); err != nil {
		t.Fatal(err)
	}
	f := newFields([]string{"COOKIE", "x-trace-id", "Cookie", "X-Absent"})
	if !f.keep(1, &r) || !f.wants("cookie") || f.wants("Authorization") {
		t.Errorf("fields = %+v", f)
	}
	want := http.Header{"Cookie": {"a=1", "b=\xff"}, "X-Trace-Id": {"t"}}
	if got := headerOf(f.take(1)); !reflect.DeepEqual(got, want) {
		t.Errorf("kept %v; want %v", got, want)
	}
	if got := headerOf(f.take(1)); got != nil || f.bytes != 0 {
		t.Errorf("then %v of %d bytes; want nothing", got, f.bytes)
	}
	f.bytes = maxFields
	if f.keep(1, &r) || len(f.byConn) != 0 {
		t.Errorf("more than %d bytes are kept", maxFields)
	}
	if none := newFields(nil); !none.keep(1, &r) || len(none.byConn) != 0 {
		t.Errorf("an application that wants nothing keeps %+v", none)
	}
}

// seeing is an application that wants to see fields of requests, and hands what it gets to the test.
func seeing(keep bool, names ...string) (h Handler, connects chan *ConnectRequest, clients chan Client) {
	connects, clients = make(chan *ConnectRequest, 8), make(chan Client, 8)
	h = Handler{
		Headers: names, KeepHeaders: keep,
		Connect: func(r *ConnectRequest) (ConnectReply, error) {
			connects <- r
			return ConnectReply{User: "bob"}, verdict(r.Data)
		},
		RPC:        func(c Client, _ *RPCRequest) ([]byte, error) { clients <- c; return nil, nil },
		Disconnect: func(c Client, _ Disconnect) { clients <- c },
	}
	return h, connects, clients
}

// The application sees what it asked for of the request, and nothing that a connect command calls headers.
func TestApplicationSeesTheRequest(t *testing.T) {
	for _, keep := range []bool{false, true} {
		h, connects, clients := seeing(keep, "Authorization", "X-Trace")
		n := openApp(t, h)
		c := n.open(pathWebSocket, "Origin: http://localhost", "X-Trace: t", "Cookie: c", "authorization: Bearer b")
		c.say(`{"id":1,"connect":{"name":"js","version":"5.8.0","subs":{"a":{},"é":{"recover":true}},"headers":{"Authorization":"forged","X-Trace":"forged"}}}`)
		c.say(rpc(2, "1"))
		want := http.Header{"Authorization": {"Bearer b"}, "X-Trace": {"t"}}
		r := <-connects
		if !reflect.DeepEqual(r.Header, want) {
			t.Errorf("A17 the application saw %v; want %v", r.Header, want)
		}
		if r.Name != "js" || r.Version != "5.8.0" || r.Protocol != "json" || !reflect.DeepEqual(r.Rooms, []string{"a", "é"}) {
			t.Errorf("it was told %+v", r)
		}
		if got, want := r.Address.String(), c.conn.LocalAddr().String(); got != want {
			t.Errorf("the client comes from %s; want %s", got, want)
		}
		if !keep {
			want = nil
		}
		called := <-clients
		c.send(closing(1000, ""))
		for what, got := range map[string]Client{"a call": called, "the end": <-clients} {
			if !reflect.DeepEqual(got.Header, want) || got.Protocol != "json" || got.ID != r.Client {
				t.Errorf("keeping %t: %s of %+v; want header %v", keep, what, got, want)
			}
		}
		c.close()
	}
}

// What was kept of a client that never connects goes with it, whatever its end: the node's own check finds what is left.
func TestFieldsOfThoseWhoDoNotConnect(t *testing.T) {
	h, _, _ := seeing(true, "Cookie")
	n := openApp(t, h)
	for _, send := range []string{"", string(closing(1000, "")), string(masked(0x81, "nonsense")),
		string(masked(0x81, `{"id":1,"connect":{"token":"t","data":"error"}}`)),
		string(masked(0x81, `{"id":1,"connect":{"token":"t","data":"end"}}`)),
		string(masked(0x81, `{"id":1,"connect":{"token":"t","data":"panic"}}`))} {
		c := n.open(pathWebSocket, "Cookie: a=1")
		c.send([]byte(send))
		if send != "" {
			c.next()
		}
		c.close()
	}
	n.checkNeighbour()
}

// A request whose fields there is no memory for is refused before anything else happens; others are not.
func TestFieldsHaveABound(t *testing.T) {
	h, _, _ := seeing(false, "Cookie")
	n := openApp(t, h)
	hold := func(bytes int) {
		if err := n.onLoops(context.Background(), func(l *loop) { l.fields.bytes += bytes }); err != nil {
			t.Fatal(err)
		}
	}
	hold(maxFields)
	moved := n.rejections(func() {
		c := n.dial()
		defer c.close()
		c.send([]byte(request(pathWebSocket, "Cookie: a=1")))
		if got := c.readHead(); !strings.HasPrefix(got, "HTTP/1.1 503 ") || !strings.Contains(got, "Retry-After") {
			t.Errorf("got %q; want 503", got)
		}
	})
	checkMoved(t, moved, metrics.RejectFieldMemory, 1)
	n.open(pathWebSocket).close()
	hold(-maxFields)
	n.open(pathWebSocket, "Cookie: a=1").close()
	n.checkNeighbour()
}

// Cookies alone do not let a client in that does not say which page it is.
func TestCookiesNeedAnOrigin(t *testing.T) {
	const origin = "Origin: http://localhost"
	for _, r := range []struct {
		what  string
		names []string
		field string
		send  string
		want  string
	}{
		{"a program without a token", []string{"X-Any", "cookie"}, "Cookie: a=1", hello, "close 3507"},
		{"one that sends no cookie either", []string{"Cookie"}, "X-Any: 1", hello, "close 3507"},
		{"a program with a token", []string{"Cookie"}, "Cookie: a=1", join("t"), connected},
		{"a page", []string{"Cookie"}, origin, hello, connected},
		{"an application that sees no cookies", []string{"Authorization"}, "Cookie: a=1", hello, connected},
	} {
		n := openApp(t, Handler{Headers: r.names, Connect: moody().Connect})
		moved := n.rejections(func() {
			c := n.open(pathWebSocket, r.field)
			defer c.close()
			c.say(r.send)
			if got, _ := c.nextText(); got != r.want {
				t.Errorf("A03 %s: %s; want %s", r.what, got, r.want)
			}
		})
		if r.want == connected {
			checkMoved(t, moved, none, 0)
		} else {
			checkMoved(t, moved, metrics.RejectOrigin, 1)
		}
		n.checkNeighbour()
	}
}
