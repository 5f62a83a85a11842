package bench

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/seed4ac54ce5/edge/internal/testutil"
	"github.com/seed4ac54ce5/edge/protocol"
)

func TestMischiefIsSeen(t *testing.T) {
	t.Parallel()
	var kept string
	for _, row := range []struct {
		name  string
		spoil func(member, n int, push string) []string
		want  Ledger // Expected and Received follow
		close string
	}{
		{
			name:  "nothing wrong: joined, pinged, in two frames",
			spoil: func(_, _ int, push string) []string { return []string{"{}", "{}\n" + push + "\n{}"} },
		},
		{
			name: "one is missing",
			spoil: func(member, n int, push string) []string {
				if member == 0 && n == 2 {
					return []string{}
				}
				return []string{push}
			},
			want: Ledger{Missing: 1},
		},
		{
			name: "one comes twice",
			spoil: func(member, n int, push string) []string {
				if member == 1 && n == 2 {
					return []string{push + "\n" + push}
				}
				return []string{push}
			},
			want: Ledger{Duplicated: 1},
		},
		{
			name: "two in the wrong order",
			spoil: func(member, n int, push string) []string {
				switch {
				case member == 1 && n == 2:
					kept = push
					return []string{}
				case member == 1 && n == 3:
					return []string{push + "\n" + kept}
				}
				return []string{push}
			},
			want: Ledger{Reordered: 1},
		},
		{
			name: "one is damaged",
			spoil: func(member, n int, push string) []string {
				if member == 0 && n == 1 {
					return []string{strings.Replace(push, "xxxx", "xxyx", 1)}
				}
				return []string{push}
			},
			want: Ledger{Missing: 1, Damaged: 1},
		},
		{
			name: "one is of another room",
			spoil: func(member, n int, push string) []string {
				if member == 0 && n == 1 {
					return []string{push, strings.Replace(push, `"f00000000`, `"f00000001`, 1)}
				}
				return []string{push}
			},
			want: Ledger{Misrouted: 1},
		},
		{
			name: "a message that is no JSON",
			spoil: func(member, n int, push string) []string {
				if member == 0 && n == 1 {
					return []string{push, "{"}
				}
				return []string{push}
			},
			want: Ledger{Damaged: 1},
		},
		{
			name: "a member is thrown out",
			spoil: func(member, n int, push string) []string {
				if member == 1 && n == 2 {
					return nil
				}
				return []string{push}
			},
			close: `3008 "slow"`,
		},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			drain := patience
			if row.want.Missing > 0 || row.close != "" {
				drain = loses
			}
			ctx, enough := context.WithCancel(t.Context())
			defer enough()
			l := &liar{spoil: row.spoil, enough: enough}
			r, err := Run(ctx, Options{
				Scenario: Fanout, Targets: []string{startLiar(t, l)}, Connections: 2, Rate: 100,
				Duration: time.Hour, Drain: drain,
			})
			if err != nil {
				t.Fatal(err)
			}
			l.mu.Lock()
			sent := uint64(l.publications)
			l.mu.Unlock()
			if sent < 3 {
				t.Fatalf("%d publications; too few to spoil", sent)
			}
			want := row.want
			if row.close != "" {
				want.Missing = sent - 1
				if r.Lost != 1 || r.Closes[row.close] != 1 {
					t.Errorf("lost %d, closes %v; want one for %s", r.Lost, r.Closes, row.close)
				}
			}
			want.Expected = 2 * sent
			want.Received = want.Expected - want.Missing
			if r.Delivery != want {
				t.Errorf("delivery = %+v; want %+v", r.Delivery, want)
			}
			if clean := row.want == (Ledger{}) && row.close == ""; errors.Is(r.Err(), ErrLoss) == clean {
				t.Errorf("Err() = %v; want an error: %v", r.Err(), !clean)
			}
		})
	}
}

func TestRefusalsAreCounted(t *testing.T) {
	refuse := func(m protocol.Method) func(c *protocol.Command) []byte {
		return func(c *protocol.Command) []byte {
			if c.Method == m {
				return protocol.JSON.AppendError(nil, c.ID, protocol.ErrPermissionDenied)
			}
			return nil
		}
	}
	for label, l := range map[string]*liar{
		"upgrade: HTTP status 503":                   {status: 503},
		"connect: error 103 \"permission denied\"":   {answer: refuse(protocol.MethodConnect)},
		"subscribe: error 103 \"permission denied\"": {answer: refuse(protocol.MethodSubscribe)},
	} {
		r, err := Run(t.Context(), Options{Scenario: Idle, Targets: []string{startLiar(t, l)}, Connections: 5})
		if err != nil {
			t.Fatal(err)
		}
		if r.Failed != 5 || r.Failures[label] != 5 || r.Ready != 0 || !errors.Is(r.Err(), ErrLoss) {
			t.Errorf("%d failed, %v, %v; want 5 for %s", r.Failed, r.Failures, r.Err(), label)
		}
	}
}

func TestRefusedPublicationsAreCounted(t *testing.T) {
	t.Parallel()
	l := &liar{answer: func(c *protocol.Command) []byte {
		if c.Method == protocol.MethodPublish {
			return protocol.JSON.AppendError(nil, c.ID, protocol.ErrPermissionDenied)
		}
		return nil
	}}
	r, err := Run(t.Context(), Options{
		Scenario: Idle, Targets: []string{startLiar(t, l)}, Connections: 4, Rooms: 2, PublishOnce: true, Drain: time.Second,
	})
	if err != nil {
		t.Fatal(err)
	}
	const label = "publish: error 103 \"permission denied\""
	if want := (Ledger{Expected: 4, Missing: 4}); r.Delivery != want || r.Errors[label] != 2 {
		t.Errorf("delivery %+v, errors %v; want %+v and two for %s", r.Delivery, r.Errors, want, label)
	}
}

// Of a run that is interrupted while it connects nothing is due to those who come to stand afterwards.
func TestInterruptedWhileConnecting(t *testing.T) {
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	joined := 0
	l := &liar{spoil: faithful}
	l.answer = func(c *protocol.Command) []byte {
		if c.Method == protocol.MethodSubscribe {
			if joined++; joined == 3 {
				interrupt()
			}
		}
		return nil
	}
	r, err := Run(ctx, Options{Scenario: Idle, Targets: []string{startLiar(t, l)}, Connections: 200, PublishOnce: true, Drain: patience})
	if err != nil {
		t.Fatal(err)
	}
	if !r.Interrupted || r.Err() != nil || r.Delivery != (Ledger{}) {
		t.Errorf("interrupted %v, %v, delivery %+v", r.Interrupted, r.Err(), r.Delivery)
	}
}

// A server that hangs has not served those whom it keeps waiting at the end.
func TestChurnOfServerThatHangs(t *testing.T) {
	t.Parallel()
	l := &liar{answer: func(*protocol.Command) []byte { return []byte{} }}
	r, err := Run(t.Context(), Options{Scenario: Churn, Targets: []string{startLiar(t, l)}, Connections: 3, Duration: time.Second, Drain: loses})
	if err != nil {
		t.Fatal(err)
	}
	if r.Failures["not ready at the end: joining"] == 0 || r.Ready != 0 || !errors.Is(r.Err(), ErrLoss) {
		t.Errorf("%d ready, %d failed, %v, %v; want all who joined to have failed", r.Ready, r.Failed, r.Failures, r.Err())
	}
}

// A message of a member that is not answered is a loss.
func TestMessageWithoutAnAnswer(t *testing.T) {
	t.Parallel()
	swallowed := false
	l := &liar{spoil: faithful}
	l.answer = func(c *protocol.Command) []byte {
		if c.Method != protocol.MethodPublish || swallowed || !bytes.HasSuffix(c.Publish.Channel, []byte("nobody")) {
			return nil
		}
		swallowed = true
		return []byte{}
	}
	r, err := Run(t.Context(), Options{
		Scenario: Idle, Targets: []string{startLiar(t, l)}, Connections: 4, PublishOnce: true, Message: 64, Drain: time.Second,
	})
	if err != nil {
		t.Fatal(err)
	}
	if r.Errors["message without an answer"] == 0 || !errors.Is(r.Err(), ErrLoss) {
		t.Errorf("errors %v, %v; want a message without an answer", r.Errors, r.Err())
	}
}

func TestNobodyListens(t *testing.T) {
	for _, s := range []Scenario{Idle, Churn} {
		r, err := Run(t.Context(), Options{
			Scenario: s, Targets: []string{testutil.Nobody}, Connections: 3,
			Duration: 30 * time.Millisecond, Probe: 5 * time.Millisecond,
		})
		if err != nil {
			t.Fatal(err)
		}
		if r.Ready != 0 || r.Failed < 3 || r.Failures["dialling: dial"] != r.Failed || !errors.Is(r.Err(), ErrLoss) {
			t.Errorf("%s: %d ready, %d failed, %v, %v", s, r.Ready, r.Failed, r.Failures, r.Err())
		}
		var table bytes.Buffer
		if err := r.WriteTable(&table); err != nil || !strings.Contains(table.String(), "dialling: dial") {
			t.Errorf("%s: table, %v:\n%s", s, err, table.String())
		}
	}
}
