package server

import (
	"slices"
	"testing"
	"time"

	"github.com/seed4ac54ce5/edge/netpoll"
)

// A session that has reached its age is told to connect anew, with pings and without.
func TestMaxConnectionAge(t *testing.T) {
	for _, pings := range []time.Duration{-1, 25 * time.Second} {
		t.Run(pings.String(), func(t *testing.T) {
			t.Parallel()
			n := openNode(t, func(c *Config) { c.MaxConnectionAge, c.PingInterval = time.Second, pings })
			began := time.Now()
			c, _ := n.connect(pathWebSocket)
			defer c.close()
			if got := c.rest(); !slices.Equal(got, []string{"close 3011"}) {
				t.Errorf("a client got %s; want close 3011", got)
			}
			if age := time.Since(began); age < 900*time.Millisecond {
				t.Errorf("a session has ended at the age of %v; want no less than a tenth below a second", age)
			}
		})
	}
}

// What a client has asked for is answered first.
func TestMaxConnectionAgeWaitsForCalls(t *testing.T) {
	t.Parallel()
	h, held, release := holder()
	n := openNode(t, func(c *Config) { c.Handler, c.MaxConnectionAge = h, time.Second })
	c := n.open(pathWebSocket)
	defer c.close()
	c.say(hello + "\n" + rpc(2, "1"))
	<-held
	c.next()                             // connect
	other, _ := n.connect(pathWebSocket) // is younger, so its end shows that the first one's time is over
	defer other.close()
	if got := other.rest(); !slices.Equal(got, []string{"close 3011"}) {
		t.Errorf("a client got %s; want close 3011", got)
	}
	release <- struct{}{}
	if h := c.hear(1, 0, true); len(h.replies) != 1 || h.end != "close 3011" {
		t.Errorf("a client with a call out heard %q; want the answer, then close 3011", h)
	}
}

// Those who have come together do not go together.
func TestMaxConnectionAgeIsSpread(t *testing.T) {
	const sessions, age = 100, 10_000
	n := openNode(t, func(c *Config) { c.MaxConnectionAge = age * time.Second })
	for _, c := range n.crowd(sessions) {
		defer c.close()
	}
	var ages []int
	var now int
	err := n.onLoops(t.Context(), func(l *loop) {
		now = int(l.net.Now() / time.Second)
		l.net.Each(func(c *netpoll.Conn) {
			if s := l.sessions.At(c.Slot()); s.state == stateReady {
				at, _ := l.ageLimit(c)
				ages = append(ages, int(at/time.Second))
			}
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(ages)
	low, high := ages[0], ages[len(ages)-1]
	if len(ages) != sessions || low < age*9/10 || high > now+age*11/10+1 || high-low < age/10 {
		t.Errorf("%d sessions end %d to %d s from the start; want %d, from %d to %d s", len(ages), low, high, sessions, age*9/10, now+age*11/10)
	}
}
