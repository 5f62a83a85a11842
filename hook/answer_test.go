package hook

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/seed4ac54ce5/edge/auth"
	"github.com/seed4ac54ce5/edge/server"
)

func TestResults(t *testing.T) {
	caps, err := auth.ParseCapabilities(`[{"channels":["c:*"],"allow":["sub"],"match":"wildcard"}]`)
	if err != nil {
		t.Fatal(err)
	}
	for name, row := range map[string]struct {
		body   string
		decode func([]byte) (any, error)
		want   any
	}{
		"connect": {`{"result":{"user":"56","expire_at":1565436268,"info":{"name": "ann"},"data":[1,
			2],"channels":["b","a","b"],"subs":{"a":{"info":{"x":1},"b64data":"AP8=","expire_at":5,"override":
			{"presence":{"value":true},"join_leave":{"value":false}}}},"meta":{"k":1},"caps":[{"channels":["c:*"],
			"allow":["sub"],"match":"wildcard"}],"unheard":"of"}}`,
			decoder(Connect, (*wireConnect).result),
			&ConnectResult{User: "56", ExpireAt: 1565436268, Info: []byte(`{"name":"ann"}`), Data: []byte(`[1,2]`),
				Meta: []byte(`{"k":1}`), Caps: caps,
				Subs: []Subscription{
					{"a", SubscribeResult{ExpireAt: 5, Info: []byte(`{"x":1}`), Data: []byte{0, 0xff},
						Override: auth.Override{Presence: auth.On, JoinLeave: auth.Off}}},
					{"b", SubscribeResult{}},
				}}},
		"connect, nulls": {`{"result":{"user":"","info":null,"data":null,"subs":null,"channels":null,"caps":null},"error":null}`,
			decoder(Connect, (*wireConnect).result), &ConnectResult{}},
		"refresh": {`{"result":{"expired":true,"expire_at":7,"b64info":"e30=","meta":1}}`,
			decoder(Refresh, (*wireRefresh).result), &RefreshResult{Expired: true, ExpireAt: 7, Info: []byte("{}"), Meta: []byte("1")}},
		"refresh, caps": {`{"result":{"caps":[ {"channels":["c:*"],"allow":["sub"],"match":"wildcard"} ]}}`,
			decoder(Refresh, (*wireRefresh).result), &RefreshResult{Caps: &caps}},
		"sub_refresh": {`{"result":{"expire_at":7,"info":{}}}`,
			decoder(SubRefresh, (*wireRefresh).subResult), &SubRefreshResult{ExpireAt: 7, Info: []byte("{}")}},
		"subscribe": {`{"result":{"data":{},"b64data":"YQ==","override":null}}`,
			decoder(Subscribe, (*wireSubscribe).result), &SubscribeResult{Data: []byte("a")}},
		"publish": {`{"result":{"data":{"b":2},"skip_history":true,"tags":{"t":"1"},"idempotency_key":"k","delta":true,"version":3,"version_epoch":"e"}}`,
			decoder(Publish, (*wirePublish).result),
			&PublishResult{Data: []byte(`{"b":2}`), SkipHistory: true, Tags: map[string]string{"t": "1"}, IdempotencyKey: "k",
				Delta: true, Version: 3, VersionEpoch: "e"}},
		"rpc":              {`{"result":{"data":{"answer":"2019"}}}`, decoder(RPC, (*wireRPC).result), &RPCResult{Data: []byte(`{"answer":"2019"}`)}},
		"rpc, null":        {`{"result":{"data":null}}`, decoder(RPC, (*wireRPC).result), &RPCResult{Data: []byte("null")}},
		"rpc, nothing":     {`{"result":{}}`, decoder(RPC, (*wireRPC).result), &RPCResult{}},
		"rpc, null beside": {`{"result":{"data":null,"b64data":"YQ=="}}`, decoder(RPC, (*wireRPC).result), &RPCResult{Data: []byte("a")}},
	} {
		t.Run(name, func(t *testing.T) {
			if got, err := row.decode([]byte(row.body)); err != nil || !reflect.DeepEqual(got, row.want) {
				t.Errorf("decode(%s) = %+v, %v; want %+v", row.body, got, err, row.want)
			}
		})
	}
}

func decoder[W, R any](event Event, result func(*W) (R, error)) func([]byte) (any, error) {
	return func(body []byte) (any, error) { return decode(event, body, result) }
}

func TestRefusals(t *testing.T) {
	long := strings.Repeat("é", 100)
	for body, want := range map[string]error{
		`{"error":{"code":1000,"message":"no"}}`:                             &server.Error{Code: 1000, Message: "no"},
		`{"error":{"code":503,"temporary":true},"result":{}}`:                &server.Error{Code: 503, Temporary: true},
		`{"disconnect":{"code":4501,"reason":"unauthorized"}}`:               server.Disconnect{Code: 4501, Reason: "unauthorized"},
		`{"disconnect":{"code":4000,"reason":""},"error":{"code":1}}`:        server.Disconnect{Code: 4000, Reason: defaultReason},
		`{"disconnect":{"code":4000,"reason":"{\"reconnect\":true}"}}`:       server.Disconnect{Code: 4000, Reason: defaultReason},
		`{"disconnect":{"code":4000,"reason":"17"},"result":{"data":"yes"}}`: server.Disconnect{Code: 4000, Reason: defaultReason},
		`{"disconnect":{"code":4999,"reason":"` + long + `"}}`:               server.Disconnect{Code: 4999, Reason: long[:122]},
	} {
		if v, err := decode(RPC, []byte(body), (*wireRPC).result); v != nil || !reflect.DeepEqual(err, want) {
			t.Errorf("decode(%s) = %v, %#v; want %#v", body, v, err, want)
		}
	}
}

func TestMalformedAnswersLetNobodyIn(t *testing.T) {
	for body, want := range map[string]string{
		``:                                  "hook: subscribe: malformed: not JSON at byte 0 of 0",
		`null`:                              "hook: subscribe: malformed: neither result nor error nor disconnect",
		`{}`:                                "hook: subscribe: malformed: neither result nor error nor disconnect",
		`{"result":null}`:                   "hook: subscribe: malformed: neither result nor error nor disconnect",
		`{"ok":true}`:                       "hook: subscribe: malformed: neither result nor error nor disconnect",
		`<html>secret</html>`:               "hook: subscribe: malformed: not JSON at byte 1 of 19",
		`{"result":{}} {}`:                  "hook: subscribe: malformed: not JSON at byte 15 of 16",
		`{"result":{}`:                      "hook: subscribe: malformed: not JSON at byte 12 of 12",
		`{"result":"secret"}`:               `hook: subscribe: malformed: field "result" has a value of the wrong type`,
		`{"result":{"expire_at":"secret"}}`: `hook: subscribe: malformed: field "result.expire_at" has a value of the wrong type`,
		`{"result":{"b64data":"***"}}`:      "hook: subscribe: malformed: a field of base64 that is not",
		`{"result":{"b64info":"***"}}`:      "hook: subscribe: malformed: a field of base64 that is not",
		`{"result":{"b64info":"AP8="}}`:     "hook: subscribe: malformed: an info that is not JSON",
		`{"result":{"b64info":"Iv8i"}}`:     "hook: subscribe: malformed: an info that is not JSON", // "\xff"
		"{\"result\":{\"data\":\"\xff\"}}":  "hook: subscribe: malformed: not UTF-8",
		`{"error":{"message":"no code"}}`:   "hook: subscribe: malformed: " + errCode.Error(),
		`{"disconnect":{"code":1000}}`:      "hook: subscribe: malformed: " + errCode.Error(),
		`{"disconnect":{"code":69536}}`:     "hook: subscribe: malformed: " + errCode.Error(),
	} {
		v, err := decode(Subscribe, []byte(body), (*wireSubscribe).result)
		var f *Failure
		if v != nil || !errors.As(err, &f) || f.Result != Malformed || err.Error() != want {
			t.Errorf("decode(%q) = %v, %v; want %s", body, v, err, want)
		}
	}
	for body, want := range map[string]error{
		`{"result":{"user":"1","subs":{"a":{"b64info":"***"}}}}`:              errBase64,
		`{"result":{"caps":[{}]}}`:                                            errCaps,
		`{"result":{"caps":{}}}`:                                              errCaps,
		`{"result":{"caps":[{"channels":["a"],"allow":["fly"]}],"user":"1"}}`: errCaps,
	} {
		if v, err := decode(Connect, []byte(body), (*wireConnect).result); v != nil || !errors.Is(err, want) {
			t.Errorf("decode(%s) = %v, %v; want %v", body, v, err, want)
		}
	}
}

// Whatever a backend writes, it ends as a result of which all that is meant for text frames is fit for them, or as an
// error that clients can be given.
func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"result":{"user":"56","expire_at":1,"info":{},"data":[1],"channels":["a"],"subs":{"b":{"b64info":"e30="}}}}`))
	f.Add([]byte(`{"error":{"code":1000,"message":"m","temporary":true}}`))
	f.Add([]byte(`{"disconnect":{"code":4000,"reason":"{}"}}`))
	f.Add([]byte(`{"result":{"data":"\ud800","info":null}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		v, err := decode(Connect, body, (*wireConnect).result)
		if err != nil {
			checkError(t, v, err)
			return
		}
		checkText(t, v.Info)
		checkText(t, v.Meta)
		for i, s := range v.Subs {
			checkText(t, s.Info)
			if i > 0 && v.Subs[i-1].Room >= s.Room {
				t.Fatalf("rooms %q, %q are not in order, each once", v.Subs[i-1].Room, s.Room)
			}
		}
	})
}

func checkText(t *testing.T, value []byte) {
	if value != nil && (!json.Valid(value) || !utf8.Valid(value) || strings.Contains(string(value), "\n")) {
		t.Fatalf("%q is not a JSON value on one line", value)
	}
}

func checkError(t *testing.T, v *ConnectResult, err error) {
	var (
		answer *server.Error
		end    server.Disconnect
		f      *Failure
	)
	switch {
	case v != nil:
		t.Fatalf("decode = %+v beside %v", v, err)
	case errors.As(err, &answer) && answer.Code == 0:
		t.Fatal("an error without a code")
	case errors.As(err, &end):
		fits := end.Code >= 3000 && end.Code <= 4999 && end.Reason != "" && len(end.Reason) <= maxReason
		if !fits || !utf8.ValidString(end.Reason) || json.Valid([]byte(end.Reason)) {
			t.Fatalf("%#v does not fit a close frame", end)
		}
	case answer == nil && !errors.As(err, &f):
		t.Fatalf("decode's error is a %T", err)
	}
}
