package socketio

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed4ac54ce5/edge/internal/testutil"
	"github.com/seed4ac54ce5/edge/server"
)

func TestMain(m *testing.M) { testutil.Main(m) }

func TestEventsAreHandled(t *testing.T) {
	f := newFake(t, Options{}, func(io *IO) {
		io.OnConnect(func(s *Socket) { must(t, s.Emit("hello", s.ID())) })
		io.On("echo", func(s *Socket, e *Event) error { return s.Emit("echo", e.Args().Any()...) })
		io.On("sum", func(_ *Socket, e *Event) error {
			var a, b int
			if err := e.Bind(&a, &b); err != nil {
				return &Error{Message: "two numbers", Data: map[string]int{"code": 400}}
			}
			return errors.Join(e.Ack(a+b), e.Ack("twice"))
		})
		io.On("fails", func(*Socket, *Event) error { return errors.New("a secret") })
		io.On("7", func(s *Socket, _ *Event) error { return s.Volatile().Emit("seven") })
		io.Of("/other").On("echo", func(s *Socket, _ *Event) error { return s.Emit("other") })
	})
	c := f.connect("/", "")
	c.expect(`["hello","id1"]`)
	c.emit(`["echo",1,"2",{"3":[true]}]`, -1)
	c.expect(`["echo",1,"2",{"3":[true]}]`)
	c.emit(`["echo",{"_placeholder":true,"num":1},[{"_placeholder":true,"num":0}]]`, -1, "a", "b")
	c.expect(`["echo",{"_placeholder":true,"num":0},[{"_placeholder":true,"num":1}]] b a`)
	c.emit(`["sum",1,2]`, 9)
	c.expect(`9[3]`)
	c.emit(`["sum",1,2]`, -1)
	c.emit(`["nobody",1,2]`, 3)
	c.expect(``)
	c.emit(`["sum","x"]`, 10)
	c.expect(`10[{"error":{"message":"two numbers","data":{"code":400}}}]`)
	c.emit(`["fails"]`, 11)
	c.expect(`11[{"error":{"message":"internal error"}}]`)
	c.emit(`[7]`, -1)
	c.expect(`["seven"] volatile`)
	c.emit(`["disconnect"]`, -1)
	c.expect(``)
	other := f.connect("/other", "")
	other.emit(`["echo"]`, -1)
	other.expect(`["other"]`)
	if err := f.io.To("nobody").Emit("connect"); !errors.Is(err, ErrReserved) {
		t.Errorf("emit of connect: %v; want %v", err, ErrReserved)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Error(err)
	}
}

func TestEventsPassMiddlewares(t *testing.T) {
	var told []string
	note := func(what string) Handler {
		return func(_ *Socket, e *Event) error {
			told = append(told, what+" "+e.Name)
			return nil
		}
	}
	f := newFake(t, Options{}, func(io *IO) {
		io.On("a", note("on"))
		io.On("a", note("on too"))
		io.OnAny(note("any"))
		io.UseEvent(func(_ *Socket, e *Event) error {
			if e.Name == "b" {
				return &Error{Message: "no b"}
			}
			return nil
		})
		io.On("b", note("on"))
	})
	c := f.connect("/", "")
	for _, name := range []string{"a", "b", "c"} {
		c.emit(`["`+name+`"]`, 1)
	}
	if got := strings.Join(told, ", "); got != "any a, on a, on too a, any c" {
		t.Errorf("told %s", got)
	}
	c.expect(`1[{"error":{"message":"no b"}}]`)
	defer func() {
		if err, _ := recover().(error); !errors.Is(err, ErrReserved) {
			t.Errorf("On of a reserved name panicked with %v", err)
		}
	}()
	f.io.On("connect", note(""))
}

func TestWhoMayEnter(t *testing.T) {
	f := newFake(t, Options{}, func(io *IO) {
		io.Use(func(h *Handshake) error {
			var auth struct{ Token string }
			if err := h.BindAuth(&auth); err != nil {
				return err
			}
			switch auth.Token {
			case "":
				return &Error{Message: "who?"}
			case "bad":
				return fmt.Errorf("wrapped: %w", &Error{Message: "no", Data: map[string]any{"code": 7}})
			case "broken":
				return errors.New("a secret")
			}
			h.User, h.Rooms, h.Data = auth.Token, []string{"lobby"}, map[string]any{"name": auth.Token}
			return nil
		})
		io.Use(func(h *Handshake) error {
			if h.User == "eve" {
				return &Error{Message: "not you"}
			}
			return nil
		})
		io.OnConnect(func(s *Socket) {
			must(t, s.Emit("in", s.Get("name"), s.Rooms(), s.Handshake().Query()["key"], s.Handshake().Namespace))
		})
		io.On("ask", func(s *Socket, e *Event) error { return e.Ack(s.Get("name"), s.Handshake() == nil) })
	})
	for auth, want := range map[string]string{
		"":                   `{"message":"who?"}`,
		`{"token":"bad"}`:    `{"message":"no","data":{"code":7}}`,
		`{"token":"eve"}`:    `{"message":"not you"}`,
		`{"token":"broken"}`: `a secret`,
		`{"token":1}`:        `json: cannot unmarshal number into Go struct field .Token of type string`,
	} {
		_, err := f.tryConnect("/", auth)
		got := fmt.Sprint(err)
		if r := (*server.SocketRefusal)(nil); errors.As(err, &r) {
			text, _ := json.Marshal(struct {
				Message string          `json:"message"`
				Data    json.RawMessage `json:"data,omitempty"`
			}{r.Message, r.Data})
			got = string(text)
		}
		if got != want {
			t.Errorf("connect with %s: %s; want %s", auth, got, want)
		}
	}
	if _, err := f.tryConnect("/none", ""); err != errInvalidNamespace {
		t.Errorf("connect to a namespace that is none: %v", err)
	}
	c := f.connect("/", `{"token":"ann"}`)
	c.expect(`["in","ann",["` + c.id + `","lobby"],["a","b"],"/"]`)
	c.emit(`["ask"]`, 1)
	c.expect(`1["ann",true]`)
}

func TestHandshakesAreAsInNode(t *testing.T) {
	f := newFake(t, Options{KeepHandshakes: true}, func(io *IO) {
		io.On("ask", func(s *Socket, e *Event) error { return e.Ack(s.Handshake()) })
	})
	c := f.connect("/", `{"a":1}`)
	c.emit(`["ask"]`, 1)
	c.expect(`1[{"address":"192.0.2.1","auth":{"a":1},"headers":{},"issued":1000,"query":{"EIO":"4","key":["a","b"],"one":"1","transport":"websocket"},` +
		`"secure":false,"time":"Thu Jan 01 1970 00:00:01 GMT+0000 (UTC)","url":"/socket.io/?EIO=4&transport=websocket&key=a&key=b&one=1","xdomain":false}]`)
}

func TestBroadcasts(t *testing.T) {
	f := newFake(t, Options{}, func(io *IO) {
		io.On("others", func(s *Socket, _ *Event) error { return s.Broadcast().Emit("x") })
		io.On("to", func(s *Socket, _ *Event) error { return s.To("r").Emit("y") })
		io.On("except", func(s *Socket, _ *Event) error { return s.Except("r").Emit("z") })
	})
	a, b, c := f.connect("/", ""), f.connect("/", ""), f.connect("/", "")
	f.connect("/", "").leave("transport close")
	rooms := func(s *fakeSocket) *Socket { return &Socket{ns: f.io.Namespace, key: s.key} }
	must(t, rooms(a).Join("r", "q"))
	must(t, rooms(b).Join("r"))
	io := f.io
	must(t, io.Emit("1", []byte("x")))
	must(t, io.To("r").Except("q").Emit("2"))
	must(t, io.In("q", c.id).Emit("3"))
	must(t, io.Except("r").Volatile().Emit("4"))
	must(t, io.To("none").Emit("5"))
	must(t, io.Local().To("q").Emit("6"))
	a.emit(`["others"]`, -1)
	b.emit(`["to"]`, -1)
	a.emit(`["except"]`, -1)
	must(t, rooms(a).Leave("q"))
	must(t, io.To("q").Emit("7"))
	a.expect(`["1",{"_placeholder":true,"num":0}] x; ["3"]; ["6"]; ["y"]`)
	b.expect(`["1",{"_placeholder":true,"num":0}] x; ["2"]; ["x"]`)
	c.expect(`["1",{"_placeholder":true,"num":0}] x; ["3"]; ["4"] volatile; ["x"]; ["z"]`)

	to := io.To("a") // a value: what is made of it does not change it
	_, _ = to.To("b"), to.Except("c")
	if len(to.rooms) != 1 || len(to.except) != 0 {
		t.Errorf("a broadcast has changed: %+v", to)
	}
	f.behind = errGone
	if err := io.Emit("x"); err != errGone {
		t.Errorf("Emit on a node that is behind: %v", err)
	}
	if err := New(Options{}).Emit("x"); err != ErrNotRunning {
		t.Errorf("Emit before the node is open: %v", err)
	}
}

func TestSocketsFromElsewhere(t *testing.T) {
	ctx := t.Context()
	f := newFake(t, Options{KeepHandshakes: true}, func(io *IO) {
		io.Use(func(h *Handshake) error {
			h.Data = map[string]any{"n": 1}
			return nil
		})
	})
	a, b := f.connect("/", ""), f.connect("/", "")
	must(t, f.io.To(a.id).SocketsJoin(ctx, "r", "q"))
	must(t, f.io.SocketsJoin(ctx, "all"))
	must(t, f.io.To("q").SocketsLeave(ctx, "q"))
	all, err := f.io.FetchSockets(ctx)
	if err != nil || len(all) != 2 || fmt.Sprintf("%s %v %v", all[0].ID, all[0].Rooms, all[0].Data) != "id1 [id1 all r] map[n:1]" || all[1].Handshake == nil {
		t.Fatalf("FetchSockets = %+v, %v", all, err)
	}
	must(t, all[1].Join(ctx, "s"))
	must(t, all[1].Emit("x"))
	must(t, all[1].Leave(ctx, "all"))
	must(t, f.io.To("all").Emit("y"))
	must(t, f.io.SocketsLeave(ctx, "r"))
	b.expect(`["x"]`)
	a.expect(`["y"]`)
	go a.answer(`["yes"]`)
	answer, err := all[0].EmitWithAck(within(t), "q")
	if err != nil || string(answer.At(0).JSON()) != `"yes"` {
		t.Errorf("EmitWithAck = %v, %v", answer, err)
	}
	must(t, all[1].Disconnect(true))
	wait(t, func() bool { all, _ := f.io.FetchSockets(ctx); return len(all) == 1 })
	if _, err := all[1].EmitWithAck(within(t), "q"); err != ErrDisconnected {
		t.Errorf("EmitWithAck to one that has gone: %v", err)
	}
	must(t, f.io.DisconnectSockets(false))
	wait(t, func() bool { all, _ := f.io.FetchSockets(ctx); return len(all) == 0 })
}

// within returns a context that ends when the test has taken far too long.
func within(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// wait waits for what comes of itself.
func wait(t *testing.T, done func() bool) {
	t.Helper()
	testutil.Eventually(t, 2*time.Minute, done, "what comes of itself has come")
}

func TestDynamicNamespaces(t *testing.T) {
	var told []string
	f := newFake(t, Options{}, nil)
	io := f.io
	parent := io.OfPattern(regexp.MustCompile(`^/dynamic-\d+$`))
	parent.OnConnect(func(s *Socket) { told = append(told, "in "+s.Namespace().Name()) })
	parent.OnDisconnect(func(s *Socket, reason string) { told = append(told, "out "+s.Namespace().Name()+" "+reason) })
	parent.On("where", func(s *Socket, e *Event) error { return e.Ack(s.Namespace().Name()) })
	asked := 0
	io.OfFunc(func(name string, auth json.RawMessage) bool {
		asked++
		return name == "/secret" && string(auth) == `{"token":1}`
	})

	a, b := f.connect("/dynamic-1", ""), f.connect("/dynamic-2", "")
	a.emit(`["where"]`, 1)
	a.expect(`1["/dynamic-1"]`)
	must(t, parent.Emit("all"))
	must(t, io.Of("/dynamic-2").Emit("one"))
	io.Of("dynamic-2").On("own", func(s *Socket, _ *Event) error { return s.Emit("own") })
	b.emit(`["own"]`, -1)
	a.expect(`["all"]`)
	b.expect(`["all"]; ["one"]; ["own"]`)
	if _, err := parent.FetchSockets(t.Context()); err != ErrParent {
		t.Errorf("FetchSockets of a dynamic namespace: %v; want %v", err, ErrParent)
	}
	if _, err := f.tryConnect("/secret", ""); err != errInvalidNamespace {
		t.Errorf("connect to /secret without a token: %v; want %v", err, errInvalidNamespace)
	}
	f.connect("/secret", `{"token":1}`)
	f.connect("/secret", "") // it is there now
	a.leave("transport close")
	b.leave("client namespace disconnect")
	if got := strings.Join(told, ", "); got != "in /dynamic-1, in /dynamic-2, out /dynamic-1 transport close, out /dynamic-2 client namespace disconnect" {
		t.Errorf("told %s", got)
	}
	if asked != 2 {
		t.Errorf("the function was asked %d times; want 2", asked)
	}
	if io.space("/dynamic-1") != nil || io.space("/dynamic-2") == nil {
		t.Error("an empty child stays although nobody has asked for it, or one goes that somebody has asked for")
	}
	for range 3 {
		if _, err := f.tryConnect("/nothing", ""); err != errInvalidNamespace {
			t.Error(err)
		}
	}
	if n := len(io.spaces); n != 3 {
		t.Errorf("%d namespaces are left; want 3", n)
	}
}

// A namespace that was made for a client goes if a function that decides about that client panics.
func TestPanicsLeaveNoNamespaces(t *testing.T) {
	f := newFake(t, Options{}, nil)
	f.io.OfPattern(regexp.MustCompile("^/d")).Use(func(*Handshake) error { panic("no") })
	func() {
		defer func() { _ = recover() }()
		_, _ = f.tryConnect("/d1", "")
	}()
	if f.io.space("/d1") != nil {
		t.Error("the namespace stays for ever")
	}
}

func TestEndsAreTold(t *testing.T) {
	var told []string
	f := newFake(t, Options{}, func(io *IO) {
		io.On("set", func(s *Socket, _ *Event) error { return s.Set("k", "v") })
		io.OnDisconnect(func(s *Socket, reason string) {
			told = append(told, fmt.Sprintf("%s %v %v, %v, %v, %v", reason, s.Rooms(), s.Get("k"), s.Set("k", 1), s.Join("r"), s.Leave("r")))
		})
	})
	c := f.connect("/", "")
	s := &Socket{ns: f.io.Namespace, key: c.key}
	must(t, s.Join("r"))
	c.emit(`["set"]`, -1)
	c.leave("ping timeout")
	if want := []string{fmt.Sprintf("ping timeout [id1 r] v, %v, %v, <nil>", ErrDisconnected, ErrDisconnected)}; !slices.Equal(told, want) {
		t.Errorf("told %q; want %q", told, want)
	}
	if err := s.Set("k", 1); err != ErrDisconnected {
		t.Errorf("Set on a socket that has gone: %v", err)
	}
	if _, err := s.EmitWithAck(t.Context(), "x"); err != ErrDisconnected {
		t.Errorf("EmitWithAck to a socket that has gone: %v", err)
	}
	if n := f.io.states.len(); n != 0 {
		t.Errorf("%d states are left", n)
	}
}

// len returns of how many sockets something is known.
func (all *states) len() (n int) {
	for i := range all.shards {
		all.shards[i].mu.Lock()
		n += len(all.shards[i].m)
		all.shards[i].mu.Unlock()
	}
	return n
}

func TestIdleSocketsCostNothing(t *testing.T) {
	f := newFake(t, Options{}, func(io *IO) {
		io.OnConnect(func(s *Socket) { must(t, s.Join("lobby")) })
		io.On("set", func(s *Socket, _ *Event) error { return errors.Join(s.Set("k", 1), s.Set("k", nil)) })
	})
	for range 100 {
		f.connect("/", "").emit(`["set"]`, -1)
	}
	if n := f.io.states.len(); n != 0 {
		t.Errorf("of %d sockets something is known", n)
	}
}

func TestServerSideEmit(t *testing.T) {
	f := newFake(t, Options{}, nil)
	f.io.OnServerSide("x", func(Args) any { t.Error("a node tells itself"); return nil })
	must(t, f.io.ServerSideEmit("x", 1))
	answers, err := f.io.ServerSideEmitWithAck(t.Context(), "x", 1)
	if err != nil || len(answers) != 0 {
		t.Errorf("ServerSideEmitWithAck = %v, %v", answers, err)
	}
	for _, event := range []string{"connect", "connection", "new_namespace"} {
		if err := f.io.ServerSideEmit(event); !errors.Is(err, ErrReserved) {
			t.Errorf("ServerSideEmit(%q): %v; want %v", event, err, ErrReserved)
		}
	}
}
