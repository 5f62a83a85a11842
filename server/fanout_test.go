package server

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed4ac54ce5/edge/internal/testutil"
)

// member returns a client that is in room.
func (n *node) member(room string) *client {
	n.t.Helper()
	c := n.open(pathWebSocket)
	c.say(hello + "\n" + subscribe(2, room))
	if h := c.hear(2, 0, false); len(h.replies) != 2 || h.replies[1] != subscribed(2) {
		n.t.Fatalf("subscribe to %s: %q", room, h)
	}
	return c
}

// Every member of a room receives every publication, whoever publishes from whatever loop, and all of them in the
// same order.
func TestOrderIsTotal(t *testing.T) {
	const members, publishers, each = 30, 4, 150
	n := openNode(t, func(c *Config) { c.Loops = 3 })
	var clients []*client
	for range members {
		clients = append(clients, n.member("room"))
	}
	heardBy := make([][]string, members)
	var listening, talking sync.WaitGroup
	for i, c := range clients {
		listening.Go(func() { heardBy[i] = c.hear(0, publishers*each, false).pushes })
	}
	for p := range publishers {
		talking.Go(func() { n.publishFrom(p, each) })
	}
	talking.Wait()
	listening.Wait()
	for i := range heardBy {
		checkOrders(t, i, heardBy[i], heardBy[0], publishers, each)
		clients[i].close()
	}
	if open := n.counts(); open.FanoutDeliveries != members*publishers*each {
		t.Errorf("%d deliveries counted; want %d", open.FanoutDeliveries, members*publishers*each)
	}
}

// publishFrom publishes "p-0", "p-1" and so on from a client of its own, some of them in one write.
func (n *node) publishFrom(p, count int) {
	c := n.open(pathWebSocket)
	defer c.close()
	c.say(hello)
	for i := 0; i < count; i += 5 {
		var lines []string
		for k := i; k < i+5; k++ {
			lines = append(lines, publish(k+2, "room", fmt.Sprintf(`"%d-%d"`, p, k)))
		}
		c.say(strings.Join(lines, "\n"))
	}
	c.hear(count+1, 0, false)
}

// checkOrders checks that what member i has heard is what the first one has, with each publisher's in its order.
func checkOrders(t *testing.T, i int, pushes, first []string, publishers, each int) {
	t.Helper()
	if fmt.Sprint(pushes) != fmt.Sprint(first) {
		t.Errorf("member %d and member 0 heard different orders", i)
	}
	next := make([]int, publishers)
	for _, line := range pushes {
		var p, k int
		_, data, _ := strings.Cut(line, `"data":"`)
		if _, err := fmt.Sscanf(data, "%d-%d", &p, &k); err != nil || k != next[p] {
			t.Fatalf("member %d heard %s; want number %d of its publisher", i, line, next[p])
		}
		next[p]++
	}
	for p := range next {
		if next[p] != each {
			t.Errorf("member %d heard %d publications of publisher %d; want %d", i, next[p], p, each)
		}
	}
}

// A publisher that is a member hears the reply first and its own publication then, and one that has left hears
// nothing more.
func TestP04OwnPublication(t *testing.T) {
	n := openNode(t, nil)
	c := n.member("room")
	defer c.close()
	c.say(publish(3, "room", "1"))
	for _, want := range []string{published(3), pushOf("room", "1")} {
		if got, _ := c.nextText(); got != want {
			t.Errorf("the publisher heard %s; want %s", got, want)
		}
	}
	c.say(publish(4, "room", "2") + "\n" + unsubscribe(5, "room"))
	if got, _ := c.nextText(); got != published(4)+"\n"+unsubscribed(5) {
		t.Errorf("publish and unsubscribe got %s", got)
	}
	c.say(publish(6, "room", "3"))
	if got, _ := c.nextText(); got != published(6) {
		t.Errorf("after unsubscribe: %s; want no publication", got)
	}
}

// What one turn has for a room goes to each member in one frame.
func TestPublicationsShareAFrame(t *testing.T) {
	n := openNode(t, nil)
	c, from := n.member("room"), n.member("other")
	defer c.close()
	defer from.close()
	from.say(publish(3, "room", "1") + "\n" + publish(4, "room", "2"))
	if got, _ := c.nextText(); got != pushOf("room", "1")+"\n"+pushOf("room", "2") {
		t.Errorf("two publications in one write came as %s", got)
	}
}

// Members that come and go while a room is busy hear a run of its publications without gap or repeat, beginning
// after their reply and ending with their leave.
func TestMembersThatComeAndGo(t *testing.T) {
	const visits = 60
	n := openNode(t, func(c *Config) { c.Loops = 2 })
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		n.publishUntil(stop)
	}()
	for range visits {
		c := n.member("room")
		pushes := c.hear(0, 3, false).pushes
		for i := 1; i < len(pushes); i++ {
			if number(pushes[i]) != number(pushes[i-1])+1 {
				t.Errorf("%s follows %s", pushes[i], pushes[i-1])
			}
		}
		c.close()
	}
	close(stop)
	<-done
}

// publishUntil publishes 1, 2, 3 to "room" until stop is closed, each when the one before has been taken.
func (n *node) publishUntil(stop <-chan struct{}) {
	c := n.open(pathWebSocket)
	defer c.close()
	c.say(hello)
	c.next()
	for i := 1; ; i++ {
		select {
		case <-stop:
			return
		default:
			c.say(publish(i+1, "room", fmt.Sprint(i)))
			c.next()
		}
	}
}

// number returns the data of a push of a number.
func number(push string) (i int) {
	_, data, _ := strings.Cut(push, `"data":`)
	_, _ = fmt.Sscanf(data, "%d", &i) // 0 follows nothing
	return i
}

// A room whose members vanish while it is busy is left with nobody in it.
func TestMembersThatVanish(t *testing.T) {
	n := openNode(t, func(c *Config) { c.Loops = 2 })
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		n.publishUntil(stop)
	}()
	for range 100 {
		c := n.member("room")
		if err := c.conn.SetLinger(0); err != nil {
			t.Fatal(err)
		}
		c.close()
	}
	close(stop)
	<-done
	testutil.Eventually(t, patience, func() bool { rooms, subs := n.hub.Count(); return rooms+subs == 0 }, "the room is empty")
}

// A client that is in many rooms gets what several of them have for it in one write, each room's publications in their
// order and what else it is sent in its place.
func TestRoomsShareAWrite(t *testing.T) {
	const rooms = 8
	n := openNode(t, func(c *Config) { c.Loops, c.PingInterval = 1, time.Hour })
	c := n.open(pathWebSocket)
	lines := []string{hello}
	for i := range rooms {
		lines = append(lines, subscribe(i+2, fmt.Sprint("room", i)))
	}
	c.say(strings.Join(lines, "\n"))
	c.hear(rooms+1, 0, false)
	before := n.counts()
	release := n.holdLoop()
	for k := range 3 * rooms {
		n.publish(fmt.Sprint("room", k%rooms), k, PublishOptions{})
	}
	c.say(`{"id":99,"presence":{"channel":"nowhere"}}`)
	release()
	heard := c.hear(1, 3*rooms, false)
	next := make(map[int]int)
	for _, push := range heard.pushes {
		var room, k int
		if _, err := fmt.Sscanf(push, `{"push":{"channel":"room%d","pub":{"data":%d}}}`, &room, &k); err != nil || k != room+rooms*next[room] {
			t.Errorf("heard %s (%v); want number %d of room%d", push, err, next[room], room)
		}
		next[room]++
	}
	after := n.counts()
	c.close()
	if writes := after.Writes - before.Writes; writes > 2 { // one of them answers
		t.Errorf("%d writes for %d publications in %d rooms; want 1", writes, 3*rooms, rooms)
	}
	if got := after.FanoutDeliveries - before.FanoutDeliveries; got != 3*rooms {
		t.Errorf("%d deliveries counted; want %d", got, 3*rooms)
	}
}

// A room that rests is served when its rest is over, also if another one was served in the turn in which it got something, and nothing
// else makes the loop turn.
func TestRoomsThatRestAreNotForgotten(t *testing.T) {
	n := openNode(t, func(c *Config) { c.Rooms.WithoutNamespace.BatchDelay = 100 * time.Millisecond })
	n.neighbour.close()
	resting, other := n.member("resting"), n.member("other")
	defer resting.close()
	defer other.close()
	n.mustPublish("resting", "1", PublishOptions{})
	resting.hear(0, 1, false)
	release := n.holdLoop()
	n.mustPublish("resting", "2", PublishOptions{})
	n.mustPublish("other", "1", PublishOptions{})
	release()
	other.hear(0, 1, false)
	came := make(chan struct{})
	go func() {
		defer close(came)
		resting.hear(0, 1, false)
	}()
	select {
	case <-came:
	case <-time.After(time.Minute): // a loop without anything to do turns after 69 s
		t.Error("a room that rests for 100 ms is not served within a minute")
		<-came
	}
}
