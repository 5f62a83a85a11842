package netpoll

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed4ac54ce5/edge/internal/testutil"
	"golang.org/x/sys/unix"
)

// otherThan returns the loop after that of id.
func (st *stage) otherThan(id ConnID) int { return (id.Loop() + 1) % len(st.Loops()) }

// move sends a conn to another loop and returns the one that it becomes there.
func (st *stage) move(id ConnID) ConnID {
	st.t.Helper()
	st.on(id, func(l *Loop, c *Conn) {
		if !l.Move(c, st.otherThan(id), nil) {
			st.t.Errorf("Move of %v failed", id)
		}
	})
	st.wantClosed(id, ClosedMoved)
	to := await(st.t, st.moved, "Moved")
	if to.Loop() != st.otherThan(id) {
		st.t.Errorf("%v moved to %v", id, to)
	}
	return to
}

// A conn goes to another loop with what its handler has left in the call in which it is sent there, from whichever buffer; its
// peer notices nothing, and is noticed there.
func TestMove(t *testing.T) {
	forTables(t, func(t *testing.T, tables Tables) {
		for name, size := range map[string]int{"whole": 4, "little": 10, "much": 3 * smallInput} {
			t.Run(name, func(t *testing.T) { testMove(t, tables, size) })
		}
	})
}

func testMove(t *testing.T, tables Tables, size int) {
	got, carried := make(chan string, 100), make(chan any, 1)
	isThere := false // of the second loop
	st := open(t, Config{Loops: 2, Tables: tables}, script{
		received: func(l *Loop, c *Conn, b []byte) (int, int) {
			if len(b) < size {
				return 0, size
			}
			if !l.Move(c, 1-l.Number(), "carried") || l.Move(c, 1-l.Number(), nil) || !c.Closing() {
				t.Error("a conn does not move, or twice")
			}
			l.Write(c, []byte("not to be sent"))
			return 4, 0
		},
	})
	client, from := st.connect()
	there := st.actors[st.otherThan(from)]
	st.do(there.l.Number(), func(*Loop) {
		there.received = func(l *Loop, c *Conn, b []byte) (int, int) {
			got <- string(b)
			l.Write(c, []byte("!"))
			return len(b), 0
		}
		there.moved = func(_ *Loop, _ *Conn, carry any) { carried <- carry; isThere = true }
	})
	text := "used" + strings.Repeat("r", size-4)
	send(t, client, []byte(text[:size/2]))
	for held := 0; held == 0; {
		st.on(from, func(l *Loop, c *Conn) { held = l.Held(c) }) // so that the rest comes alone
	}
	send(t, client, []byte(text[size/2:]))
	st.wantClosed(from, ClosedMoved)
	to := await(t, st.moved, "Moved")
	if carry := await(t, carried, "what it carries"); carry != "carried" || to.Loop() == from.Loop() {
		t.Errorf("%v moved to %v with %v", from, to, carry)
	}
	if text = text[4:]; text != "" {
		if rest := await(t, got, "Received"); rest != text {
			t.Errorf("%d bytes came along; want %d", len(rest), len(text))
		}
		read(t, client, 1)
	}
	send(t, client, []byte("more"))
	if more := await(t, got, "Received"); more != "more" || string(read(t, client, 1)) != "!" {
		t.Errorf("then came %q", more)
	}
	st.on(to, func(l *Loop, c *Conn) {
		if peer, want := l.Peer(c), client.LocalAddr().(*net.TCPAddr).AddrPort(); peer != want || !isThere {
			t.Errorf("peer %v; want %v", peer, want)
		}
		if l.Stats().Arrived != 1 || l.Holds() || st.config.InputBudget.Used() != 0 {
			t.Errorf("%d have arrived; %d bytes held", l.Stats().Arrived, st.config.InputBudget.Used())
		}
	})
	st.do(from.Loop(), func(l *Loop) {
		if n := len(watchedBy(t, l)); n != 0 || l.Open() != 0 || l.Stats().Closed[ClosedMoved] != 1 {
			t.Errorf("it watches %d sockets, %d conns are open", n, l.Open())
		}
	})
	_ = client.Close()
	st.wantClosed(to, ClosedByPeer)
}

// watchedBy lists the conns that a loop's epoll set has sockets of. It must run on the loop.
func watchedBy(t *testing.T, l *Loop) (ids []ConnID) {
	t.Helper()
	info, err := os.ReadFile(fmt.Sprintf("/proc/thread-self/fdinfo/%d", l.epoll))
	if err != nil {
		t.Error(err)
	}
	for line := range strings.Lines(string(info)) {
		var fd int
		var events, data uint64
		if n, _ := fmt.Sscanf(line, "tfd: %d events: %x data: %x", &fd, &events, &data); n == 3 && ConnID(data).gen() != 0 {
			ids = append(ids, ConnID(data))
		}
	}
	return ids
}

// The end of a stream is noticed behind what came before it, and a reset is, whether it comes before the conn leaves or while it is
// under way.
func TestMoveOfAConnThatEnds(t *testing.T) {
	forTables(t, func(t *testing.T, tables Tables) {
		for name, row := range map[string]struct {
			end  func(testing.TB, net.Conn)
			text string
			why  Reason
		}{
			"end of the stream": {halfClose, "last words", ClosedByPeer},
			"reset":             {reset, "", ClosedReset},
		} {
			f := newFramer()
			st := open(t, Config{Loops: 2, Tables: tables}, script{received: f.received})
			leave := func(l *Loop, c *Conn) { l.Move(c, 1-l.Number(), nil) }
			wantEnd := func(from ConnID) {
				t.Helper()
				st.wantClosed(from, ClosedMoved)
				to := await(t, st.moved, "Moved")
				if row.text != "" && f.next(t) != row.text {
					t.Errorf("%s: the last words are lost", name)
				}
				st.wantClosed(to, row.why)
			}

			client, from := st.connect()
			st.freezeThen(from, unix.POLLRDHUP, leave)
			if row.text != "" {
				send(t, client, frame(row.text))
			}
			row.end(t, client)
			wantEnd(from)

			client, from = st.connect()
			release := st.hold(st.otherThan(from))
			st.on(from, leave)
			if row.text != "" {
				send(t, client, frame(row.text))
			}
			row.end(t, client)
			release()
			wantEnd(from)
		}
	})
}

// A pause goes along: a paused conn is not read there until it is resumed.
func TestMoveOfAPausedConn(t *testing.T) {
	f := newFramer()
	st := open(t, Config{Loops: 2}, script{received: f.received})
	client, from := st.connect()
	send(t, client, frame("held")[:5])
	for held := 0; held == 0; {
		st.on(from, func(l *Loop, c *Conn) { held = l.Held(c) })
	}
	st.on(from, func(l *Loop, c *Conn) { l.Pause(c) })
	to := st.move(from)
	send(t, client, frame("held")[5:])
	st.settle()
	st.on(to, func(l *Loop, c *Conn) {
		if len(f.messages) != 0 || l.Held(c) != 5 {
			t.Errorf("%d messages of a paused conn, %d bytes held; want 5", len(f.messages), l.Held(c))
		}
		l.Resume(c)
	})
	if got := f.next(t); got != "held" {
		t.Errorf("received: %q", got)
	}
}

// How old a message is that has not come to its end is not forgotten on the way.
func TestMoveKeepsTheAgeOfWhatIsHeld(t *testing.T) {
	st := open(t, Config{Loops: 2}, script{received: func(*Loop, *Conn, []byte) (int, int) { return 0, 0 }})
	client, from := st.connect()
	send(t, client, []byte("x"))
	age := time.Duration(0)
	look := func(l *Loop) { l.Unfinished(func(_ *Conn, since time.Duration) { age = since }) }
	for age < 4*tick {
		st.do(from.Loop(), func(l *Loop) { l.Tick(true); look(l) })
	}
	to, before := st.move(from), age
	st.do(to.Loop(), func(l *Loop) { look(l) })
	if age < before {
		t.Errorf("it is %v old; on the other loop it was %v", age, before)
	}
}

// Move changes nothing where it cannot be.
func TestMoveRefused(t *testing.T) {
	const size = 1 << 20
	st := open(t, Config{Loops: 2}, script{slow: func(*Loop, *Conn) {}})
	client := dialWith(t, narrow(), st.Addresses()[0])
	id := await(t, st.opened, "Opened")
	none := st.detached(id.Loop())
	st.on(id, func(l *Loop, c *Conn) {
		other := 1 - l.Number()
		for _, to := range []int{l.Number(), -1, 2} {
			if l.Move(c, to, nil) {
				t.Errorf("a move from loop %d to loop %d", l.Number(), to)
			}
		}
		for _, flag := range []uint32{flagSlow, flagLinger, flagDialing, flagClosing} {
			c.set(flag)
			if l.Move(c, other, nil) {
				t.Errorf("a move of a conn with flags %#x", flag)
			}
			c.clear(flag)
		}
		if l.Move(l.Conn(none), other, nil) {
			t.Error("a move of a conn without a socket")
		}
		narrowSend(t, c)
		l.Write(c, bytes.Repeat([]byte("x"), size))
		if l.Move(c, other, nil) {
			t.Error("a move of a conn that something waits for")
		}
	})
	read(t, client, size)
	wantEcho(t, client, "still here")
}

// What is corked leaves before the conn does.
func TestMoveOfACorkedConn(t *testing.T) {
	st := open(t, Config{Loops: 2}, script{})
	client, id := st.connect()
	st.on(id, func(l *Loop, c *Conn) { l.Cork(c, []byte("corked")) })
	st.move(id)
	if got := string(read(t, client, 6)); got != "corked" {
		t.Errorf("the client got %q", got)
	}
	wantEcho(t, client, "there")
}

// acceptedOn returns n conns of a loop, and their peers.
func (st *stage) acceptedOn(loop, n int) (ids []ConnID, peers []net.Conn) {
	st.t.Helper()
	for range n {
		id, peer := st.accepted()
		if id.Loop() != loop {
			st.t.Fatalf("a conn of loop %d; want %d", id.Loop(), loop)
		}
		ids, peers = append(ids, id), append(peers, peer)
	}
	return ids, peers
}

// shrinkPassage makes the passage to a loop take as little as can be.
func (st *stage) shrinkPassage(to int) {
	st.t.Helper()
	st.do(to, func(l *Loop) {
		if err := unix.SetsockoptInt(l.passage.out, unix.SOL_SOCKET, unix.SO_SNDBUF, 0); err != nil {
			st.t.Error(err)
		}
	})
}

// Conns for which there is no room on the way wait, not their loop; all of them arrive, in any number of turns.
func TestMoveThroughAFullPassage(t *testing.T) {
	const conns = 60
	st := open(t, Config{Loops: 2, Tables: TablesOn, Addresses: []string{}}, script{})
	st.shrinkPassage(1)
	ids, peers := st.acceptedOn(0, conns)
	release := st.hold(1)
	st.do(0, func(l *Loop) {
		for _, id := range ids {
			if !l.Move(l.Conn(id), 1, nil) {
				t.Errorf("Move of %v failed", id)
			}
		}
	})
	st.do(0, func(*Loop) {}) // a turn has ended
	st.do(0, func(l *Loop) {
		if n := len(l.leavers); n == 0 || n == conns {
			t.Errorf("%d of %d conns have not left a loop whose way is narrow", n, conns)
		}
		for _, d := range l.leavers {
			if c := l.Conn(d.id); c == nil || !c.Closing() {
				t.Error("a conn that has not left is not here, or does not know that it leaves")
			}
		}
	})
	release()
	for range conns {
		await(t, st.moved, "Moved")
	}
	for _, peer := range peers {
		wantEcho(t, peer, "arrived")
	}
}

// Wherever conns are when their loops end, each is closed once, and its socket with it.
func TestMoveWhileLoopsEnd(t *testing.T) {
	forTables(t, func(t *testing.T, tables Tables) {
		const conns = 60
		st := open(t, Config{Loops: 2, Tables: tables, Addresses: []string{}}, script{})
		if tables == TablesOn {
			st.shrinkPassage(1)
		}
		ids, peers := st.acceptedOn(0, conns)
		release := st.hold(1)
		st.do(0, func(l *Loop) {
			for _, id := range ids {
				l.Move(l.Conn(id), 1, nil)
			}
		})
		ended := make(chan struct{})
		go func() { defer close(ended); st.Close() }()
		for !st.ended(0) {
			time.Sleep(time.Millisecond)
		}
		release()
		await(t, ended, "Close")
		for _, peer := range peers {
			if b := readAll(t, peer); len(b) != 0 {
				t.Errorf("the peer got %q", b)
			}
		}
		why := make(map[Reason]int)
		for len(st.closed) > 0 {
			why[(<-st.closed).why]++
		}
		if why[ClosedLoop] != conns || why[ClosedMoved] != conns || len(st.moved) != conns {
			t.Errorf("closed: %v; %d have arrived; want all of %d", why, len(st.moved), conns)
		}
	})
}

// ended reports whether a loop takes no more posts.
func (st *stage) ended(loop int) bool {
	in := &st.Loops()[loop].inbox
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.closed
}

// A conn that goes to a loop that has ended arrives where it was, and closes; one whose post that loop has left arrives there, and closes.
func TestMoveToALoopThatHasEnded(t *testing.T) {
	forTables(t, func(t *testing.T, tables Tables) {
		last, goOn := make(chan bool), make(chan bool)
		st := open(t, Config{Loops: 2, Tables: tables, Addresses: []string{}}, script{turn: func(l *Loop) bool {
			if l.stopped && l.Number() == 1 {
				last <- true
				<-goOn
			}
			return false
		}})
		ids, peers := st.acceptedOn(0, 2)
		st.Loops()[1].Send(Post{Kind: kindStop})
		await(t, last, "the last turn")
		move := func(id ConnID) {
			st.on(id, func(l *Loop, c *Conn) {
				if !l.Move(c, 1, nil) {
					t.Error("Move failed")
				}
			})
			st.wantClosed(id, ClosedMoved)
		}
		move(ids[0])
		st.do(0, func(*Loop) {}) // Closed comes before the post leaves
		close(goOn)
		to := await(t, st.moved, "Moved")
		st.wantClosed(to, ClosedLoop)
		for !st.ended(1) {
			time.Sleep(time.Millisecond)
		}
		move(ids[1])
		back := await(t, st.moved, "Moved")
		st.wantClosed(back, ClosedLoop)
		if to.Loop() != 1 || back.Loop() != 0 {
			t.Errorf("they have arrived as %v and %v", to, back)
		}
		for _, peer := range peers {
			readAll(t, peer)
		}
	})
}

// A loop without a descriptor for who comes says so, and the socket closes; those who come in the pause that follows are answered.
func TestMoveWithoutDescriptors(t *testing.T) {
	st := open(t, Config{Loops: 2, Tables: TablesOn, Addresses: []string{}, Refusal: []byte("full")}, script{moved: func(_ *Loop, c *Conn, _ any) {
		if !c.Detached() || !c.Closing() {
			t.Errorf("detached: %v, closing: %v; want a conn that is closing", c.Detached(), c.Closing())
		}
	}})
	ids, peers := st.acceptedOn(0, 3)
	limit := 0
	st.do(1, func(*Loop) { limit = free(t) })
	restore := lowerLimit(t, limit)
	for i, want := range []string{"", "full", "full"} {
		st.wantClosed(st.move(ids[i]), ClosedReset)
		if got := string(readAll(t, peers[i])); got != want {
			t.Errorf("conn %d got %q; want %q", i, got, want)
		}
		st.do(1, func(l *Loop) {
			if s := l.Stats(); s.Lost != uint64(i+1) || s.Arrived != 0 || s.Pauses == 0 {
				t.Errorf("%d lost, %d arrived, %d pauses; want %d, 0 and some", s.Lost, s.Arrived, s.Pauses, i+1)
			}
			l.pauseAccepting(unix.EMFILE) // if the pause is over
			l.acceptAgain = l.wheel.now + 1<<20
		})
	}
	restore()
	st.do(1, func(l *Loop) {
		if l.reserve < 0 {
			t.Error("the loop has no reserve any more")
		}
	})
}

// TLS below goes along.
func TestMoveWithTLSBelow(t *testing.T) { eachKernel(t, testMoveWithTLSBelow) }

func testMoveWithTLSBelow(t *testing.T, kernel *testutil.Kernel) {
	st, r, id := belowStageOf(t, Config{Loops: 2}, kernel, script{})
	for range 3 {
		from := id
		id = st.move(id)
		st.do(from.Loop(), func(l *Loop) {
			if l.KernelTLS() != 0 {
				t.Error("TLS is left behind")
			}
		})
		r.say(testutil.RecordData, []byte("echo"))
		if err := r.listen(len(r.text) + 4); err != nil {
			t.Fatal(err)
		}
	}
	st.on(id, func(l *Loop, c *Conn) {
		if l.KernelTLS() != 1 {
			t.Errorf("%d conns have TLS below; want 1", l.KernelTLS())
		}
		l.Shutdown(c, nil, time.Minute)
	})
	r.wantEnd([]byte("echoechoecho"), "\x01\x00")
}

// A conn moves on with its socket when that has become another's in the same call, and the rest goes with it.
func TestMoveOfWhatWasAttached(t *testing.T) {
	forTables(t, func(t *testing.T, tables Tables) {
		got := make(chan string, 10)
		var to ConnID
		st := open(t, Config{Loops: 2, Tables: tables, Addresses: []string{}}, script{received: func(l *Loop, c *Conn, b []byte) (int, int) {
			if l.Number() == 1 {
				got <- string(b)
				return len(b), 0
			}
			d := l.Conn(to)
			if !l.Attach(d, c) || !l.Move(d, 1, nil) {
				t.Error("Attach or Move failed")
			}
			return 1, 0
		}})
		st.do(0, func(*Loop) { to = st.actors[0].detached() })
		ids, peers := st.acceptedOn(0, 1)
		send(t, peers[0], []byte("abc"))
		for range 2 {
			if e := await(t, st.closed, "Closed"); e.why != ClosedMoved || e.id != ids[0] && e.id != to {
				t.Errorf("closed %v (%v)", e.id, e.why)
			}
		}
		if rest := await(t, got, "Received"); rest != "bc" {
			t.Errorf("passed on: %q", rest)
		}
	})
}

// Conns go to and fro between loops in the middle of their messages, and no byte is lost, doubled or out of its place.
func TestMoveUnderTraffic(t *testing.T) {
	forTables(t, func(t *testing.T, tables Tables) {
		const loops, conns, messages = 3, 24, 150
		rng := seeded(t)
		seeds := [2]uint64{rng.Uint64(), rng.Uint64()}
		st := open(t, Config{Loops: loops, Tables: tables}, script{})
		for i, a := range st.actors {
			rng := rand.New(rand.NewPCG(seeds[0], uint64(i)))
			st.do(i, func(*Loop) { a.received = func(l *Loop, c *Conn, b []byte) (int, int) { return wander(rng, l, c, b) } })
			if tables == TablesOn {
				st.shrinkPassage(i)
			}
		}
		var talking sync.WaitGroup
		for i := range conns {
			client, rng := dial(t, st.Addresses()[0]), rand.New(rand.NewPCG(seeds[1], uint64(i)))
			talking.Go(func() { converse(t, rng, client, messages) })
		}
		talking.Wait()
		moved := 0
		for i := range loops {
			st.do(i, func(l *Loop) { moved += int(l.Stats().Arrived) })
		}
		if moved < conns {
			t.Errorf("%d moves of %d conns; want some of each", moved, conns)
		}
	})
}

// wander echoes some of b, leaves the rest, and may send the conn to another loop.
func wander(rng *rand.Rand, l *Loop, c *Conn, b []byte) (used, need int) {
	used = rng.IntN(len(b) + 1)
	l.Write(c, b[:used])
	clear(b[:used])
	switch rng.IntN(4) {
	case 0:
		if l.Move(c, (l.Number()+1+rng.IntN(2))%len(l.loops), nil) {
			return used, 0
		}
	case 1:
		l.Pause(c)
		l.Resume(c)
	}
	if used < len(b) {
		l.Again(c)
	}
	return used, 0
}

// converse sends messages of any size and fails the test unless they come back.
func converse(t *testing.T, rng *rand.Rand, client net.Conn, messages int) {
	var sent bytes.Buffer
	for range messages {
		sent.WriteString(text(rng, 1+rng.IntN(2*smallInput)))
	}
	var writing sync.WaitGroup
	defer writing.Wait()
	all := bytes.Clone(sent.Bytes())
	writing.Go(func() {
		for sent.Len() > 0 {
			if _, err := client.Write(sent.Next(1 + rng.IntN(3*smallInput))); err != nil {
				t.Error(err)
				return
			}
		}
	})
	got := make([]byte, len(all))
	if n, err := io.ReadFull(client, got); err != nil || !bytes.Equal(got, all) {
		t.Errorf("%d bytes of %d came back, %v; the same: %v", n, len(all), err, bytes.Equal(got, all))
	}
}
