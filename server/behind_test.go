package server

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/seed4ac54ce5/edge/internal/testutil"
	"github.com/seed4ac54ce5/edge/metrics"
)

// everyPolicy has a namespace for each policy.
var everyPolicy = Rooms{Namespaces: []Namespace{
	{"queue", RoomOptions{HistorySize: 10, HistoryTTL: time.Minute}},
	{"drop", RoomOptions{SlowConsumer: "drop_oldest"}},
	{"newest", RoomOptions{Kind: "ephemeral"}},
	{"latest", RoomOptions{Kind: "latest", HistorySize: 1, HistoryTTL: time.Minute}},
}}

// openPolicies is openNode with everyPolicy.
func openPolicies(t *testing.T, change func(c *Config)) *node {
	t.Helper()
	return openNode(t, func(c *Config) {
		c.Rooms, c.StallLimit = everyPolicy, time.Hour
		if change != nil {
			change(c)
		}
	})
}

// memberOf returns a client that is in all of rooms and whose socket holds little.
func (n *node) memberOf(rooms ...string) *client {
	n.t.Helper()
	c := n.open(pathWebSocket).sluggish()
	lines := []string{hello}
	for i, room := range rooms {
		lines = append(lines, subscribe(i+2, room))
	}
	c.say(strings.Join(lines, "\n"))
	if h := c.hear(len(lines), 0, false); len(h.replies) != len(lines) || strings.Contains(fmt.Sprint(h.replies), "error") {
		n.t.Fatalf("subscribe to %s: %q", rooms, h)
	}
	return c
}

// publish publishes data, a number as a rule, as the node itself does.
func (n *node) publish(room string, data any, o PublishOptions) {
	n.t.Helper()
	if _, err := n.Publish(context.Background(), room, fmt.Append(nil, data), o); err != nil {
		n.t.Fatalf("publish to %s: %v", room, err)
	}
}

// settle waits until all that has been published is with its members' conns.
func (n *node) settle() {
	n.t.Helper()
	for waits := true; waits; {
		var due atomic.Int32
		if err := n.onLoops(context.Background(), func(l *loop) {
			if l.rosters.Due() {
				due.Add(1)
			}
		}); err != nil {
			n.t.Fatal(err)
		}
		waits = due.Load() > 0
	}
}

// filler is what sockets are filled with: never a number.
var filler = `"` + strings.Repeat("f", 16<<10) + `"`

// clog publishes fillers to a room whose members do not read, until their sockets take nothing more, and returns how many.
func (n *node) clog(room string) (count int) {
	n.t.Helper()
	return n.clogWith(room, func(int) any { return filler })
}

// clogWith is clog with fillers of one's own.
func (n *node) clogWith(room string, filler func(i int) any) (count int) {
	n.t.Helper()
	for still := 0; still < 5; count++ {
		before := n.counts().WireOut
		n.publish(room, filler(count), PublishOptions{})
		n.settle()
		if still++; n.counts().WireOut != before {
			still = 0
		}
	}
	return count
}

// push is what a member gets of a publication.
type push struct {
	Push struct {
		Channel string `json:"channel"`
		Pub     *struct {
			Data json.RawMessage `json:"data"`
		} `json:"pub"`
	} `json:"push"`
}

// hearPast reads until c has had count messages that are no fillers, or its end, and returns them, publications as
// "room data", and how many fillers came among them.
func (c *client) hearPast(count int) (others []string, fillers int) {
	c.t.Helper()
	c.extend()
	for len(others) < count {
		f, end := c.frame()
		switch {
		case end != "":
			return append(others, end), fillers
		case f.Header.OpCode != ws.OpText:
			return append(others, describe(f)), fillers
		}
		for line := range strings.SplitSeq(string(f.Payload), "\n") {
			var p push
			if err := json.Unmarshal([]byte(line), &p); err != nil {
				c.t.Fatalf("%.100q: %v", line, err)
			}
			switch {
			case p.Push.Pub == nil:
				others = append(others, uuid.ReplaceAllString(line, "ID"))
			case len(p.Push.Pub.Data) > len(filler)/2:
				fillers++
			default:
				others = append(others, p.Push.Channel+" "+string(p.Push.Pub.Data))
			}
		}
	}
	return others, fillers
}

// wantPast fails the test unless c has fillers first, then exactly want, and then what is published anew.
func (n *node) wantPast(c *client, fillers int, want ...string) {
	n.t.Helper()
	got, before := c.hearPast(len(want))
	if !slices.Equal(got, want) || before != fillers {
		n.t.Fatalf("got %d fillers and %q; want %d and %q", before, got, fillers, want)
	}
	n.wantNow(c, want[len(want)-1])
}

// wantNow fails the test unless the next that c hears, of the room of a publication, is published now.
func (n *node) wantNow(c *client, like string) {
	n.t.Helper()
	room, _, _ := strings.Cut(like, " ")
	n.publish(room, 99, PublishOptions{})
	if got, _ := c.hearPast(1); !slices.Equal(got, []string{room + " 99"}) {
		n.t.Errorf("once it has caught up a member of %s got %q", room, got)
	}
}

// slow returns how often each action has been taken.
func (n *node) slow() [metrics.SlowActions]uint64 { return n.counts().Slow }

// In a room that keeps the latest a member that stops reading finds the newest value when it goes on, by sender and key
// if there is a key, in one frame and in the order of their publication.
func TestLatestForMemberThatStops(t *testing.T) {
	n := openPolicies(t, nil)
	c := n.memberOf("queue:fill", "latest:a")
	defer c.close()
	fillers := n.clog("queue:fill")
	for i := range 20 {
		n.publish("latest:a", i, PublishOptions{})
		n.publish("latest:a", 100+i, PublishOptions{Key: fmt.Sprint("k", i%2)})
	}
	n.settle()
	if got := n.slow(); got != (counted{metrics.SlowReplaced: 19 + 18}) {
		t.Errorf("slow consumers counted: %v", got)
	}
	if got := c.hear(0, fillers, false); len(got.pushes) != fillers {
		t.Fatalf("got %d fillers and %s; want %d", len(got.pushes), got.end, fillers)
	}
	text, _ := c.nextText()
	lines := strings.Split(text, "\n")
	for i, want := range []string{`"data":118`, `"data":19`, `"data":119`} {
		if len(lines) != 3 || !strings.Contains(lines[i], want) {
			t.Fatalf("what has waited is %q; want three, number %d with %s", lines, i, want)
		}
	}
	n.wantNow(c, "latest:a")
	n.wantNow(c, "queue:fill")
}

// counted is how often each action has been taken.
type counted = [metrics.SlowActions]uint64

// In a room that drops the oldest the newest remain, as many as fit in the list.
func TestDropOldestForMemberThatStops(t *testing.T) {
	const fit, published = 10, 25
	size := waitingCost + len("drop:a") + len("99")
	n := openPolicies(t, func(c *Config) { c.QueueLimit = waitingShare * (fit*size + size/2) })
	c := n.memberOf("drop:a")
	defer c.close()
	n.clog("drop:a")
	before := n.slow()[metrics.SlowDropped]
	var want []string
	for i := range published {
		n.publish("drop:a", 10+i, PublishOptions{})
		want = append(want, fmt.Sprint("drop:a ", 10+i))
	}
	n.settle()
	// The last filler stood in the list as long as it was alone.
	if got := n.slow(); got != (counted{metrics.SlowDropped: before + 1 + published - fit}) {
		t.Errorf("slow consumers counted: %v, %d before", got, before)
	}
	got, _ := c.hearPast(fit)
	if want = want[published-fit:]; !slices.Equal(got, want) {
		t.Errorf("got %q; want %q", got, want)
	}
	n.wantNow(c, "drop:a")
}

// publishAs has a client publish a number with a key.
func (c *client) publishAs(id int, room, key string, data int, ephemeral bool) {
	c.t.Helper()
	c.say(fmt.Sprintf(`{"id":%d,"rpc":{"method":"edge.publish","data":{"channel":%q,"key":%q,"data":%d,"ephemeral":%v}}}`, id, room, key, data, ephemeral))
	if h := c.hear(1, 0, false); len(h.replies) != 1 || strings.Contains(h.replies[0], "error") {
		c.t.Fatalf("publish %d got %q", data, h)
	}
}

// Of what is ephemeral, in an ephemeral room or any other, the newest remains for each sender and key.
func TestEphemeralForMemberThatStops(t *testing.T) {
	for _, room := range []string{"newest:a", "queue:a", "drop:a", "latest:a"} {
		n := openPolicies(t, nil)
		c := n.memberOf("queue:fill", room)
		defer c.close()
		one, _ := n.connect(pathWebSocket)
		defer one.close()
		two, _ := n.connect(pathWebSocket)
		defer two.close()
		fillers := n.clog("queue:fill")
		for i, p := range []struct {
			from *client
			key  string
		}{{one, "x"}, {two, "x"}, {one, "y"}, {one, "x"}, {two, "z"}, {one, "y"}, {two, "z"}} {
			p.from.publishAs(i+2, room, p.key, i, true)
		}
		n.settle()
		if got := n.slow(); got != (counted{metrics.SlowReplaced: 3}) {
			t.Errorf("%s: slow consumers counted: %v; want three replaced", room, got)
		}
		n.wantPast(c, fillers, room+" 1", room+" 3", room+" 5", room+" 6")
	}
}

// In an ephemeral room a sender without a key replaces its own, and nobody else's.
func TestEphemeralWithoutKey(t *testing.T) {
	n := openPolicies(t, nil)
	c := n.memberOf("queue:fill", "newest:a")
	defer c.close()
	one, _ := n.connect(pathWebSocket)
	defer one.close()
	fillers := n.clog("queue:fill")
	one.publishAs(2, "newest:a", "", 1, false)
	n.publish("newest:a", 2, PublishOptions{})
	one.publishAs(3, "newest:a", "", 3, false)
	n.settle()
	n.wantPast(c, fillers, "newest:a 2", "newest:a 3")
}

// What joins the queue goes before what waits. If the same batch has newer than what waits, that goes.
func TestEphemeralBetweenOthers(t *testing.T) {
	n := openPolicies(t, nil)
	c := n.memberOf("queue:a")
	defer c.close()
	typing := PublishOptions{Ephemeral: true, Key: "typing"}
	fillers := n.clog("queue:a")
	n.publish("queue:a", 1, typing)
	n.settle()
	n.publish("queue:a", 2, PublishOptions{})
	n.settle()
	n.wantPast(c, fillers, "queue:a 2", "queue:a 1")

	fillers = n.clog("queue:a")
	n.publish("queue:a", 3, typing)
	n.settle()
	if err := n.onLoops(context.Background(), func(*loop) {
		n.publish("queue:a", 4, typing)
		n.publish("queue:a", 5, PublishOptions{})
	}); err != nil {
		t.Fatal(err)
	}
	n.settle()
	n.wantPast(c, fillers, "queue:a 4", "queue:a 5")
}

// News of members who come and go is dropped, oldest first, but takes nothing's place; those who do not want it do not
// get it later either.
func TestJoinsForMemberThatStops(t *testing.T) {
	noisy := RoomOptions{Kind: "ephemeral", Presence: true, JoinLeave: true}
	n := openNode(t, func(c *Config) {
		c.StallLimit = time.Minute
		c.Rooms = Rooms{Namespaces: []Namespace{{"noisy", noisy}, {"queue", RoomOptions{}}}}
	})
	wants, quiet := n.memberOf("queue:fill"), n.memberOf("queue:fill", "noisy:a")
	defer wants.close()
	defer quiet.close()
	wants.say(`{"id":9,"subscribe":{"channel":"noisy:a","join_leave":true}}`)
	wants.hear(1, 1, false) // itself
	fillers := n.clog("queue:fill")
	for range 2 {
		guest := n.memberOf("noisy:a")
		guest.say(unsubscribe(9, "noisy:a"))
		guest.hear(1, 0, false)
		guest.close()
	}
	n.publish("noisy:a", 7, PublishOptions{})
	n.settle()
	got, before := quiet.hearPast(1)
	if !slices.Equal(got, []string{"noisy:a 7"}) || before != fillers {
		t.Errorf("a member without a wish got %d fillers and %q", before, got)
	}
	got, before = wants.hearPast(5)
	said := func(what string) string {
		return `{"push":{"channel":"noisy:a","` + what + `":{"info":{"user":"","client":"ID"}}}}`
	}
	if want := []string{said("join"), said("leave"), said("join"), said("leave"), "noisy:a 7"}; !slices.Equal(got, want) || before != fillers {
		t.Errorf("a member with the wish got %d fillers and %q; want %d, two who come and go, and a publication", before, got, fillers)
	}
}

// Replies are not held up by what waits, and what waits of a room goes when the member leaves it, by itself or not.
func TestLeaveWhileBehind(t *testing.T) {
	n := openPolicies(t, nil)
	c := n.memberOf("queue:fill", "latest:a", "drop:b", "newest:c")
	defer c.close()
	fillers := n.clog("queue:fill")
	for i, room := range []string{"latest:a", "drop:b", "newest:c"} {
		n.publish(room, i, PublishOptions{})
	}
	n.settle()
	c.say(unsubscribe(9, "latest:a"))
	testutil.Eventually(t, patience, func() bool { _, subs := n.hub.Count(); return subs == 3 }, "the member has left")
	if err := n.Unsubscribe(context.Background(), Target{}, "drop:b"); err != nil {
		t.Fatal(err)
	}
	if rooms, subs := n.hub.Count(); rooms != 2 || subs != 2 {
		t.Errorf("%d rooms have %d subscriptions; want 2 and 2", rooms, subs)
	}
	n.wantPast(c, fillers, unsubscribed(9), `{"push":{"channel":"drop:b","unsubscribe":{"code":2000,"reason":"server unsubscribe"}}}`, "newest:c 2")
}

// A list gives back what it holds when its conn goes.
func TestEndWhileBehind(t *testing.T) {
	n := openPolicies(t, nil)
	c := n.memberOf("queue:fill", "latest:a", "drop:b")
	n.clog("queue:fill")
	n.publish("latest:a", 1, PublishOptions{})
	n.publish("drop:b", 2, PublishOptions{})
	n.settle()
	c.close()
	testutil.Eventually(t, patience, func() bool { return n.budget.Used() == 0 }, "nothing waits for anybody")
	n.checkNeighbour()
}

// A list larger than one write leaves in several, and what comes meanwhile goes behind it.
func TestLongListIsWrittenInOrder(t *testing.T) {
	const many = 600
	n := openPolicies(t, nil)
	c := n.memberOf("queue:fill", "drop:a")
	defer c.close()
	fillers := n.clog("queue:fill")
	var want []string
	for i := range many {
		n.publish("drop:a", i, PublishOptions{})
		want = append(want, fmt.Sprint("drop:a ", i))
	}
	n.settle()
	c.extend()
	got, before := c.hearPast(many)
	if !slices.Equal(got, want) || before != fillers {
		t.Errorf("got %d fillers and %d of %d publications, or not in order", before, len(got), many)
	}
	n.wantNow(c, "drop:a")
}

// What waits for a member that inflates comes deflated, frame behind frame, and none of it is another's.
func TestDeflatedForMemberThatStops(t *testing.T) {
	n := openPolicies(t, nil)
	c := n.open(pathWebSocket, "Sec-WebSocket-Extensions: permessage-deflate").sluggish()
	defer c.close()
	c.say(hello + "\n" + subscribe(2, "queue:fill") + "\n" + subscribe(3, "drop:a"))
	c.next()
	fillers := n.clogWith("queue:fill", func(i int) any { return noise(uint64(i), 16<<10) })
	for i := range uint64(3) {
		n.publish("drop:a", noise(i, 1<<10), PublishOptions{})
	}
	n.settle()
	for range fillers {
		c.next()
	}
	for i := range uint64(3) {
		want := "deflated " + said(ws.OpText, fmt.Appendf(nil, `{"push":{"channel":"drop:a","pub":{"data":%s}}}`, noise(i, 1<<10)))
		if got := c.next(); got != want {
			t.Errorf("frame %d is %s; want %s", i, got, want)
		}
	}
}

// noise returns text as JSON that deflates badly.
func noise(seed uint64, size int) string {
	rng := rand.New(rand.NewPCG(seed, 0))
	b := make([]byte, size/2)
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
	return fmt.Sprintf("%q", fmt.Sprintf("%x", b))
}
