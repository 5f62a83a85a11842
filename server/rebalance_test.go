package server

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/seed4ac54ce5/edge/internal/testutil"
	"github.com/seed4ac54ce5/edge/metrics"
	"github.com/seed4ac54ce5/edge/protocol"
)

// crowd connects sessions that are told apart by their place.
func (n *node) crowd(sessions int) (clients []*client) {
	n.t.Helper()
	for range sessions {
		c, _ := n.connect(pathWebSocket)
		clients = append(clients, c)
	}
	return clients
}

// endsOf tells how the clients' streams end, as they do.
func endsOf(clients []*client) <-chan string {
	ends := make(chan string, len(clients))
	for _, c := range clients {
		c.extend()
		go func() {
			got := c.rest()
			ends <- got[len(got)-1]
			c.close()
		}()
	}
	return ends
}

// A rebalance sends away just those who are too many, on all loops together, and the others stay.
func TestRebalance(t *testing.T) {
	const sessions, to = 60, 20
	n := openNode(t, func(c *Config) { c.Loops = 2 })
	clients := n.crowd(sessions)
	ends := endsOf(clients)
	surplus, err := n.Rebalance(t.Context(), to)
	if surplus != sessions-to || err != nil {
		t.Errorf("Rebalance(%d) of %d = %d, %v; want %d", to, sessions, surplus, err, sessions-to)
	}
	for range sessions - to {
		if got := <-ends; got != "close 3011" {
			t.Errorf("a client got %s; want close 3011", got)
		}
	}
	testutil.Eventually(t, patience, func() bool { return n.counts().Connections[metrics.WebSocket] == to && n.Departure() == (Departure{}) }, "the others stay")
	if surplus, err := n.Rebalance(t.Context(), to); surplus != 0 || err != nil {
		t.Errorf("Rebalance(%d) of as many = %d, %v; want 0", to, surplus, err)
	}
	n.checkNeighbour()
	for _, c := range clients {
		c.close()
	}
	for range to {
		<-ends
	}
}

// A new order takes the place of the one before: one that nobody is too many for stops it.
func TestRebalanceStops(t *testing.T) {
	const sessions = 5
	h, held, release := holder()
	n := openApp(t, h)
	clients := n.crowd(sessions)
	for _, c := range clients[1:] { // a session whose call is out is waited for
		c.say(rpc(2, "1"))
		<-held
	}
	if surplus, err := n.Rebalance(t.Context(), 0); surplus != sessions || err != nil {
		t.Fatalf("Rebalance(0) of %d = %d, %v; want all", sessions, surplus, err)
	}
	if got := fmt.Sprint(clients[0].rest()); got != "[close 3011]" {
		t.Errorf("a client got %s; want close 3011", got)
	}
	clients[0].close()
	if surplus, err := n.Rebalance(t.Context(), sessions); surplus != 0 || err != nil {
		t.Errorf("Rebalance(%d) = %d, %v; want nobody to go", sessions, surplus, err)
	}
	if d := n.Departure(); d != (Departure{}) {
		t.Errorf("Departure() = %+v after it has been stopped", d)
	}
	for range clients[1:] {
		release <- struct{}{}
	}
	for i, c := range clients[1:] {
		c.say(unsubscribe(3, "nowhere"))
		if h := c.hear(2, 0, false); len(h.replies) != 2 || h.end != "" {
			t.Errorf("client %d heard %q after the rebalance was stopped; want two answers", i+1, h)
		}
		c.close()
	}
}

// Those who leave by themselves need not be sent away.
func TestRebalanceCountsThoseWhoLeave(t *testing.T) {
	h, held, release := holder()
	n := openApp(t, h)
	clients := n.crowd(2)
	for _, c := range clients { // a session whose call is out is waited for
		c.say(rpc(2, "1"))
		<-held
	}
	if surplus, err := n.Rebalance(t.Context(), 1); surplus != 1 || err != nil {
		t.Fatalf("Rebalance(1) of 2 = %d, %v; want 1", surplus, err)
	}
	if got := n.Departure().Surplus; got != 1 {
		t.Errorf("Departure().Surplus = %d; want 1", got)
	}
	clients[0].close()
	testutil.Eventually(t, patience, func() bool { return n.Departure().Surplus == 0 }, "the rebalance is over")
	for range clients {
		release <- struct{}{}
	}
	c := clients[1]
	defer c.close()
	c.say(unsubscribe(3, "nowhere"))
	if h := c.hear(2, 0, false); len(h.replies) != 2 || h.end != "" {
		t.Errorf("the last client heard %q though the other had left; want two answers", h)
	}
}

// A loop that has stood still does not make up for it in a rush (R07).
func TestPaceAfterAPause(t *testing.T) {
	const sessions = 200
	n := openNodeAlone(t, nil)
	for _, c := range n.crowd(sessions) {
		defer c.close()
	}
	for name, order := range map[string]shedOrder{
		"rebalance": {protocol.DisconnectForceReconnect, rebalanceWindow, sessions},
		"drain":     {protocol.DisconnectShutdown, 2 * time.Hour, everybody},
	} {
		gone := 0
		if err := n.onLoops(t.Context(), func(l *loop) {
			d := &l.shedding
			d.begin(l, order)
			for _, at := range []*time.Duration{&d.begun, &d.due, &d.ends} {
				*at -= time.Hour
			}
			before := len(d.ids)
			d.step(l)
			gone = before - len(d.ids)
			*d = shedding{}
		}); err != nil {
			t.Fatal(err)
		}
		const most = int(maxLate*calmRate/time.Second) + 1
		if gone < 1 || gone > most {
			t.Errorf("after an hour's pause a %s has the turn of %d of %d sessions come at once; want 1 to %d", name, gone, sessions, most)
		}
	}
}

func TestRebalanceRefuses(t *testing.T) {
	n := openNode(t, func(c *Config) { c.DrainDelay = time.Hour })
	if _, err := n.Rebalance(t.Context(), -1); !errors.Is(err, ErrNegative) {
		t.Errorf("Rebalance(-1) = %v; want %v", err, ErrNegative)
	}
	done := n.serve()
	n.Drain()
	testutil.Eventually(t, patience, func() bool { return n.Departure().Draining }, "the node drains")
	if _, err := n.Rebalance(t.Context(), 0); !errors.Is(err, ErrDraining) {
		t.Errorf("Rebalance of a node that drains = %v; want %v", err, ErrDraining)
	}
	n.HurryDrain()
	n.neighbour.close()
	<-done()
	if _, err := n.Rebalance(t.Context(), 0); !errors.Is(err, ErrDraining) {
		t.Errorf("Rebalance of a closed node = %v; want %v", err, ErrDraining)
	}
}

func TestSharesOf(t *testing.T) {
	for _, r := range []struct {
		counts []int
		to     int
		want   []int
	}{
		{[]int{10, 10}, 10, []int{5, 5}},
		{[]int{10, 10}, 20, []int{0, 0}},
		{[]int{10, 10}, 30, []int{0, 0}},
		{[]int{10, 10}, 0, []int{10, 10}},
		{[]int{9, 1, 0}, 5, []int{5, 0, 0}},
		{[]int{0, 3, 3, 3}, 8, []int{0, 1, 0, 0}},
		{[]int{0, 0}, 0, []int{0, 0}},
		{[]int{7, 7, 7}, 1, []int{7, 7, 6}},
		{nil, 0, []int{}},
	} {
		if got := sharesOf(r.counts, r.to); !slices.Equal(got, r.want) {
			t.Errorf("sharesOf(%v, %d) = %v; want %v", r.counts, r.to, fmt.Sprint(got), r.want)
		}
	}
}
