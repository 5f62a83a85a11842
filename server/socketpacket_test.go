package server

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed4ac54ce5/edge/internal/testutil"
	"github.com/seed4ac54ce5/edge/metrics"
)

// TestSocketRows has the rules for packets: section 2 of the protocol, and what the reference does about misuse.
func TestSocketRows(t *testing.T) {
	const hello = `["hello",1]`
	ends := []string{"close 1005"}
	all := []struct {
		rule string
		sent []string // text, or with b: before it binary
		got  []string // by the client
		app  []string // calls
	}{
		{"an event", []string{`42` + hello}, nil, []string{`event / ["hello",1] []`}},
		{"with an acknowledgement", []string{`4212` + hello}, nil, []string{`event / ["hello",1] [] ack 12`}},
		{"a numeric name", []string{`42[5]`}, nil, []string{`event / [5] []`}},
		{"E09 error is a name", []string{`42["error"]`}, nil, []string{`event / ["error"] []`}},
		{"no payload is no event", []string{`42`, `42["x"]`}, nil, []string{`event / ["x"] []`}},
		{"a placeholder without attachments is an object", []string{`42["a",{"_placeholder":true,"num":0}]`}, nil, []string{`event / ["a",{"_placeholder":true,"num":0}] []`}},
		{"binary", []string{`452-["a",{"_placeholder":true,"num":1},{"_placeholder":true,"num":0}]`, "b:one", "b:"}, nil,
			[]string{`event / ["a",{"_placeholder":true,"num":1},{"_placeholder":true,"num":0}] ["one" ""]`}},
		{"as many as may be", append([]string{`4510-["a"]`}, slices.Repeat([]string{"b:x"}, 10)...), nil,
			[]string{`event / ["a"] ["x" "x" "x" "x" "x" "x" "x" "x" "x" "x"]`}},
		{"an acknowledgement", []string{`437["ok"]`}, nil, []string{`ack 7 ["ok"] []`}},
		{"a binary one", []string{`461-8[{"_placeholder":true,"num":0}]`, "b:x"}, nil, []string{`ack 8 [{"_placeholder":true,"num":0}] ["x"]`}},
		{"one without payload", []string{`439`}, nil, []string{`ack 9 [] []`}},
		{"one without an id is ignored", []string{`43[]`, `42["x"]`}, nil, []string{`event / ["x"] []`}},
		{"disconnect", []string{`41`}, nil, []string{`disconnect /: client namespace disconnect []`}},
		{"E06 an unknown type", []string{`47`}, ends, nil},
		{"E06 no type", []string{`4`}, ends, nil},
		{"E06 bad JSON", []string{`42["hello"`}, ends, nil},
		{"E06 an event that is an object", []string{`42{}`}, ends, nil},
		{"E06 an event without a name", []string{`42[]`}, ends, nil},
		{"E06 a name that is neither", []string{`42[null]`}, ends, nil},
		{"E06 an acknowledgement that is no array", []string{`437{}`}, ends, nil},
		{"E06 an id beyond all numbers", []string{`4299999999999999999999["x"]`}, ends, nil},
		{"E06 disconnect with payload", []string{`41{}`}, ends, nil},
		{"E06 connect with an array", []string{`40/a,[]`}, ends, nil},
		{"E06 connect with a string", []string{`40/a,"x"`}, ends, nil},
		{"connect twice", []string{`40`}, ends, nil},
		{"an event for where it is not", []string{`42/a,["x"]`}, ends, nil},
		{"an acknowledgement for where it is not", []string{`43/a,1[]`}, ends, nil},
		{"disconnect from where it is not", []string{`41/a,`}, ends, nil},
		{"a binary event for where it is not", []string{`451-/a,["x"]`}, ends, nil},
		{"an event behind a disconnect", []string{`41`, `42["x"]`}, ends, []string{`disconnect /: client namespace disconnect []`}},
		{"connect error of a client", []string{`44{"message":"x"}`}, ends, nil},
		{"text while attachments are due", []string{`451-["a"]`, `42["x"]`}, ends, nil},
		{"binary without a packet", []string{"b:x"}, ends, nil},
		{"E07 no attachment", []string{`450-["a"]`}, ends, nil},
		{"E07 too many", []string{`4511-["a"]`}, ends, nil},
		{"E07 thousands", []string{`4599999-["a"]`}, ends, nil},
		{"E07 no number", []string{`45-["a"]`}, ends, nil},
		{"E08 index out of range", []string{`451-["a",{"_placeholder":true,"num":1}]`}, ends, nil},
		{"E08 index below it", []string{`451-["a",{"_placeholder":true,"num":-1}]`}, ends, nil},
		{"E08 half an index", []string{`451-["a",{"_placeholder":true,"num":0.5}]`}, ends, nil},
		{"E09 connect", []string{`42["connect"]`}, ends, nil},
		{"E09 connect_error", []string{`42["connect_error"]`}, ends, nil},
		{"E09 disconnect", []string{`42["disconnect"]`}, ends, nil},
		{"E09 disconnecting", []string{`42["disconnecting"]`}, ends, nil},
		{"E09 newListener", []string{`42["newListener"]`}, ends, nil},
		{"E09 removeListener, hidden", []string{`42["\u0072emoveListener"]`}, ends, nil},
		{"E11 deep", []string{`42["a",` + strings.Repeat("[", 10_000) + strings.Repeat("]", 10_000) + `]`}, ends, nil},
		{"E11 digits", []string{`42` + strings.Repeat("1", 100_000) + `["a"]`}, ends, nil},
		{"E11 a giant namespace", []string{`40/` + strings.Repeat("x", 600)}, []string{text(`44/` + strings.Repeat("x", 600) + `,{"message":"Invalid namespace"}`)}, nil},
	}
	a := newSocketApp()
	n := openSocketNode(t, a, nil)
	for _, r := range all {
		n.run(r.rule, func(t *testing.T) {
			before := n.counts().Rejects[metrics.RejectCommand]
			c, _ := a.enter(n, "/")
			defer c.close()
			for _, p := range r.sent {
				if payload, ok := strings.CutPrefix(p, "b:"); ok {
					c.send(bytesOf(payload))
				} else {
					c.send(textOf(p))
				}
			}
			c.receives(t, r.got...)
			want := slices.Clone(r.app)
			if slices.Equal(r.got, ends) {
				if !slices.Contains(want, `disconnect /: client namespace disconnect []`) {
					want = append(want, "disconnect /: forced close []")
				}
				if got := n.counts().Rejects[metrics.RejectCommand]; got != before+1 {
					t.Errorf("%d rejections; want 1", got-before)
				}
			}
			a.expect(t, want...)
			if !slices.Equal(r.got, ends) && !slices.Contains(want, `disconnect /: client namespace disconnect []`) {
				c.close()
				a.expect(t, "disconnect /: transport close []")
			}
		})
	}
}

// E07: attachments have a deadline, and a byte limit all clients share.
func TestSocketAttachmentTimeout(t *testing.T) {
	a := newSocketApp()
	n := openSocketNode(t, a, func(c *Config) { c.SocketIO.Limits.AttachmentTimeout = 100 * time.Millisecond })
	c, _ := a.enter(n, "/")
	defer c.close()
	c.send(textOf(`452-["a"]`))
	c.send(bytesOf("x"))
	c.receives(t, "close 1005")
	a.expect(t, "disconnect /: forced close []")
	if used := n.inputs.Used(); used != 0 {
		t.Errorf("%d bytes left in the budget", used)
	}
}

// A namespace that is entered meanwhile does not lift the deadline of attachments, and they wait within the budget.
func TestSocketHalfPackets(t *testing.T) {
	a := newSocketApp()
	goOn := make(chan struct{})
	a.connect = func(r *SocketConnect) (SocketWelcome, error) {
		if r.Namespace == "/late" {
			<-goOn
		}
		return SocketWelcome{}, nil
	}
	n := openSocketNode(t, a, func(c *Config) {
		c.SocketIO.Limits.AttachmentTimeout = 300 * time.Millisecond
		c.InputBudget = 1 << 20
	})
	c, _ := a.enter(n, "/")
	defer c.close()
	c.send(textOf("40/late,"))
	c.send(textOf(`451-["a"]`))
	testutil.Eventually(t, patience, func() bool { return n.inputs.Used() > 0 }, "a packet waits for its attachment")
	close(goOn)
	if got := c.rest(); len(got) != 2 || got[1] != "close 1005" {
		t.Errorf("received %q", got)
	}
	a.wait(t, 4)

	n.inputs.Add(1 << 20) // others have used it up
	defer n.inputs.Add(-1 << 20)
	c, _ = a.enter(n, "/")
	defer c.close()
	c.send(textOf(`451-["a"]`))
	c.receives(t, "close 1005")
}
