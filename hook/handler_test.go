package hook

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
	"github.com/seed4ac54ce5/edge/auth"
	"github.com/seed4ac54ce5/edge/internal/testutil"
	"github.com/seed4ac54ce5/edge/server"
)

// visit is a request as an application gets it: the event, and what it looks at.
type visit struct {
	event                         string
	header                        http.Header
	Client, User, Channel, Method string
	Token, Name, Version, Address string
	Protocol, Transport, Reason   string
	Code                          int
	Reconnect                     bool
	Data, Meta                    json.RawMessage
	Channels                      []string
}

// application is a backend whose answers are a table, and which shows the test what it was asked.
type application struct {
	*httptest.Server
	visits chan visit
	answer func(*visit) string
}

func newApplication(t *testing.T, answer func(*visit) string) *application {
	a := &application{visits: make(chan visit, 100), answer: answer}
	a.Server = httptest.NewServer(a)
	t.Cleanup(a.Close)
	return a
}

func (a *application) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	v := visit{event: strings.TrimPrefix(r.URL.Path, "/"), header: r.Header}
	if err := json.NewDecoder(r.Body).Decode(&v); err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	a.visits <- v
	_, _ = w.Write([]byte(a.answer(&v)))
}

// hooks has one endpoint for each event, as change has it.
func (a *application) hooks(t *testing.T, change func(Event, *Endpoint)) *Hooks {
	var c Config
	for event, e := range c.endpoints() {
		*e = Endpoint{URL: a.URL + "/" + Event(event).String(), Secret: secret, IncludeMeta: true}
		change(Event(event), e)
	}
	return newTestHooks(t, c, nil)
}

// patience is what no wait of a test takes unless it hangs.
const patience = 2 * time.Minute

// startNode serves with h's functions, as changed, and returns the address and what ends it.
func startNode(t *testing.T, h *Hooks, change func(*server.Config)) (address string, stop func()) {
	t.Helper()
	c := server.Config{Addresses: []string{"127.0.0.1:0"}, InternalAddress: "127.0.0.1:0", Loops: 1, ShutdownWindow: ms, Log: quiet}
	c.Access.Origins = []string{"*"}
	if change != nil {
		change(&c)
	}
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
	stop = func() { cancel(); ended.Wait() }
	t.Cleanup(stop)
	return node.Addresses()[0], stop
}

// dialNode connects a client whose handshake request has these headers.
func dialNode(t *testing.T, address string, header http.Header) net.Conn {
	t.Helper()
	d := ws.Dialer{Header: ws.HandshakeHeaderHTTP(header)}
	c, _, _, err := d.Dial(context.Background(), "ws://"+address+"/connection/websocket")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(patience))
	return c
}

// say sends a command, and checks that what comes back with part in it has want in it.
func say(t *testing.T, c net.Conn, command, part, want string) {
	t.Helper()
	if err := wsutil.WriteClientText(c, []byte(command)); err != nil {
		t.Fatal(err)
	}
	if got := hear(t, c, part); !strings.Contains(got, want) {
		t.Errorf("%s is answered with %s; want %s", command, got, want)
	}
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

// chat is an application that decides by event, room and method.
func chat(v *visit) string {
	return map[string]string{
		"connect": `{"result":{"user":"56","info":{"name":"ann"},"data":"hi","channels":["news"],"meta":{"plan":"gold"},
			"caps":[{"channels":["tea"],"allow":["hst"]}]}}`,
		"subscribe/tea":    `{"result":{"data":{"topic": "tea"},"info":{"seat":1},"override":{"force_positioning":{"value":true}}}}`,
		"subscribe/secret": `{"error":{"code":403,"message":"not for you"}}`,
		"subscribe/broken": `{}`,
		"publish/tea":      `{"result":{"data":{"text":"f***"},"tags":{"mild":"yes"}}}`,
		"rpc/price":        `{"result":{"data":{"price":` + fmt.Sprint(len(v.User)) + `}}}`,
		"rpc/leave":        `{"disconnect":{"code":4501,"reason":"enough"}}`,
	}[strings.TrimRight(v.event+"/"+v.Channel+v.Method, "/")]
}

// The whole way: a client of the protocol, a node, and an application behind HTTP.
func TestNodeAsksTheApplication(t *testing.T) {
	a := newApplication(t, chat)
	h := a.hooks(t, func(event Event, e *Endpoint) {
		e.IncludeAddress = true
		e.ForwardHeaders = []string{"Authorization", "X-User-Id", "Cookie"}
	})
	address, stop := startNode(t, h, func(c *server.Config) {
		c.Rooms.WithoutNamespace = server.RoomOptions{HistorySize: 10, HistoryTTL: time.Hour}
	})
	c := dialNode(t, address, http.Header{"Origin": {"https://app.example"}, "Cookie": {"session=1"}, "X-Other": {"2"}})
	local := c.LocalAddr().String()
	for _, row := range []struct{ say, part, want string }{
		{`{"id":1,"connect":{"token":"t","data":[1],"name":"js","version":"5.8.0","subs":{"wish":{}},"headers":{"Authorization":"forged","Cookie":"forged"}}}`, `"id":1`, `"data":"hi"`},
		{`{"id":2,"subscribe":{"channel":"tea","token":"st","data":2}}`, `"id":2`, `"positioned":true`},
		{`{"id":3,"subscribe":{"channel":"secret"}}`, `"id":3`, `"error":{"code":403,"message":"not for you"}`},
		{`{"id":4,"subscribe":{"channel":"broken"}}`, `"id":4`, `"error":{"code":100,`},
		{`{"id":5,"publish":{"channel":"tea","data":{"text":"fool"}}}`, `"pub"`, `"data":{"text":"f***"},"info":{"user":"56",`},
		{`{"id":6,"history":{"channel":"tea","limit":1}}`, `"id":6`, `"tags":{"mild":"yes"}`}, // by its capability
		{`{"id":7,"rpc":{"method":"price","data":3}}`, `"id":7`, `"data":{"price":2}`},
		{`{"id":8,"rpc":{"method":"leave"}}`, `close`, `close 4501 enough`},
	} {
		say(t, c, row.say, row.part, row.want)
	}
	_ = c.Close() // or the node would wait for it
	stop()
	if err := h.Close(context.Background()); err != nil {
		t.Error(err)
	}
	close(a.visits)
	var all []visit
	for v := range a.visits {
		all = append(all, v)
	}
	if len(all) != 8 { // seven commands that are the application's, and the end
		t.Fatalf("the application was asked %d times; want 8", len(all))
	}
	t.Run("A17", func(t *testing.T) { checkHeaders(t, all) })
	checkVisits(t, all, local)
}

// checkHeaders fails the test unless each request has the handshake's cookie and nothing of the connect command's headers.
func checkHeaders(t *testing.T, all []visit) {
	for _, v := range all {
		if got := v.header; !slices.Equal(got["Cookie"], []string{"session=1"}) || got["Authorization"] != nil || got["X-Other"] != nil {
			t.Errorf("%s has the header %v", v.event, got)
		}
	}
}

// checkVisits holds what the application was told against what the client did.
func checkVisits(t *testing.T, all []visit, address string) {
	first, last := all[0], all[len(all)-1]
	want := visit{event: "connect", Client: first.Client, Protocol: "json", Transport: "websocket", Token: "t", Name: "js", Version: "5.8.0",
		Data: json.RawMessage("[1]"), Channels: []string{"wish"}, Address: address}
	if first.header = nil; !reflect.DeepEqual(first, want) {
		t.Errorf("connect is %+v; want %+v", first, want)
	}
	for _, v := range all[1:] {
		if v.Client != first.Client || v.User != "56" || v.Protocol != "json" || string(v.Meta) != `{"plan":"gold"}` {
			t.Errorf("%s is of %+v", v.event, v)
		}
	}
	if v := all[1]; v.Channel != "tea" || v.Token != "st" || string(v.Data) != "2" {
		t.Errorf("subscribe is %+v", v)
	}
	if last.event != "disconnect" || last.Code != 4501 || last.Reason != "enough" || last.Reconnect {
		t.Errorf("the end is %+v", last)
	}
}

// in returns a moment as results have it.
func in(d time.Duration) int64 { return time.Now().Add(d).Unix() }

// A client whose time comes is asked about, and so is a subscriber; the client hears nothing of it.
func TestNodeRefreshes(t *testing.T) {
	t.Parallel()
	a := newApplication(t, func(v *visit) string {
		switch v.event {
		case "connect":
			return fmt.Sprintf(`{"result":{"user":"56","expire_at":%d,"meta":1}}`, in(time.Second))
		case "refresh":
			return fmt.Sprintf(`{"result":{"expire_at":%d,"meta":2,"info":{"name":"bob"}}}`, in(time.Hour))
		case "subscribe":
			return fmt.Sprintf(`{"result":{"expire_at":%d}}`, in(time.Second))
		case "sub_refresh":
			return fmt.Sprintf(`{"result":{"expire_at":%d,"info":{"seat":9}}}`, in(time.Hour))
		}
		return `{"result":{}}`
	})
	address, _ := startNode(t, a.hooks(t, func(Event, *Endpoint) {}), nil)
	c := dialNode(t, address, nil)
	say(t, c, `{"id":1,"connect":{}}`, `"id":1`, `"version":"edge","ping"`)
	say(t, c, `{"id":2,"subscribe":{"channel":"tea"}}`, `"id":2`, `{"id":2,"subscribe":{}}`)
	for due := map[string]string{"refresh": "1", "sub_refresh": "*"}; len(due) > 0; {
		v := <-a.visits
		if meta, ok := due[v.event]; ok && meta != "*" && string(v.Meta) != meta {
			t.Errorf("%s has the meta %s; want %s", v.event, v.Meta, meta)
		}
		if v.event == "sub_refresh" && v.Channel != "tea" {
			t.Errorf("%s is about %q", v.event, v.Channel)
		}
		delete(due, v.event)
	}
	testutil.Eventually(t, patience, func() bool { return refreshed(t, a, c) }, "the node works with what the refreshes said")
}

// refreshed publishes, and reports whether the node has heard by now what the application has said of the client.
func refreshed(t *testing.T, a *application, c net.Conn) bool {
	t.Helper()
	if err := wsutil.WriteClientText(c, []byte(`{"id":3,"publish":{"channel":"tea","data":4}}`)); err != nil {
		t.Fatal(err)
	}
	heard := hear(t, c, `"pub"`)
	if strings.HasPrefix(heard, "close") {
		t.Fatal(heard)
	}
	v := <-a.visits
	for v.event != "publish" {
		v = <-a.visits
	}
	return strings.Contains(heard, `"conn_info":{"name":"bob"},"chan_info":{"seat":9}`) && string(v.Meta) == "2"
}

// What a backend says of an end happens, and while it says nothing nothing happens for a while.
func TestNodeEndsWhatIsNotRefreshed(t *testing.T) {
	t.Parallel()
	for what, r := range map[string]struct{ connect, subscribe, refresh, part, want string }{
		"a session that has expired":        {"expire_at", "", `{"result":{"expired":true}}`, "close", "close 3005"},
		"a session that is thrown out":      {"expire_at", "", `{"disconnect":{"code":4102,"reason":"banned"}}`, "close", "close 4102 banned"},
		"a session that nobody knows about": {"expire_at", "", `nonsense`, "close", "close 3005"},
		"a subscription that has expired":   {"none", "expire_at", `{"result":{"expired":true}}`, "2501", `"channel":"tea"`},
		"a subscriber that is thrown out":   {"none", "expire_at", `{"disconnect":{"code":4102,"reason":"banned"}}`, "close", "close 4102 banned"},
		"a subscription nobody knows about": {"none", "expire_at", `{"error":{"code":500,"message":"no"}}`, "2501", `"channel":"tea"`},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			a := newApplication(t, func(v *visit) string {
				switch v.event {
				case "connect":
					return fmt.Sprintf(`{"result":{%q:%d}}`, r.connect, in(time.Second))
				case "subscribe":
					return fmt.Sprintf(`{"result":{%q:%d}}`, r.subscribe, in(time.Second))
				case "refresh", "sub_refresh":
					return r.refresh
				}
				return `{"result":{}}`
			})
			address, _ := startNode(t, a.hooks(t, func(Event, *Endpoint) {}), func(c *server.Config) {
				c.ExpiredCloseDelay, c.ExpiredSubCloseDelay = time.Second, time.Second
			})
			c := dialNode(t, address, nil)
			say(t, c, `{"id":1,"connect":{}}`, `"id":1`, `"version":"edge","ping"`)
			if r.subscribe != "" {
				say(t, c, `{"id":2,"subscribe":{"channel":"tea"}}`, `"id":2`, `{"id":2,"subscribe":{}}`)
			}
			if got := hear(t, c, r.part); !strings.Contains(got, r.want) {
				t.Errorf("got %s; want %s", got, r.want)
			}
		})
	}
}

// With keys in the node, a client with a token is the node's to let in, and one without is the application's.
func TestTokensBesideTheApplication(t *testing.T) {
	a := newApplication(t, func(*visit) string { return `{"result":{"user":"by application"}}` })
	signer := auth.Signer{Secret: strings.Repeat("k", 32)}
	token, err := signer.Connect(auth.ConnectClaims{Identity: auth.Identity{User: "by token"}, Meta: []byte("[7]")})
	if err != nil {
		t.Fatal(err)
	}
	h := a.hooks(t, func(event Event, e *Endpoint) {
		if event != Connect && event != RPC {
			*e = Endpoint{}
		}
	})
	address, _ := startNode(t, h, func(c *server.Config) { c.Access.Tokens.HMACSecret = signer.Secret })
	for _, r := range []struct{ token, event, user, meta string }{
		{"", "connect", "by application", ""},
		{token, "", "by token", "[7]"},
	} {
		c := dialNode(t, address, nil)
		say(t, c, fmt.Sprintf(`{"id":1,"connect":{"token":%q}}`, r.token), `"id":1`, `"version":"edge"`)
		say(t, c, `{"id":2,"rpc":{"method":"who"}}`, `"id":2`, `"id":2`)
		if r.event != "" {
			if v := <-a.visits; v.event != r.event {
				t.Errorf("the application is asked about %s; want %s", v.event, r.event)
			}
		}
		if v := <-a.visits; v.event != "rpc" || v.User != r.user || string(v.Meta) != r.meta {
			t.Errorf("the call is %+v; want one of %q with meta %s", v, r.user, r.meta)
		}
	}
}

// A forged token is refused, and the application is not asked instead; nor is it about a program that shows cookies alone.
func TestWhoIsNotForTheApplicationToJudge(t *testing.T) {
	a := newApplication(t, func(*visit) string { return `{"result":{"user":"anybody"}}` })
	h := a.hooks(t, func(_ Event, e *Endpoint) { e.ForwardHeaders = []string{"Cookie"} })
	address, _ := startNode(t, h, func(c *server.Config) { c.Access.Tokens.HMACSecret = strings.Repeat("k", 32) })
	for name, r := range map[string]struct{ command, want string }{
		"A05": {`{"id":1,"connect":{"token":"a.b.c"}}`, "close 3500"},
		"A03": {`{"id":1,"connect":{}}`, "close 3507"},
	} {
		t.Run(name, func(t *testing.T) {
			c := dialNode(t, address, http.Header{"Cookie": {"session=1"}})
			say(t, c, r.command, "close", r.want)
		})
	}
	if n := len(a.visits); n != 0 {
		t.Errorf("the application was asked %d times", n)
	}
}

// Everything that a result can say arrives in the node's own words.
func TestResultsInTheNodesWords(t *testing.T) {
	caps, err := auth.ParseCapabilities(`[{"channels":["a"],"allow":["pub"]}]`)
	if err != nil {
		t.Fatal(err)
	}
	at := time.Unix(5, 0)
	on := auth.Override{ForceRecovery: auth.On}
	const asCaps = `"caps":[{"channels":["a"],"allow":["pub"]}]`
	const asOn = `"override":{"force_recovery":{"value":true}}`
	for _, r := range []struct {
		ask    func(*server.Handler) (any, error)
		result string
		want   any
	}{
		{func(h *server.Handler) (any, error) { return h.Connect(new(server.ConnectRequest)) },
			`{"user":"u","info":1,"data":2,"meta":3,"expire_at":5,` + asCaps + `,"subs":{"a":{"info":4,"data":6,"expire_at":5,` + asOn + `}}}`,
			server.ConnectReply{User: "u", Info: []byte("1"), Data: []byte("2"), Meta: []byte("3"), ExpireAt: at, Capabilities: caps,
				Subs: []server.Subscription{{Room: "a", Info: []byte("4"), Data: []byte("6"), ExpireAt: at, Override: on}}}},
		{func(h *server.Handler) (any, error) { return h.Refresh(server.Client{}) },
			`{"expired":true,"info":1,"meta":2,"expire_at":5,` + asCaps + `}`,
			server.RefreshReply{Expired: true, Info: []byte("1"), Meta: []byte("2"), ExpireAt: at, Capabilities: &caps}},
		{func(h *server.Handler) (any, error) {
			return h.Subscribe(server.Client{}, new(server.SubscribeRequest))
		},
			`{"info":1,"data":2,"expire_at":5,` + asOn + `}`,
			server.SubscribeReply{Info: []byte("1"), Data: []byte("2"), ExpireAt: at, Override: on}},
		{func(h *server.Handler) (any, error) {
			return h.SubRefresh(server.Client{}, new(server.SubRefreshRequest))
		},
			`{"expired":true,"info":1,"expire_at":5}`,
			server.SubRefreshReply{Expired: true, Info: []byte("1"), ExpireAt: at}},
		{func(h *server.Handler) (any, error) { return h.Publish(server.Client{}, new(server.PublishRequest)) },
			`{"data":1,"skip_history":true,"tags":{"a":"b"},"idempotency_key":"k","version":2,"version_epoch":"e"}`,
			server.PublishReply{Data: []byte("1"), PublishOptions: server.PublishOptions{Ephemeral: true, Tags: map[string]string{"a": "b"},
				IdempotencyKey: "k", Version: 2, VersionEpoch: "e"}}},
		{func(h *server.Handler) (any, error) { return h.RPC(server.Client{}, new(server.RPCRequest)) }, `{"data":1}`, []byte("1")},
	} {
		b := newBackend(t, says(`{"result":`+r.result+`}`))
		var to server.Handler
		newTestHooks(t, everywhere(Endpoint{URL: b.URL}), nil).Fill(&to)
		if got, err := r.ask(&to); err != nil || !reflect.DeepEqual(got, r.want) {
			t.Errorf("the result %s = %+v, %v; want %+v", r.result, got, err, r.want)
		}
	}
}

// The node keeps what endpoints forward, and no longer than they need it.
func TestFillAsksForHeaders(t *testing.T) {
	e := Endpoint{URL: "http://localhost/", ForwardHeaders: []string{"Cookie"}}
	for _, r := range []struct {
		config Config
		names  []string
		keep   bool
	}{
		{Config{Connect: e}, []string{"X-Mine", "Cookie"}, false},
		{Config{Connect: e, RPC: e}, []string{"X-Mine", "Cookie", "Cookie"}, true},
		{Config{Connect: e, RPC: Endpoint{URL: e.URL}}, []string{"X-Mine", "Cookie"}, false},
		{Config{Disconnect: e}, []string{"X-Mine", "Cookie"}, true},
	} {
		to := server.Handler{Headers: []string{"X-Mine"}}
		newTestHooks(t, r.config, nil).Fill(&to)
		if !slices.Equal(to.Headers, r.names) || to.KeepHeaders != r.keep {
			t.Errorf("Fill asks for %v, keeping %t; want %v, %t", to.Headers, to.KeepHeaders, r.names, r.keep)
		}
	}
}

func TestFillSetsWhatIsConfigured(t *testing.T) {
	kept := func(server.Client, *server.RPCRequest) ([]byte, error) { return []byte("kept"), nil }
	to := server.Handler{RPC: kept}
	newTestHooks(t, Config{Connect: Endpoint{URL: "http://localhost/"}}, nil).Fill(&to)
	if to.Connect == nil || to.Refresh != nil || to.SubRefresh != nil || to.Subscribe != nil || to.Publish != nil || to.Disconnect != nil {
		t.Errorf("Fill has set other functions than Connect: %+v", to)
	}
	if v, err := to.RPC(server.Client{}, nil); string(v) != "kept" || err != nil {
		t.Errorf("Fill has replaced a function that has no endpoint: %s, %v", v, err)
	}
}
