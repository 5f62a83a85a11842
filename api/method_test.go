package api

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed4ac54ce5/edge/protocol"
)

const (
	emptyResult = `{"result":{}}`
	bad         = `{"error":{"code":107,"message":"bad request"}}`
)

// What each method asks of the node, and what its answer is made of.
func TestMethods(t *testing.T) {
	d := newDesk(nil)
	plain := `{SkipHistory:false Tags:map[] IdempotencyKey: Delta:false Version:0 VersionEpoch:}`
	for _, r := range []struct {
		method, body, answer string
		calls                string // in lines
	}{
		{"publish", `{"channel":"a","data":{"x": 1}}`, emptyResult, `publish a "{\"x\": 1}" ` + plain},
		{"publish", `{"channel":"a","data":null,"other":[]}`, emptyResult, `publish a "null" ` + plain},
		{"publish", `{"channel":"chat:1","data":1}`, `{"result":{"offset":42,"epoch":"Zk3xQw8b"}}`, `publish chat:1 "1" ` + plain},
		{"publish", `{"channel":"a","data":1,"b64data":"AP8="}`, emptyResult, `publish a "\x00\xff" ` + plain},
		{"publish", `{"channel":"a","data":1,"skip_history":true,"tags":{"k":"v"},"idempotency_key":"i","delta":true,"version":18446744073709551615,"version_epoch":"e"}`,
			emptyResult, `publish a "1" {SkipHistory:true Tags:map[k:v] IdempotencyKey:i Delta:true Version:18446744073709551615 VersionEpoch:e}`},
		{"publish", `{"channel":"a"}`, bad, ""},
		{"publish", `{"channel":"a","b64data":"?"}`, bad, ""},
		{"publish", `{"data":1}`, bad, ""},
		{"publish", `null`, bad, ""},
		{"publish", `{"channel":"a","data":` + strings.Repeat("[", 600) + strings.Repeat("]", 600) + `}`, bad, ""},
		{"publish", `{"channel":"what:a","data":1}`, `{"error":{"code":102,"message":"unknown channel"}}`, `publish what:a "1" ` + plain},

		{"broadcast", `{"channels":["chat:1"],"data":1}`, `{"result":{"responses":[{"result":{"offset":42,"epoch":"Zk3xQw8b"}}]}}`, `publish chat:1 "1" ` + plain},
		{"broadcast", `{"channels":[],"data":1}`, bad, ""},
		{"broadcast", `{"channels":["a"]}`, bad, ""},

		{"subscribe", `{"user":"7","channel":"a"}`, emptyResult,
			`subscribe {User:7 Client: Session:} a info "" data "" until -62135596800 since nil {"Presence":null,"JoinLeave":null,"ForcePushJoinLeave":null,"ForcePositioning":null,"ForceRecovery":null}`},
		{"subscribe", `{"user":"7","channel":"a","client":"c","session":"s","info":{},"b64info":"MTI=","data":1,"b64data":"ZA==","expire_at":9,"recover_since":{"offset":3,"epoch":"e"},` +
			`"override":{"presence":{"value":true},"join_leave":{"value":false},"force_push_join_leave":{},"force_positioning":{"value":true},"force_recovery":{"value":false}}}`, emptyResult,
			`subscribe {User:7 Client:c Session:s} a info "12" data "d" until 9 since {Offset:3 Epoch:e} {"Presence":true,"JoinLeave":false,"ForcePushJoinLeave":false,"ForcePositioning":true,"ForceRecovery":false}`},
		{"subscribe", `{"user":"7"}`, bad, ""},
		{"subscribe", `{"user":"7","channel":"a","b64info":"?"}`, bad, ""},
		{"subscribe", `{"user":"7","channel":"a","b64info":"MX0="}`, bad, ""},
		{"subscribe", `{"user":"7","channel":"a","b64data":"?"}`, bad, ""},

		{"unsubscribe", `{"user":"","channel":"a","client":"c"}`, emptyResult, `unsubscribe {User: Client:c Session:} a`},
		{"unsubscribe", `{"user":"7","channel":""}`, bad, ""},

		{"disconnect", `{"user":"7"}`, emptyResult, `disconnect {User:7 Client: Session:} but [] 3503 force disconnect`},
		{"disconnect", `{"user":"7","disconnect":{}}`, emptyResult, `disconnect {User:7 Client: Session:} but [] 3503 force disconnect`},
		{"disconnect", `{"user":"7","whitelist":["c"],"disconnect":{"code":4001,"reason":"moved"}}`, emptyResult, `disconnect {User:7 Client: Session:} but ["c"] 4001 moved`},
		{"disconnect", `{"user":"7","disconnect":{"code":4001}}`, emptyResult, `disconnect {User:7 Client: Session:} but [] 4001 force disconnect`},
		{"disconnect", `{"user":"7","disconnect":{"reason":"no code"}}`, bad, ""},
		{"disconnect", `{"user":"7","disconnect":{"code":1000,"reason":"normal"}}`, bad, ""},
		{"disconnect", `{"user":"7","disconnect":{"code":69537,"reason":"past 16 bits"}}`, bad, ""},
		{"disconnect", `{"user":"7","disconnect":{"code":4001,"reason":"{\"reconnect\":true}"}}`, bad, ""},
		{"disconnect", `{"user":"7","disconnect":{"code":4001,"reason":"` + strings.Repeat("x", 124) + `"}}`, bad, ""},

		{"refresh", `{"user":"7","expired":true}`, emptyResult, `refresh {User:7 Client: Session:} true until -62135596800 info ""`},
		{"refresh", `{"user":"7","client":"c","expire_at":9,"info":{"a":1}}`, emptyResult, `refresh {User:7 Client:c Session:} false until 9 info "{\"a\":1}"`},

		{"revoke", `{"user":"7","issued_before":5}`, emptyResult, `revoke user "7" before 5 token "" until -62135596800`},
		{"revoke", `{"jti":"t","issued_before":5,"expire_at":9}`, emptyResult, `revoke user "" before 5 token "t" until 9`},
		{"revoke", `{}`, bad, ""},

		{"presence", `{"channel":"a"}`,
			`{"result":{"presence":{"0b2c":{"user":"","client":"0b2c"},"f1a3":{"user":"7","client":"f1a3","conn_info":{"name":"Ann \u003c3"}}}}}`, `presence a`},
		{"presence", `{"channel":"binary"}`,
			`{"result":{"presence":{"0b2c":{"user":"","client":"0b2c","b64chan_info":"/w=="},"f1a3":{"user":"7","client":"f1a3","conn_info":{"name":"Ann \u003c3"}}}}}`, `presence binary`},
		{"presence", `{}`, bad, ""},
		{"presence_stats", `{"channel":"a"}`, `{"result":{"num_clients":2,"num_users":1}}`, `presence_stats a`},
		{"presence_stats", `{"channel":"off"}`, `{"error":{"code":108,"message":"not available"}}`, `presence_stats off`},
		{"presence_stats", `{}`, bad, ""},

		{"history", `{"channel":"a"}`, `{"result":{"publications":[],"epoch":"Zk3xQw8b","offset":42}}`, `history a 0 since nil false`},
		{"history", `{"channel":"a","limit":-1,"since":{"offset":40,"epoch":"e"},"reverse":true}`,
			`{"result":{"publications":[{"data":{"text":"hi"},"info":{"user":"7","client":"f1a3"},"offset":41},{"data":{"text":"hello"},"offset":42,"tags":{"by":"bot","lang":"en"}}],"epoch":"Zk3xQw8b","offset":42}}`,
			`history a -1 since {Offset:40 Epoch:e} true`},
		{"history", `{"channel":"binary","limit":2}`,
			`{"result":{"publications":[{"data":{"text":"hi"},"info":{"user":"7","client":"f1a3","b64conn_info":"/w=="},"offset":41},{"b64data":"AP8=","offset":42,"tags":{"by":"bot","lang":"en"}}],"epoch":"Zk3xQw8b","offset":42}}`,
			`history binary 2 since nil false`},
		{"history", `{"channel":"a","reverse":true,"since":{"epoch":"e"}}`, bad, ""},
		{"history", `{}`, bad, ""},
		{"history_remove", `{"channel":"a"}`, emptyResult, `history_remove a`},
		{"history_remove", `{}`, bad, ""},

		{"channels", `{}`, `{"result":{"channels":{"chat:1":{"num_clients":3},"chat:2":{"num_clients":1},"news":{"num_clients":2}}}}`, `rooms`},
		{"channels", `{"pattern":"chat:*"}`, `{"result":{"channels":{"chat:1":{"num_clients":3},"chat:2":{"num_clients":1}}}}`, `rooms`},
		{"channels", `{"pattern":"nothing"}`, `{"result":{"channels":{}}}`, `rooms`},
		{"channels", `{"pattern":"["}`, bad, ""},
		{"info", `{}`, `{"result":{"nodes":[{"uid":"5d0e","name":"host_9000","version":"1.0.0","num_clients":6,"num_users":4,"num_channels":3,"num_subs":6,"uptime":77}]}}`, `info`},

		{"rpc", `{"method":"sum","params":[1,2]}`, `{"result":{"data":3}}`, ""},
		{"rpc", `{"method":"nothing"}`, emptyResult, ""},
		{"rpc", `{"method":"other"}`, `{"error":{"code":104,"message":"not found"}}`, ""},
		{"rpc", `{"params":[]}`, bad, ""},
	} {
		check(t, r.method+" "+r.body, d.post("/api/"+r.method, r.body), 200, r.answer)
		if got := strings.Join(d.done(), "\n"); got != r.calls {
			t.Errorf("%s %s made the node\n%s\nwant\n%s", r.method, r.body, got, r.calls)
		}
	}
}

// Broadcasts run at once, and answer in the order of the rooms, also for those that fail or panic.
func TestBroadcastAnswersInOrder(t *testing.T) {
	d := newDesk(nil)
	check(t, "broadcast", d.post("/api/broadcast", `{"channels":["chat:1","","what:a","panic","b","chat:2"],"data":1}`), 200,
		`{"result":{"responses":[{"result":{"offset":42,"epoch":"Zk3xQw8b"}},{"error":{"code":107,"message":"bad request"}},`+
			`{"error":{"code":102,"message":"unknown channel"}},{"error":{"code":100,"message":"internal server error"}},`+
			`{"result":{}},{"result":{"offset":42,"epoch":"Zk3xQw8b"}}]}}`)
}

// Tokens of a user that were issued up to now are meant if the request names no time.
func TestRevokeMeansNow(t *testing.T) {
	d := newDesk(nil)
	before := time.Now().Unix()
	d.post("/api/revoke", `{"user":"7"}`)
	after := time.Now().Unix()
	var got int64
	calls := d.done()
	if _, err := fmt.Sscanf(calls[0], `revoke user "7" before %d`, &got); err != nil || got < before || got > after {
		t.Errorf("%q; want a time from %d to %d", calls, before, after)
	}
}

func TestWithoutRPC(t *testing.T) {
	d := newDesk(func(o *Options) { o.RPC = nil })
	check(t, "rpc", d.post("/api/rpc", `{"method":"sum"}`), 200, `{"error":{"code":104,"message":"not found"}}`)
}

// observed is what an API says that it has done.
type observed struct {
	method string
	code   uint32
}

func TestObserve(t *testing.T) {
	var mu sync.Mutex
	var seen []observed
	d := newDesk(func(o *Options) {
		o.Observe = func(method string, code uint32, took time.Duration) {
			mu.Lock()
			defer mu.Unlock()
			if took < 0 {
				t.Errorf("%s took %v", method, took)
			}
			seen = append(seen, observed{method, code})
		}
	})
	d.post("/api/presence", `{"channel":"off"}`)
	d.post("/api/info", `{}`)
	d.post("/api/info", `[`)
	d.post("/api/batch", `{"commands":[{"info":{}},{"nothing":{}},{"presence":{"channel":"panic"}}]}`)
	d.post("/api", `{"method":"channels"}`)
	want := []observed{{"presence", 108}, {"info", 0}, {"info", 0}, {"presence", 100}, {"batch", 0}, {"channels", 0}}
	if !slices.Equal(seen, want) {
		t.Errorf("observed %v; want %v", seen, want)
	}
}

// Requests that come to nothing are told of by their status, and those that are answered are not.
func TestRefused(t *testing.T) {
	var seen []int
	d := newDesk(func(o *Options) {
		o.BodyLimit = 100
		o.Refused = func(status int) { seen = append(seen, status) }
	})
	d.send("POST", "/api/info", "{}")
	d.send("GET", "/api/info", "", "X-API-Key", key)
	d.post("/api/nothing", "{}")
	d.post("/api/info", "[")
	d.post("/api/info", strings.Repeat(" ", 101))
	d.post("/api/info", "{}")
	d.post("/api/presence", `{"channel":"off"}`, "X-Centrifugo-Error-Mode", "transport")
	if want := []int{401, 405, 404, 400, 413}; !slices.Equal(seen, want) {
		t.Errorf("refused %v; want %v", seen, want)
	}
}

// What fails inside is logged with its cause; answers are not.
func TestFailuresAreLogged(t *testing.T) {
	for body, want := range map[string]string{
		`{"channel":"broken"}`: "something inside",
		`{"channel":"panic"}`:  "fake_test.go", // from the stack
		`{"channel":"off"}`:    "",
	} {
		var log strings.Builder
		d := newDesk(func(o *Options) { o.Log = slog.New(slog.NewTextHandler(&log, nil)) })
		d.post("/api/presence", body)
		if got := log.String(); (want == "") != (got == "") || !strings.Contains(got, want) {
			t.Errorf("presence %s logs %q; want %q in it", body, got, want)
		}
	}
}

func TestErrorIsThatOfTheProtocol(t *testing.T) {
	var err error = &Error{Code: 108, Message: "not available"}
	if !errors.Is(err, protocol.ErrNotAvailable) || errors.Is(err, protocol.ErrBadRequest) {
		t.Errorf("%v is not just protocol.ErrNotAvailable", err)
	}
	if got, want := err.Error(), "api: error 108: not available"; got != want {
		t.Errorf("Error() = %q; want %q", got, want)
	}
}

// Every status that an error may have is one that HTTP knows as an error.
func TestStatusOfUnknownErrors(t *testing.T) {
	for code, want := range map[uint32]int{99: 500, 105: 500, 399: 500, 400: 400, 1999: 400} {
		if got := (&Error{Code: code}).status(); got != want {
			t.Errorf("status of error %d = %d; want %d", code, got, want)
		}
	}
}
