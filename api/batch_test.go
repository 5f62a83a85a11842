package api

import (
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
)

func TestBatch(t *testing.T) {
	d := newDesk(nil)
	for _, r := range []struct{ what, body, answer, calls string }{
		{"nothing", `{}`, `{"replies":[]}`, ""},
		{"several, in order",
			`{"commands":[{"presence_stats":{"channel":"a"}},{"history_remove":{"channel":"b"}},{"presence_stats":{"channel":"c"}}]}`,
			`{"replies":[{"presence_stats":{"num_clients":2,"num_users":1}},{"history_remove":{}},{"presence_stats":{"num_clients":2,"num_users":1}}]}`,
			"presence_stats a,history_remove b,presence_stats c"},
		{"errors between results",
			`{"commands":[{"presence_stats":{"channel":"off"}},{"nothing":{}},null,{},{"presence_stats":{"channel":"a"}}]}`,
			`{"replies":[{"error":{"code":108,"message":"not available"}},{"error":{"code":104,"message":"not found"}},{"error":{"code":107,"message":"bad request"}},` +
				`{"error":{"code":104,"message":"not found"}},{"presence_stats":{"num_clients":2,"num_users":1}}]}`,
			"presence_stats off,presence_stats a"},
		{"two methods in one command", `{"commands":[{"presence_stats":{"channel":"a"},"history_remove":[]}]}`,
			`{"replies":[{"error":{"code":107,"message":"bad request"}}]}`, ""},
		{"a method and a field of the client's own", `{"commands":[{"id":1,"history_remove":{"channel":"a"}}]}`,
			`{"replies":[{"history_remove":{}}]}`, "history_remove a"},
		{"a batch within", `{"commands":[{"batch":{"commands":[]}}]}`,
			`{"replies":[{"error":{"code":104,"message":"not found"}}]}`, ""},
		{"a panic", `{"commands":[{"presence_stats":{"channel":"panic"}},{"history_remove":{"channel":"a"}}]}`,
			`{"replies":[{"error":{"code":100,"message":"internal server error"}},{"history_remove":{}}]}`,
			"presence_stats panic,history_remove a"},
	} {
		check(t, r.what, d.post("/api/batch", r.body), 200, r.answer)
		if got := strings.Join(d.done(), ","); got != r.calls {
			t.Errorf("%s: the node got %q; want %q", r.what, got, r.calls)
		}
		parallel := strings.Replace(r.body, "{", `{"parallel":true,`, 1)
		check(t, r.what+", in parallel", d.post("/api/batch", strings.Replace(parallel, ",}", "}", 1)), 200, r.answer)
		got, want := d.done(), strings.FieldsFunc(r.calls, func(c rune) bool { return c == ',' })
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("%s, in parallel: the node got %q; want %q", r.what, got, want)
		}
	}
}

// Errors of a batch's commands have no status of their own, whatever the mode.
func TestBatchErrorsStayInTheReply(t *testing.T) {
	d := newDesk(func(o *Options) { o.ErrorMode = ErrorModeTransport })
	check(t, "batch", d.post("/api/batch", `{"commands":[{"presence_stats":{"channel":"off"}}]}`), 200,
		`{"replies":[{"error":{"code":108,"message":"not available"}}]}`)
}

// Many parallel commands come back each in its place.
func TestParallelBatchKeepsPlaces(t *testing.T) {
	const n = 1000
	d := newDesk(nil)
	commands, replies := make([]string, n), make([]string, n)
	for i := range n {
		commands[i] = fmt.Sprintf(`{"rpc":{"method":"sum","params":[%d,1]}}`, i)
		replies[i] = fmt.Sprintf(`{"rpc":{"data":%d}}`, i+1)
	}
	body := `{"parallel":true,"commands":[` + strings.Join(commands, ",") + `]}`
	check(t, "sums", d.post("/api/batch", body), 200, `{"replies":[`+strings.Join(replies, ",")+`]}`)
}

// Each number comes once, and never more at a time than there are workers.
func TestEach(t *testing.T) {
	for _, r := range []struct{ n, workers int }{{0, 1}, {0, 8}, {1, 8}, {7, 1}, {7, 8}, {1000, 8}} {
		seen := make([]atomic.Int32, r.n)
		var now, most atomic.Int32
		each(r.n, r.workers, func(i int) {
			seen[i].Add(1)
			for n, m := now.Add(1), most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
			}
			now.Add(-1)
		})
		for i := range seen {
			if got := seen[i].Load(); got != 1 {
				t.Errorf("each(%d, %d) called f(%d) %d times", r.n, r.workers, i, got)
			}
		}
		if got := int(most.Load()); got > r.workers {
			t.Errorf("each(%d, %d) had %d calls at once", r.n, r.workers, got)
		}
	}
}
