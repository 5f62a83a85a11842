package server

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// durably opens a node with durable rooms that keep size publications.
func durably(t *testing.T, size int, ackTimeout time.Duration) *node {
	return openNode(t, func(c *Config) {
		c.Rooms.Namespaces = []Namespace{{"job", RoomOptions{
			Kind: "durable", HistorySize: size, HistoryTTL: time.Hour, AckTimeout: ackTimeout,
		}}}
	})
}

// offer publishes numbers from, from+1, … to, each at the offset of its number.
func (n *node) offer(from, to int) {
	n.t.Helper()
	for i := from; i <= to; i++ {
		if _, err := n.Publish(context.Background(), "job:1", fmt.Append(nil, i), PublishOptions{}); err != nil {
			n.t.Fatal(err)
		}
	}
}

// consume connects as a consumer. recovered is what the reply says of it: "all", "part", or "new" for one that is not known.
func (n *node) consume(consumer string) (c *client, recovered string) {
	n.t.Helper()
	c = n.open(pathWebSocket)
	c.say(hello)
	c.nextText()
	c.say(fmt.Sprintf(`{"id":2,"subscribe":{"channel":"job:1","data":{"consumer":%q}}}`, consumer))
	text, _ := c.nextText()
	var reply struct {
		Subscribe struct {
			Was       bool `json:"was_recovering"`
			Recovered bool `json:"recovered"`
		} `json:"subscribe"`
	}
	if err := json.Unmarshal([]byte(text), &reply); err != nil {
		n.t.Fatalf("%s: %v", text, err)
	}
	switch s := reply.Subscribe; {
	case !s.Was:
		recovered = "new"
	case s.Recovered:
		recovered = "all"
	default:
		recovered = "part"
	}
	for _, p := range numbers(n.t, text) {
		recovered += fmt.Sprint(" ", p)
	}
	return c, recovered
}

// numbers returns the offsets of the publications in text, whose data must be their own.
func numbers(t testing.TB, text string) (offsets []int) {
	t.Helper()
	for _, part := range strings.Split(text, `{"data":`)[1:] {
		var data, offset int
		if _, err := fmt.Sscanf(part, `%d,"offset":%d}`, &data, &offset); err != nil || data != offset {
			t.Errorf("publication %s: %d at %d (%v)", part, data, offset, err)
		}
		offsets = append(offsets, offset)
	}
	return offsets
}

// receive returns the next n offsets that come.
func (c *client) receive(n int) (offsets []int) {
	for len(offsets) < n {
		text, ok := c.nextText()
		if !ok {
			c.t.Errorf("%s after %v", text, offsets)
			return offsets
		}
		offsets = append(offsets, numbers(c.t, text)...)
	}
	return offsets
}

// ack acknowledges up to offset and waits for the answer, past what comes again before it.
func (c *client) ack(offset int) {
	c.t.Helper()
	c.say(fmt.Sprintf(`{"id":9,"rpc":{"method":"edge.ack","data":{"channel":"job:1","offset":%d}}}`, offset))
	if h := c.hear(1, 0, false); len(h.replies) != 1 || h.replies[0] != `{"id":9,"rpc":{"data":{}}}` {
		c.t.Fatalf("ack of %d: %s", offset, h)
	}
}

// upTo returns from, from+1, … to.
func upTo(from, to int) (all []int) {
	for i := from; i <= to; i++ {
		all = append(all, i)
	}
	return all
}

func (c *client) wantOffsets(want []int) {
	c.t.Helper()
	if got := c.receive(len(want)); !slices.Equal(got, want) {
		c.t.Errorf("received %v; want %v", got, want)
	}
}

func TestUnacknowledgedComesAgain(t *testing.T) {
	n := durably(t, 100, 150*time.Millisecond)
	c, _ := n.consume("a")
	defer c.close()
	if err := n.onLoops(context.Background(), func(*loop) { n.offer(1, 3) }); err != nil { // in one turn, with one time to be due
		t.Fatal(err)
	}
	c.wantOffsets(upTo(1, 3))
	c.wantOffsets(upTo(1, 3))
	c.ack(1)
	c.wantOffsets(upTo(2, 3))
	c.ack(3)
	n.offer(4, 4)
	c.wantOffsets(upTo(4, 4))
}

// A consumer goes on where its acknowledgements end, also on another conn; what it got and did not acknowledge comes
// again with the reply.
func TestConsumerGoesOn(t *testing.T) {
	n := durably(t, 100, time.Hour)
	c, recovered := n.consume("a")
	if recovered != "new" {
		t.Errorf("first time: %s", recovered)
	}
	n.offer(1, 4)
	c.wantOffsets(upTo(1, 4))
	c.ack(2)
	c.close()
	n.offer(5, 6)
	c, recovered = n.consume("a")
	if recovered != "all 3 4 5 6" {
		t.Errorf("back: %s; want all 3 4 5 6", recovered)
	}
	n.offer(7, 7)
	c.wantOffsets(upTo(7, 7))
	c.ack(7)
	c.close()
	c, recovered = n.consume("a")
	if recovered != "all" {
		t.Errorf("back with all acknowledged: %s", recovered)
	}
	c.close()
	other, recovered := n.consume("b")
	if recovered != "new" {
		t.Errorf("another consumer: %s", recovered)
	}
	other.close()
}

// More than one reply may bring comes in pages behind it, and what is published meanwhile in its turn.
func TestConsumerCatchesUp(t *testing.T) {
	n := durably(t, 5000, time.Hour)
	c, _ := n.consume("a")
	c.ack(0)
	c.close()
	n.offer(1, 1000)
	c, recovered := n.consume("a")
	defer c.close()
	if want := "all " + strings.Trim(fmt.Sprint(upTo(1, maxRecovered)), "[]"); recovered != want {
		t.Errorf("back after 1000: %s; want %s", recovered, want)
	}
	n.offer(1001, 1500)
	c.wantOffsets(upTo(maxRecovered+1, 1500))
	n.offer(1501, 1510)
	c.wantOffsets(upTo(1501, 1510))
	c.ack(1510)
}

// What the history has lost is lost, but not in silence, and the rest comes at once and in order.
func TestConsumerThatWasAwayTooLong(t *testing.T) {
	n := durably(t, 3, time.Hour)
	c, _ := n.consume("a")
	c.close()
	n.offer(1, 5)
	c, recovered := n.consume("a")
	defer c.close()
	if recovered != "part 3 4 5" {
		t.Errorf("back after the history has moved on: %s; want part 3 4 5", recovered)
	}
	n.offer(6, 6)
	c.wantOffsets(upTo(6, 6))
}

func TestAcksThatAreRefused(t *testing.T) {
	n := durably(t, 3, time.Hour)
	c, _ := n.consume("a")
	defer c.close()
	n.offer(1, 2)
	c.wantOffsets(upTo(1, 2))
	for _, row := range []struct {
		data string
		code int
	}{
		{`{"channel":"job:1","offset":3}`, 112},
		{`{"channel":"job:1","offset":1,"epoch":"foreign!"}`, 112},
		{`{"channel":"job:2","offset":0}`, 103},
		{`{"offset":1}`, 107},
		{`[]`, 107},
		{`{"channel":"job:1","offset":-1}`, 107},
	} {
		c.say(`{"id":9,"rpc":{"method":"edge.ack","data":` + row.data + `}}`)
		if text, _ := c.nextText(); !strings.HasPrefix(text, fmt.Sprintf(`{"id":9,"error":{"code":%d,`, row.code)) {
			t.Errorf("edge.ack %s: %s; want error %d", row.data, text, row.code)
		}
	}
}

// A consumer belongs to its user: another user's of the same name is another one.
func TestConsumersAreTheirUsers(t *testing.T) {
	n := openNode(t, func(c *Config) {
		c.Rooms.Namespaces = []Namespace{{"job", RoomOptions{Kind: "durable", HistorySize: 10, HistoryTTL: time.Hour}}}
		c.Handler.Connect = func(r *ConnectRequest) (ConnectReply, error) { return ConnectReply{User: string(r.Token)}, nil }
	})
	as := func(user, data string) (c *client, reply string) {
		c = n.open(pathWebSocket)
		c.say(fmt.Sprintf(`{"id":1,"connect":{"token":%q}}`, user))
		c.nextText()
		c.say(`{"id":2,"subscribe":{"channel":"job:1","data":` + data + `}}`)
		reply, _ = c.nextText()
		return c, reply
	}
	alice, _ := as("alice", "{}")
	alice.close()
	n.offer(1, 2)
	eve, reply := as("eve", `{"consumer":"alice"}`)
	if strings.Contains(reply, "publications") {
		t.Errorf("eve goes on as alice: %s", reply)
	}
	eve.ack(2)
	eve.close()
	long, reply := as("eve", fmt.Sprintf(`{"consumer":%q}`, strings.Repeat("x", maxConsumer+1)))
	if strings.Contains(reply, "error") {
		t.Errorf("a name that is too long is as none: %s", reply)
	}
	long.close()
	alice, reply = as("alice", "{}")
	if !slices.Equal(numbers(t, reply), upTo(1, 2)) {
		t.Errorf("alice goes on with %s; want both", reply)
	}
	alice.close()
}
