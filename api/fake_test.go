package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/seed4ac54ce5/edge/protocol"
)

// fakeNode writes down what it is asked to do. What it answers depends on the room alone.
type fakeNode struct {
	mu    sync.Mutex // guards calls: batches may be parallel
	calls []string
}

// note writes a call down, and returns what is wrong with its room.
func (n *fakeNode) note(room, call string, args ...any) error {
	n.mu.Lock()
	n.calls = append(n.calls, fmt.Sprintf(call, args...))
	n.mu.Unlock()
	switch {
	case strings.HasPrefix(room, "what:"):
		return protocol.ErrUnknownChannel
	case room == "broken":
		return errors.New("something inside")
	case room == "panic":
		panic("out of order")
	}
	errs := map[string]error{"off": protocol.ErrNotAvailable, "busy": protocol.ErrTooManyRequests,
		"old": protocol.ErrUnrecoverablePosition, "paged": protocol.ErrConcurrentPagination,
		"mine": &protocol.Error{Code: 1234, Message: "not today"}}
	return errs[room]
}

func (n *fakeNode) Publish(_ context.Context, room string, data []byte, o PublishOptions) (Position, error) {
	err := n.note(room, "publish %s %q %+v", room, data, o)
	if err == nil && strings.HasPrefix(room, "chat:") {
		return Position{42, "Zk3xQw8b"}, nil
	}
	return Position{}, err
}

func (n *fakeNode) Subscribe(_ context.Context, t Target, s Subscription) error {
	o, _ := json.Marshal(s.Override)
	since := "nil"
	if s.RecoverSince != nil {
		since = fmt.Sprintf("%+v", *s.RecoverSince)
	}
	return n.note(s.Room, "subscribe %+v %s info %q data %q until %d since %s %s", t, s.Room, s.Info, s.Data, s.ExpireAt.Unix(), since, o)
}

func (n *fakeNode) Unsubscribe(_ context.Context, t Target, room string) error {
	return n.note(room, "unsubscribe %+v %s", t, room)
}

func (n *fakeNode) Disconnect(_ context.Context, t Target, except []string, why protocol.Disconnect) error {
	return n.note("", "disconnect %+v but %q %d %s", t, except, why.Code, why.Reason)
}

func (n *fakeNode) Refresh(_ context.Context, t Target, r Refresh) error {
	return n.note("", "refresh %+v %v until %d info %q", t, r.Expired, r.ExpireAt.Unix(), r.Info)
}

func (n *fakeNode) Revoke(_ context.Context, r Revocation) error {
	return n.note("", "revoke user %q before %d token %q until %d", r.User, r.IssuedBefore.Unix(), r.TokenID, r.ExpireAt.Unix())
}

func (n *fakeNode) Presence(_ context.Context, room string) ([]ClientInfo, error) {
	clients := []ClientInfo{
		{User: "7", Client: "f1a3", ConnInfo: json.RawMessage(`{"name": "Ann <3"}`)},
		{User: "", Client: "0b2c"},
	}
	if room == "binary" {
		clients[1].ChanInfo = json.RawMessage("\xff")
	}
	return clients, n.note(room, "presence %s", room)
}

func (n *fakeNode) PresenceStats(_ context.Context, room string) (clients, users int, err error) {
	return 2, 1, n.note(room, "presence_stats %s", room)
}

func (n *fakeNode) History(_ context.Context, room string, o HistoryOptions) (History, error) {
	since := "nil"
	if o.Since != nil {
		since = fmt.Sprintf("%+v", *o.Since)
	}
	past := []Publication{
		{Data: json.RawMessage(`{"text": "hi"}`), Offset: 41, Info: &ClientInfo{User: "7", Client: "f1a3"}},
		{Data: json.RawMessage(`{"text": "hello"}`), Offset: 42, Tags: map[string]string{"lang": "en", "by": "bot"}},
	}
	switch {
	case o.Limit == 0:
		past = nil
	case room == "binary":
		past[1].Data = json.RawMessage("\x00\xff")
		past[0].Info.ConnInfo = json.RawMessage("\xff")
	}
	return History{past, Position{42, "Zk3xQw8b"}}, n.note(room, "history %s %d since %s %v", room, o.Limit, since, o.Reverse)
}

func (n *fakeNode) RemoveHistory(_ context.Context, room string) error {
	return n.note(room, "history_remove %s", room)
}

func (n *fakeNode) Rooms(_ context.Context, match func(string) bool) (map[string]int, error) {
	rooms := map[string]int{"chat:1": 3, "chat:2": 1, "news": 2}
	for room := range rooms {
		if !match(room) {
			delete(rooms, room)
		}
	}
	return rooms, n.note("", "rooms")
}

func (n *fakeNode) Info(context.Context) ([]NodeInfo, error) {
	return []NodeInfo{{UID: "5d0e", Name: "host_9000", Version: "1.0.0", NumClients: 6, NumUsers: 4, NumChannels: 3, NumSubs: 6, Uptime: 77}},
		n.note("", "info")
}

// answerRPC is the application of these tests.
func answerRPC(_ context.Context, method string, params json.RawMessage) (json.RawMessage, error) {
	switch method {
	case "sum":
		var terms []int
		if json.Unmarshal(params, &terms) != nil {
			return nil, protocol.ErrBadRequest
		}
		sum := 0
		for _, t := range terms {
			sum += t
		}
		return fmt.Append(nil, sum), nil
	case "nothing":
		return nil, nil
	case "garbage":
		return json.RawMessage("{"), nil
	}
	return nil, protocol.ErrMethodNotFound
}

const key = "a-key-of-16-byte"

// desk is an API under test and the node behind it.
type desk struct {
	*Handler
	node *fakeNode
}

func newDesk(change func(*Options)) desk {
	o := Options{Key: key, RPC: answerRPC, Log: slog.New(slog.DiscardHandler)}
	if change != nil {
		change(&o)
	}
	node := new(fakeNode)
	return desk{New(node, o), node}
}

// post sends a body to a path with the key.
func (d desk) post(path, body string, headers ...string) *httptest.ResponseRecorder {
	return d.send(http.MethodPost, path, body, append([]string{"X-API-Key", key}, headers...)...)
}

func (d desk) send(method, path, body string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	for pair := range slices.Chunk(headers, 2) {
		r.Header.Set(pair[0], pair[1])
	}
	w := httptest.NewRecorder()
	d.ServeHTTP(w, r)
	return w
}

// done takes the calls that the node got.
func (d desk) done() []string {
	d.node.mu.Lock()
	defer d.node.mu.Unlock()
	calls := d.node.calls
	d.node.calls = nil
	return calls
}

// check fails the test unless w has that status and body.
func check(t *testing.T, what string, w *httptest.ResponseRecorder, status int, body string) {
	t.Helper()
	got, _ := io.ReadAll(w.Body)
	if w.Code != status || string(bytes.TrimSuffix(got, []byte{'\n'})) != body {
		t.Errorf("%s: %d %s\nwant %d %s", what, w.Code, got, status, body)
	}
}
