package faultproxy

import (
	"errors"
	"flag"
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

var manyConns = flag.Int("conns", 1000, "connections of TestHoldsManyConns; four descriptors each")

func TestBytesAndEndsPass(t *testing.T) {
	_, client, far := pair(t)
	send(t, client, "ping")
	wantNext(t, far, "ping")
	send(t, far, "pong")
	wantNext(t, client, "pong")
	_ = client.CloseWrite()
	wantEnd(t, far)
	send(t, far, "bye")
	_ = far.Close()
	wantNext(t, client, "bye")
	wantEnd(t, client)
}

func TestAConnEndsWithBothStreams(t *testing.T) {
	p, client, far := pair(t)
	c := p.Conns()[0]
	_ = client.Close()
	wantEnd(t, far)
	_ = far.Close()
	<-c.Done()
	p.Await(0)
	c.Cut() // of a conn that is gone means nothing
	c.Close()
}

func TestResetsPass(t *testing.T) {
	t.Run("of the client", func(t *testing.T) {
		_, client, far := pair(t)
		reset(client)
		wantReset(t, far)
	})
	t.Run("of the server", func(t *testing.T) {
		_, client, far := pair(t)
		reset(far)
		wantReset(t, client)
	})
}

func TestCutAllResetsBothSides(t *testing.T) {
	p, client, far := pair(t)
	p.CutAll()
	wantReset(t, client)
	wantReset(t, far)
	p.Await(0)
}

func TestConnsAreThoseOfTheirClients(t *testing.T) {
	s := serve(t)
	p := Start(t, s.Addr().String())
	for i := range 3 {
		client := dial(t, p.Addr())
		s.next(t)
		p.Await(i + 1)
		c := p.Find(client.LocalAddr())
		if c == nil || c != p.Conns()[i] || c.ID() != i+1 || c.Client().String() != client.LocalAddr().String() {
			t.Errorf("Find(%v) = %v; want conn %d", client.LocalAddr(), c, i+1)
		}
	}
	if n := p.Accepted(); n != 3 {
		t.Errorf("Accepted = %d; want 3", n)
	}
	if c := p.Find(s.Addr()); c != nil {
		t.Errorf("Find(%v) = conn %d; want none", s.Addr(), c.ID())
	}
}

// A target that refuses is a reset for the client: it has been accepted already.
func TestDeadTarget(t *testing.T) {
	s := serve(t)
	p := Start(t, s.Addr().String())
	_ = s.Close()
	c, err := net.Dial("tcp", p.Addr())
	if err == nil {
		own(t, c.(*net.TCPConn))
		_, err = c.Read(make([]byte, 1))
	}
	if !errors.Is(err, syscall.ECONNRESET) { // of the connect itself, if it comes that soon
		t.Errorf("a client of a dead target got %v; want a reset", err)
	}
}

func TestRefuseKeepsThePort(t *testing.T) {
	p, client, far := pair(t)
	p.Refuse()
	if c, err := net.Dial("tcp", p.Addr()); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Fatalf("Dial = %v, %v; want it refused", c, err)
	}
	send(t, client, "still here")
	wantNext(t, far, "still here")
	p.Forward()
	p.Forward() // again means nothing
	dial(t, p.Addr())
	p.Await(2)
}

func TestSwallow(t *testing.T) {
	s := serve(t)
	p := Start(t, s.Addr().String())
	p.Swallow()
	lost := dial(t, p.Addr())
	p.Await(1)
	c := p.Conns()[0]
	send(t, lost, "is anybody there?")
	wantTaken(t, c, Upstream, 17)
	p.Forward()
	send(t, dial(t, p.Addr()), "second")
	wantNext(t, s.next(t), "second")
	_ = lost.Close()
	<-c.Done()
	p.Await(1)
}

func TestSwallowedConnCloses(t *testing.T) {
	p := Start(t, serve(t).Addr().String())
	p.Swallow()
	client := dial(t, p.Addr())
	p.Await(1)
	p.Conns()[0].Close()
	wantEnd(t, client)
}

func TestHeaderComesFirst(t *testing.T) {
	s := serve(t)
	p := Start(t, s.Addr().String(), Header(func(client netip.AddrPort) []byte {
		return fmt.Appendf(nil, "PROXY TCP4 192.0.2.7 127.0.0.1 %d 80\r\n", client.Port())
	}))
	p.Add(Upstream, Slicer{Size: 1})
	client := dial(t, p.Addr())
	send(t, client, "GET /")
	port := client.LocalAddr().(*net.TCPAddr).Port
	wantNext(t, s.next(t), fmt.Sprintf("PROXY TCP4 192.0.2.7 127.0.0.1 %d 80\r\nGET /", port))
}

func TestHeaderLargerThanTheBuffer(t *testing.T) {
	header := strings.Repeat("h", 100)
	_, client, far := pair(t, Buffer(7), Header(func(netip.AddrPort) []byte { return []byte(header) }))
	send(t, client, "body")
	wantNext(t, far, header+"body")
}

func TestHalfClose(t *testing.T) {
	for _, row := range []struct {
		d          Direction
		shut, open func(client, far *net.TCPConn) (from, to *net.TCPConn)
	}{
		{Upstream, clientToFar, farToClient},
		{Downstream, farToClient, clientToFar},
	} {
		t.Run(row.d.String(), func(t *testing.T) {
			p, client, far := pair(t)
			c := p.Conns()[0]
			c.HalfClose(row.d)
			from, to := row.shut(client, far)
			wantEnd(t, to)
			send(t, from, "dropped")
			wantTaken(t, c, row.d, 7)
			from, to = row.open(client, far)
			send(t, from, "passed")
			wantNext(t, to, "passed")
			_, _ = client.CloseWrite(), far.CloseWrite()
			<-c.Done()
		})
	}
}

func clientToFar(client, far *net.TCPConn) (from, to *net.TCPConn) { return client, far }
func farToClient(client, far *net.TCPConn) (from, to *net.TCPConn) { return far, client }

func TestCloseEndsBothStreams(t *testing.T) {
	p, client, far := pair(t)
	c := p.Conns()[0]
	c.Close()
	wantEnd(t, client)
	wantEnd(t, far)
	<-c.Done() // also while neither side closes its own
}

// Clients come, talk and go while others cut them: nothing hangs and nothing is left.
func TestCutsAtAnyMoment(t *testing.T) {
	s := serve(t)
	go func() {
		for c := range s.accepted {
			_ = c.SetLinger(0)
			_ = c.Close()
		}
	}()
	p := Start(t, s.Addr().String(), Header(func(netip.AddrPort) []byte { return []byte("header") }))
	var clients sync.WaitGroup
	for range 4 {
		clients.Go(func() {
			for range 50 {
				if c, err := net.Dial("tcp", p.Addr()); err == nil {
					_, _ = c.Write([]byte("hello"))
					_ = c.Close()
				}
			}
		})
	}
	done := make(chan struct{})
	go func() { clients.Wait(); close(done) }()
	for cutting := true; cutting; {
		remove := p.Add(Both, Slicer{Size: 2}, Stall{})
		p.CutAll()
		remove()
		select {
		case <-done:
			cutting = false
		default:
			runtime.Gosched()
		}
	}
	p.CutAll()
	p.Await(0)
}

// It logs what a conn costs; -args -conns 18000 asks for more of them, as far as the limit of descriptors goes.
func TestHoldsManyConns(t *testing.T) {
	n := manyWithin(t, *manyConns)
	s := serve(t)
	p := Start(t, s.Addr().String())
	before := heapInUse()
	var far []*net.TCPConn
	for range n {
		dial(t, p.Addr())
		far = append(far, s.next(t))
	}
	p.Await(n)
	t.Logf("%d conns, %d goroutines, %d bytes of memory each on all four sides", n, runtime.NumGoroutine(),
		(heapInUse()-before)/uint64(n))
	remove := p.Add(Both, Latency{Delay: time.Millisecond})
	for i, c := range p.Conns() {
		send(t, far[i], "x")
		if i%100 == 0 {
			c.Cut()
		}
	}
	remove()
	p.Await(n - (n+99)/100)
	p.CutAll()
	p.Await(0)
}

// manyWithin returns n, or as many conns as the limit of descriptors leaves room for.
func manyWithin(t *testing.T, n int) int {
	t.Helper()
	var l syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l); err != nil {
		t.Fatal(err)
	}
	if most := (int(min(l.Cur, 1<<20)) - 100) / 4; most < n {
		t.Logf("%d descriptors are enough for %d conns, not %d", l.Cur, most, n)
		return most
	}
	return n
}

// heapInUse returns the bytes that heap and stacks use.
func heapInUse() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapInuse + m.StackInuse
}
