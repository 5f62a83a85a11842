package netpoll

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/seed4ac54ce5/edge/internal/testutil"
	"golang.org/x/sys/unix"
)

// A queue is its segments' bytes in order, whatever is pushed, sent and cut.
func TestOutqAgainstBytes(t *testing.T) {
	rng := seeded(t)
	o := outqs{budget: NewBudget(0)}
	i := o.take(makeID(0, 1, 0), 0)
	var want []byte    // all that waits
	var whole [][]byte // segments, of which the first may be a rest
	for range 20_000 {
		switch rng.IntN(8) {
		case 0, 1, 2:
			b := []byte(text(rng, 1+rng.IntN(20)))
			o.push(i, b)
			whole, want = append(whole, b), append(want, b...)
		case 7:
			o.cut(i)
			keep := 0
			if o.table[i].partial {
				keep = len(whole[0])
				whole = whole[:1]
			} else {
				whole = whole[:0]
			}
			want = want[:keep]
		default:
			n := rng.IntN(min(len(want), 50) + 1)
			o.sent(i, n, 0)
			want = want[n:]
			for whole = slices.Clone(whole); n > 0 && n >= len(whole[0]); whole = whole[1:] {
				n -= len(whole[0])
			}
			if n > 0 {
				whole[0] = whole[0][n:]
			}
		}
		if got := bytes.Join(o.table[i].segments, nil); !bytes.Equal(got, want) || o.bytes != len(want) || o.table[i].bytes != len(want) {
			t.Fatalf("queue holds %d bytes, says %d and %d; want %d", len(got), o.table[i].bytes, o.bytes, len(want))
		}
	}
	o.drop(i)
	if o.bytes != 0 || o.table[i].segments != nil {
		t.Errorf("a dropped queue still counts %d bytes", o.bytes)
	}
}

// full is a conn whose peer does not read, and its peer.
type full struct {
	*stage
	client net.Conn
	id     ConnID
}

// openFull starts a reactor that plays s, with one conn whose peer takes little.
func openFull(t *testing.T, config Config, s script) full {
	t.Helper()
	opened := s.opened
	s.opened = func(l *Loop, c *Conn) {
		narrowSend(t, c)
		if opened != nil {
			opened(l, c)
		}
	}
	st := open(t, config, s)
	client := dialWith(t, narrow(), st.Addresses()[0])
	return full{st, client, await(t, st.opened, "Opened")}
}

// What a peer does not take is queued: copied by Write, by reference by WriteRef, in one order.
func TestX02QueueKeepsOrderAndContent(t *testing.T) {
	forTables(t, func(t *testing.T, tables Tables) {
		rng := seeded(t)
		drained := make(chan bool, 10)
		f := openFull(t, Config{Tables: tables, QueueLimit: 64 << 20}, script{drained: func(*Loop, *Conn) { drained <- true }})
		var want []byte
		var refs [][]byte
		f.on(f.id, func(l *Loop, c *Conn) {
			scratch := make([]byte, 0, 64<<10)
			for i := range 300 {
				b := []byte(text(rng, 1+rng.IntN(20_000)))
				want = append(want, b...)
				if i%2 == 0 {
					refs = append(refs, b)
					if kept := l.WriteRef(c, b); kept != (l.Backlog(c) > 0) {
						t.Errorf("WriteRef = %v with a backlog of %d", kept, l.Backlog(c))
					}
					continue
				}
				scratch = append(scratch[:0], b...)
				l.Write(c, scratch)
				clear(scratch) // it was copied
			}
			if l.Queued() != l.Backlog(c) || l.Queued() < len(want)/2 {
				t.Errorf("Queued() = %d, Backlog() = %d; want most of %d", l.Queued(), l.Backlog(c), len(want))
			}
		})
		if got := read(t, f.client, len(want)); !bytes.Equal(got, want) {
			t.Errorf("the peer got other bytes than were written")
		}
		await(t, drained, "Drained")
		f.on(f.id, func(l *Loop, c *Conn) {
			if l.Queued() != 0 || l.Backlog(c) != 0 || c.out != 0 || len(drained) != 0 {
				t.Errorf("after the drain Queued() = %d, Backlog() = %d, Drained %d times more", l.Queued(), l.Backlog(c), len(drained))
			}
			if joined := bytes.Join(refs, nil); len(joined) == 0 || bytes.Contains(joined, make([]byte, 64)) {
				t.Error("a referenced buffer has changed")
			}
		})
		wantEcho(t, f.client, "straight again")
	})
}

// EPOLLOUT is armed while something waits and not otherwise; the kernel's own list says so.
func TestX05WriteInterestOnlyWhileQueued(t *testing.T) {
	drained := make(chan bool, 1)
	f := openFull(t, Config{Tables: TablesOff, QueueLimit: 64 << 20}, script{drained: func(*Loop, *Conn) { drained <- true }})
	interest := func() (events uint64) {
		f.on(f.id, func(l *Loop, c *Conn) { events = watched(t, l.epoll, int(c.fd)) })
		return events
	}
	const base = unix.EPOLLIN | unix.EPOLLRDHUP | unix.EPOLLERR | unix.EPOLLHUP
	if got := interest(); got != base {
		t.Errorf("idle: events %#x; want %#x", got, base)
	}
	f.on(f.id, func(l *Loop, c *Conn) { l.Write(c, make([]byte, 4<<20)) })
	if got := interest(); got != base|unix.EPOLLOUT {
		t.Errorf("with a backlog: events %#x; want %#x", got, base|unix.EPOLLOUT)
	}
	f.on(f.id, (*Loop).Pause)
	if got := interest(); got != base&^unix.EPOLLIN|unix.EPOLLOUT {
		t.Errorf("paused: events %#x; want %#x", got, base&^unix.EPOLLIN|unix.EPOLLOUT)
	}
	f.on(f.id, (*Loop).Resume)
	read(t, f.client, 4<<20)
	await(t, drained, "Drained")
	if got := interest(); got != base {
		t.Errorf("drained: events %#x; want %#x", got, base)
	}
}

// watched returns the events that the epoll set is asked for about fd.
func watched(t *testing.T, epoll, fd int) uint64 {
	info, err := os.ReadFile(fmt.Sprintf("/proc/self/fdinfo/%d", epoll))
	if err != nil {
		t.Error(err)
	}
	for line := range strings.Lines(string(info)) {
		f := strings.Fields(line) // tfd: 9 events: 2019 data: ...
		if len(f) > 3 && f[0] == "tfd:" && f[1] == strconv.Itoa(fd) {
			events, err := strconv.ParseUint(f[3], 16, 32)
			if err != nil {
				t.Error(err)
			}
			return events
		}
	}
	t.Errorf("descriptor %d is not in epoll set %d", fd, epoll)
	return 0
}

// A conn whose queue would pass the limit is slow: told once, at the end of the turn. Its peer finds whole
// messages in order, though one was under way, and the handler's last word behind them.
func TestSlowKeepsWholeMessages(t *testing.T) {
	forTables(t, func(t *testing.T, tables Tables) {
		const limit, size = 256 << 10, 10_000
		inTurn, slow := false, 0
		f := openFull(t, Config{Tables: tables, QueueLimit: limit}, script{slow: func(l *Loop, c *Conn) {
			slow++
			if inTurn || l.Backlog(c) >= size {
				t.Errorf("Slow in the middle of a write: %v; backlog %d, want less than one message", inTurn, l.Backlog(c))
			}
			l.Shutdown(c, []byte("goodbye"), patience)
		}})
		f.on(f.id, func(l *Loop, c *Conn) {
			inTurn = true
			for i := range uint32(200) {
				b := make([]byte, size)
				binary.BigEndian.PutUint32(b, i)
				if kept := l.WriteRef(c, b); kept && c.Closing() {
					t.Error("a conn that is slow has kept a message")
				}
				if l.Backlog(c) > limit {
					t.Errorf("backlog %d; want at most %d", l.Backlog(c), limit)
				}
			}
			inTurn = false
		})
		rest, said := bytes.CutSuffix(readAll(t, f.client), []byte("goodbye"))
		if !said || len(rest)%size != 0 {
			t.Fatalf("%d bytes of messages of %d, goodbye: %v; want whole ones and a goodbye", len(rest), size, said)
		}
		for i := 0; i < len(rest); i += size {
			if got := binary.BigEndian.Uint32(rest[i:]); int(got) != i/size {
				t.Fatalf("message %d has number %d", i/size, got)
			}
		}
		_ = f.client.Close()
		f.wantClosed(f.id, ClosedLocally)
		f.do(0, func(l *Loop) {
			if slow != 1 || l.Queued() != 0 {
				t.Errorf("Slow was called %d times, Queued() = %d; want once and nothing", slow, l.Queued())
			}
		})
	})
}

// A queue that is empty takes one write of any size.
func TestOneWriteOfAnySize(t *testing.T) {
	f := openFull(t, Config{QueueLimit: 1000}, script{})
	f.on(f.id, func(l *Loop, c *Conn) {
		l.Write(c, make([]byte, 1<<20))
		if c.Closing() {
			t.Error("one large write made the conn slow")
		}
		l.Write(c, []byte("one more"))
		if !c.Closing() {
			t.Error("a write past the limit did not make the conn slow")
		}
	})
	f.wantClosed(f.id, ClosedSlow)
}

// A new limit of queues holds for conns that stand.
func TestSetQueueLimit(t *testing.T) {
	f := openFull(t, Config{QueueLimit: 1000}, script{})
	f.on(f.id, func(l *Loop, c *Conn) {
		l.SetQueueLimit(2 << 20)
		l.Write(c, make([]byte, 1<<20))
		l.Write(c, []byte("one more"))
		if c.Closing() {
			t.Error("a write within the new limit made the conn slow")
		}
		l.SetQueueLimit(1000)
		l.Write(c, []byte("one more"))
		if !c.Closing() {
			t.Error("a write past the limit did not make the conn slow")
		}
	})
	f.wantClosed(f.id, ClosedSlow)
}

// However much of a write is under way to a slow conn, the last word follows it.
func TestLastWordBehindALargeWrite(t *testing.T) {
	const size = 1 << 20
	f := openFull(t, Config{QueueLimit: 1000}, script{slow: func(l *Loop, c *Conn) {
		l.Shutdown(c, []byte("goodbye"), patience)
	}})
	f.on(f.id, func(l *Loop, c *Conn) {
		l.Write(c, make([]byte, size))
		l.Write(c, []byte("too much"))
	})
	if got := readAll(t, f.client); len(got) != size+len("goodbye") || !bytes.HasSuffix(got, []byte("goodbye")) {
		t.Errorf("got %d bytes, the last of them %q; want %d and goodbye", len(got), got[max(0, len(got)-10):], size)
	}
}

// A slow conn that its handler keeps goes on with what it writes then.
func TestSlowMayGoOn(t *testing.T) {
	f := openFull(t, Config{QueueLimit: 100_000}, script{slow: func(l *Loop, c *Conn) {}})
	f.on(f.id, func(l *Loop, c *Conn) {
		for range 100 {
			l.Write(c, bytes.Repeat([]byte{'x'}, 10_000))
		}
	})
	f.on(f.id, func(l *Loop, c *Conn) { l.Write(c, []byte("goes on")) })
	got := read(t, f.client, 10_000)
	for !bytes.HasSuffix(got, []byte("goes on")) {
		got = append(got, read(t, f.client, 1)...)
	}
	if n := len(got) - len("goes on"); n%10_000 != 0 || n > 900_000 {
		t.Errorf("%d bytes came before the last write; want whole messages, and fewer than all", n)
	}
}

// A socket that takes nothing for the limit is closed, though nothing else happens on the loop.
func TestStalled(t *testing.T) {
	forTables(t, func(t *testing.T, tables Tables) {
		f := openFull(t, Config{Tables: tables, StallLimit: 300 * time.Millisecond}, script{})
		f.on(f.id, func(l *Loop, c *Conn) { l.Write(c, make([]byte, 1<<20)) })
		f.wantClosed(f.id, ClosedStalled)
	})
}

// However long the limit is, it is not taken for a short one.
func TestStallLimitWithoutEnd(t *testing.T) {
	f := openFull(t, Config{StallLimit: (1<<32 + 1) * tick}, script{})
	f.on(f.id, func(l *Loop, c *Conn) {
		l.Write(c, make([]byte, 1<<20))
		l.wheel.clock += int64(time.Hour)
	})
	f.settle()
	f.on(f.id, func(l *Loop, c *Conn) {
		if c.Closing() || l.Backlog(c) == 0 {
			t.Errorf("after an hour the conn has %d bytes waiting, closing %v; want some, and that it stays", l.Backlog(c), c.Closing())
		}
	})
}

// A socket that takes a little now and then has not stalled.
func TestProgressIsNoStall(t *testing.T) {
	const limit = time.Hour
	f := openFull(t, Config{StallLimit: limit}, script{})
	f.on(f.id, func(l *Loop, c *Conn) { l.Write(c, make([]byte, 1<<20)) })
	for left := 1; left > 0; {
		read(t, f.client, 32<<10) // more than the kernel holds
		f.on(f.id, func(l *Loop, c *Conn) {
			left = l.Backlog(c)
			l.wheel.clock += int64(limit / 2)
		})
	}
	if n := len(f.closed); n != 0 {
		t.Error("a conn that was read slowly has been closed")
	}
}

// A write to a conn whose peer is gone ends that conn and nothing else.
func TestX03WriteToDeadPeer(t *testing.T) {
	forTables(t, func(t *testing.T, tables Tables) {
		f := openFull(t, Config{Tables: tables}, script{})
		other, _ := f.connect()
		f.freezeThen(f.id, unix.POLLERR, func(l *Loop, c *Conn) {
			l.Write(c, []byte("too late"))
			if l.WriteRef(c, []byte("too late")) || !c.Closing() {
				t.Error("a write to a reset conn was kept")
			}
		})
		reset(t, f.client)
		f.wantClosed(f.id, ClosedReset)
		wantEcho(t, other, "alive")
	})
}

// A queue whose peer vanishes is given back.
func TestQueueOfResetConn(t *testing.T) {
	f := openFull(t, Config{}, script{})
	f.on(f.id, func(l *Loop, c *Conn) { l.Write(c, make([]byte, 1<<20)) })
	reset(t, f.client)
	f.wantClosed(f.id, ClosedReset)
	f.do(0, func(l *Loop) {
		if l.Queued() != 0 || len(l.outqs.free) != 1 {
			t.Errorf("Queued() = %d, %d free queues; want none waiting and one free", l.Queued(), len(l.outqs.free))
		}
	})
}

// Shutdown sends what waits, then the end of the stream, and takes no more.
func TestShutdownFlushesFirst(t *testing.T) {
	forTables(t, func(t *testing.T, tables Tables) {
		f := openFull(t, Config{Tables: tables, QueueLimit: 8 << 20}, script{received: func(*Loop, *Conn, []byte) (int, int) {
			t.Error("Received after Shutdown")
			return 0, 0
		}})
		want := bytes.Repeat([]byte("flush me "), 1<<18)
		f.on(f.id, func(l *Loop, c *Conn) {
			l.Write(c, want)
			l.Shutdown(c, nil, patience)
			l.Shutdown(c, nil, 0)
			l.Write(c, []byte("not this"))
		})
		send(t, f.client, make([]byte, 100_000)) // thrown away
		if got := readAll(t, f.client); !bytes.Equal(got, want) {
			t.Errorf("the peer got %d bytes; want %d", len(got), len(want))
		}
		send(t, f.client, make([]byte, 100_000)) // so is this, without a reset
		_ = f.client.Close()
		f.wantClosed(f.id, ClosedLocally)
	})
}

// A conn that was paused when it was shut down is read again: its peer's end is found behind what that sends on.
func TestShutdownOfPaused(t *testing.T) {
	st := open(t, Config{}, script{opened: (*Loop).Pause})
	client, id := st.connect()
	send(t, client, []byte("unread"))
	st.on(id, func(l *Loop, c *Conn) { l.Shutdown(c, []byte("goodbye"), patience) })
	if got := string(readAll(t, client)); got != "goodbye" {
		t.Errorf("the peer got %q; want goodbye", got)
	}
	send(t, client, []byte("more"))
	halfClose(t, client)
	st.wantClosed(id, ClosedLocally)
}

// A peer that never closes is given up when the time to linger is over, with or without a backlog.
func TestX03ShutdownHasADeadline(t *testing.T) {
	for _, backlog := range []int{0, 1 << 20} {
		f := openFull(t, Config{}, script{})
		f.on(f.id, func(l *Loop, c *Conn) {
			l.Write(c, make([]byte, backlog))
			l.Shutdown(c, nil, 100*time.Millisecond)
			l.SetTimer(c, time.Hour) // too late: the timer is the deadline's
			l.StopTimer(c)
			l.Pause(c)
		})
		f.wantClosed(f.id, ClosedLocally)
	}
}

// A peer that is reset while we linger is noticed.
func TestResetWhileLingering(t *testing.T) {
	f := openFull(t, Config{}, script{})
	f.on(f.id, func(l *Loop, c *Conn) { l.Shutdown(c, nil, time.Hour) })
	reset(t, f.client)
	f.wantClosed(f.id, ClosedLocally)
}

// Writes count what the kernel has taken.
func TestWriteStats(t *testing.T) {
	f := openFull(t, Config{QueueLimit: 64 << 20}, script{})
	f.on(f.id, func(l *Loop, c *Conn) { l.Write(c, make([]byte, 1<<20)) })
	read(t, f.client, 1<<20)
	testutil.Eventually(t, patience, func() (drained bool) {
		f.do(0, func(l *Loop) { drained = l.Queued() == 0 })
		return drained
	}, "the queue is empty")
	f.do(0, func(l *Loop) {
		if s := l.Stats(); s.BytesOut != 1<<20 || s.Writes == 0 || s.Writes > 1<<10 {
			t.Errorf("%d bytes out in %d writes; want %d in some", s.BytesOut, s.Writes, 1<<20)
		}
	})
}
