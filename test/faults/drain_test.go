//go:build faults

package faults

import (
	"errors"
	"strings"
	"syscall"
	"testing"
	"time"
)

// R02: TERM. The node says at once that it is not ready, accepts nobody any more, sends what waits, gives everybody a code
// to come back with, at a pace, and ends before its deadline.
func TestR02GracefulStop(t *testing.T) {
	const size, publications = 2000, 20
	n := start(t, launch{args: []string{"--loops=2", "--shutdown-window=10s"}})
	g := gather(n, size, "room")
	c := n.connect()
	for number := range publications {
		if _, err := c.ask(publish(2, "room", g.stamp(uint64(number+1), strings.Repeat("x", 1000)))); err != nil {
			t.Fatal(err)
		}
	}
	n.term()
	began := time.Now()
	c.close()
	if code := n.end(); code != 0 {
		t.Errorf("the node ended with %d", code)
	}
	took := time.Since(began)
	g.wait()
	codes := make(map[int]int)
	var ends latencies
	for _, m := range g.members {
		codes[codeOf(m.why)]++
		ends = append(ends, m.over.Sub(began))
	}
	if codes[3001] != size || g.received() != size*publications {
		t.Errorf("close codes %v, %d publications arrived; want %d with 3001, %d", codes, g.received(), size, size*publications)
	}
	g.checkOrder(t)
	if _, err := connectTo(nil, n.address); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("a client that comes later: %v; want it refused", err)
	}
	var said struct{ Cut int }
	if n.book.decode(t, "drained", &said); said.Cut != 0 {
		t.Errorf("%d were cut; want none", said.Cut)
	}
	t.Logf("%d sessions: all got 3001 and all %d publications; closed after %v; the process ended after %v", size, publications, ends, took.Round(10*time.Millisecond))
}
