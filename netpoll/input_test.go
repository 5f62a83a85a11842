package netpoll

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/seed4ac54ce5/edge/internal/testutil"
)

// seeded returns a source of random numbers whose seed is in the test's output.
func seeded(t testing.TB) *rand.Rand {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

// Messages of every size class, cut anywhere, arrive whole and in order, whether or not the handler
// knows what it needs.
func TestMessagesCutAnywhere(t *testing.T) {
	rng := seeded(t)
	for _, row := range []struct {
		tell  bool
		batch int
		piece int
	}{
		{false, 0, 9}, {true, 0, 9}, {true, 1, 9},
		{false, 0, 5000}, {true, 0, 5000}, {false, 3, 5000},
		{false, 0, 200_000}, {true, 0, 200_000}, {true, 2, 200_000},
	} {
		t.Run(fmt.Sprintf("%+v", row), func(t *testing.T) {
			f := newFramer()
			f.tell, f.batch = row.tell, row.batch
			st := open(t, Config{}, script{received: f.received})
			client, id := st.connect()
			var want []string
			for range 20 {
				want = append(want, text(rng, rng.IntN(1+rng.IntN(min(row.piece*30, 1<<20)))))
			}
			go sendCut(rand.New(rand.NewPCG(rng.Uint64(), 0)), client, frames(want...), row.piece)
			for i := range want {
				if got := f.next(t); got != want[i] {
					t.Fatalf("message %d is %d bytes, %.10q; want %d, %.10q", i, len(got), got, len(want[i]), want[i])
				}
			}
			st.on(id, func(l *Loop, c *Conn) { wantInputs(t, l, 0) })
		})
	}
}

func TestByteAtATime(t *testing.T) {
	forTables(t, func(t *testing.T, tables Tables) {
		f := newFramer()
		st := open(t, Config{Tables: tables}, script{received: f.received})
		client, _ := st.connect()
		want := strings.Repeat("byte by byte ", 400) // past smallInput
		go sendCut(rand.New(rand.NewPCG(1, 2)), client, frames(want, "", "end"), 1)
		for _, want := range []string{want, "", "end"} {
			if got := f.next(t); got != want {
				t.Errorf("got %d bytes, %.20q; want %.20q", len(got), got, want)
			}
		}
	})
}

// wantInputs fails the test if other than n conns of l own an input buffer. Loop goroutine only.
func wantInputs(t *testing.T, l *Loop, n int) {
	t.Helper()
	if got := max(len(l.inputs.table)-1, 0) - len(l.inputs.free); got != n {
		t.Errorf("%d conns own an input buffer; want %d", got, n)
	}
	checkPool(t, &l.inputs)
}

// A large message costs work and memory that are linear in its size, and comes whole, once.
func TestLargeMessageIsLinear(t *testing.T) {
	size := 16 << 20
	if testutil.Race {
		size = 4 << 20 // the detector looks at every byte of a copy, even one onto itself
	}
	for _, tell := range []bool{false, true} {
		t.Run(fmt.Sprintf("tell=%v", tell), func(t *testing.T) {
			sizes := make(map[int]bool) // capacities that the message went through
			calls, whole := 0, make(chan int, 1)
			received := func(_ *Loop, _ *Conn, b []byte) (used, need int) {
				calls++
				sizes[cap(b)] = true
				if len(b) < size {
					return 0, map[bool]int{true: size}[tell]
				}
				whole <- len(b)
				return len(b), 0
			}
			st := open(t, Config{}, script{received: received})
			client, id := st.connect()
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			piece := make([]byte, 32<<10)
			for range size / len(piece) {
				send(t, client, piece)
			}
			if got := await(t, whole, "the whole message"); got != size {
				t.Errorf("got %d bytes; want %d", got, size)
			}
			runtime.ReadMemStats(&after)
			if got := int(after.TotalAlloc - before.TotalAlloc); got > 4*size {
				t.Errorf("%d bytes were allocated for a message of %d; want at most four times as many", got, size)
			}
			if len(sizes) > 20 {
				t.Errorf("the message lay in buffers of %d sizes; want a few, each twice the one before", len(sizes))
			}
			st.on(id, func(l *Loop, _ *Conn) {
				wantInputs(t, l, 0)
				if reads := l.Stats().Reads; reads != uint64(calls) {
					t.Errorf("%d reads were handed over in %d calls", reads, calls)
				}
			})
		})
	}
}

// Nothing that a peer declares sizes an allocation.
func TestDeclaredSizeAllocatesNothing(t *testing.T) {
	f := newFramer()
	f.tell = true
	st := open(t, Config{}, script{received: f.received})
	client, id := st.connect()
	st.freeze(id, unix.POLLIN)
	send(t, client, binary.BigEndian.AppendUint32(nil, 64<<20))
	st.freeze(id, unix.POLLIN)
	send(t, client, []byte("more"))
	st.on(id, func(l *Loop, _ *Conn) {})
	st.on(id, func(l *Loop, c *Conn) {
		if in := l.inputs.table[c.in]; cap(in.held) > minInput || in.need != 64<<20+4 {
			t.Errorf("%d bytes of 64 MiB are held in %d, need %d", len(in.held), cap(in.held), in.need)
		}
	})
}

// Many conns with a little left each own a buffer, which goes back when the rest comes or the conn closes.
func TestLeftoversGoBack(t *testing.T) {
	const conns = 200
	f := newFramer()
	st := open(t, Config{}, script{received: f.received})
	var clients []net.Conn
	for i := range conns {
		client, id := st.connect()
		clients = append(clients, client)
		st.freeze(id, unix.POLLIN)
		send(t, client, frame(strings.Repeat("x", 10*i+1))[:5*i+1])
	}
	st.do(0, func(*Loop) {})
	st.do(0, func(l *Loop) { wantInputs(t, l, conns) })
	for i, client := range clients[:conns/2] {
		send(t, client, frame(strings.Repeat("x", 10*i+1))[5*i+1:])
		if got := len(f.next(t)); got != 10*i+1 {
			t.Errorf("message of conn %d: %d bytes; want %d", i, got, 10*i+1)
		}
	}
	st.do(0, func(l *Loop) { wantInputs(t, l, conns/2) })
	for _, client := range clients {
		_ = client.Close()
		await(t, st.closed, "Closed")
	}
	st.do(0, func(l *Loop) { wantInputs(t, l, 0) })
}

func TestBuffersAreOfClasses(t *testing.T) {
	var in inputs
	for _, row := range []struct{ n, want int }{{0, 512}, {512, 512}, {513, 1024}, {64 << 10, 64 << 10}, {64<<10 + 1, 64<<10 + 1}} {
		if got := cap(in.buffer(row.n)); got != row.want {
			t.Errorf("buffer(%d) has room for %d; want %d", row.n, got, row.want)
		}
	}
	for range 3 * poolDepth {
		in.recycle(make([]byte, 700, 1024))
		in.recycle(make([]byte, 700))
	}
	checkPool(t, &in)
	if got := len(in.pool[1]); got != poolDepth {
		t.Errorf("the pool keeps %d buffers of 1024 bytes; want %d", got, poolDepth)
	}
}

// What a handler leaves when it calls Again comes back before anything else is read, and all of it.
func TestAgain(t *testing.T) {
	f := newFramer()
	f.batch = 2
	st := open(t, Config{}, script{received: f.received})
	client, _ := st.connect()
	var want []string
	for i := range 1000 {
		want = append(want, fmt.Sprint("message ", i))
	}
	go sendCut(rand.New(rand.NewPCG(1, 2)), client, frames(want...), 1<<20)
	for _, want := range want {
		if got := f.next(t); got != want {
			t.Fatalf("got %q; want %q", got, want)
		}
	}
}

// A paused conn delivers nothing, neither what is held nor what comes, and loses nothing.
func TestPauseAndResume(t *testing.T) {
	f := newFramer()
	paused := make(chan ConnID, 1)
	st := open(t, Config{}, script{received: func(l *Loop, c *Conn, b []byte) (used, need int) {
		used, need = f.received(l, c, b[:7])
		l.Pause(c)
		paused <- l.ID(c)
		return used, need
	}})
	client, _ := st.connect()
	send(t, client, frames("one", "two"))
	id := await(t, paused, "Pause")
	st.freeze(id, unix.POLLIN)
	send(t, client, frames("six", "ten"))
	for _, want := range []string{"one", "two", "six", "ten"} {
		if got := f.next(t); got != want {
			t.Errorf("got %q; want %q", got, want)
		}
		st.on(id, func(l *Loop, c *Conn) {
			if n := len(f.messages); n != 0 {
				t.Errorf("%d messages came from a paused conn", n)
			}
			l.Resume(c)
		})
		if want != "ten" {
			await(t, paused, "Pause")
		}
	}
}

// A pause and a resumption within one call change nothing.
func TestResumeWithinReceived(t *testing.T) {
	f := newFramer()
	st := open(t, Config{}, script{received: func(l *Loop, c *Conn, b []byte) (used, need int) {
		l.Pause(c)
		l.Resume(c)
		l.Resume(c)
		l.Again(c)
		return f.received(l, c, b[:min(len(b), 7)])
	}})
	client, _ := st.connect()
	send(t, client, frames("one", "two", "six"))
	for _, want := range []string{"one", "two", "six"} {
		if got := f.next(t); got != want {
			t.Errorf("got %q; want %q", got, want)
		}
	}
}

func TestPausedConnNoticesItsPeersEnd(t *testing.T) {
	for _, row := range []struct {
		name string
		end  func(testing.TB, net.Conn)
		want Reason
	}{
		{"half-close", halfClose, ClosedByPeer},
		{"close", func(_ testing.TB, c net.Conn) { _ = c.Close() }, ClosedByPeer},
		{"reset", reset, ClosedReset},
	} {
		t.Run(row.name, func(t *testing.T) {
			st := open(t, Config{}, script{opened: (*Loop).Pause})
			client, id := st.connect()
			send(t, client, []byte("unread"))
			row.end(t, client)
			st.wantClosed(id, row.want)
		})
	}
}

// One conn that always has more never takes more than its budget of a turn, and others are served.
func TestX04FloodDoesNotStarveOthers(t *testing.T) {
	turn, taken, most := uint64(0), 0, 0
	flooded := make(chan bool, 1)
	st := open(t, Config{}, script{received: func(l *Loop, c *Conn, b []byte) (used, need int) {
		if len(b) < 100 {
			l.Write(c, b)
			return len(b), 0
		}
		if now := l.Stats().Turns; now != turn {
			turn, taken = now, 0
		}
		taken += len(b)
		if most == 0 {
			flooded <- true
		}
		most = max(most, taken)
		return len(b), 0
	}})
	flooder, id := st.connect()
	quiet, _ := st.connect()
	flooding := make(chan struct{})
	go func() {
		defer close(flooding)
		for b := make([]byte, 1<<20); ; {
			if _, err := flooder.Write(b); err != nil {
				return // closed by the test
			}
		}
	}()
	await(t, flooded, "the flood")
	for range 200 {
		wantEcho(t, quiet, "ping")
	}
	st.on(id, func(l *Loop, c *Conn) {
		if most == 0 || most > sharedSize {
			t.Errorf("the flooding conn took up to %d bytes in a turn; want 1 to %d", most, sharedSize)
		}
	})
	_ = flooder.Close()
	<-flooding
}

// stream is a listener's address of each kind of stream socket.
func streams(t *testing.T) map[string]string {
	return map[string]string{"TCP": "127.0.0.1:0", "Unix": "unix:" + filepath.Join(t.TempDir(), "socket")}
}

// All that a peer has sent before it ends its stream is delivered first, then the conn closes.
func TestHalfCloseDeliversTheRest(t *testing.T) {
	for network, address := range streams(t) {
		for _, size := range []int{1, 100, sharedSize - 1, sharedSize, sharedSize + 1, 100_000} {
			t.Run(fmt.Sprint(network, size), func(t *testing.T) {
				total := 0
				st := open(t, Config{Addresses: []string{address}}, script{received: func(_ *Loop, _ *Conn, b []byte) (int, int) {
					total += len(b)
					return len(b), 0
				}})
				client, id := st.connect()
				st.freeze(id, unix.POLLRDHUP)
				send(t, client, make([]byte, size))
				halfClose(t, client)
				st.wantClosed(id, ClosedByPeer)
				st.do(0, func(*Loop) {
					if total != size {
						t.Errorf("%d bytes were delivered; want %d", total, size)
					}
				})
			})
		}
	}
}

// As above, while a large message is being put together: what one read may take is then less than
// what there is room for.
func TestHalfCloseDeliversTheRestOfALargeMessage(t *testing.T) {
	const first, second = 1 << 20, maxRead + 100_000
	held, wide := 0, error(nil)
	st := open(t, Config{}, script{
		opened: func(_ *Loop, c *Conn) {
			wide = unix.SetsockoptInt(int(c.fd), unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 16<<20)
		},
		received: func(_ *Loop, _ *Conn, b []byte) (used, need int) { held = len(b); return 0, 16 << 20 },
	})
	client, id := st.connect()
	if wide != nil {
		t.Skipf("a receive buffer of 16 MiB: %v", wide)
	}
	send(t, client, make([]byte, first))
	for arrived := 0; arrived < first; {
		st.do(0, func(*Loop) { arrived = held })
	}
	st.on(id, func(l *Loop, c *Conn) {
		if in := &l.inputs.table[c.in]; len(in.held) == cap(in.held) {
			l.inputs.grow(c.in)
		}
	})
	st.freeze(id, unix.POLLRDHUP)
	send(t, client, make([]byte, second))
	halfClose(t, client)
	st.wantClosed(id, ClosedByPeer)
	st.do(0, func(*Loop) {
		if held != first+second {
			t.Errorf("%d bytes were delivered; want %d", held, first+second)
		}
	})
}

// A handler that takes its time with what has come gets all of it, though the peer is gone.
func TestHalfCloseWithAgain(t *testing.T) {
	f := newFramer()
	f.batch = 1
	st := open(t, Config{}, script{received: f.received})
	client, id := st.connect()
	st.freeze(id, unix.POLLRDHUP)
	send(t, client, frames("one", "two", "six"))
	halfClose(t, client)
	st.wantClosed(id, ClosedByPeer)
	close(f.messages)
	var got []string
	for m := range f.messages {
		got = append(got, string(m))
	}
	if want := []string{"one", "two", "six"}; !slices.Equal(got, want) {
		t.Errorf("delivered %q; want %q", got, want)
	}
}

// A reset does not take back what came before it, and is told from an orderly end.
func TestResetAfterData(t *testing.T) {
	f := newFramer()
	st := open(t, Config{}, script{received: f.received})
	client, id := st.connect()
	st.freeze(id, unix.POLLERR)
	send(t, client, frames("last words"))
	reset(t, client)
	st.wantClosed(id, ClosedReset)
	if got := f.next(t); got != "last words" {
		t.Errorf("got %q; want the last words", got)
	}
}
