package netpoll

import (
	"bytes"
	"encoding/binary"
	"math"
	"testing"
	"time"

	"github.com/seed4ac54ce5/edge/internal/testutil"
)

func TestBudget(t *testing.T) {
	b := NewBudget(100)
	b.Add(60)
	for n, want := range map[int]bool{0: true, 40: true, 41: false, math.MaxInt: false} {
		if got := b.Fits(n); got != want {
			t.Errorf("Fits(%d) with 60 of 100 in use = %v", n, got)
		}
	}
	b.Add(50) // who must, may
	if b.Fits(0) || b.Used() != 110 {
		t.Errorf("with 110 of 100 in use, Fits(0) = %v and Used() = %d", b.Fits(0), b.Used())
	}
	b.Add(-110)
	if !b.Fits(100) {
		t.Error("what was given back does not fit again")
	}
	if b = NewBudget(0); !b.Fits(math.MaxInt) {
		t.Error("a budget without a limit has one")
	}
}

// What waits for one conn leaves less for another, on whatever loop: that one is slow although its own queue has
// room, and its peer still gets whole messages and a last word. When the first has drained there is room again.
func TestBudgetIsShared(t *testing.T) {
	const limit, size = 1 << 20, 10_000
	budget := NewBudget(limit)
	drained := make(chan bool, 1)
	first := openFull(t, Config{Loops: 2, QueueLimit: 64 << 20, Budget: budget}, script{
		drained: func(*Loop, *Conn) { drained <- true },
		slow:    func(l *Loop, c *Conn) { l.Shutdown(c, []byte("goodbye"), patience) },
	})
	first.on(first.id, func(l *Loop, c *Conn) { l.Write(c, make([]byte, limit)) })
	waiting := int(budget.Used())
	if waiting < limit/2 {
		t.Fatalf("%d bytes of the budget are in use by one queue of some %d", waiting, limit)
	}
	client := dialWith(t, narrow(), first.Addresses()[0])
	second := await(t, first.opened, "Opened")
	first.on(second, func(l *Loop, c *Conn) {
		for i := uint32(0); !c.Closing(); i++ {
			b := make([]byte, size)
			binary.BigEndian.PutUint32(b, i)
			l.WriteRef(c, b)
		}
		if used := budget.Used(); used > limit+size {
			t.Errorf("%d bytes wait in all; the budget is %d", used, limit)
		}
	})
	wantMessages(t, client, size, "goodbye")
	_ = client.Close()
	first.wantClosed(second, ClosedLocally)
	read(t, first.client, limit)
	await(t, drained, "Drained")
	if used := budget.Used(); used != 0 {
		t.Errorf("%d bytes of the budget are in use by empty queues", used)
	}
	wantEcho(t, first.client, "room again")
	var slow, over uint64
	for i := range first.Loops() {
		first.do(i, func(l *Loop) { slow, over = slow+l.stats.Slow, over+l.stats.OverBudget })
	}
	if slow != 0 || over != 1 {
		t.Errorf("%d conns over their limit and %d over the budget were counted; want 0 and 1", slow, over)
	}
}

// wantMessages reads to the end of the stream: messages of size bytes that begin with their number, and last.
func wantMessages(t *testing.T, client interface{ Read([]byte) (int, error) }, size int, last string) {
	t.Helper()
	var all bytes.Buffer
	if _, err := all.ReadFrom(client); err != nil {
		t.Fatal(err)
	}
	rest, said := bytes.CutSuffix(all.Bytes(), []byte(last))
	if !said || len(rest)%size != 0 || len(rest) == 0 {
		t.Fatalf("%d bytes of messages of %d, %q behind them: %v", len(rest), size, last, said)
	}
	for i := 0; i < len(rest); i += size {
		if got := binary.BigEndian.Uint32(rest[i:]); int(got) != i/size {
			t.Fatalf("message %d has number %d", i/size, got)
		}
	}
}

// With nothing left in the budget a write that the socket takes in part is still finished, or the last word would
// stand in the middle of it.
func TestWriteIsFinishedBeyondTheBudget(t *testing.T) {
	const size = 1 << 20
	budget := NewBudget(1)
	f := openFull(t, Config{Budget: budget}, script{slow: func(l *Loop, c *Conn) {
		l.Shutdown(c, []byte("goodbye"), patience)
	}})
	f.on(f.id, func(l *Loop, c *Conn) {
		l.Write(c, make([]byte, size))
		if !c.Closing() {
			t.Error("a conn beyond the budget is not slow")
		}
	})
	if got := readAll(t, f.client); len(got) != size+len("goodbye") || !bytes.HasSuffix(got, []byte("goodbye")) {
		t.Errorf("got %d bytes, the last of them %q; want %d and goodbye", len(got), got[max(0, len(got)-10):], size)
	}
}

// Backlogs tells of the conns that something waits for, and of no other.
func TestBacklogs(t *testing.T) {
	type backlog struct {
		id    ConnID
		bytes int
	}
	f := openFull(t, Config{StallLimit: time.Hour}, script{})
	f.connect()
	var got, want []backlog
	f.on(f.id, func(l *Loop, c *Conn) {
		l.Write(c, make([]byte, 1<<20))
		want = []backlog{{f.id, l.Backlog(c)}}
		l.Backlogs(func(id ConnID, bytes int, stalled time.Duration) {
			got = append(got, backlog{id, bytes})
			if stalled > tick {
				t.Errorf("a socket that has just taken something counts as stalled for %v", stalled)
			}
		})
	})
	if len(got) != 1 || got[0] != want[0] || want[0].bytes == 0 {
		t.Errorf("Backlogs told of %v; want %v", got, want)
	}
	testutil.Eventually(t, patience, func() (late bool) {
		f.on(f.id, func(l *Loop, _ *Conn) {
			l.Backlogs(func(_ ConnID, _ int, stalled time.Duration) { late = stalled >= 3*tick })
		})
		return late
	}, "the socket counts as stalled for three ticks")
	read(t, f.client, 1<<20)
	f.on(f.id, func(l *Loop, c *Conn) {
		l.Backlogs(func(id ConnID, bytes int, _ time.Duration) { t.Errorf("%v has a backlog of %d; want none", id, bytes) })
	})
}
