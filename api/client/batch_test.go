package client

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/seed4ac54ce5/edge/api"
)

func TestBatchSendsEachMethod(t *testing.T) {
	s, c := openScript(t)
	b := c.NewBatch()
	target := api.Target{User: "7"}
	replies := []interface{ error() error }{
		b.Publish(api.PublishRequest{Channel: "a", B64Data: "AP8="}),
		b.Broadcast(api.BroadcastRequest{Channels: []string{"a"}, B64Data: "AP8="}),
		b.Subscribe(api.SubscribeRequest{Target: target, Channel: "a"}),
		b.Unsubscribe(api.UnsubscribeRequest{Target: target, Channel: "a"}),
		b.Disconnect(api.DisconnectRequest{Target: target}),
		b.Refresh(api.RefreshRequest{Target: target}),
		b.Revoke(api.RevokeRequest{User: "7"}),
		b.Presence("a"),
		b.PresenceStats("a"),
		b.History(api.HistoryRequest{Channel: "a"}),
		b.RemoveHistory("a"),
		b.Channels(""),
		b.Info(),
		b.RPC("m", nil),
	}
	names := []string{"publish", "broadcast", "subscribe", "unsubscribe", "disconnect", "refresh", "revoke", "presence", "presence_stats",
		"history", "history_remove", "channels", "info", "rpc"}
	var answers []string
	for i, reply := range replies {
		if err := reply.error(); err != ErrNotSent {
			t.Errorf("%s before it is sent: %v; want ErrNotSent", names[i], err)
		}
		answers = append(answers, `{"`+names[i]+`":{}}`)
	}
	s.answer = `{"replies":[` + strings.Join(answers, ",") + `]}`
	if err := b.Send(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := `/api/batch {"commands":[{"publish":{"channel":"a","b64data":"AP8="}},{"broadcast":{"channels":["a"],"b64data":"AP8="}},` +
		`{"subscribe":{"user":"7","channel":"a"}},{"unsubscribe":{"user":"7","channel":"a"}},{"disconnect":{"user":"7"}},{"refresh":{"user":"7"}},` +
		`{"revoke":{"user":"7"}},{"presence":{"channel":"a"}},{"presence_stats":{"channel":"a"}},{"history":{"channel":"a"}},` +
		`{"history_remove":{"channel":"a"}},{"channels":{}},{"info":{}},{"rpc":{"method":"m"}}],"parallel":false}`
	if s.request != want {
		t.Errorf("sent %s\nwant %s", s.request, want)
	}
	for i, reply := range replies {
		if err := reply.error(); err != nil {
			t.Errorf("%s: %v", names[i], err)
		}
	}
}

// error lets replies of different types stand in one list.
func (r *Reply[R]) error() error {
	_, err := r.Get()
	return err
}

func TestBatchReplies(t *testing.T) {
	s, c := openScript(t)
	for _, r := range []struct {
		what, answer string
		ok           func(send, reply error) bool
	}{
		{"an error", `{"replies":[{"error":{"code":102,"message":"unknown channel"}}]}`, func(send, reply error) bool {
			var refusal *api.Error
			return send == nil && errors.As(reply, &refusal) && refusal.Code == 102
		}},
		{"an error of another form", `{"replies":[{"error":1}]}`, func(send, reply error) bool { return send == nil && isTypeError(reply) }},
		{"a result of another form", `{"replies":[{"publish":1}]}`, func(send, reply error) bool { return send == nil && isTypeError(reply) }},
		{"another's result", `{"replies":[{"info":{}}]}`, func(send, reply error) bool { return send == nil && reply == errNoAnswer }},
		{"none", `{"replies":[]}`, func(send, reply error) bool { return send != nil && reply == ErrNotSent }},
		{"too many", `{"replies":[{},{}]}`, func(send, reply error) bool { return send != nil && reply == ErrNotSent }},
		{"no batch", `{"result":{}}`, func(send, reply error) bool { return send != nil && reply == ErrNotSent }},
		{"no JSON", `{`, func(send, reply error) bool { return send != nil && reply == ErrNotSent }},
	} {
		s.answer = r.answer
		b := c.NewBatch()
		reply := b.Publish(api.PublishRequest{Channel: "a", B64Data: "AP8="})
		if send := b.Send(t.Context()); !r.ok(send, reply.error()) {
			t.Errorf("%s: Send = %v, the reply %v", r.what, send, reply.error())
		}
	}
}

func isTypeError(err error) bool {
	var other *json.UnmarshalTypeError
	return errors.As(err, &other)
}

// An empty batch asks nobody.
func TestEmptyBatch(t *testing.T) {
	s, c := openScript(t)
	if err := c.NewBatch().Send(t.Context()); err != nil || s.request != "" {
		t.Errorf("Send = %v, sent %q", err, s.request)
	}
}
