package api

import (
	"strings"
	"testing"
)

func TestLines(t *testing.T) {
	d := newDesk(nil)
	const stats = `{"num_clients":2,"num_users":1}`
	for _, r := range []struct{ what, body, answer, calls string }{
		{"one", `{"method":"presence_stats","params":{"channel":"a"}}`, `{"result":` + stats + `}`, "presence_stats a"},
		{"with an id", `{"id":7,"method":"presence_stats","params":{"channel":"a"}}`, `{"id":7,"result":` + stats + `}`, "presence_stats a"},
		{"several on lines", `{"id":1,"method":"history_remove","params":{"channel":"a"}}` + "\n" + `{"id":2,"method":"presence_stats","params":{"channel":"off"}}` + "\n",
			`{"id":1,"result":{}}` + "\n" + `{"id":2,"error":{"code":108,"message":"not available"}}`, "history_remove a,presence_stats off"},
		{"several in a row", `{"method":"history_remove","params":{"channel":"a"}}{"method":"history_remove","params":{"channel":"b"}}`,
			emptyResult + "\n" + emptyResult, "history_remove a,history_remove b"},
		{"in capitals", `{"method":"HISTORY_REMOVE","params":{"channel":"a"}}`, emptyResult, "history_remove a"},
		{"in both", `{"method":"Presence_Stats","params":{"channel":"a"}}`, `{"result":` + stats + `}`, "presence_stats a"},
		{"a method of no params", `{"method":"revoke"}`, bad, ""},
		{"params that are null", `{"method":"presence","params":null}`, bad, ""},
		{"params of another type", `{"method":"presence","params":[]}{"method":"history_remove","params":{"channel":"a"}}`, bad + "\n" + emptyResult, "history_remove a"},
		{"an unknown number", `{"method":99,"params":{}}`, `{"error":{"code":104,"message":"not found"}}`, ""},
		{"a number below zero", `{"method":-1,"params":{}}`, `{"error":{"code":104,"message":"not found"}}`, ""},
		{"a panic", `{"method":"presence","params":{"channel":"panic"}}{"method":"history_remove","params":{"channel":"a"}}`,
			`{"error":{"code":100,"message":"internal server error"}}` + "\n" + emptyResult, "presence panic,history_remove a"},
	} {
		check(t, r.what, d.post("/api", r.body), 200, r.answer)
		if got := strings.Join(d.done(), ","); got != r.calls {
			t.Errorf("%s: the node got %q; want %q", r.what, got, r.calls)
		}
	}
}

// The numbers that methods have had since long.
func TestLineNumbers(t *testing.T) {
	for i, name := range []string{"publish", "broadcast", "unsubscribe", "disconnect", "presence", "presence_stats", "history",
		"history_remove", "channels", "info", "rpc", "subscribe", "refresh"} {
		if methods[i].name != name {
			t.Errorf("method %d is %s; want %s", i, methods[i].name, name)
		}
	}
	d := newDesk(nil)
	check(t, "no method is publish", d.post("/api", `{"params":{"channel":"chat:1","data":1}}`), 200, `{"result":{"offset":42,"epoch":"Zk3xQw8b"}}`)
	check(t, "presence_stats", d.post("/api", `{"method":5,"params":{"channel":"a"}}`), 200, `{"result":{"num_clients":2,"num_users":1}}`)
}
