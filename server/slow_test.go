package server

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/seed4ac54ce5/edge/internal/testutil"
	"github.com/seed4ac54ce5/edge/metrics"
)

// sluggish makes c's socket hold little. With much less the kernel would send in time-outs.
func (c *client) sluggish() *client {
	if err := c.conn.SetReadBuffer(64 << 10); err != nil {
		c.t.Error(err)
	}
	return c
}

// flood publishes count messages of size bytes to "room", each when quick has heard the one before and the publisher
// its reply, until a slow consumer has been ended, and returns the most bytes that waited for members meanwhile.
func (n *node) flood(quick *client, count, size int) (mostQueued int64) {
	n.t.Helper()
	c := n.open(pathWebSocket)
	defer c.close()
	c.say(hello)
	c.next()
	data := `"` + strings.Repeat("x", size) + `"`
	for i := range count {
		c.extend()
		c.say(publish(i+2, "room", data))
		if got := c.hear(1, 0, false); len(got.replies) != 1 || got.replies[0] != published(i+2) {
			n.t.Fatalf("publish %d got %.100q", i, got)
		}
		quick.extend()
		if got := quick.hear(0, 1, false); len(got.pushes) != 1 || got.pushes[0] != pushOf("room", data) {
			n.t.Fatalf("the member that reads heard %.100q for publication %d", got, i)
		}
		counts := n.counts()
		mostQueued = max(mostQueued, counts.Queued)
		if counts.Slow != (counted{}) {
			break // who is ended must read its close frame before the linger deadline
		}
	}
	return mostQueued
}

// A member that does not read is ended with 3008 once its queue is full. The others miss nothing, and no more than
// a queue is ever held for it.
func TestMemberThatDoesNotRead(t *testing.T) {
	const limit, size = 64 << 10, 16 << 10
	n := openNode(t, func(c *Config) { c.QueueLimit = limit })
	slow, quick := n.member("room").sluggish(), n.member("room")
	defer slow.close()
	defer quick.close()
	if most := n.flood(quick, 50, size); most > limit+size {
		t.Errorf("%d bytes waited for a member; the limit is %d", most, limit)
	}
	slow.endsSlow(t)
	if got := n.counts().Disconnects[16+8]; got != 1 {
		t.Errorf("%d sessions were ended with 3008; want one", got)
	}
	n.checkSlow(t)
}

// endsSlow reads what c has been sent: whole frames, the last of which says why there are no more.
func (c *client) endsSlow(t *testing.T) {
	t.Helper()
	c.extend()
	got := c.rest()
	if len(got) == 0 || got[len(got)-1] != "close 3008" {
		t.Errorf("a member that did not read got %d frames, the last %s; want close 3008", len(got), got[max(len(got)-1, 0):])
	}
}

// checkSlow checks that one consumer was counted as slow, and only once.
func (n *node) checkSlow(t *testing.T) {
	t.Helper()
	if got := n.counts().Slow; got[metrics.SlowClosedBytes] != 1 || got[metrics.SlowClosedStall] != 0 {
		t.Errorf("slow consumers counted: %v; want one, by bytes", got)
	}
	n.checkNeighbour()
}

// A queue holds one write of any size. When another follows, the close frame still does too.
func TestLargeWriteToMemberThatDoesNotRead(t *testing.T) {
	const limit, size = 16 << 10, 1 << 20
	n := openNode(t, func(c *Config) { c.QueueLimit, c.MessageLimit = limit, 2*size })
	slow := n.member("room").sluggish()
	defer slow.close()
	c, _ := n.connect(pathWebSocket)
	defer c.close()
	c.say(publish(2, "room", `"`+strings.Repeat("x", size)+`"`))
	c.say(publish(3, "room", `"small"`))
	c.hear(2, 0, false)
	slow.endsSlow(t)
	n.checkSlow(t)
}

// A member whose socket takes nothing for too long is closed though its queue has room.
func TestMemberThatStalls(t *testing.T) {
	t.Parallel()
	n := openNode(t, func(c *Config) { c.QueueLimit, c.StallLimit = 64<<20, soon })
	stalled, quick := n.member("room").sluggish(), n.member("room")
	defer stalled.close()
	defer quick.close()
	n.flood(quick, 50, 16<<10)
	testutil.Eventually(t, patience, func() bool { return n.counts().Slow[metrics.SlowClosedStall] == 1 }, "the member is closed")
	testutil.Eventually(t, patience, func() bool { return n.counts().Queued == 0 }, "its queue is gone")
	n.checkNeighbour()
}

// A client that asks without reading the answers is no longer read, and when it reads at last it has them all.
func TestEchoToClientThatReadsLate(t *testing.T) {
	const count, size = 200, 48 << 10
	n := openNode(t, func(c *Config) { c.StallLimit = time.Minute })
	c := n.open(pathEcho).sluggish()
	defer c.close()
	payload := strings.Repeat("e", size)
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		for range count {
			c.send(masked(0x82, payload))
		}
	}()
	testutil.Eventually(t, patience, func() bool { return n.counts().Queued > 0 }, "answers wait for the client")
	n.checkNeighbour()
	want := said(ws.OpBinary, []byte(payload))
	for i := range count {
		if got := c.next(); got != want {
			t.Fatalf("echo %d of %d = %s; want %s", i, count, got, want)
		}
	}
	<-sent
}

// A client that pings and pings without reading a pong cannot make the node hold more than a queue.
func TestF20PingsFromClientThatDoesNotRead(t *testing.T) {
	const limit = 64 << 10
	n := openNode(t, func(c *Config) { c.QueueLimit, c.StallLimit = limit, soon })
	c := n.open(pathEcho).sluggish()
	defer c.close()
	pings := strings.Repeat(string(masked(0x89, strings.Repeat("p", 125))), 500)
	var most int64
	for gone := false; !gone; {
		_, err := c.conn.Write([]byte(pings))
		gone = err != nil
		counts := n.counts()
		gone = gone || counts.Slow != [metrics.SlowActions]uint64{}
		most = max(most, counts.Queued)
	}
	if most > 4*limit {
		t.Errorf("%d bytes waited for a client that only pings; the limit is %d", most, limit)
	}
	n.checkNeighbour()
}

// A client that asks in one message for more than it takes gets its answers as it takes them, in order, and no more than
// one of them is ever held for it.
func TestShortCommandsWithLongReplies(t *testing.T) {
	const publications, size, commands = 30, 16 << 10, 60
	n := openNode(t, func(c *Config) {
		c.Rooms.Namespaces = []Namespace{{"past", RoomOptions{HistorySize: publications, HistoryTTL: time.Hour}}}
	})
	for range publications {
		n.mustPublish("past:a", `"`+strings.Repeat("x", size)+`"`, PublishOptions{})
	}
	ask := []string{hello}
	for i := range commands {
		ask = append(ask, fmt.Sprintf(`{"id":%d,"history":{"channel":"past:a","limit":-1}}`, i+2))
	}
	gone, c := n.open(pathWebSocket).sluggish(), n.open(pathWebSocket).sluggish()
	defer c.close()
	gone.say(strings.Join(ask, "\n"))
	c.say(strings.Join(ask, "\n"))
	testutil.Eventually(t, patience, func() bool { return n.postponed() == 2 }, "commands wait behind replies")
	if most := n.counts().Queued; most > 2*publications*(size+100) {
		t.Errorf("%d bytes wait for two clients; a reply has %d", most, publications*size)
	}
	gone.close()
	testutil.Eventually(t, patience, func() bool { return n.postponed() == 1 }, "what was left of one that has gone is dropped")
	for id := 1; id <= commands+1; {
		c.extend()
		f, end := c.frame()
		for reply := range strings.SplitSeq(string(f.Payload), "\n") {
			if want := fmt.Sprintf(`{"id":%d,`, id); !strings.HasPrefix(reply, want) {
				t.Fatalf("%.100s%s; want %s…", reply, end, want)
			}
			id++
		}
	}
	n.checkNeighbour()
}

// postponed returns how many conns have commands that wait for room.
func (n *node) postponed() (count int) {
	if err := n.onLoops(n.t.Context(), func(l *loop) { count += len(l.unserved) }); err != nil {
		n.t.Error(err)
	}
	return count
}
