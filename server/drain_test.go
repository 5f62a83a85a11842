package server

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed4ac54ce5/edge/internal/testutil"
)

// run serves n until the function that it returns is called, which begins the drain and returns a channel that is
// closed at its end.
func (n *node) serve() (stop func() <-chan struct{}) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := n.Run(ctx); err != nil {
			n.t.Errorf("Run: %v", err)
		}
	}()
	return func() <-chan struct{} {
		cancel()
		return done
	}
}

// A drain refuses who comes, says that the node is not ready, and tells everybody who is there to go.
func TestDrain(t *testing.T) {
	n := openNode(t, func(c *Config) { c.Loops = 2 })
	session, echo, fresh, head := n.member("room"), n.open(pathEcho), n.open(pathWebSocket), n.dial()
	clients := []*client{session, echo, fresh, head}
	stop := n.serve()
	done := stop()

	for i, want := range []string{"[close 3001]", "[close 1001]", "[close 3001]", "[]"} {
		if got := fmt.Sprint(clients[i].rest()); got != want {
			t.Errorf("client %d got %s; want %s", i, got, want)
		}
	}
	// None of the four has closed its side, so the drain waits for them.
	if status, body := n.get("/health"); status != http.StatusServiceUnavailable || !strings.Contains(body, "draining") {
		t.Errorf("/health = %d %q; want 503 and why", status, body)
	}
	if status, _ := n.get("/health/live"); status != http.StatusOK {
		t.Errorf("/health/live = %d; want 200", status)
	}
	n.snapshot() // also a loop that none of the clients is on has closed its listeners
	for range 8 {
		if conn, err := net.Dial("tcp", n.Addresses()[0]); err == nil {
			t.Error("a drained node accepts a conn")
			_ = conn.Close()
		}
	}
	n.neighbour.close()
	for _, c := range clients {
		c.close()
	}
	select {
	case <-done:
	case <-time.After(patience):
		t.Error("the drain does not end though everybody has gone")
	}
}

// What waits for a client leaves before the close frame.
func TestDrainFlushesQueues(t *testing.T) {
	const size = 512 << 10
	n := openNode(t, func(c *Config) { c.MessageLimit, c.QueueLimit = 2*size, 2*size })
	c := n.member("room").sluggish()
	defer c.close()
	from, _ := n.connect(pathWebSocket)
	defer from.close()
	data := `"` + strings.Repeat("x", size) + `"`
	from.say(publish(2, "room", data))
	testutil.Eventually(t, patience, func() bool { return n.counts().Queued > 0 }, "the publication waits for its member")
	done := n.serve()()
	if h := c.hear(0, 1, false); len(h.pushes) != 1 || h.pushes[0] != pushOf("room", data) {
		t.Errorf("a drain cuts what waits: %.100q", h)
	}
	if got := fmt.Sprint(c.rest()); got != "[close 3001]" {
		t.Errorf("then %s; want close 3001", got)
	}
	c.close()
	from.close()
	n.neighbour.close()
	<-done
}

// A drain closes sessions at an even pace over its window, and many of them do not go at once.
func TestDrainPace(t *testing.T) {
	const sessions, window = 600, 250 * time.Millisecond
	n := openNode(t, func(c *Config) { c.ShutdownWindow = window })
	ended := make([]time.Duration, sessions)
	var open sync.WaitGroup
	var began time.Time
	clients := make([]*client, sessions)
	for i := range clients {
		clients[i] = n.open(pathWebSocket)
	}
	stop := n.serve()
	began = time.Now()
	for i, c := range clients {
		c.extend()
		open.Go(func() {
			if got := fmt.Sprint(c.rest()); got != "[close 3001]" {
				t.Errorf("session %d got %s", i, got)
			}
			ended[i] = time.Since(began)
			c.close()
		})
	}
	n.neighbour.close()
	done := stop()
	open.Wait()
	<-done
	early := 0
	for _, at := range ended {
		if at < window/2 {
			early++
		}
		if at > window+late {
			t.Errorf("a session ended %v after the drain began; the window is %v", at, window)
		}
	}
	if early > sessions*9/10 {
		t.Errorf("%d of %d sessions ended in the first half of the window", early, sessions)
	}
}

// A drain in a hurry does not take the window, and clients that never answer do not hold it up for long (R03).
func TestDrainOfClientsThatStay(t *testing.T) {
	t.Parallel()
	n := openNode(t, func(c *Config) { c.ShutdownWindow = time.Hour })
	stays := n.open(pathEcho)
	defer stays.close()
	n.HurryDrain()
	began := time.Now()
	<-n.serve()()
	if took := time.Since(began); took > lingerTimeout+late {
		t.Errorf("a drain in a hurry took %v", took)
	}
}
