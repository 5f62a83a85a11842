package client

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"

	"github.com/seed4ac54ce5/edge/api"
)

const key = "a-key"

// script is a server that takes one request after the other and answers as the test has it.
type script struct {
	*httptest.Server
	status  int
	answer  string
	request string // the last one: path and body
	key     string // that it came with
}

// openScript returns a client of a script.
func openScript(t *testing.T) (*script, *Client) {
	s := &script{status: http.StatusOK}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%s with %q, %v", r.Method, r.Header, err)
		}
		s.request, s.key = r.URL.Path+" "+string(body), r.Header.Get("Authorization")
		w.WriteHeader(s.status)
		_, _ = io.WriteString(w, s.answer)
	}))
	t.Cleanup(s.Close)
	return s, New(s.URL+"/", Options{Key: key, HTTP: s.Client()})
}

// methodsOfClient is each method as it is called, what it sends, and what it returns for an answer.
var methodsOfClient = []struct {
	call    func(context.Context, *Client) (any, error)
	request string
	answer  string
	want    any
}{
	{
		func(ctx context.Context, c *Client) (any, error) {
			return c.Publish(ctx, api.PublishRequest{Channel: "a", Data: json.RawMessage("null"), PublishOptions: api.PublishOptions{Version: 1<<64 - 1}})
		},
		`/api/publish {"channel":"a","data":null,"version":18446744073709551615}`,
		`{"offset":18446744073709551615,"epoch":"e"}`, api.Position{Offset: 1<<64 - 1, Epoch: "e"},
	},
	{
		func(ctx context.Context, c *Client) (any, error) {
			return c.Broadcast(ctx, api.BroadcastRequest{Channels: []string{"a", "b"}, B64Data: "AP8="})
		},
		`/api/broadcast {"channels":["a","b"],"b64data":"AP8="}`,
		`{"responses":[{"result":{"offset":1,"epoch":"e"}},{"error":{"code":102,"message":"unknown channel"}}]}`,
		api.BroadcastResult{Responses: []api.PublishResponse{{Result: &api.Position{Offset: 1, Epoch: "e"}}, {Error: &api.Error{Code: 102, Message: "unknown channel"}}}},
	},
	{
		func(ctx context.Context, c *Client) (any, error) {
			return nil, c.Subscribe(ctx, api.SubscribeRequest{Target: api.Target{User: "7"}, Channel: "a", ExpireAt: 9,
				RecoverSince: &api.Position{Offset: 3}, Override: &api.OptionOverride{Presence: &api.BoolValue{}}})
		},
		`/api/subscribe {"user":"7","channel":"a","expire_at":9,"recover_since":{"offset":3},"override":{"presence":{"value":false}}}`, `{}`, nil,
	},
	{
		func(ctx context.Context, c *Client) (any, error) {
			return nil, c.Unsubscribe(ctx, api.UnsubscribeRequest{Channel: "a"})
		},
		`/api/unsubscribe {"user":"","channel":"a"}`, `{}`, nil,
	},
	{
		func(ctx context.Context, c *Client) (any, error) {
			return nil, c.Disconnect(ctx, api.DisconnectRequest{Whitelist: []string{"c"}, Disconnect: &api.Disconnect{Code: 4000, Reason: "out"}})
		},
		`/api/disconnect {"user":"","whitelist":["c"],"disconnect":{"code":4000,"reason":"out"}}`, `{}`, nil,
	},
	{
		func(ctx context.Context, c *Client) (any, error) {
			return nil, c.Refresh(ctx, api.RefreshRequest{Target: api.Target{User: "7", Client: "c", Session: "s"}, Expired: true})
		},
		`/api/refresh {"user":"7","client":"c","session":"s","expired":true}`, `{}`, nil,
	},
	{
		func(ctx context.Context, c *Client) (any, error) {
			return nil, c.Revoke(ctx, api.RevokeRequest{JTI: "t"})
		},
		`/api/revoke {"jti":"t"}`, `{}`, nil,
	},
	{
		func(ctx context.Context, c *Client) (any, error) { return c.Presence(ctx, "a") },
		`/api/presence {"channel":"a"}`, `{"presence":{"c":{"user":"7","client":"c","conn_info":{}}}}`,
		map[string]api.ClientInfo{"c": {User: "7", Client: "c", ConnInfo: json.RawMessage("{}")}},
	},
	{
		func(ctx context.Context, c *Client) (any, error) { return c.PresenceStats(ctx, "a") },
		`/api/presence_stats {"channel":"a"}`, `{"num_clients":2,"num_users":1}`, api.PresenceStatsResult{NumClients: 2, NumUsers: 1},
	},
	{
		func(ctx context.Context, c *Client) (any, error) {
			return c.History(ctx, api.HistoryRequest{Channel: "a", HistoryOptions: api.HistoryOptions{Limit: -1, Reverse: true}})
		},
		`/api/history {"channel":"a","limit":-1,"reverse":true}`, `{"publications":[{"b64data":"AP8=","offset":1}],"epoch":"e","offset":1}`,
		api.HistoryResult{Publications: []api.Publication{{B64Data: []byte{0, 255}, Offset: 1}}, Epoch: "e", Offset: 1},
	},
	{
		func(ctx context.Context, c *Client) (any, error) { return nil, c.RemoveHistory(ctx, "a") },
		`/api/history_remove {"channel":"a"}`, `{}`, nil,
	},
	{
		func(ctx context.Context, c *Client) (any, error) { return c.Channels(ctx, "a*") },
		`/api/channels {"pattern":"a*"}`, `{"channels":{"a":{"num_clients":1}}}`, map[string]api.ChannelInfo{"a": {NumClients: 1}},
	},
	{
		func(ctx context.Context, c *Client) (any, error) { return c.Info(ctx) },
		`/api/info {}`, `{"nodes":[{"uid":"u","uptime":5}]}`, []api.NodeInfo{{UID: "u", Uptime: 5}},
	},
	{
		func(ctx context.Context, c *Client) (any, error) { return c.RPC(ctx, "m", json.RawMessage("[]")) },
		`/api/rpc {"method":"m","params":[]}`, `{"data":{"a":1}}`, json.RawMessage(`{"a":1}`),
	},
}

func TestMethods(t *testing.T) {
	s, c := openScript(t)
	for _, r := range methodsOfClient {
		s.answer = `{"result":` + r.answer + `}`
		got, err := r.call(t.Context(), c)
		if err != nil || !reflect.DeepEqual(got, r.want) {
			t.Errorf("%s: %+v, %v; want %+v", r.request, got, err, r.want)
		}
		if s.request != r.request || s.key != "Bearer "+key {
			t.Errorf("sent %s with %q\nwant %s", s.request, s.key, r.request)
		}
		s.answer = `{"error":{"code":108,"message":"not available"}}`
		var refusal *api.Error
		if _, err := r.call(t.Context(), c); !errors.As(err, &refusal) || *refusal != (api.Error{Code: 108, Message: "not available"}) {
			t.Errorf("%s: %v; want error 108", r.request, err)
		}
	}
}

func TestAnswersThatAreNone(t *testing.T) {
	s, c := openScript(t)
	c.options.AnswerLimit = 20
	for _, r := range []struct {
		what   string
		status int
		answer string
		want   func(error) bool
	}{
		{"refused", 401, "", isStatus(401)},
		{"moved", 302, "", isStatus(302)},
		{"failed", 503, "<html>", isStatus(503)},
		{"not JSON", 200, "<html>", func(err error) bool { return strings.Contains(err.Error(), "answer to info") }},
		{"another JSON", 200, "{}", func(err error) bool { return errors.Is(err, errNoAnswer) }},
		{"of just the limit", 200, `{"result":{     }}  `, func(err error) bool { return err == nil }},
		{"too large", 200, `{"result":{      }}  `, func(err error) bool { return errors.Is(err, ErrAnswerTooLarge) }},
	} {
		s.status, s.answer = r.status, r.answer
		if _, err := c.Info(t.Context()); !r.want(err) {
			t.Errorf("%s: %v", r.what, err)
		}
	}
	s.status = 200
	if _, err := c.RPC(t.Context(), "m", json.RawMessage("{")); err == nil || strings.HasPrefix(s.request, "/api/rpc") {
		t.Errorf("a call with what is no JSON: %v, sent %s", err, s.request)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Info(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("with a context that has ended: %v; want Canceled", err)
	}
	if _, err := New("http://\x00", Options{}).Info(t.Context()); err == nil {
		t.Error("an address that is none got an answer")
	}
}

func isStatus(want int) func(error) bool {
	return func(err error) bool {
		var status *StatusError
		return errors.As(err, &status) && status.Status == want && strings.Contains(err.Error(), http.StatusText(want))
	}
}

// town is a node that knows little.
type town struct{ api.Node }

func (town) Publish(_ context.Context, room string, data []byte, _ api.PublishOptions) (api.Position, error) {
	if room == "panic" {
		panic(data)
	}
	return api.Position{Offset: uint64(len(data)), Epoch: room}, nil
}

func (town) PresenceStats(_ context.Context, room string) (clients, users int, err error) {
	return len(room), 1, nil
}

// The two ends understand each other.
func TestWithTheAPI(t *testing.T) {
	s := httptest.NewServer(api.New(town{}, api.Options{Key: key, Log: slog.New(slog.DiscardHandler)}))
	defer s.Close()
	c := New(s.URL, Options{Key: key, HTTP: s.Client()})
	at, err := c.Publish(t.Context(), api.PublishRequest{Channel: "a", Data: json.RawMessage(`"four"`)})
	if err != nil || at != (api.Position{Offset: 6, Epoch: "a"}) {
		t.Errorf("Publish = %+v, %v", at, err)
	}
	for _, parallel := range []bool{false, true} {
		b := c.NewBatch()
		b.Parallel = parallel
		first := b.Publish(api.PublishRequest{Channel: "b", B64Data: "AP8="})
		failed := b.Publish(api.PublishRequest{Channel: "panic", B64Data: "AP8="})
		last := b.PresenceStats("room")
		if err := b.Send(t.Context()); err != nil {
			t.Fatal(err)
		}
		if at, err := first.Get(); err != nil || at != (api.Position{Offset: 2, Epoch: "b"}) {
			t.Errorf("the first reply is %+v, %v", at, err)
		}
		var refusal *api.Error
		if _, err := failed.Get(); !errors.As(err, &refusal) || refusal.Code != 100 {
			t.Errorf("the second reply is %v; want error 100", err)
		}
		if stats, err := last.Get(); err != nil || stats.NumClients != 4 {
			t.Errorf("the third reply is %+v, %v", stats, err)
		}
	}
	var status *StatusError
	if _, err := New(s.URL, Options{HTTP: s.Client()}).Info(t.Context()); !errors.As(err, &status) || status.Status != 401 {
		t.Errorf("without the key: %v; want 401", err)
	}
}
