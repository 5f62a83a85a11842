package netpoll

import (
	"strings"
	"testing"
	"time"

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

// A burst over very many conns leaves no buffers behind.
func TestCorksAreTrimmed(t *testing.T) {
	l := &Loop{corks: make([]cork, fewCorks+1)}
	for i, size := range map[uint32]int{0: smallCork, 1: smallCork + 1, fewCorks: smallCork} {
		l.corks[i].b = make([]byte, 1, size)
		l.takeCork(&Conn{out: corkMark | i})
	}
	l.trimCorks()
	if l.corks = l.corks[:fewCorks+1]; cap(l.corks[0].b) != smallCork || l.corks[1].b != nil || l.corks[fewCorks].b != nil {
		t.Errorf("buffers of %d, %d and, for the last, %d bytes are kept; want the first alone",
			cap(l.corks[0].b), cap(l.corks[1].b), cap(l.corks[fewCorks].b))
	}
	l.corks = make([]cork, 0, manyCorks+1)
	if l.trimCorks(); l.corks != nil {
		t.Errorf("room for %d is kept", cap(l.corks))
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
