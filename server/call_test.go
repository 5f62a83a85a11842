package server

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/seed4ac54ce5/edge/internal/testutil"
	"github.com/seed4ac54ce5/edge/metrics"
	"github.com/seed4ac54ce5/edge/protocol"
)

// dawdler is an application whose functions take different times, and all say yes.
func dawdler(nonBlocking bool) Handler {
	dawdle := func() {
		for range rand.IntN(40) {
			runtime.Gosched()
		}
	}
	return Handler{
		NonBlocking: nonBlocking,
		Connect:     func(*ConnectRequest) (ConnectReply, error) { dawdle(); return ConnectReply{}, nil },
		Subscribe:   func(Client, *SubscribeRequest) (SubscribeReply, error) { dawdle(); return SubscribeReply{}, nil },
		Publish:     func(Client, *PublishRequest) (PublishReply, error) { dawdle(); return PublishReply{}, nil },
		RPC:         func(_ Client, r *RPCRequest) ([]byte, error) { dawdle(); return r.Data, nil },
		Message:     func(Client, []byte) error { dawdle(); return nil },
	}
}

// Each command gets one reply, and replies come in the order of the commands: whatever is asked, however long the
// application takes for it, and however the commands are spread over messages, frames and writes.
func TestRepliesComeInOrder(t *testing.T) {
	inBothWays(t, func(t *testing.T, nonBlocking bool) {
		n := openNode(t, func(c *Config) {
			c.Handler, c.Loops = dawdler(nonBlocking), 2
			c.Rooms.WithoutNamespace = RoomOptions{Presence: true, HistorySize: 10, HistoryTTL: time.Minute}
		})
		seed := rand.Uint64()
		var clients sync.WaitGroup
		for i := range 8 {
			clients.Go(func() {
				p := pipeline{encoding: protocol.Encoding(i % 2), random: rand.New(rand.NewPCG(seed, uint64(i)))}
				if err := p.run(n, 500); err != nil {
					t.Errorf("seed %d, client %d: %v", seed, i, err)
				}
			})
		}
		clients.Wait()
		n.checkNeighbour()
	})
}

// pipeline is a client that sends all its commands without waiting for a reply.
type pipeline struct {
	encoding protocol.Encoding
	random   *rand.Rand
	sent     uint32 // commands with an id
}

// run sends so many commands and returns what is wrong with the replies.
func (p *pipeline) run(n *node, commands int) error {
	c := n.open(pathWebSocket + "?format=" + p.encoding.String())
	defer c.close()
	var out []byte
	for commands > 0 {
		batch := min(1+p.random.IntN(6), commands)
		commands -= batch
		out = append(out, p.message(batch)...)
	}
	var sending sync.WaitGroup
	defer sending.Wait()
	sending.Go(func() {
		for len(out) > 0 {
			k := min(1+p.random.IntN(2000), len(out))
			c.send(out[:k])
			out = out[k:]
		}
	})
	return p.check(c, p.sent)
}

// message is so many commands as one message, in one or two frames.
func (p *pipeline) message(commands int) []byte {
	var b []byte
	for range commands {
		b = p.command(p.encoding.Join(b))
	}
	opcode := byte(ws.OpText)
	if p.encoding == protocol.Protobuf {
		opcode = byte(ws.OpBinary)
	}
	if cut := p.random.IntN(2 * len(b)); cut < len(b) {
		return append(masked(opcode, string(b[:cut])), masked(0x80, string(b[cut:]))...)
	}
	return masked(0x80|opcode, string(b))
}

// command appends any command, the first time a connect.
func (p *pipeline) command(b []byte) []byte {
	e, room := p.encoding, fmt.Appendf(nil, "room%d", p.random.IntN(3))
	if p.sent > 0 && p.random.IntN(8) == 0 {
		return e.AppendSend(b, 0, []byte("1"))
	}
	p.sent++
	if p.sent == 1 {
		return e.AppendConnect(b, 1, &protocol.ConnectRequest{})
	}
	switch p.random.IntN(7) {
	case 0:
		return e.AppendSubscribe(b, p.sent, &protocol.SubscribeRequest{Channel: room}) // an error if it is in already
	case 1:
		return e.AppendUnsubscribe(b, p.sent, room)
	case 2:
		return e.AppendPublish(b, p.sent, &protocol.PublishRequest{Channel: room, Data: []byte("{}")})
	case 3:
		return e.AppendPresence(b, p.sent, room)
	case 4:
		return e.AppendPresenceStats(b, p.sent, room)
	case 5:
		return e.AppendHistory(b, p.sent, &protocol.HistoryRequest{Channel: room, Limit: 2})
	}
	return e.AppendRPC(b, p.sent, &protocol.RPCRequest{Method: []byte("m"), Data: []byte(`"x"`)})
}

// check reads until it has the reply to each command, and then to the end, where no more may come.
func (p *pipeline) check(c *client, commands uint32) error {
	var (
		decoder protocol.Decoder
		reply   protocol.Reply
		last    uint32
	)
	for {
		f, end := c.frame()
		if end != "" || f.Header.OpCode == ws.OpClose {
			return p.checkEnd(last, commands, end, f)
		}
		for rest := f.Payload; len(rest) > 0; {
			var msg []byte
			var err error
			if msg, rest, err = p.encoding.Next(rest); err == nil {
				err = p.encoding.DecodeReply(&decoder, msg, &reply)
			}
			switch {
			case err != nil:
				return fmt.Errorf("%q behind reply %d: %w", f.Payload, last, err)
			case reply.Kind == protocol.ReplyPush || reply.Kind == protocol.ReplyPublication:
			case reply.ID != last+1:
				return fmt.Errorf("reply %d after reply %d", reply.ID, last)
			default:
				last++
			}
		}
		if last == commands {
			c.send(closing(1000, ""))
		}
	}
}

func (p *pipeline) checkEnd(last, commands uint32, end string, f ws.Frame) error {
	if last != commands || end != "" || describe(f) != "close 1000" {
		return fmt.Errorf("%d of %d replies, then %s %s", last, commands, end, describe(f))
	}
	return nil
}

// holder is an application whose calls wait, after they have said so, for the test.
func holder() (h Handler, held, release chan struct{}) {
	held, release = make(chan struct{}), make(chan struct{})
	return Handler{RPC: func(_ Client, r *RPCRequest) ([]byte, error) {
		held <- struct{}{}
		<-release
		return r.Data, nil
	}}, held, release
}

// While a call of a conn is out nothing is read from it, so that it costs no more memory whatever its client sends.
// Others go on.
func TestConnWithACallOutIsNotRead(t *testing.T) {
	const more = 3000 // commands, some 150 KiB
	h, held, release := holder()
	n := openApp(t, h)
	c := n.open(pathWebSocket)
	defer c.close()
	c.say(hello)
	c.next()
	c.say(rpc(2, "1"))
	<-held
	before, own := n.counts().WireIn, len(n.neighbour.askStill())
	var sending sync.WaitGroup
	sending.Go(func() {
		for i := range more {
			c.say(unsubscribe(3+i, "a"))
		}
	})
	for range 50 {
		n.checkNeighbour()
	}
	if got := int(n.counts().WireIn-before) - 50*own; got != 0 {
		t.Errorf("%d bytes were read of a conn whose call was out", got)
	}
	release <- struct{}{}
	got := c.hear(1+more, 0, false).replies
	sending.Wait()
	if len(got) != 1+more || got[0] != `{"id":2,"rpc":{"data":1}}` || got[more] != unsubscribed(2+more) {
		t.Errorf("%d replies after the call, %s to %s", len(got), got[:1], got[max(len(got)-1, 0):])
	}
}

// Who is taken out of a room while the application decides about a way in hears of the way in first, and is not in the room after it.
func TestUnsubscribedWhileSubscribing(t *testing.T) {
	for _, r := range []struct {
		verdict error
		answer  string
	}{{nil, subscribed(2)}, {refusal, failed(2, refusal)}} {
		held, release := make(chan struct{}), make(chan struct{})
		n := openApp(t, Handler{Subscribe: func(Client, *SubscribeRequest) (SubscribeReply, error) {
			held <- struct{}{}
			<-release
			return SubscribeReply{}, r.verdict
		}})
		c := n.open(pathWebSocket)
		defer c.close()
		_, before := n.hub.Count()
		c.say(hello)
		c.next()
		c.say(subscribe(2, "a") + "\n" + unsubscribe(3, "nowhere"))
		<-held
		for _, room := range []string{"b", "a"} {
			if err := n.Unsubscribe(t.Context(), Target{}, room); err != nil {
				t.Fatal(err)
			}
		}
		const left = `{"push":{"channel":"%s","unsubscribe":{"code":2000,"reason":"server unsubscribe"}}}`
		if got, _ := c.nextText(); got != fmt.Sprintf(left, "b") {
			t.Errorf("of another room the client heard %s", got)
		}
		release <- struct{}{}
		want := r.answer + "\n" + fmt.Sprintf(left, "a") + "\n" + unsubscribed(3)
		if got, _ := c.nextText(); got != want {
			t.Errorf("the client heard\n%s\nwant\n%s", got, want)
		}
		if _, got := n.hub.Count(); got != before {
			t.Errorf("%d subscriptions where %d were", got, before)
		}
	}
}

// A message that was inflated at the pool may hold a command that goes there in its turn: the conn is then not read
// either, and what stands behind the command waits for it.
func TestCallFromAMessageInflatedAway(t *testing.T) {
	h, held, release := holder()
	n := openNode(t, func(c *Config) { c.Handler, c.MessageLimit = h, 1<<20 })
	c := n.open(pathWebSocket, offerDeflate)
	defer c.close()
	c.say(hello)
	c.next()
	large := rpc(2, `"`+strings.Repeat("x", 2*inflateInline)+`"`) + "\n" + unsubscribe(3, "a")
	before := n.counts().WireIn
	frame := masked(0xc1, deflate(large))
	c.send(frame)
	<-held
	c.say(unsubscribe(4, "a"))
	own := len(n.neighbour.askStill())
	for range 50 {
		n.checkNeighbour()
	}
	if got := int(n.counts().WireIn-before) - 50*own - len(frame); got != 0 {
		t.Errorf("%d bytes were read of a conn whose call was out", got)
	}
	release <- struct{}{}
	got := c.hear(3, 0, false).replies
	if len(got) != 3 || !strings.HasPrefix(got[0], `{"id":2,"rpc"`) || got[1] != unsubscribed(3) || got[2] != unsubscribed(4) {
		t.Errorf("%d replies in another order", len(got))
	}
}

// askStill is what checkNeighbour sends.
func (*client) askStill() []byte { return masked(0x81, "still there?") }

// A heartbeat that falls due while a call is out waits for what the client may have answered, and does not forget it.
func TestHeartbeatWaitsForCall(t *testing.T) {
	t.Parallel()
	const timeout = 100 * time.Millisecond
	h, held, release := holder()
	n := openNode(t, func(c *Config) { c.Handler, c.PingInterval, c.PongTimeout = h, time.Second, timeout })
	for _, r := range []struct{ pong, want string }{
		{"{}", `text "{}"`}, // the next ping
		{"", "close 3012"},
	} {
		c := n.open(pathWebSocket)
		c.say(hello + "\n" + rpc(2, "1"))
		<-held
		c.next() // connect
		if got := c.next(); got != `text "{}"` {
			t.Fatalf("got %s; want a ping", got)
		}
		if r.pong != "" {
			c.say(r.pong)
		}
		c.staysOpen(5 * timeout)
		release <- struct{}{}
		if got, _ := c.nextText(); got != `{"id":2,"rpc":{"data":1}}` {
			t.Errorf("the call got %s", got)
		}
		if got := c.next(); got != r.want {
			t.Errorf("a client that answers a ping with %q during a call got %s; want %s", r.pong, got, r.want)
		}
		c.close()
	}
}

// staysOpen fails the test if c hears anything within d.
func (c *client) staysOpen(d time.Duration) {
	if err := c.conn.SetReadDeadline(time.Now().Add(d)); err != nil {
		c.t.Error(err)
	}
	if got, err := c.in.Peek(1); err == nil {
		c.t.Errorf("heard %q", got)
	}
	c.extend()
}

// fillPool takes all the room that n's worker pool has, until release is called.
func (n *node) fillPool() (release func()) {
	wait := make(chan struct{})
	for left := poolSize + poolQueue; left > 0; {
		if n.work.submit(func() { <-wait }) {
			left--
		} else {
			runtime.Gosched() // not every worker has its first job yet
		}
	}
	return func() { close(wait) }
}

// A pool without room refuses what is asked, and loses nothing that must be said: it goes on when it has room.
func TestFullPool(t *testing.T) {
	w := newWitness()
	h := w.handler()
	h.Message = func(Client, []byte) error { return nil }
	n := openApp(t, h)
	c, leaves := n.open(pathWebSocket), n.open(pathWebSocket)
	defer c.close()
	defer leaves.close()
	for _, each := range []*client{c, leaves} {
		each.say(hello)
		each.next()
	}
	release := n.fillPool()
	busy := protocol.ErrTooManyRequests
	c.say(rpc(2, "1") + "\n" + `{"send":{"data":1}}` + "\n" + unsubscribe(3, "a") + "\n" + rpc(4, "1"))
	want := strings.Join([]string{failed(2, busy), unsubscribed(3), failed(4, busy)}, "\n")
	if got, _ := c.nextText(); got != want {
		t.Errorf("with a full pool: %s; want %s", got, want)
	}
	n.converse("", talk{rule: "connect", send: []string{hello}, replies: []string{failed(1, busy)}, reject: none})
	leaves.send(closing(1000, ""))
	if got := leaves.next(); got != "close 1000" {
		t.Errorf("leaving got %s", got)
	}
	if got := n.counts().Limited[metrics.LimitPool]; got != 4 {
		t.Errorf("%d requests counted as limited; want 4", got)
	}
	w.check(t, "connect", "connect")
	release()
	testutil.Eventually(t, patience, func() bool { return strings.Contains(fmt.Sprint(w.all()), "bye3000") }, "the application hears of who left")
	c.say(rpc(5, "1"))
	if got, _ := c.nextText(); got != `{"id":5,"rpc":{}}` {
		t.Errorf("with room again: %s", got)
	}
}

// An application that is stuck cannot make its farewells pile up: with too many of them nobody is let in.
func TestTooManyFarewells(t *testing.T) {
	w := newWitness()
	h := w.handler()
	h.Connect = nil
	n := openApp(t, h)
	release := n.fillPool()
	var said sync.WaitGroup
	said.Add(maxFarewells + 1)
	if err := n.onLoops(t.Context(), func(l *loop) {
		for range maxFarewells + 1 {
			l.farewell(said.Done)
		}
	}); err != nil {
		t.Fatal(err)
	}
	n.converse("", talk{rule: "too many", send: []string{hello}, replies: []string{failed(1, protocol.ErrTooManyRequests)}, reject: none})
	release()
	said.Wait()
	testutil.Eventually(t, patience, func() bool {
		c, reply := n.connect(pathWebSocket)
		c.close()
		return reply == connected
	}, "somebody is let in")
}
