package netpoll

import (
	"fmt"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// BenchmarkEcho is a round trip between a blocking client and a loop, each on a thread of its own.
func BenchmarkEcho(b *testing.B) {
	for _, tables := range []Tables{TablesOff, TablesOn} {
		for _, size := range []int{64, 4 << 10, 64 << 10} {
			b.Run(fmt.Sprintf("private=%v/bytes=%d", tables == TablesOn, size), func(b *testing.B) {
				c := openBare(b, open(b, Config{Tables: tables}, script{}))
				b.SetBytes(int64(size))
				b.ReportAllocs()
				for b.Loop() {
					c.exchange(size)
				}
			})
		}
	}
}

// BenchmarkPost is a post to a loop that sleeps, and one to a loop that is at work.
func BenchmarkPost(b *testing.B) {
	b.Run("asleep", func(b *testing.B) {
		l, done := open(b, Config{}, script{}).Loops()[0], make(chan bool)
		handle := func(*Loop) { done <- true }
		b.ReportAllocs()
		for b.Loop() {
			l.Send(Post{Item: handle})
			<-done
		}
	})
	b.Run("burst=1000", func(b *testing.B) {
		l, done := open(b, Config{}, script{}).Loops()[0], make(chan bool)
		quiet, last := func(*Loop) {}, func(*Loop) { done <- true }
		b.ReportAllocs()
		for b.Loop() {
			for range 999 {
				l.Send(Post{Item: quiet})
			}
			l.Send(Post{Item: last})
			<-done
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/post")
	})
}

// BenchmarkTimer sets the timer of one of many conns anew, as every read of an active conn may.
func BenchmarkTimer(b *testing.B) {
	const conns = 1 << 16
	l := newLoop(0, &Config{}, -1)
	defer l.slots.slab.Free()
	for range conns {
		c, err := l.slots.take(0)
		if err != nil {
			b.Fatal(err)
		}
		l.SetTimer(c, time.Duration(c.slot)*time.Millisecond)
	}
	b.ReportAllocs()
	slot := uint32(0)
	for b.Loop() {
		slot = (slot + 7919) % conns
		l.SetTimer(l.At(slot), 25*time.Second)
	}
}

// BenchmarkAcceptAndClose is the whole life of a conn that says nothing.
func BenchmarkAcceptAndClose(b *testing.B) {
	for _, tables := range []Tables{TablesOff, TablesOn} {
		b.Run(fmt.Sprintf("private=%v", tables == TablesOn), func(b *testing.B) {
			st := open(b, Config{Tables: tables}, script{})
			b.ReportAllocs()
			for b.Loop() {
				c := openBareOnce(b, st)
				<-st.opened
				_ = unix.Close(c)
				<-st.closed
			}
		})
	}
}

// openBareOnce connects to st's first address, without a clean-up of the benchmark's for each.
func openBareOnce(b *testing.B, st *stage) int {
	domain, sa := st.endpoints[0].sockaddr()
	fd, err := unix.Socket(domain, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		b.Fatal(err)
	}
	if err := unix.Connect(fd, sa); err != nil {
		b.Fatal(err)
	}
	return fd
}

// BenchmarkQueued writes to a conn whose socket is full, and lets its peer read.
func BenchmarkQueued(b *testing.B) {
	st := open(b, Config{QueueLimit: 64 << 20}, script{})
	c, data := openBare(b, st), make([]byte, 4<<10)
	id := <-st.opened
	const writes = 1000
	b.SetBytes(writes * int64(len(data)))
	for b.Loop() {
		st.on(id, func(l *Loop, c *Conn) {
			for range writes {
				l.WriteRef(c, data)
			}
		})
		for left := writes * len(data); left > 0; {
			n, err := unix.Read(c.fd, c.buf[:])
			if err != nil {
				b.Fatal(err)
			}
			left -= n
		}
	}
}

// BenchmarkMove sends conns to and fro between two loops, each with some bytes of a message. The time is that of one move, of a conn
// alone or of many at once.
func BenchmarkMove(b *testing.B) {
	for _, conns := range []int{1, 100} {
		for name, tables := range map[string]Tables{"shared": TablesOff, "private": TablesOn} {
			b.Run(fmt.Sprintf("%s/conns=%d", name, conns), func(b *testing.B) { benchmarkMove(b, tables, conns) })
		}
	}
}

func benchmarkMove(b *testing.B, tables Tables, conns int) {
	held, done := make(chan bool, conns), make(chan bool, conns)
	st := open(b, Config{Loops: 2, Tables: tables}, script{
		received: func(*Loop, *Conn, []byte) (int, int) { held <- true; return 0, 0 },
		moved: func(l *Loop, c *Conn, carry any) {
			if left := carry.(*int); *left == 0 {
				done <- true
			} else {
				*left--
				l.Move(c, 1-l.Number(), left)
			}
		},
	})
	st.forget(b)
	var ids []ConnID
	for range conns {
		client, id := st.connect()
		send(b, client, []byte("GET / HTTP/1.1\r\n"))
		await(b, held, "bytes")
		ids = append(ids, id)
	}
	b.ResetTimer()
	for i, id := range ids {
		left := (b.N + i) / conns
		st.on(id, func(l *Loop, c *Conn) { l.Move(c, 1-l.Number(), &left) })
	}
	for range conns {
		await(b, done, "the last move")
	}
}

// forget drops what the conns of a benchmark tell of their moves.
func (st *stage) forget(b *testing.B) {
	enough := make(chan struct{})
	b.Cleanup(func() { close(enough) })
	go func() {
		for {
			select {
			case <-st.moved:
			case <-st.closed:
			case <-enough:
				return
			}
		}
	}()
}
