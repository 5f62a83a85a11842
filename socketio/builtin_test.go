package socketio

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"testing"

	"github.com/seed4ac54ce5/edge/server"
)

// doorman is a node that lets in and refuses as its rows say, and notes what it is asked.
type doorman struct {
	node
	asked  []string
	answer string
	grant  server.ConnectReply
	err    error
}

// The limit of rooms is the client's to know.
func TestRoomLimitHasACode(t *testing.T) {
	if c, ok := codeOf(fmt.Errorf("join: %w", server.ErrRoomLimit)); !ok || c.Code != 106 {
		t.Errorf("code %v, %v; want 106", c, ok)
	}
}

func (d *doorman) ask(format string, args ...any) error {
	d.asked = append(d.asked, fmt.Sprintf(format, args...))
	return d.err
}

func (d *doorman) AckSocket(_ server.Socket, _ uint64, p server.SocketPacket) {
	d.answer = string(p.Data)
}

func (d *doorman) JoinSocket(_ context.Context, _ server.Socket, rooms ...string) error {
	return d.ask("join %v", rooms)
}

func (d *doorman) LeaveSocket(_ context.Context, _ server.Socket, rooms ...string) error {
	return d.ask("leave %v", rooms)
}

func (d *doorman) Admit(r *server.ConnectRequest) (server.ConnectReply, error) {
	return d.grant, d.ask("admit %s %s %s", r.Transport, r.Token, r.Data)
}

func (d *doorman) SocketMayEnter(_ context.Context, _ server.Socket, room string) (server.Client, error) {
	return server.Client{ID: "c1", User: "ann"}, d.ask("enter %s", room)
}

func (d *doorman) PublishBySocket(_ context.Context, _ server.Socket, room string, data []byte, o server.PublishOptions) (server.PublishResult, error) {
	return server.PublishResult{Position: server.Position{Offset: 7, Epoch: "e"}}, d.ask("publish %s %s %v", room, data, o.Tags)
}

func (d *doorman) SocketTypes(_ context.Context, _ server.Socket, room string, on bool) error {
	return d.ask("typing %s %v", room, on)
}

func (d *doorman) PresenceForSocket(_ context.Context, _ server.Socket, room string) ([]server.ClientInfo, error) {
	return []server.ClientInfo{{User: "ann", Client: "c1"}}, d.ask("presence %s", room)
}

func (d *doorman) HistoryForSocket(_ context.Context, _ server.Socket, room string, o server.HistoryOptions) (server.History, error) {
	err := d.ask("history %s %d %v %v", room, o.Limit, o.Since, o.Reverse)
	return server.History{Position: server.HistoryPosition{Offset: 7, Epoch: "e"}}, err
}

// guarded returns an application whose namespaces / and /game have the built-in events, and the node that it asks.
func guarded() (*IO, *doorman) {
	io, d := New(Options{Log: slog.New(slog.DiscardHandler)}), new(doorman)
	io.UseBuiltin()
	io.Of("/game").UseBuiltin()
	io.start(d)
	return io, d
}

func TestBuiltinEvents(t *testing.T) {
	const bad = `[{"error":{"code":107,"message":"bad request"}}]`
	for _, r := range []struct {
		namespace, event string
		asked            []string
		answer           string
	}{
		{"/", `["join",{"room":"lobby"}]`, []string{"enter lobby", "join [lobby]"}, `[{"ok":true,"client":"c1","user":"ann"}]`},
		{"/", `["join","lobby"]`, []string{"enter lobby", "join [lobby]"}, `[{"ok":true,"client":"c1","user":"ann"}]`},
		{"/game", `["join","lobby"]`, []string{"enter game:lobby", "join [lobby]"}, `[{"ok":true,"client":"c1","user":"ann"}]`},
		{"/game", `["leave",{"room":"lobby"}]`, []string{"leave [lobby]"}, `[{"ok":true}]`},
		{"/game", `["publish",{"room":"lobby","data":{"a":1}}]`, []string{`publish game:lobby {"a":1} map[]`}, `[{"ok":true,"offset":7,"epoch":"e"}]`},
		{"/", `["publish",{"room":"lobby","data":1,"event":"hi"}]`, []string{`publish lobby 1 map[event:hi]`}, `[{"ok":true,"offset":7,"epoch":"e"}]`},
		{"/", `["presence","lobby"]`, []string{"presence lobby"}, `[{"ok":true,"clients":[{"user":"ann","client":"c1"}]}]`},
		{"/", `["history",{"room":"lobby","limit":-1,"since":{"offset":3,"epoch":"e"},"reverse":true}]`,
			[]string{"history lobby -1 &{3 e} true"}, `[{"ok":true,"publications":[],"offset":7,"epoch":"e"}]`},
		{"/", `["typing","lobby"]`, []string{"typing lobby true"}, `[{"ok":true}]`},
		{"/", `["typing",{"room":"lobby","typing":false}]`, []string{"typing lobby false"}, `[{"ok":true}]`},

		{"/", `["join"]`, nil, bad},
		{"/", `["join",7]`, nil, bad},
		{"/", `["join",{"room":""}]`, nil, bad},
		{"/", `["join",{"room":{}}]`, nil, bad},
		{"/", `["history",{"room":"lobby","since":4}]`, nil, bad},
		{"/", `["publish",{"room":"lobby","data":1,"event":"disconnect"}]`, nil, bad},
	} {
		io, d := guarded()
		app{io}.Event(server.Socket{}, &server.SocketEvent{Namespace: r.namespace, SocketPacket: server.SocketPacket{Data: []byte(r.event)}, HasAck: true})
		if !slices.Equal(d.asked, r.asked) || d.answer != r.answer {
			t.Errorf("%s in %s: asked %q, answered %s; want %q, %s", r.event, r.namespace, d.asked, d.answer, r.asked, r.answer)
		}
	}
}

func TestBuiltinEventsAreRefused(t *testing.T) {
	for _, r := range []struct {
		err  error
		want string
	}{
		{server.ErrPermissionDenied, `[{"error":{"code":103,"message":"permission denied"}}]`},
		{server.Disconnect{Code: 3507, Reason: "permission denied"}, `[{"error":{"code":3507,"message":"permission denied"}}]`},
		{errors.New("of nobody's business"), `[{"error":{"code":100,"message":"internal server error"}}]`},
	} {
		for _, event := range []string{"join", "publish", "presence", "history", "typing", "leave"} {
			io, d := guarded()
			d.err = r.err
			app{io}.Event(server.Socket{}, &server.SocketEvent{
				Namespace: "/", SocketPacket: server.SocketPacket{Data: []byte(`["` + event + `",{"room":"lobby","data":1}]`)}, HasAck: true,
			})
			if len(d.asked) != 1 || d.answer != r.want {
				t.Errorf("%s with %v: asked %q, answered %s; want %s", event, r.err, d.asked, d.answer, r.want)
			}
		}
	}
}

// A client that shows a token is whom the token says, and in those of its rooms that the namespace has.
func TestTokensOpenNamespaces(t *testing.T) {
	io, d := guarded()
	io.Of("/game").UseTokens()
	d.grant = server.ConnectReply{User: "ann", Info: []byte(`{"name":"Ann"}`), Subs: []server.Subscription{
		{Room: "lobby"}, {Room: "game:lobby"}, {Room: "game:#ann"},
	}}
	door := &server.SocketConnect{ID: "s1", Namespace: "/game", Auth: []byte(`{"token":"t1","data":{"x":1}}`)}
	welcome, err := app{io}.Connect(door)
	if err != nil || welcome.Grant == nil || welcome.Grant.User != "ann" || string(welcome.Grant.Info) != `{"name":"Ann"}` {
		t.Errorf("Connect = %+v, %v; want ann with her info", welcome, err)
	}
	if want := []string{"lobby", "#ann"}; !slices.Equal(welcome.Rooms, want) {
		t.Errorf("rooms %q; want %q", welcome.Rooms, want)
	}
	if want := []string{`admit socketio t1 {"x":1}`}; !slices.Equal(d.asked, want) {
		t.Errorf("asked %q; want %q", d.asked, want)
	}

	d.err = &server.Error{Code: 109, Message: "token expired"}
	_, err = app{io}.Connect(door)
	var refusal *server.SocketRefusal
	if !errors.As(err, &refusal) || refusal.Message != "token expired" || string(refusal.Data) != `{"code":109,"message":"token expired"}` {
		t.Errorf("Connect with an expired token: %+v; want its refusal", err)
	}
	door.Auth = json.RawMessage(`{"token":7}`)
	if _, err = (app{io}).Connect(door); !errors.As(err, &refusal) || string(refusal.Data) != `{"code":107,"message":"bad request"}` {
		t.Errorf("Connect with a number for a token: %+v; want its refusal", err)
	}
}

// Who nobody knows costs nothing to let in.
func TestNobodyHasNoGrant(t *testing.T) {
	io, _ := guarded()
	welcome, err := app{io}.Connect(&server.SocketConnect{ID: "s1", Namespace: "/"})
	if err != nil || welcome.Grant != nil {
		t.Errorf("Connect = %+v, %v; want no grant", welcome, err)
	}
}
