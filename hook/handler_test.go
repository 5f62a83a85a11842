package hook

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"

	"github.com/seed4ac54ce5/edge/server"
)

// application is a whole backend: it decides by what is in the body.
func application(w http.ResponseWriter, r *http.Request) {
	var q struct{ Client, User, Channel, Method string }
	if err := json.NewDecoder(r.Body).Decode(&q); err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	answer := map[string]string{
		"/connect":             `{"result":{"user":"56","info":{"name":"ann"},"data":"hi","channels":["news"]}}`,
		"/subscribe/tea":       `{"result":{"data":{"topic": "tea"}}}`,
		"/subscribe/secret":    `{"error":{"code":403,"message":"not for you"}}`,
		"/subscribe/broken":    `{}`,
		"/publish/tea":         `{"result":{"data":{"text":"f***"}}}`,
		"/rpc/price":           `{"result":{"data":{"price":` + fmt.Sprint(len(q.User)) + `}}}`,
		"/rpc/leave":           `{"disconnect":{"code":4501,"reason":"enough"}}`,
		"/disconnect":          ``,
		"/subscribe/expensive": `{"result":{"expire_at":1565436268}}`,
	}
	_, _ = w.Write([]byte(answer[strings.TrimRight(r.URL.Path+"/"+q.Channel+q.Method, "/")]))
}

// startNode serves with h's functions, and returns the address and what ends it.
func startNode(t *testing.T, h *Hooks) (address string, stop func()) {
	t.Helper()
	c := server.Config{Addresses: []string{"127.0.0.1:0"}, InternalAddress: "127.0.0.1:0", Loops: 1,
		ShutdownWindow: ms, Log: quiet}
	h.Fill(&c.Handler)
	node, err := server.Open(c)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var ended sync.WaitGroup
	ended.Go(func() {
		if err := node.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	return node.Addresses()[0], func() { cancel(); ended.Wait() }
}

// dialNode connects a client that has headers of its own in mind.
func dialNode(t *testing.T, address string) net.Conn {
	t.Helper()
	c, _, _, err := ws.Dialer{}.Dial(context.Background(), "ws://"+address+"/connection/websocket")
	if err != nil {
		t.Fatal(err)
	}
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	return c
}

// hear returns the next message with part in it, or how the conn ended.
func hear(t *testing.T, c net.Conn, part string) string {
	t.Helper()
	for {
		b, err := wsutil.ReadServerText(c)
		var end wsutil.ClosedError
		switch {
		case errors.As(err, &end):
			return fmt.Sprintf("close %d %s", end.Code, end.Reason)
		case err != nil:
			t.Fatal(err)
		case strings.Contains(string(b), part):
			return string(b)
		}
	}
}

// The whole way: a client of the protocol, a node, and an application behind HTTP. The headers of a connect command go
// nowhere, though they have the names of some that are forwarded.
func TestNodeAsksTheApplication(t *testing.T) {
	seen := make(chan http.Header, 100)
	b := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen <- r.Header
		application(w, r)
	}))
	t.Cleanup(b.Close)
	at := func(path string) Endpoint {
		return Endpoint{URL: b.URL + path, Secret: secret, ForwardHeaders: []string{"Authorization", "X-User-Id"}}
	}
	h := newTestHooks(t, Config{Connect: at("/connect"), Subscribe: at("/subscribe"), Publish: at("/publish"),
		RPC: at("/rpc"), Disconnect: at("/disconnect")}, nil)
	address, stop := startNode(t, h)
	defer stop()
	c := dialNode(t, address)
	defer func() { _ = c.Close() }()
	for _, row := range []struct{ say, part, want string }{
		{`{"id":1,"connect":{"headers":{"Authorization":"forged","X-User-Id":"1"}}}`, `"id":1`, `"data":"hi"`},
		{`{"id":2,"subscribe":{"channel":"tea"}}`, `"id":2`, `"data":{"topic":"tea"}`},
		{`{"id":3,"subscribe":{"channel":"secret"}}`, `"id":3`, `"error":{"code":403,"message":"not for you"}`},
		{`{"id":4,"subscribe":{"channel":"broken"}}`, `"id":4`, `"error":{"code":100,`},
		{`{"id":5,"subscribe":{"channel":"expensive"}}`, `"id":5`, `"error":{"code":100,`},
		{`{"id":6,"publish":{"channel":"tea","data":{"text":"fool"}}}`, `"pub"`, `"data":{"text":"f***"},"info":{"user":"56",`},
		{`{"id":7,"rpc":{"method":"price"}}`, `"id":7`, `"data":{"price":2}`},
		{`{"id":8,"rpc":{"method":"leave"}}`, `close`, `close 4501 enough`},
	} {
		if err := wsutil.WriteClientText(c, []byte(row.say)); err != nil {
			t.Fatal(err)
		}
		if got := hear(t, c, row.part); !strings.Contains(got, row.want) {
			t.Errorf("%s is answered with %s; want %s", row.say, got, row.want)
		}
	}
	_ = c.Close() // or the node would wait for it
	stop()
	if err := h.Close(context.Background()); err != nil {
		t.Error(err)
	}
	close(seen)
	if n := len(seen); n != 9 { // eight commands, and the end
		t.Errorf("the backend got %d requests; want 9", n)
	}
	t.Run("A17", func(t *testing.T) {
		for header := range seen {
			for _, name := range []string{"Authorization", "X-User-Id"} {
				if v := header.Get(name); v != "" {
					t.Errorf("%s: %s came from a connect command", name, v)
				}
			}
		}
	})
}

// Results that a server.Handler cannot carry out are refused, never half obeyed.
func TestWishesAreKeptOrRefused(t *testing.T) {
	asConnect := func(h *server.Handler) error {
		_, err := h.Connect(&server.ConnectRequest{Client: "c"})
		return err
	}
	asSubscribe := func(h *server.Handler) error {
		_, err := h.Subscribe(server.Client{ID: "c"}, &server.SubscribeRequest{Room: "a"})
		return err
	}
	asPublish := func(h *server.Handler) error {
		_, err := h.Publish(server.Client{ID: "c"}, &server.PublishRequest{Room: "a", Data: []byte("1")})
		return err
	}
	for result, row := range map[string]struct {
		ask   func(*server.Handler) error
		field string
	}{
		`{"expire_at":1}`:                       {asConnect, "expire_at"},
		`{"subs":{"a":{"expire_at":1}}}`:        {asConnect, "expire_at"},
		`{"expire_at":0,"caps":[{}],"meta":{}}`: {asConnect, ""},
		`{"expire_at":2}`:                       {asSubscribe, "expire_at"},
		`{"override":{"presence":{}}}`:          {asSubscribe, "override"},
		`{"override":{}}`:                       {asSubscribe, ""},
		`{"skip_history":true}`:                 {asPublish, "skip_history"},
		`{"tags":{"a":"b"}}`:                    {asPublish, "tags"},
		`{"idempotency_key":"a"}`:               {asPublish, "idempotency_key"},
		`{"version":1}`:                         {asPublish, "version"},
		`{"delta":true,"skip_history":false}`:   {asPublish, ""},
	} {
		b := newBackend(t, says(`{"result":`+result+`}`))
		var to server.Handler
		newTestHooks(t, everywhere(Endpoint{URL: b.URL}), nil).Fill(&to)
		err := row.ask(&to)
		if row.field == "" && err != nil || row.field != "" && (err == nil || !strings.Contains(err.Error(), row.field)) {
			t.Errorf("the result %s = %v; want an error about %q", result, err, row.field)
		}
	}
}

func TestFillSetsWhatIsConfigured(t *testing.T) {
	kept := func(server.Client, *server.RPCRequest) ([]byte, error) { return []byte("kept"), nil }
	to := server.Handler{RPC: kept}
	newTestHooks(t, Config{Connect: Endpoint{URL: "http://localhost/"}}, nil).Fill(&to)
	if to.Connect == nil || to.Subscribe != nil || to.Publish != nil || to.Disconnect != nil {
		t.Errorf("Fill has set other functions than Connect: %+v", to)
	}
	if v, err := to.RPC(server.Client{}, nil); string(v) != "kept" || err != nil {
		t.Errorf("Fill has replaced a function that has no endpoint: %s, %v", v, err)
	}
}

var (
	_ RefreshFunc    = (*Hooks)(nil).Refresh
	_ SubRefreshFunc = (*Hooks)(nil).SubRefresh
)
