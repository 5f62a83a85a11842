package server

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed4ac54ce5/edge/internal/testutil"
	"github.com/seed4ac54ce5/edge/metrics"
)

// A client that sends more commands than it may is not read for a while, and loses nothing.
func TestF18CommandRate(t *testing.T) {
	t.Parallel()
	n := openNode(t, func(c *Config) { c.CommandRate, c.RateBurst = 100, 500*time.Millisecond })
	c := n.open(pathWebSocket)
	defer c.close()
	c.say(hello)
	c.next()
	const commands = 80 // of which 50 are a burst
	var send []byte
	for id := range commands {
		send = append(send, masked(0x81, unsubscribe(id+2, "a"))...)
	}
	c.send(send)
	if got := c.hear(commands, 0, false).replies; len(got) != commands || got[commands-1] != unsubscribed(commands+1) {
		t.Errorf("%d replies to %d commands", len(got), commands)
	}
	if got := n.counts().Limited[metrics.LimitCommands]; got == 0 {
		t.Error("a client with more commands than its burst was not held back")
	}
	n.checkNeighbour()
}

// One that keeps it up is closed, whatever it sends too much of.
func TestRateThatIsKeptUp(t *testing.T) {
	t.Parallel()
	for _, r := range []struct {
		rule  string
		send  []byte
		limit metrics.Limit
	}{
		{"F18 commands", masked(0x81, unsubscribe(2, "a")), metrics.LimitCommands},
		{"F18 many commands in a message", masked(0x81, strings.Repeat(unsubscribe(2, "a")+"\n", 100)), metrics.LimitCommands},
		{"F20 pings", masked(0x89, ""), metrics.LimitCommands},
		{"F20 F21 pongs", masked(0x8a, ""), metrics.LimitCommands},
		{"F18 fragments", slices.Concat(masked(0x01, `{"id":2,"unsubscribe":{"channel":`), masked(0x00, ""), masked(0x80, `"a"}}`)), metrics.LimitCommands},
		{"F18 bytes", masked(0x81, unsubscribe(2, "a")+strings.Repeat(" ", 10_000)), metrics.LimitBytes},
		{"P06 joins and leaves", masked(0x81, subscribe(2, "a")+"\n"+unsubscribe(3, "a")), metrics.LimitCommands},
		{"P12 publications", masked(0x81, publish(2, "a", "1")), metrics.LimitCommands},
	} {
		n := openNode(t, func(c *Config) {
			c.CommandRate, c.RateBurst = 1000, 200*time.Millisecond
			if r.limit == metrics.LimitBytes {
				c.ByteRate, c.MessageLimit = 50_000, 20_000
			}
		})
		n.attack(r.rule, metrics.RejectRate, 1, func(t *testing.T) {
			c := n.open(pathWebSocket)
			defer c.close()
			c.say(hello)
			c.next()
			stop := make(chan struct{})
			done := make(chan struct{})
			go func() {
				defer close(done)
				for batch := bytes.Repeat(r.send, 10); ; c.send(batch) {
					select {
					case <-stop:
						return
					default:
					}
				}
			}()
			if all := c.rest(); len(all) == 0 || all[len(all)-1] != "close 3013" {
				t.Errorf("a flood ends with %.100q; want close 3013", all[max(len(all)-1, 0):])
			}
			close(stop)
			c.close()
			<-done
		})
		if limited := n.counts().Limited; limited[r.limit] == 0 {
			t.Errorf("%s: limited %v times", r.rule, limited)
		}
	}
}

// Of the pings that come together the first and the last are answered, in order (RFC 6455 section 5.5.3).
func TestF20ManyPings(t *testing.T) {
	n := openNode(t, nil)
	var send []byte
	var want []string
	for i := range 50 {
		payload := fmt.Sprint(i)
		send = append(send, masked(0x89, payload)...)
		if i < maxPongs || i == 49 {
			want = append(want, fmt.Sprintf("pong %q", payload))
		}
	}
	for _, path := range []string{pathEcho, pathWebSocket} {
		if got := n.exchange(slices.Concat(send, closing(1000, "")), nil, path, nil); !slices.Equal(got, append(slices.Clone(want), "close 1000")) {
			t.Errorf("on %s: %q; want %q", path, got, want)
		}
	}
	n.checkNeighbour()
}

// A message that does not become whole in time ends its session, however it is sent. Whole ones in
// between are no excuse for fragments, but a message's time begins with its first byte.
func TestMessageTimeout(t *testing.T) {
	t.Parallel()
	frame := masked(0x81, strings.Repeat(" ", 200)+unsubscribe(2, "a"))
	for _, r := range []struct {
		rule string
		next func(i int) []byte
	}{
		{"F19 half a frame", func(i int) []byte { return frame[:min(20, max(0, 20-20*i))] }},
		{"F19 a byte at a time", func(i int) []byte { return frame[min(i, len(frame)-1):][:1] }},
		{"F19 a header cut short", func(i int) []byte { return frame[:min(1, max(0, 1-i))] }},
		{"F19 fragments", func(i int) []byte {
			if i == 0 {
				return masked(0x01, "{")
			}
			return masked(0x00, " ")
		}},
		{"F19 fragments and pings", func(i int) []byte {
			if i == 0 {
				return masked(0x01, "{")
			}
			return masked(0x89, "")
		}},
	} {
		for _, connected := range []bool{true, false} {
			n := openNode(t, func(c *Config) { c.MessageTimeout = soon })
			n.attack(r.rule, metrics.RejectUnfinished, 1, func(t *testing.T) {
				c := n.open(pathWebSocket)
				if connected {
					c.say(hello)
					c.next()
				}
				began, i := time.Now(), 0
				stop := make(chan struct{})
				done := c.trickle(stop, func() []byte { i++; return r.next(i - 1) })
				got := c.next()
				for got == `pong ""` {
					got = c.next()
				}
				if took := time.Since(began); got != "close 1008" || took < soon || took > late {
					t.Errorf("%s after %v; want close 1008 after %v", got, took, soon)
				}
				close(stop)
				<-done
				c.close()
			})
		}
	}
}

// Many messages in a row, each in time and each cut, are no message that takes long.
func TestMessagesInTime(t *testing.T) {
	t.Parallel()
	n := openNode(t, func(c *Config) { c.MessageTimeout = unhurried })
	c := n.open(pathWebSocket)
	defer c.close()
	c.say(hello)
	c.next()
	frame := masked(0x81, unsubscribe(2, "a"))
	stop := make(chan struct{})
	done := c.trickle(stop, func() []byte { return slices.Concat(frame[10:], frame[:10]) })
	c.send(frame[:10])
	for began := time.Now(); time.Since(began) < 2*unhurried; {
		if got, _ := c.nextText(); !strings.HasPrefix(got, unsubscribed(2)) {
			t.Fatalf("got %s", got)
		}
	}
	close(stop)
	<-done
}

// Strangers cannot make the node hold more than they need for a connect, and all clients together
// have a budget for what is not whole.
func TestF29InputMemory(t *testing.T) {
	const budget = 1 << 20
	n := openNode(t, func(c *Config) { c.MessageLimit, c.InputBudget = 8<<20, budget })
	moved := n.rejections(func() {
		stranger := n.open(pathWebSocket)
		defer stranger.close()
		stranger.send(masked(0x81, strings.Repeat(" ", strangersLimit+1))[:14])
		if got := stranger.next(); got != "close 1009" {
			t.Errorf("a stranger's message of %d bytes: %s", strangersLimit+1, got)
		}
	})
	checkMoved(t, moved, metrics.RejectMessageSize, 1)

	half := masked(0x82, strings.Repeat(" ", 600<<10))[:400<<10]
	holder := n.open(pathWebSocket)
	holder.say(hello)
	holder.next()
	before := n.counts().WireIn
	holder.send(half)
	testutil.Eventually(t, patience, func() bool { return n.counts().WireIn >= before+uint64(len(half)) }, "half a message is held")
	if used := n.inputs.Used(); used < int64(len(half)) || used > budget {
		t.Errorf("%d bytes are counted as held; they are %d", used, len(half))
	}
	n.inputs.Add(budget) // what others hold
	moved = n.rejections(func() {
		for _, r := range []struct {
			what, want string
			send       []byte
		}{
			{"half a message", "close 1013", masked(0x81, "half")[:8]},
			{"a fragment", "close 1013", masked(0x01, "x")},
		} {
			c := n.open(pathWebSocket)
			c.send(r.send)
			if got := c.next(); got != r.want {
				t.Errorf("%s beyond the budget: %s; want %s", r.what, got, r.want)
			}
			c.close()
		}
		c := n.dial()
		c.send([]byte("GET / HTTP/1.1\r\n"))
		if head := c.readHead(); !strings.HasPrefix(head, "HTTP/1.1 503 ") {
			t.Errorf("half a head beyond the budget: %q", head)
		}
		c.close()
	})
	checkMoved(t, moved, metrics.RejectInputMemory, 3)
	n.checkNeighbour()
	n.inputs.Add(-budget)
	holder.close()
	testutil.Eventually(t, patience, func() bool { return n.inputs.Used() == 0 }, "nothing is held any more")
}
