package netpoll

import (
	"testing"
	"time"

	"github.com/seed4ac54ce5/edge/internal/testutil"
)

// The age of what a handler has left of a conn's bytes counts from when it last used some, whatever comes meanwhile; the
// budget counts it while it is held.
func TestUnfinished(t *testing.T) {
	f := newFramer()
	st := open(t, Config{}, script{received: f.received})
	client, id := st.connect()
	age := func() (since time.Duration) {
		st.do(0, func(l *Loop) {
			if n := l.Unfinished(func(_ *Conn, d time.Duration) { since = d }); n != 1 || !l.Holds() {
				since = -1
			}
		})
		return since
	}
	awaitAge := func(least time.Duration) {
		t.Helper()
		testutil.Eventually(t, patience, func() bool { return age() >= least }, "part of a message has been held for a while")
	}
	send := func(b []byte) {
		t.Helper()
		if _, err := client.Write(b); err != nil {
			t.Fatal(err)
		}
	}
	stream := frames("first", "second")
	whole := len(frames("first"))

	send(stream[:2])
	awaitAge(tick)
	if used := st.config.InputBudget.Used(); used != minInput {
		t.Errorf("the budget counts %d bytes; want %d", used, minInput)
	}
	var before, after uint32
	st.on(id, func(l *Loop, c *Conn) { before = l.inputs.table[c.in].since })
	send(stream[2:3])
	testutil.Eventually(t, patience, func() (read bool) {
		st.do(0, func(l *Loop) { read = l.Stats().BytesIn == 3 })
		return read
	}, "the byte has been read")
	st.on(id, func(l *Loop, c *Conn) { after = l.inputs.table[c.in].since })
	if after != before {
		t.Errorf("a byte more of the same message has moved its beginning from tick %d to %d", before, after)
	}
	send(stream[3 : whole+1])
	if got := f.next(t); got != "first" {
		t.Fatalf("got %q", got)
	}
	awaitAge(0)
	st.on(id, func(l *Loop, c *Conn) { after = l.inputs.table[c.in].since })
	if after == before {
		t.Error("a message that begins behind a whole one is as old as that")
	}

	st.on(id, func(l *Loop, c *Conn) { l.Pause(c) })
	if got := age(); got != 0 {
		t.Errorf("of a conn that is not read something has been unfinished for %v", got)
	}
	st.on(id, func(l *Loop, c *Conn) { before = l.wheel.now; l.Resume(c) })
	st.on(id, func(l *Loop, c *Conn) { after = l.inputs.table[c.in].since })
	if after < before {
		t.Error("the time in which a conn was not read counts against it")
	}
	send(stream[whole+1:])
	if got := f.next(t); got != "second" {
		t.Fatalf("got %q", got)
	}
	st.settle()
	if got, used := age(), st.config.InputBudget.Used(); got != -1 || used != 0 {
		t.Errorf("with nothing unfinished: age %v, %d bytes", got, used)
	}
}
