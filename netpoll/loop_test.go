package netpoll

import (
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestReset(t *testing.T) {
	forTables(t, func(t *testing.T, tables Tables) {
		st := open(t, Config{Tables: tables}, script{})
		for range 5 {
			client, id := st.connect()
			wantEcho(t, client, "alive")
			reset(t, client)
			st.wantClosed(id, ClosedReset)
		}
	})
}

// A close within Received is the end: what the call says it has left is dropped, the first reason stands,
// and nothing more is written.
func TestCloseInReceived(t *testing.T) {
	forTables(t, func(t *testing.T, tables Tables) {
		st := open(t, Config{Tables: tables}, script{received: func(l *Loop, c *Conn, b []byte) (used, need int) {
			l.Write(c, []byte("last"))
			l.Close(c, ClosedLocally)
			l.Close(c, ClosedSlow)
			l.Write(c, []byte("too late"))
			l.Shutdown(c, nil, patience)
			l.Pause(c)
			l.Resume(c)
			l.Again(c)
			l.SetTimer(c, 0)
			return 1, 1000
		}})
		client, id := st.connect()
		send(t, client, []byte("abc"))
		st.wantClosed(id, ClosedLocally)
		if got := string(readAll(t, client)); got != "last" {
			t.Errorf("the peer got %q; want what was written before the close", got)
		}
		st.do(0, func(l *Loop) { wantInputs(t, l, 0) })
	})
}

func TestShutdownInReceived(t *testing.T) {
	st := open(t, Config{}, script{received: func(l *Loop, c *Conn, b []byte) (used, need int) {
		l.Write(c, b)
		l.Shutdown(c, nil, patience)
		return 1, 1000
	}})
	client, id := st.connect()
	send(t, client, []byte("abc"))
	if got := string(readAll(t, client)); got != "abc" {
		t.Errorf("the peer got %q; want abc", got)
	}
	send(t, client, []byte("more"))
	halfClose(t, client)
	st.wantClosed(id, ClosedLocally)
	st.do(0, func(l *Loop) { wantInputs(t, l, 0) })
}

// An identity that is kept names nobody once its conn has closed, whoever has the slot then.
func TestX01StaleIdentity(t *testing.T) {
	forTables(t, func(t *testing.T, tables Tables) {
		st := open(t, Config{Tables: tables}, script{})
		client, stale := st.connect()
		for range 10 {
			_ = client.Close()
			await(t, st.closed, "Closed")
			var id ConnID
			if client, id = st.connect(); id.Slot() != stale.Slot() || id == stale {
				t.Fatalf("%v followed %v; want the slot again, in a new generation", id, stale)
			}
			st.do(0, func(l *Loop) {
				if l.Conn(stale) != nil || l.Conn(id) == nil || l.At(id.Slot()) != l.Conn(id) {
					t.Errorf("Conn(%v) = %v, Conn(%v) = %v; want nil and a conn", stale, l.Conn(stale), id, l.Conn(id))
				}
			})
			wantEcho(t, client, "mine")
		}
	})
}

// An identity of another loop names nobody here, though slot and generation fit.
func TestIdentityOfAnotherLoop(t *testing.T) {
	st := open(t, Config{Loops: 2}, script{})
	var ids [2]ConnID
	for ids[0] == 0 || ids[1] == 0 {
		_, id := st.connect()
		ids[id.Loop()] = makeID(uint8(id.Loop()), 1, 0) // its first conn
	}
	st.do(0, func(l *Loop) {
		if c := l.Conn(ids[1]); c != nil {
			t.Errorf("loop 0: Conn(%v) = %v; want nil", ids[1], l.ID(c))
		}
	})
}

// Peer is the other end's address, of the conn that has just been accepted as of those before it.
func TestPeer(t *testing.T) {
	var opened netip.AddrPort
	st := open(t, Config{}, script{opened: func(l *Loop, c *Conn) { opened = l.Peer(c) }})
	for range 2 {
		client, id := st.connect()
		want := netip.MustParseAddrPort(client.LocalAddr().String())
		next, _ := st.connect()
		newest := netip.MustParseAddrPort(next.LocalAddr().String())
		st.on(id, func(l *Loop, c *Conn) {
			if opened != newest || l.Peer(c) != want {
				t.Errorf("Peer = %v, then %v of the conn before; want %v, %v", opened, l.Peer(c), newest, want)
			}
		})
	}
}

// Within one turn a conn that another's event closed hears nothing, and a conn that is accepted then does
// not get its slot.
func TestCloseOfAnotherInTheSameTurn(t *testing.T) {
	var victims [2]ConnID
	heard := 0
	st := open(t, Config{}, script{received: func(l *Loop, c *Conn, b []byte) (used, need int) {
		heard++
		for _, id := range victims {
			if other := l.Conn(id); other != nil && other != c {
				l.Close(other, ClosedLocally)
				l.Write(other, []byte("nobody"))
			}
		}
		return len(b), 0
	}})
	var clients [2]net.Conn
	for i := range clients {
		clients[i], victims[i] = st.connect()
	}
	st.freezeThen(victims[0], unix.POLLIN, func(l *Loop, _ *Conn) {
		if err := pollFor(int(l.Conn(victims[1]).fd), unix.POLLIN); err != nil {
			t.Error(err)
		}
	})
	third := dial(t, st.Addresses()[0])
	send(t, clients[1], []byte("x"))
	send(t, clients[0], []byte("x"))
	ended := await(t, st.closed, "Closed")
	if id := await(t, st.opened, "Opened"); id.Slot() == victims[0].Slot() || id.Slot() == victims[1].Slot() {
		t.Errorf("%v has the slot of %v or %v, which was free only after the turn", id, victims[0], victims[1])
	}
	st.do(0, func(l *Loop) {
		if heard != 1 || ended.why != ClosedLocally || l.Open() != 2 {
			t.Errorf("%d conns were heard, %v ended; want one each", heard, ended)
		}
	})
	_ = third.Close()
}

// Turn comes after everything else of a turn, so that what any of it leaves to do is not slept over.
func TestTurnFollowsEveryEvent(t *testing.T) {
	for name, row := range map[string]struct {
		begin func(l *Loop, c *Conn)
		in    string
	}{
		"Posted":   {func(*Loop, *Conn) {}, "Posted"},
		"Received": {func(l *Loop, c *Conn) { l.Again(c) }, "Received"},
		"Expired":  {func(l *Loop, c *Conn) { l.SetTimer(c, 0) }, "Expired"},
		"Closed":   {func(l *Loop, c *Conn) { l.Close(c, ClosedLocally) }, "Closed"},
		"Slow": {func(l *Loop, c *Conn) {
			for range 3 {
				l.Write(c, make([]byte, 1<<20))
			}
		}, "Slow"},
	} {
		t.Run(name, func(t *testing.T) {
			due, served := "", make(chan string, 10)
			mark := func(what string) func(*Loop, *Conn) { return func(*Loop, *Conn) { due = what } }
			f := openFull(t, Config{}, script{
				received: func(_ *Loop, _ *Conn, b []byte) (used, need int) { due = "Received"; return 0, 0 },
				expired:  mark("Expired"), closed: mark("Closed"), slow: mark("Slow"),
				turn: func(*Loop) bool {
					if due != "" {
						served <- due
						due = ""
					}
					return false
				},
			})
			send(t, f.client, []byte("held"))
			if got := await(t, served, "Turn after Received"); got != "Received" {
				t.Fatalf("Turn after %s; want Received", got)
			}
			f.on(f.id, func(l *Loop, c *Conn) { row.begin(l, c); due = "Posted" })
			for got := ""; got != row.in; {
				got = await(t, served, "Turn after "+row.in)
			}
		})
	}
}

// While Turn has more to do the loop does not wait, and still serves its conns.
func TestTurnWithMoreToDo(t *testing.T) {
	left := 1000
	st := open(t, Config{}, script{turn: func(*Loop) bool { left--; return left > 0 }})
	c, _ := st.connect()
	wantEcho(t, c, "in between")
	st.do(0, func(l *Loop) {
		if s := l.Stats(); left > 0 && s.Waits > 1 { // the first was before the first Turn
			t.Errorf("the loop waited %d times with %d turns to do", s.Waits, left)
		}
	})
}

func TestTickMakesTurns(t *testing.T) {
	turns := make(chan bool, 1)
	st := open(t, Config{}, script{turn: func(*Loop) bool {
		select {
		case turns <- true:
		default:
		}
		return false
	}})
	st.do(0, func(l *Loop) { l.Tick(true) })
	for range 5 {
		await(t, turns, "a turn")
	}
	st.do(0, func(l *Loop) { l.Tick(false) })
}

// An idle loop with conns sleeps: half-closed, paused and lingering ones do not keep it awake.
func TestX05QuietConnsCostNoTurns(t *testing.T) {
	st := open(t, Config{}, script{received: func(l *Loop, c *Conn, b []byte) (used, need int) { return 0, 0 }})
	for _, f := range []func(l *Loop, c *Conn){
		nothing, (*Loop).Pause,
		func(l *Loop, c *Conn) { l.Shutdown(c, nil, time.Hour) },
	} {
		client, id := st.connect()
		st.on(id, f)
		send(t, client, []byte("unread"))
	}
	var before, after Stats
	st.do(0, func(l *Loop) { before = *l.Stats() })
	asleep(t, st.Loops()[0])
	<-time.NewTimer(300 * time.Millisecond).C // what is measured is that nothing happens
	st.do(0, func(l *Loop) { after = *l.Stats() })
	if n := after.Turns - before.Turns; n > 20 {
		t.Errorf("%d turns in 0.3 s with nothing to do", n)
	}
	if after.Slept <= before.Slept || after.Waits <= before.Waits {
		t.Errorf("slept %v in %d waits; want more than before, %v in %d", after.Slept, after.Waits, before.Slept, before.Waits)
	}
}

func TestStatsAndGauges(t *testing.T) {
	st := open(t, Config{}, script{})
	client, id := st.connect()
	wantEcho(t, client, "12345")
	st.on(id, func(l *Loop, c *Conn) {
		s := l.Stats()
		if s.Accepted != 1 || s.BytesIn != 5 || s.BytesOut != 5 || s.Reads != 1 || s.Writes != 1 {
			t.Errorf("stats %+v; want one conn, one read and one write of five bytes", *s)
		}
		if l.Number() != 0 || l.Open() != 1 || l.Queued() != 0 || c.Slot() != 0 || c.Closing() {
			t.Errorf("loop %d has %d open and %d queued", l.Number(), l.Open(), l.Queued())
		}
		if l.Now() <= 0 || l.Busy() < 0 || l.Busy() > l.Now() {
			t.Errorf("Now() = %v, Busy() = %v", l.Now(), l.Busy())
		}
		l.Close(c, ClosedLocally)
	})
	st.wantClosed(id, ClosedLocally)
	st.do(0, func(l *Loop) {
		if got := l.Stats().Closed[ClosedLocally]; got != 1 || l.Open() != 0 {
			t.Errorf("%d closed locally, %d open; want 1, 0", got, l.Open())
		}
	})
}

// chaos is a handler whose every call does a few random things to random conns of its loop.
type chaos struct {
	rng *rand.Rand
	ids []ConnID
}

func (x *chaos) conn(l *Loop) *Conn {
	if len(x.ids) == 0 {
		return nil
	}
	return l.Conn(x.ids[x.rng.IntN(len(x.ids))])
}

// act does one random thing.
func (x *chaos) act(l *Loop) {
	c := x.conn(l)
	if c == nil {
		return
	}
	switch x.rng.IntN(16) {
	case 0:
		l.Close(c, ClosedLocally)
	case 1:
		l.Shutdown(c, nil, time.Duration(x.rng.IntN(200))*time.Millisecond)
	case 2, 3:
		l.Pause(c)
	case 4, 5, 6:
		l.Resume(c)
	case 7, 8:
		l.Again(c)
	case 9, 10:
		l.SetTimer(c, time.Duration(x.rng.IntN(200))*time.Millisecond)
	case 11:
		l.StopTimer(c)
	case 12, 13:
		l.WriteRef(c, make([]byte, 1+x.rng.IntN(300_000)))
	default:
		l.Write(c, make([]byte, 1+x.rng.IntN(3000)))
	}
}

func (x *chaos) some(l *Loop, _ *Conn) {
	for range x.rng.IntN(3) {
		x.act(l)
	}
}

func (x *chaos) script() script {
	return script{
		opened:  func(l *Loop, c *Conn) { narrowSendIf(x.rng, c); x.ids = append(x.ids, l.ID(c)); x.some(l, c) },
		drained: x.some, slow: x.some, expired: x.some, closed: x.some,
		received: func(l *Loop, c *Conn, b []byte) (used, need int) {
			x.some(l, c)
			used = x.rng.IntN(len(b) + 1)
			return used, x.rng.IntN(2) * (len(b) - used + x.rng.IntN(100_000))
		},
	}
}

// narrowSendIf makes every other conn soon full.
func narrowSendIf(rng *rand.Rand, c *Conn) {
	if rng.IntN(2) == 0 {
		_ = unix.SetsockoptInt(int(c.fd), unix.SOL_SOCKET, unix.SO_SNDBUF, 4<<10)
	}
}

// Whatever handlers do to each other's conns from within any call, and however clients behave: each conn
// is closed once, nothing is left over, and the loop lives. The stage checks the first two.
func TestChaos(t *testing.T) {
	forTables(t, func(t *testing.T, tables Tables) {
		rng := seeded(t)
		x := &chaos{rng: rand.New(rand.NewPCG(rng.Uint64(), 0))}
		st := open(t, Config{Tables: tables, QueueLimit: 200_000, StallLimit: 200 * time.Millisecond}, x.script())
		var clients sync.WaitGroup
		for range 8 {
			own := rand.New(rand.NewPCG(rng.Uint64(), 0))
			clients.Go(func() {
				for range 25 {
					misbehave(own, st.Addresses()[0])
				}
			})
		}
		clients.Wait()
		st.StopListening() // takes in who still waits in the kernel's queue
		var open int
		st.do(0, func(l *Loop) { x.ids = nil; l.Each(func(c *Conn) { l.Close(c, ClosedLocally) }) })
		st.do(0, func(l *Loop) { open = l.Open() })
		if open != 0 || len(st.closed) != len(st.opened) {
			t.Errorf("%d conns were opened, %d closed, %d are open; want all closed", len(st.opened), len(st.closed), open)
		}
	})
}

// misbehave is the short life of a client.
func misbehave(rng *rand.Rand, address string) {
	c, err := net.Dial("tcp", address)
	if err != nil {
		return
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(100 * time.Millisecond))
	for range rng.IntN(6) {
		switch rng.IntN(5) {
		case 0:
			_, _ = c.Read(make([]byte, 1+rng.IntN(100_000)))
		case 1:
			_ = c.(*net.TCPConn).CloseWrite()
		case 2:
			_ = c.(*net.TCPConn).SetLinger(rng.IntN(2) - 1)
		default:
			_, _ = c.Write([]byte(strings.Repeat("x", 1+rng.IntN(20_000))))
		}
	}
}

// A loop that gathers loses neither the bytes nor the posts that come while it does, though it forgets the
// events that woke it.
func TestGatherLosesNothing(t *testing.T) {
	st := open(t, Config{Gather: time.Millisecond}, script{})
	client, _ := st.connect()
	got := make([]byte, 3)
	for range 50 {
		send(t, client, []byte("abc"))
		st.do(0, func(*Loop) {})
		if _, err := io.ReadFull(client, got); err != nil || string(got) != "abc" {
			t.Fatalf("echo %q, %v; want abc", got, err)
		}
	}
}
