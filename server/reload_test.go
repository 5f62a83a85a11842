package server

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/seed4ac54ce5/edge/protocol"
)

// setClientLimits changes n's limits to what change makes of those that it was opened with.
func (n *node) setClientLimits(change func(*Config)) {
	n.t.Helper()
	c := n.config
	change(&c)
	if err := n.SetClientLimits(c); err != nil {
		n.t.Fatal(err)
	}
}

// Sessions that stand meet new limits with what they do next.
func TestClientLimitsOfStandingSessions(t *testing.T) {
	n := openNode(t, func(c *Config) { c.Loops = 2 })
	long := publish(4, "a", `"`+strings.Repeat("x", 1024)+`"`)
	pieces := "01 85 00000000 7b 22 69 64 22 00 85 00000000 3a 39 2c 22 75" // two fragments of a message
	for _, r := range []struct {
		what   string
		change func(*Config)
		act    func(c *client)
		want   string
	}{
		{"rooms", func(c *Config) { c.RoomLimit = 1 }, func(c *client) { c.say(subscribe(3, "b")) }, `{"id":3,` + apiError(protocol.ErrLimitExceeded)[1:]},
		{"more rooms", func(c *Config) { c.RoomLimit = 2 }, func(c *client) { c.say(subscribe(3, "b")) }, subscribed(3)},
		{"the size of messages", func(c *Config) { c.MessageLimit = 1024 }, func(c *client) { c.say(long) }, "close 1009"},
		{"larger messages", func(c *Config) { c.MessageLimit = 2048 }, func(c *client) { c.say(long) }, published(4)},
		{"fragments", func(c *Config) { c.FragmentLimit = 1 }, func(c *client) { c.send(drawn(pieces)) }, "close 1008"},
	} {
		n.setClientLimits(func(*Config) {})
		c, _ := n.connect(pathWebSocket)
		c.say(subscribe(2, "a"))
		if got, _ := c.nextText(); got != subscribed(2) {
			t.Fatalf("%s: subscribe: %s", r.what, got)
		}
		n.setClientLimits(r.change)
		r.act(c)
		got, _ := c.nextText()
		for strings.HasPrefix(got, `{"push":`) {
			got, _ = c.nextText()
		}
		if got != r.want {
			t.Errorf("%s: %s; want %s", r.what, got, r.want)
		}
		c.close()
	}
	n.checkNeighbour()
}

// A client that is held back for its rate is read again when there is no rate any more, and is not closed for it.
func TestClientRatesOfStandingSessions(t *testing.T) {
	n := openNode(t, func(c *Config) { c.Loops = 1 })
	c, _ := n.connect(pathWebSocket)
	defer c.close()
	n.setClientLimits(func(c *Config) { c.CommandRate, c.RateBurst = 1, time.Hour })
	if err := n.onLoops(t.Context(), func(l *loop) {
		if l.limits.commands.burst != time.Hour || l.limits.bytes.cost != 0 {
			t.Errorf("the rates are %+v and %+v", l.limits.commands, l.limits.bytes)
		}
	}); err != nil {
		t.Fatal(err)
	}
	n.setClientLimits(func(c *Config) { c.CommandRate, c.RateBurst = 1, time.Minute })
	var all []string
	for i := range 100 {
		all = append(all, unsubscribe(i+2, "a"))
	}
	c.say(strings.Join(all, "\n"))
	c.nextText()
	held := 0
	if err := n.onLoops(t.Context(), func(l *loop) { held = len(l.throttles) }); err != nil || held != 1 {
		t.Fatalf("%d clients are held back, %v; want 1", held, err)
	}
	c.say(unsubscribe(200, "a"))
	n.setClientLimits(func(c *Config) { c.CommandRate = -1 })
	if got, _ := c.nextText(); got != unsubscribed(200) {
		t.Errorf("without a rate: %s; want %s", got, unsubscribed(200))
	}
}

// A new limit of queues holds for conns that stand, and for the lists beside their queues.
func TestQueueLimitOfStandingSessions(t *testing.T) {
	n := openNode(t, func(c *Config) { c.Loops = 1 })
	n.setClientLimits(func(c *Config) { c.QueueLimit = 4096 })
	if err := n.onLoops(t.Context(), func(l *loop) {
		if l.limits.queue != 4096 || l.behind.limit != 4096/waitingShare {
			t.Errorf("limits of %d and %d bytes", l.limits.queue, l.behind.limit)
		}
	}); err != nil {
		t.Fatal(err)
	}
}

func TestClientLimitsAreChecked(t *testing.T) {
	n := openNode(t, nil)
	for _, c := range []Config{{MessageLimit: -1}, {FragmentLimit: -1}, {QueueLimit: -1}} {
		if err := n.SetClientLimits(c); !errors.Is(err, ErrConfig) {
			t.Errorf("SetClientLimits(%d, %d, %d) = %v; want ErrConfig", c.MessageLimit, c.FragmentLimit, c.QueueLimit, err)
		}
	}
	n.Close()
	if err := n.SetClientLimits(n.config); !errors.Is(err, ErrClosed) {
		t.Errorf("SetClientLimits of a closed node = %v; want ErrClosed", err)
	}
}
