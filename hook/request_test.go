package hook

import (
	"context"
	"net/netip"
	"testing"

	"github.com/seed4ac54ce5/edge/server"
)

// who is the client of requests.
var who = Origin{Client: "c1", User: "56", Protocol: "protobuf", Meta: []byte(`{"plan":"gold"}`)}

func TestRequestBodies(t *testing.T) {
	const head = `{"client":"c1","transport":"websocket","protocol":"protobuf","encoding":"json"`
	ctx := context.Background()
	for name, row := range map[string]struct {
		ask  func(*Hooks) error
		want string
	}{
		"connect": {func(h *Hooks) error {
			_, err := h.Connect(ctx, &ConnectRequest{Origin: who, Token: []byte("abc"), Data: []byte(`{"a": "<b>"}`),
				Name: "js", Version: "5.7.1", Rooms: []string{"news"}})
			return err
		}, head + `,"token":"abc","data":{"a":"<b>"},"name":"js","version":"5.7.1","channels":["news"]}`},
		"connect, bare": {func(h *Hooks) error {
			_, err := h.Connect(ctx, &ConnectRequest{Origin: Origin{Client: "c1"}})
			return err
		}, `{"client":"c1","transport":"websocket","protocol":"json","encoding":"json"}`},
		"refresh": {func(h *Hooks) error {
			_, err := h.Refresh(ctx, &RefreshRequest{who})
			return err
		}, head + `,"user":"56"}`},
		"subscribe": {func(h *Hooks) error {
			_, err := h.Subscribe(ctx, &SubscribeRequest{Origin: who, Room: "chat:index", Token: []byte("t"), Data: []byte("1")})
			return err
		}, head + `,"user":"56","channel":"chat:index","token":"t","data":1}`},
		"publish, not JSON": {func(h *Hooks) error {
			_, err := h.Publish(ctx, &PublishRequest{Origin: who, Room: "chat:index", Data: []byte{0, 0xff}})
			return err
		}, `{"client":"c1","transport":"websocket","protocol":"protobuf","encoding":"binary","user":"56","channel":"chat:index","b64data":"AP8="}`},
		"rpc, anonymous": {func(h *Hooks) error {
			_, err := h.RPC(ctx, &RPCRequest{Origin: Origin{Client: "c1"}, Method: "price", Data: []byte("null")})
			return err
		}, `{"client":"c1","transport":"websocket","protocol":"json","encoding":"json","user":"","method":"price","data":null}`},
		"sub_refresh": {func(h *Hooks) error {
			_, err := h.SubRefresh(ctx, &SubRefreshRequest{Origin: who, Room: "chat:index"})
			return err
		}, head + `,"user":"56","channel":"chat:index"}`},
		"disconnect": {func(h *Hooks) error {
			h.Disconnect(&DisconnectEvent{Origin: who, Why: server.Disconnect{Code: 3012, Reason: "no pong"}})
			return h.Close(ctx)
		}, head + `,"user":"56","code":3012,"reason":"no pong","reconnect":true}`},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBackend(t, says(`{"result":{}}`))
			if err := row.ask(newTestHooks(t, everywhere(Endpoint{URL: b.URL}), nil)); err != nil {
				t.Fatal(err)
			}
			if got := b.requests(); len(got) != 1 || got[0].body != row.want {
				t.Errorf("the backend got %+v; want one body %s", got, row.want)
			}
		})
	}
}

// everywhere has one endpoint for all events.
func everywhere(e Endpoint) Config {
	return Config{Connect: e, Refresh: e, Subscribe: e, Publish: e, RPC: e, SubRefresh: e, Disconnect: e, SocketConnect: e, SocketEvent: e, SocketDisconnect: e}
}

func TestBinaryEndpoint(t *testing.T) {
	b := newBackend(t, says(`{"result":{"b64data":"AP8="}}`))
	h := newTestHooks(t, Config{RPC: Endpoint{URL: b.URL, Binary: true}}, nil)
	v, err := h.RPC(context.Background(), &RPCRequest{Origin: who, Data: []byte(`{}`)})
	if err != nil || string(v.Data) != "\x00\xff" {
		t.Errorf("RPC = %+v, %v; want data 00 ff", v, err)
	}
	want := `{"client":"c1","transport":"websocket","protocol":"protobuf","encoding":"binary","user":"56","b64data":"e30="}`
	if got := b.requests()[0].body; got != want {
		t.Errorf("the backend got %s; want %s", got, want)
	}
}

func TestAddressIsSentOnlyWhenAskedFor(t *testing.T) {
	b := newBackend(t, says(`{"result":{}}`))
	const head = `{"client":"c1","transport":"websocket","protocol":"json","encoding":"json"`
	for _, r := range []struct {
		asks    bool
		address netip.AddrPort
		want    string
	}{
		{true, netip.MustParseAddrPort("[2001:db8::7]:5"), head + `,"address":"[2001:db8::7]:5"}`},
		{true, netip.AddrPort{}, head + `}`},
		{false, netip.MustParseAddrPort("192.0.2.1:5"), head + `}`},
	} {
		h := newTestHooks(t, Config{Connect: Endpoint{URL: b.URL, IncludeAddress: r.asks}}, nil)
		if _, err := h.Connect(context.Background(), &ConnectRequest{Origin: Origin{Client: "c1"}, Address: r.address}); err != nil {
			t.Fatal(err)
		}
		if all := b.requests(); all[len(all)-1].body != r.want {
			t.Errorf("the request is %s; want %s", all[len(all)-1].body, r.want)
		}
	}
}

func TestMetaIsSentOnlyWhenAskedFor(t *testing.T) {
	b := newBackend(t, says(`{"result":{}}`))
	h := newTestHooks(t, Config{Refresh: Endpoint{URL: b.URL, IncludeMeta: true}}, nil)
	for _, meta := range []string{`{"plan": "gold"}`, `{broken`, ``} {
		if _, err := h.Refresh(context.Background(), &RefreshRequest{Origin{Client: "c1", Meta: []byte(meta)}}); err != nil {
			t.Fatal(err)
		}
	}
	const head = `{"client":"c1","transport":"websocket","protocol":"json","encoding":"json","user":""`
	for i, want := range []string{head + `,"meta":{"plan":"gold"}}`, head + `}`, head + `}`} {
		if got := b.requests()[i].body; got != want {
			t.Errorf("request %d is %s; want %s", i, got, want)
		}
	}
}
