package netpoll

import (
	"bytes"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/seed4ac54ce5/edge/internal/testutil"
	"golang.org/x/sys/unix"
)

// detached opens a conn without a socket on a loop.
func (st *stage) detached(loop int) (id ConnID) {
	st.t.Helper()
	st.do(loop, func(l *Loop) { id = st.actors[loop].detached() })
	return id
}

// detached is Loop.OpenDetached of a conn that the actor knows.
func (a *actor) detached() ConnID {
	c, err := a.l.OpenDetached()
	if err != nil {
		a.stage.t.Fatal(err)
	}
	id := a.must(c, unborn, "OpenDetached")
	a.state[id] = alive
	return id
}

// take returns what waits for a conn without a socket.
func (st *stage) take(id ConnID) (text string) {
	st.t.Helper()
	st.on(id, func(l *Loop, c *Conn) { text = string(l.TakeQueue(c, nil)) })
	return text
}

// What is written to a conn without a socket waits, in its order, until it is taken.
func TestDetachedQueue(t *testing.T) {
	st := open(t, Config{}, script{})
	id := st.detached(0)
	if got := st.take(id); got != "" {
		t.Errorf("of a new conn %q was taken", got)
	}
	for range 2 {
		st.on(id, func(l *Loop, c *Conn) {
			corkAll(l, c, "one ", "two ")
			l.Write(c, []byte("three "))
			l.Cork(c, []byte("four "))
			if !l.WriteRef(c, []byte("five")) {
				t.Error("WriteRef has not kept what must wait")
			}
			if got, want := l.Backlog(c), len("one two three four five"); got != want || l.Queued() != want || l.Corked() != 0 {
				t.Errorf("%d bytes wait, %d in all, %d corked; want %d", got, l.Queued(), l.Corked(), want)
			}
		})
		if got, want := st.take(id), "one two three four five"; got != want {
			t.Errorf("taken: %q; want %q", got, want)
		}
		st.on(id, func(l *Loop, c *Conn) {
			if l.Backlog(c) != 0 || l.Queued() != 0 {
				t.Errorf("%d bytes wait behind what was taken, %d in all", l.Backlog(c), l.Queued())
			}
			if got := string(l.TakeQueue(c, []byte("as before"))); got != "as before" {
				t.Errorf("an empty queue was appended as %q", got)
			}
		})
	}
}

// The limit, and a third of it, holds for a conn without a socket; what came before the loss can be taken in the turn, and the loss is told.
func TestDetachedIsSlow(t *testing.T) {
	slow := make(chan string, 10)
	st := open(t, Config{QueueLimit: 10}, script{slow: func(l *Loop, c *Conn) { slow <- string(l.TakeQueue(c, nil)) }})
	id := st.detached(0)
	st.on(id, func(l *Loop, c *Conn) {
		l.Write(c, []byte("12345678"))
		l.Write(c, []byte("90123"))
		l.Write(c, []byte("4"))
		l.Write(c, []byte("lost too"))
		if got := string(l.TakeQueue(c, nil)); got != "1234567890123" {
			t.Errorf("taken in the turn of the loss: %q", got)
		}
		l.Write(c, []byte("and this"))
	})
	if got := await(t, slow, "Slow"); got != "" {
		t.Errorf("in Slow there is %q; want nothing", got)
	}
	st.on(id, func(l *Loop, c *Conn) { l.Write(c, []byte("more")) })
	if got := st.take(id); got != "more" {
		t.Errorf("taken after Slow: %q", got)
	}
}

// The budget of all holds as well, and what a conn without a socket leaves behind goes back to it.
func TestDetachedBudget(t *testing.T) {
	slow := make(chan bool, 10)
	st := open(t, Config{Budget: NewBudget(10)}, script{slow: func(*Loop, *Conn) { slow <- true }})
	a, b := st.detached(0), st.detached(0)
	write := func(l *Loop, c *Conn) { l.Write(c, []byte("12345678")) }
	st.on(a, write)
	st.on(b, write)
	await(t, slow, "Slow")
	st.on(a, func(l *Loop, c *Conn) { l.Close(c, ClosedLocally) })
	st.wantClosed(a, ClosedLocally)
	st.on(b, write)
	if got := st.take(b); got != "12345678" {
		t.Errorf("taken: %q", got)
	}
}

// Nothing that is done to a conn without a socket enters the kernel, and a Shutdown closes it.
func TestDetachedHasNoSocket(t *testing.T) {
	closed := make(chan string, 10)
	st := open(t, Config{}, script{closed: func(l *Loop, c *Conn) {
		l.ReadRest(c, func(*Conn, []byte) (int, int) { t.Error("bytes without a socket"); return 0, 0 })
		closed <- string(l.TakeQueue(c, nil))
	}})
	id := st.detached(0)
	st.on(id, func(l *Loop, c *Conn) {
		l.Write(c, []byte("last words"))
		l.Pause(c)
		l.ReadPaused(c, 100)
		l.Resume(c)
		l.Again(c)
		l.Alert(c, 0)
		if l.StartTLS(c, keysOut, keysIn) || l.HungUp(c) || l.Peer(c) != (netip.AddrPort{}) || !c.Detached() || c.Closing() {
			t.Errorf("TLS below: %d, hung up: %v, peer %v, detached: %v, closing: %v", l.KernelTLS(), l.HungUp(c), l.Peer(c), c.Detached(), c.Closing())
		}
		each := 0
		l.Each(func(c *Conn) { each++ })
		if each != 1 || l.Open() != 1 || l.Stats().Detached != 1 {
			t.Errorf("%d conns, %d open, %d detached; want 1", each, l.Open(), l.Stats().Detached)
		}
		l.Shutdown(c, []byte("; not this"), time.Hour)
		if !c.Closing() {
			t.Error("a Shutdown has not closed it")
		}
	})
	st.wantClosed(id, ClosedLocally)
	if got := await(t, closed, "Closed"); got != "last words" {
		t.Errorf("in Closed there is %q", got)
	}
	other := st.detached(0)
	st.on(other, func(l *Loop, c *Conn) { l.Reset(c) })
	st.wantClosed(other, ClosedLocally)
	if other.Slot() != id.Slot() {
		t.Errorf("the slots are %d and %d; want the same", id.Slot(), other.Slot())
	}
	for fd := range 3 {
		if _, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err != nil {
			t.Errorf("descriptor %d: %v", fd, err)
		}
	}
}

// A conn without a socket has its timer, is closed with its loop, and never stalls.
func TestDetachedLife(t *testing.T) {
	expired := make(chan ConnID, 10)
	st := open(t, Config{StallLimit: 1}, script{expired: func(l *Loop, c *Conn) { expired <- l.ID(c) }})
	id := st.detached(0)
	st.do(0, func(l *Loop) { l.config.StallLimit = 8 * tick })
	st.on(id, func(l *Loop, c *Conn) {
		l.Write(c, []byte("waiting"))
		l.SetTimer(c, 32*tick)
	})
	if got := await(t, expired, "Expired"); got != id {
		t.Errorf("expired: %v; want %v", got, id)
	}
	st.on(id, func(l *Loop, _ *Conn) {
		l.Backlogs(func(_ ConnID, bytes int, stalled time.Duration) {
			if bytes != len("waiting") || stalled < 8*tick {
				t.Errorf("%d bytes wait for %v", bytes, stalled)
			}
		})
	})
	select {
	case e := <-st.closed:
		t.Errorf("closed %v (%v)", e.id, e.why)
	default:
	}
	st.Close()
	st.wantClosed(id, ClosedLoop)
}

// Who has a conn without a socket has the socket of another: its peer talks to it from then on, and its end is that conn's.
func TestAttach(t *testing.T) {
	forTables(t, func(t *testing.T, tables Tables) {
		got := make(chan string, 100)
		st := open(t, Config{Tables: tables}, script{received: func(l *Loop, c *Conn, b []byte) (int, int) {
			got <- l.ID(c).String() + " " + string(b)
			return len(b), 0
		}})
		id := st.detached(0)
		client, from := st.connect()
		st.on(id, func(l *Loop, c *Conn) {
			l.Write(c, []byte("that waited."))
			f := l.Conn(from)
			peer := l.Peer(f)
			l.SetTimer(f, time.Hour)
			l.Cork(f, []byte("first, then "))
			if !l.Attach(c, f) || c.Detached() || !f.Detached() || !f.Closing() {
				t.Error("Attach has not happened")
			}
			if l.Peer(c) != peer || peer != client.LocalAddr().(*net.TCPAddr).AddrPort() {
				t.Errorf("peer %v; want %v", l.Peer(c), peer)
			}
			l.Write(c, []byte(" And more."))
		})
		st.wantClosed(from, ClosedMoved)
		want := "first, then that waited. And more."
		if text := string(read(t, client, len(want))); text != want {
			t.Errorf("the client got %q; want %q", text, want)
		}
		send(t, client, []byte("hello"))
		if text, want := await(t, got, "Received"), id.String()+" hello"; text != want {
			t.Errorf("received: %s; want %s", text, want)
		}
		st.on(id, func(l *Loop, c *Conn) {
			if l.HungUp(c) {
				t.Error("a peer that is there has hung up")
			}
		})
		_ = client.Close()
		st.wantClosed(id, ClosedByPeer)
	})
}

// What the handler leaves in the call of Received in which it attaches goes to the other conn, from whichever buffer it came.
func TestAttachPassesOnTheRest(t *testing.T) {
	for name, size := range map[string]int{"little": 10, "much": 3 * smallInput} {
		t.Run(name, func(t *testing.T) {
			got := make(chan string, 100)
			var id ConnID
			st := open(t, Config{}, script{received: func(l *Loop, c *Conn, b []byte) (int, int) {
				if l.ID(c) == id {
					got <- string(b)
					return len(b), 0
				}
				if len(b) < size {
					return 0, size
				}
				l.Attach(l.Conn(id), c)
				return 4, 0
			}})
			st.do(0, func(*Loop) { id = st.actors[0].detached() })
			client, from := st.connect()
			text := "used" + strings.Repeat("r", size-4)
			send(t, client, []byte(text[:size/2]))
			for held := 0; held == 0; {
				st.on(from, func(l *Loop, c *Conn) { held = l.Held(c) }) // so that the rest comes alone
			}
			send(t, client, []byte(text[size/2:]))
			st.wantClosed(from, ClosedMoved)
			if rest := await(t, got, "Received"); rest != text[4:] {
				t.Errorf("%d bytes were passed on; want %d", len(rest), size-4)
			}
			wantNothingHeld(t, st)
			send(t, client, []byte("more"))
			if more := await(t, got, "Received"); more != "more" {
				t.Errorf("behind them came %q", more)
			}
		})
	}
}

// wantNothingHeld fails the test if loop 0 holds anything for a handler.
func wantNothingHeld(t *testing.T, st *stage) {
	t.Helper()
	st.do(0, func(l *Loop) {
		if l.Holds() || st.config.InputBudget.Used() != 0 {
			t.Errorf("%d conns' bytes are held, %d in all; want none", l.inputs.count(), st.config.InputBudget.Used())
		}
	})
}

// A socket may go through several conns in a turn, and the rest with it; it is gone if the last of them closes.
func TestAttachTwiceInATurn(t *testing.T) {
	for name, closes := range map[string]bool{"lives": false, "closes": true} {
		t.Run(name, func(t *testing.T) {
			got := make(chan string, 10)
			var first, second ConnID
			st := open(t, Config{}, script{received: func(l *Loop, c *Conn, b []byte) (int, int) {
				if l.ID(c) == second {
					got <- string(b)
					return len(b), 0
				}
				l.Attach(l.Conn(first), c)
				l.Attach(l.Conn(second), l.Conn(first))
				if closes {
					l.Close(l.Conn(second), ClosedLocally)
				}
				return 1, 0
			}})
			st.do(0, func(*Loop) { first, second = st.actors[0].detached(), st.actors[0].detached() })
			client, from := st.connect()
			send(t, client, []byte("abc"))
			st.wantClosed(from, ClosedMoved)
			st.wantClosed(first, ClosedMoved)
			if closes {
				st.wantClosed(second, ClosedLocally)
				wantNothingHeld(t, st)
				return
			}
			if rest := await(t, got, "Received"); rest != "bc" {
				t.Errorf("passed on: %q; want %q", rest, "bc")
			}
		})
	}
}

// A conn that is paused is not read by way of the socket it gets; what was held is delivered when it resumes.
func TestAttachToAPausedConn(t *testing.T) {
	got := make(chan string, 10)
	var id ConnID
	st := open(t, Config{}, script{received: func(l *Loop, c *Conn, b []byte) (int, int) {
		if l.ID(c) != id {
			return 0, 0
		}
		got <- string(b)
		return len(b), 0
	}})
	st.do(0, func(l *Loop) {
		id = st.actors[0].detached()
		l.Pause(l.Conn(id))
	})
	client, from := st.connect()
	send(t, client, []byte("held, "))
	for held := 0; held == 0; {
		st.on(from, func(l *Loop, c *Conn) { held = l.Held(c) })
	}
	st.on(id, func(l *Loop, c *Conn) {
		l.Attach(c, l.Conn(from))
		if l.Held(c) != len("held, ") {
			t.Errorf("%d bytes are held", l.Held(c))
		}
	})
	st.wantClosed(from, ClosedMoved)
	send(t, client, []byte("unread"))
	st.settle()
	st.on(id, func(l *Loop, c *Conn) {
		if len(got) != 0 {
			t.Error("a paused conn was read")
		}
		l.Resume(c)
	})
	for text := ""; text != "held, unread"; {
		if text += await(t, got, "Received"); !strings.HasPrefix("held, unread", text) {
			t.Fatalf("received: %q", text)
		}
	}
}

// What waits for either conn leaves whole and in order: the socket's own first.
func TestAttachWithQueues(t *testing.T) {
	for _, waits := range []int{0, 3, 100} {
		drained := make(chan ConnID, 10)
		f := openFull(t, Config{}, script{drained: func(l *Loop, c *Conn) { drained <- l.ID(c) }})
		id := f.detached(0)
		var want []byte
		f.on(f.id, func(l *Loop, c *Conn) {
			b := bytes.Repeat([]byte("x"), 1<<20)
			l.Write(c, b)
			want = append(want, b...)
			to := l.Conn(id)
			for i := range waits {
				b := bytes.Repeat([]byte{byte(i)}, 100+i)
				l.Write(to, b)
				want = append(want, b...)
			}
			queued := l.Queued()
			if l.Backlog(c) == 0 || !l.Attach(to, c) {
				t.Fatal("the socket is not full, or Attach has failed")
			}
			if l.Backlog(to) != queued || l.Queued() != queued || l.Backlog(c) != 0 {
				t.Errorf("%d bytes wait, %d in all, %d for the old conn; want %d", l.Backlog(to), l.Queued(), l.Backlog(c), queued)
			}
		})
		f.wantClosed(f.id, ClosedMoved)
		if got := read(t, f.client, len(want)); !bytes.Equal(got, want) {
			t.Errorf("%d bytes of %d came otherwise than written", len(got), len(want))
		}
		if got := await(t, drained, "Drained"); got != id {
			t.Errorf("drained: %v; want %v", got, id)
		}
	}
}

// A conn whose socket takes nothing stalls although it had none when that was written.
func TestAttachedStalls(t *testing.T) {
	f := openFull(t, Config{StallLimit: 8 * tick}, script{})
	id := f.detached(0)
	f.on(id, func(l *Loop, c *Conn) {
		l.Write(c, bytes.Repeat([]byte("x"), 8<<20))
		l.Attach(c, l.Conn(f.id))
	})
	f.wantClosed(f.id, ClosedMoved)
	f.wantClosed(id, ClosedStalled)
}

// Attach changes nothing where it cannot be.
func TestAttachRefused(t *testing.T) {
	st := open(t, Config{QueueLimit: 10}, script{slow: func(*Loop, *Conn) {}})
	to, other := st.detached(0), st.detached(0)
	_, from := st.connect()
	_, second := st.connect()
	st.do(0, func(l *Loop) {
		c, d := l.Conn(to), l.Conn(from)
		if l.Attach(d, c) || l.Attach(c, l.Conn(other)) || l.Attach(d, l.Conn(second)) || l.Attach(c, c) {
			t.Error("Attach of conns of which one does not fit")
		}
		d.set(flagSlow)
		if l.Attach(c, d) {
			t.Error("Attach of a conn that has lost something")
		}
		d.clear(flagSlow)
		l.Close(l.Conn(other), ClosedLocally)
		l.Shutdown(l.Conn(second), nil, time.Hour)
		if l.Attach(l.Conn(other), d) || l.Attach(c, l.Conn(second)) {
			t.Error("Attach of conns of which one is closing")
		}
		if !c.Detached() || d.Detached() || d.Closing() {
			t.Error("a refused Attach has changed something")
		}
	})
	st.wantClosed(other, ClosedLocally)
}

// A corked write that shows the socket's end is no hand-over of a dead socket.
func TestAttachOfAConnThatHasFailed(t *testing.T) {
	st := open(t, Config{}, script{})
	to := st.detached(0)
	client, from := st.connect()
	st.freezeThen(from, unix.POLLHUP, func(l *Loop, c *Conn) {
		l.Cork(c, []byte("too late"))
		if !l.HungUp(c) {
			t.Error("a reset is not seen")
		}
		if l.Attach(l.Conn(to), c) || c.Detached() {
			t.Error("Attach of a socket that has failed")
		}
	})
	reset(t, client)
	st.wantClosed(from, ClosedReset)
}

// The end of the stream is seen behind bytes that were not read, of a paused conn too.
func TestHungUp(t *testing.T) {
	for name, end := range map[string]func(testing.TB, net.Conn){"end of the stream": halfClose, "reset": reset} {
		t.Run(name, func(t *testing.T) {
			st := open(t, Config{}, script{})
			client, id := st.connect()
			st.on(id, func(l *Loop, c *Conn) {
				if l.HungUp(c) {
					t.Error("a peer that is there has hung up")
				}
			})
			st.freezeThen(id, unix.POLLRDHUP, func(l *Loop, c *Conn) {
				if !l.HungUp(c) {
					t.Error("the peer's end is not seen")
				}
				l.Close(c, ClosedLocally)
			})
			send(t, client, []byte("unread"))
			end(t, client)
			st.wantClosed(id, ClosedLocally)
		})
	}
}

// TLS below goes with the socket.
func TestAttachWithTLSBelow(t *testing.T) { eachKernel(t, testAttachWithTLSBelow) }

func testAttachWithTLSBelow(t *testing.T, kernel *testutil.Kernel) {
	st, r, from := belowStage(t, kernel, script{})
	id := st.detached(0)
	st.on(id, func(l *Loop, c *Conn) {
		l.Write(c, []byte("sealed"))
		if !l.Attach(c, l.Conn(from)) || l.KernelTLS() != 1 {
			t.Errorf("Attach failed, or %d conns have TLS below; want 1", l.KernelTLS())
		}
	})
	st.wantClosed(from, ClosedMoved)
	r.say(testutil.RecordData, []byte(" echo"))
	if err := r.listen(len("sealed echo")); err != nil || string(r.text) != "sealed echo" {
		t.Fatalf("%q, %v", r.text, err)
	}
	st.on(id, func(l *Loop, c *Conn) {
		if l.KernelTLS() != 1 {
			t.Errorf("%d conns have TLS below; want 1", l.KernelTLS())
		}
		l.Shutdown(c, nil, time.Minute)
	})
	r.wantEnd([]byte("sealed echo"), "\x01\x00")
}
