package netpoll

import (
	"bytes"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/seed4ac54ce5/edge/internal/testutil"
	"golang.org/x/sys/unix"
)

// corkAll corks each of texts for c, from a buffer that changes afterwards.
func corkAll(l *Loop, c *Conn, texts ...string) {
	var scratch []byte
	for _, s := range texts {
		scratch = append(scratch[:0], s...)
		l.Cork(c, scratch)
		clear(scratch)
	}
}

// What is corked leaves as one write, in order, and only when it is let go.
func TestCorkedLeavesAsOneWrite(t *testing.T) {
	st := open(t, Config{}, script{})
	client, id := st.connect()
	for range 3 { // with new buffers, and with used ones
		st.on(id, func(l *Loop, c *Conn) {
			before := l.Stats().Writes
			corkAll(l, c, "one ", "two ", "three")
			if l.Corked() != 13 || l.Backlog(c) != 0 || l.Queued() != 0 || l.Stats().Writes != before {
				t.Errorf("%d bytes corked, backlog %d, queued %d, %d writes; want 13, 0, 0, none",
					l.Corked(), l.Backlog(c), l.Queued(), l.Stats().Writes-before)
			}
			if more := l.Uncork(time.Hour); more || l.Corked() != 0 || l.Stats().Writes != before+1 || c.out != 0 {
				t.Errorf("Uncork = %v, %d bytes corked, %d writes; want false, 0, 1", more, l.Corked(), l.Stats().Writes-before)
			}
		})
		if got := string(read(t, client, 13)); got != "one two three" {
			t.Errorf("the peer got %q", got)
		}
	}
	wantEcho(t, client, "straight again")
}

// Whatever else is written to a conn comes after what is corked for it, its last words too.
func TestCorkedKeepsItsPlace(t *testing.T) {
	st := open(t, Config{}, script{})
	client, id := st.connect()
	st.on(id, func(l *Loop, c *Conn) {
		corkAll(l, c, "a", "b")
		l.Write(c, []byte("c"))
		corkAll(l, c, "d")
		l.WriteRef(c, []byte("e"))
		corkAll(l, c, strings.Repeat("f", maxCorked))
		corkAll(l, c, "g") // for which there is no more room
		if l.Corked() != 1 {
			t.Errorf("%d bytes corked; want 1", l.Corked())
		}
		l.Shutdown(c, []byte("h"), time.Hour)
		corkAll(l, c, "nobody gets this")
		if more := l.Uncork(time.Hour); more || l.Corked() != 0 {
			t.Errorf("Uncork = %v, %d bytes corked; want false, none", more, l.Corked())
		}
	})
	if got, want := string(read(t, client, maxCorked+7)), "abcde"+strings.Repeat("f", maxCorked)+"gh"; got != want {
		t.Errorf("the peer got %d bytes, %.20q; want %.20q", len(got), got, want)
	}
	client.Close()
	st.wantClosed(id, ClosedLocally)
}

// Where the socket is full, what is corked goes behind what waits, and what did not fit waits too.
func TestCorkedForAFullSocket(t *testing.T) {
	f := openFull(t, Config{QueueLimit: 64 << 20}, script{})
	big := strings.Repeat("x", 4<<20)
	f.on(f.id, func(l *Loop, c *Conn) {
		for range 64 {
			corkAll(l, c, big[:maxCorked])
		}
		l.Uncork(time.Hour)
		waits := l.Backlog(c)
		if waits == 0 {
			t.Error("the socket took all")
			return
		}
		corkAll(l, c, "the end")
		if l.Corked() != 0 || l.Backlog(c) != waits+7 {
			t.Errorf("%d corked, backlog grown by %d; want 0 and 7", l.Corked(), l.Backlog(c)-waits)
		}
	})
	if got := string(read(t, f.client, len(big)+7)); got != big+"the end" {
		t.Errorf("the peer got %d bytes that end in %q", len(got), got[len(got)-7:])
	}
}

// A conn that is found slow by what leaves because there is no more room is told so, and nothing is corked for it.
func TestCorkedForASlowConn(t *testing.T) {
	slow := make(chan ConnID, 1)
	f := openFull(t, Config{QueueLimit: 1, Budget: NewBudget(1)}, script{slow: func(l *Loop, c *Conn) {
		slow <- l.ID(c)
		l.Close(c, ClosedSlow)
	}})
	f.on(f.id, func(l *Loop, c *Conn) {
		big := make([]byte, maxCorked)
		for !c.has(flagSlow) {
			if c.out != 0 && c.out&corkMark == 0 {
				t.Error("something waits: the socket has taken a part")
				return
			}
			l.Cork(c, big[:maxCorked-l.Corked()])
			l.Cork(c, big[:1])
		}
		if l.Corked() != 0 {
			t.Errorf("%d bytes are corked for a slow conn", l.Corked())
		}
	})
	if got := await(t, slow, "Slow"); got != f.id {
		t.Errorf("Slow(%v); want %v", got, f.id)
	}
	f.wantClosed(f.id, ClosedSlow)
}

// What is corked for a conn that goes is nobody's, not the next one's in its slot either.
func TestCorkedForAConnThatCloses(t *testing.T) {
	st := open(t, Config{}, script{})
	_, first := st.connect()
	st.on(first, func(l *Loop, c *Conn) {
		corkAll(l, c, "gone")
		l.Close(c, ClosedLocally)
		corkAll(l, c, "gone too")
	})
	st.wantClosed(first, ClosedLocally)
	client, second := st.connect()
	if second.Slot() != first.Slot() {
		t.Fatalf("conn %v is not in the slot of %v", second, first)
	}
	st.on(second, func(l *Loop, c *Conn) {
		if l.Corked() != 0 {
			t.Errorf("%d bytes are corked", l.Corked())
		}
		l.Uncork(time.Hour)
	})
	wantEcho(t, client, "mine")
}

// A budget that is spent leaves the rest for later; nobody waits for ever.
func TestUncorkBySlices(t *testing.T) {
	st := open(t, Config{}, script{})
	const conns = 3 * corkStride
	ids := make([]ConnID, conns)
	clients := make(map[ConnID]func() string, conns)
	for i := range ids {
		client, id := st.connect()
		ids[i], clients[id] = id, func() string { return string(read(t, client, 5)) }
	}
	st.do(0, func(l *Loop) {
		for _, id := range ids {
			corkAll(l, l.Conn(id), "hello")
		}
		slices := 1
		for l.Uncork(0) {
			slices++
		}
		if slices != 3 || l.Corked() != 0 {
			t.Errorf("%d slices, %d bytes left; want 3 and none", slices, l.Corked())
		}
	})
	for id, got := range clients {
		if text := got(); text != "hello" {
			t.Errorf("conn %v got %q", id, text)
		}
	}
}

func TestCorkAllocatesNothing(t *testing.T) {
	st := open(t, Config{}, script{received: func(l *Loop, c *Conn, b []byte) (used, need int) {
		l.Cork(c, b[:len(b)/2])
		l.Cork(c, b[len(b)/2:])
		l.Uncork(time.Hour)
		return len(b), 0
	}})
	c := openBare(t, st)
	wantNoAllocs(t, func() { c.exchange(64) })
}

// However many conns it is for, and whatever else has been held before, what is held takes no new memory: neither the log nor the
// list of corks is made anew.
func TestCorkForManyAllocatesNothing(t *testing.T) {
	if testutil.Race {
		t.Skip("the race detector allocates")
	}
	l, conns, piece := new(Loop), make([]Conn, 5000), make([]byte, 100)
	for i := range conns {
		conns[i].slot = uint32(i)
	}
	round := func() {
		for range 3 {
			for i := range conns {
				l.Cork(&conns[i], piece[:50+i%50])
			}
		}
		for i := range conns {
			l.takeCork(&conns[i])
		}
	}
	if n := testing.AllocsPerRun(3, round); n != 0 || l.Corked() != 0 {
		t.Errorf("%g allocations, %d bytes held; want none", n, l.Corked())
	}
}

// What is taken is what was held, in its order, whoever else had something held in between.
func TestCorkedIsWhatWasGiven(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	var l Loop
	conns, want := make([]Conn, 100), make([][]byte, 100)
	for i := range conns {
		conns[i].slot = uint32(i)
	}
	for range 20 {
		for range 1000 {
			i, piece := rng.IntN(len(conns)), make([]byte, rng.IntN(2000)*rng.IntN(2))
			if len(want[i])+len(piece) > maxCorked {
				continue
			}
			for k := range piece {
				piece[k] = byte(rng.Uint32())
			}
			l.Cork(&conns[i], piece)
			want[i] = append(want[i], piece...)
		}
		held := 0
		for i := range conns {
			held += len(want[i])
		}
		if l.Corked() != held {
			t.Fatalf("%d bytes are held; want %d", l.Corked(), held)
		}
		for i := range conns {
			if conns[i].out == 0 {
				continue
			}
			if got := l.takeCork(&conns[i]); !bytes.Equal(got, want[i]) {
				t.Fatalf("conn %d: %d bytes were held, or others; want %d", i, len(got), len(want[i]))
			}
			want[i] = want[i][:0]
		}
		if l.Corked() != 0 || len(l.corks) != 0 || l.corkLog.used != 0 {
			t.Fatalf("%d bytes, %d corks are held of nobody", l.Corked(), len(l.corks))
		}
	}
}

// A burst leaves no more behind than the next one will need, and after a while nothing.
func TestCorksAreTrimmed(t *testing.T) {
	var l Loop
	conns := make([]Conn, manyCorks+1)
	for i := range conns {
		conns[i].slot = uint32(i)
		l.Cork(&conns[i], make([]byte, 128))
	}
	for i := range conns {
		l.takeCork(&conns[i])
	}
	if l.corks != nil || len(l.corkLog.chunks) != keptChunks {
		t.Errorf("room for %d corks and %d chunks are kept; want none and %d", cap(l.corks), len(l.corkLog.chunks), keptChunks)
	}
	for _, row := range []struct {
		now  time.Duration
		used bool // in between
		want int
	}{{corkRest - 1, false, keptChunks}, {corkRest, false, keptChunks}, {2*corkRest - 1, true, keptChunks}, {2 * corkRest, false, 1}, {3 * corkRest, false, 0}} {
		if row.used {
			l.Cork(&conns[0], make([]byte, 100))
			l.takeCork(&conns[0])
		}
		l.now = row.now
		if l.restCorks(); len(l.corkLog.chunks) != row.want {
			t.Errorf("after %v %d chunks are kept; want %d", row.now, len(l.corkLog.chunks), row.want)
		}
	}
	if l.corks != nil || l.joined != nil {
		t.Error("room is kept for what does not come")
	}
}

// A loop that holds very much holds no more: it writes, and what was held before leaves first.
func TestCorkedIsBounded(t *testing.T) {
	st := open(t, Config{}, script{})
	client, id := st.connect()
	st.on(id, func(l *Loop, c *Conn) {
		corkAll(l, c, "first ")
		l.corkLog.chunk = maxChunks - 1 // by what others have
		corkAll(l, c, "second")
		if l.Corked() != 0 || c.out != 0 {
			t.Errorf("%d bytes are held", l.Corked())
		}
		corkAll(l, c, strings.Repeat("x", maxCorked+1))
		if l.Corked() != 0 {
			t.Errorf("%d bytes of a large one are held", l.Corked())
		}
	})
	if got, want := string(read(t, client, 12+maxCorked+1)), "first second"+strings.Repeat("x", maxCorked+1); got != want {
		t.Errorf("the peer got %d bytes, %.20q; want %.20q", len(got), got, want)
	}
}

// A cork's socket that is gone closes its conn, as any write does.
func TestUncorkToAResetSocket(t *testing.T) {
	st := open(t, Config{}, script{})
	client, id := st.connect()
	st.freezeThen(id, unix.POLLHUP|unix.POLLERR, func(l *Loop, c *Conn) {
		corkAll(l, c, "to nobody")
		l.Uncork(time.Hour)
	})
	reset(t, client)
	st.wantClosed(id, ClosedReset)
}
