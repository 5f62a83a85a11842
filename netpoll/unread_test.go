package netpoll

import (
	"strings"
	"testing"
)

// A paused conn is read as far as its handler asks, and of one whose peer has gone the rest can be had in Closed.
func TestReadPaused(t *testing.T) {
	const sent = 40_000 // what fits into the sockets: the end of a stream comes behind all of it
	var got strings.Builder
	reads := make(chan int, 1<<10)
	received := func(_ *Loop, _ *Conn, b []byte) (used, need int) {
		used = len(b) / 2 * 2 // an odd byte is left for the next call
		got.Write(b[:used])
		reads <- len(b)
		return used, 0
	}
	st := open(t, Config{Addresses: []string{}}, script{
		opened:   func(l *Loop, c *Conn) { l.Pause(c) },
		received: received,
		closed: func(l *Loop, c *Conn) {
			l.ReadRest(c, func(c *Conn, b []byte) (used, need int) { return received(l, c, b) })
		},
	})
	id, peer := st.accepted()
	text := strings.Repeat("ab", sent/2)
	if _, err := peer.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	for n := 0; n < sent/3; {
		st.on(id, func(l *Loop, c *Conn) { l.ReadPaused(c, 1001) })
		select {
		case m := <-reads:
			if n += m; m > 1002 {
				t.Fatalf("%d bytes at once; want at most 1001 and one that was left", m)
			}
		default: // nothing had come yet
		}
	}
	peer.Close()
	st.wantClosed(id, ClosedByPeer)
	if got.String() != text {
		t.Errorf("%d bytes; want all %d that were sent", got.Len(), sent)
	}
}

func TestReadPausedIsForThePaused(t *testing.T) {
	st := open(t, Config{Addresses: []string{}}, script{received: func(_ *Loop, _ *Conn, b []byte) (int, int) { return len(b), 0 }})
	id, peer := st.accepted()
	st.on(id, func(l *Loop, c *Conn) {
		l.ReadPaused(c, 100)
		if l.Stats().Reads != 0 {
			t.Error("a conn was read that is not paused")
		}
		l.Pause(c)
	})
	peer.Close()
	st.wantClosed(id, ClosedByPeer)
}
