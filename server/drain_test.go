package server

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed4ac54ce5/edge/internal/testutil"
	"github.com/seed4ac54ce5/edge/netpoll"
	"github.com/seed4ac54ce5/edge/tlsrecord"
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
	n := openNode(t, func(c *Config) { c.Loops, c.HeadTimeout = 2, time.Second })
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

// Who is still on the way to a session when its turn comes gets there first, and is then told where to go.
func TestDrainWaitsForArrivals(t *testing.T) {
	pair := certificate(t, "one.test")
	n := behindBalancer(t, func(c *Config) {
		c.TLS = &tlsrecord.Config{Certificates: []tlsrecord.KeyPair{pair}}
		c.HeadTimeout, c.ShutdownWindow = patience, time.Hour
	})
	silent, greeted := n.dial(), n.dial()
	defer silent.close()
	defer greeted.close()
	greeted.send(from("198.51.100.7:4711"))
	testutil.Eventually(t, patience, func() bool { return n.states()[stateProxy] == 1 && n.states()[stateTLS] == 1 }, "both have come")
	done := n.serve()()
	testutil.Eventually(t, patience, func() (told bool) {
		return n.onLoops(t.Context(), func(l *loop) { told = len(l.shedding.busy) == 2 }) == nil && told
	}, "the turn of both has come")
	silent.send(from("198.51.100.8:4711"))
	for name, c := range map[string]*client{"header": silent, "handshake": greeted} {
		if got := fmt.Sprint(c.secure(tls.VersionTLS13).upgrade(pathWebSocket).rest()); got != "[close 3001]" {
			t.Errorf("a client whose %s was under way got %s; want close 3001", name, got)
		}
		c.close()
	}
	<-done
}

// states counts the sessions of a node with one loop.
func (n *node) states() map[state]int {
	n.t.Helper()
	counts := make(map[state]int)
	err := n.onLoops(n.t.Context(), func(l *loop) {
		l.net.Each(func(c *netpoll.Conn) { counts[l.sessions.At(c.Slot()).state]++ })
	})
	if err != nil {
		n.t.Error(err)
	}
	return counts
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

// R02: what was published before a session's turn to go reaches it first, also where its room gathers publications for longer.
func TestR02DrainDelivers(t *testing.T) {
	n := openNode(t, func(c *Config) { c.Rooms.WithoutNamespace.BatchDelay, c.ShutdownWindow = time.Second, time.Hour })
	n.neighbour.close()
	c := n.member("room")
	defer c.close()
	n.mustPublish("room", "1", PublishOptions{}) // at once, and then the room rests
	if h := c.hear(0, 1, false); len(h.pushes) != 1 {
		t.Fatalf("a member heard %q; want the first publication", h)
	}
	n.mustPublish("room", "2", PublishOptions{})
	done := n.serve()()
	if h := c.hear(0, 1, false); len(h.pushes) != 1 || h.pushes[0] != `{"push":{"channel":"room","pub":{"data":2}}}` {
		t.Errorf("a drain gives up what waits for its delivery: %q", h)
	}
	if got := fmt.Sprint(c.rest()); got != "[close 3001]" {
		t.Errorf("then %s; want close 3001", got)
	}
	c.close()
	<-done
}

// A publication that is not delivered soon holds up no drain: its room rests for an hour.
func TestR02DrainDoesNotWaitForever(t *testing.T) {
	n := openNode(t, func(c *Config) {
		c.Rooms.WithoutNamespace.BatchDelay, c.ShutdownWindow = time.Hour, 10*time.Millisecond
	})
	n.neighbour.close()
	c := n.member("room")
	defer c.close()
	n.mustPublish("room", "1", PublishOptions{})
	n.mustPublish("room", "2", PublishOptions{})
	done := n.serve()()
	if got := c.rest(); got[len(got)-1] != "close 3001" {
		t.Errorf("a member got %s; want close 3001 in the end", got)
	}
	c.close()
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

// R02: while a node says that it is not ready it serves as before, those who come included, until its delay is over.
func TestR02DrainDelay(t *testing.T) {
	n := openNode(t, func(c *Config) { c.Loops, c.DrainDelay = 2, time.Hour })
	early := n.member("room")
	defer early.close()
	done := n.serve()
	n.Drain()
	n.Drain() // a second time is nothing new
	testutil.Eventually(t, patience, func() bool { return errors.Is(n.Ready(t.Context()), errDrains) }, "the node says that it drains")
	late := n.member("room")
	defer late.close()
	early.say(publish(3, "room", "1"))
	for _, c := range []*client{early, late} {
		if h := c.hear(0, 1, false); len(h.pushes) != 1 || h.end != "" {
			t.Errorf("a member in the delay heard %q; want the publication", h)
		}
	}
	testutil.Eventually(t, patience, func() bool { return n.Departure() == (Departure{Draining: true, Remaining: 2}) }, "both are to be closed, and none yet")
	n.HurryDrain()
	for _, c := range []*client{early, late} {
		if got := c.rest(); got[len(got)-1] != "close 3001" {
			t.Errorf("a member got %s; want close 3001 in the end", got)
		}
		c.close()
	}
	n.neighbour.close()
	<-done()
}

// A drain that goes on can be hurried.
func TestHurryDuringDrain(t *testing.T) {
	h, held, release := holder()
	n := openNode(t, func(c *Config) { c.Handler, c.ShutdownWindow = h, time.Hour })
	c := n.open(pathWebSocket)
	defer c.close()
	c.say(hello + "\n" + rpc(2, "1"))
	<-held
	n.neighbour.close()
	done := n.serve()()
	testutil.Eventually(t, patience, func() bool { return n.Departure().Surplus == 1 }, "one session is waited for")
	n.HurryDrain()
	if got := c.rest(); got[len(got)-1] != "close 3001" {
		t.Errorf("a client got %s; want close 3001 though its call is out", got)
	}
	release <- struct{}{}
	c.close()
	<-done
}

// R03: neither an application that has got stuck nor a thousand clients that do not read keep a node from its end, and it says
// how many it has cut off.
func TestR03DrainStuck(t *testing.T) {
	t.Parallel()
	const size = 1 << 20
	clients := fewer(1000)
	h, held, release := holder()
	var book testutil.Book
	n := openNode(t, func(c *Config) {
		c.Handler, c.ShutdownWindow, c.StallLimit = h, time.Second, time.Hour
		c.QueueLimit, c.QueueBudget, c.Log = 2*size, -1, slog.New(slog.NewTextHandler(&book, nil))
	})
	n.neighbour.close()
	calling := n.open(pathWebSocket)
	defer calling.close()
	calling.say(hello + "\n" + rpc(2, "1"))
	<-held
	defer func() { release <- struct{}{} }()
	for range clients {
		defer n.memberOf("room").close()
	}
	if _, err := n.Publish(t.Context(), "room", []byte(`"`+strings.Repeat("x", size)+`"`), PublishOptions{}); err != nil {
		t.Fatal(err)
	}
	testutil.Eventually(t, patience, func() bool {
		behind, err := n.laggards(t.Context(), clients)
		return err == nil && len(behind) == clients
	}, "the publication waits for everybody")
	done := n.serve()()
	if got := calling.rest(); got[len(got)-1] != "close 3001" {
		t.Errorf("a client whose call does not come back got %s; want close 3001", got)
	}
	calling.close()
	<-done
	if got := n.Departure().Cut; got != clients {
		t.Errorf("Departure().Cut = %d; want %d", got, clients)
	}
	if want := fmt.Sprintf("level=WARN msg=drained cut=%d", clients); book.Count(want) == 0 {
		t.Errorf("the log lacks %s", want)
	}
}

// R06: while a node stops listening, whoever connects is served before it is sent away, or is refused.
func TestR06DrainDuringConnects(t *testing.T) {
	n := openNode(t, func(c *Config) { c.Loops, c.ShutdownWindow = 2, patience })
	n.neighbour.close()
	var served atomic.Int64
	var flood sync.WaitGroup
	for range 8 {
		flood.Go(func() {
			for n.visit() {
				served.Add(1)
			}
		})
	}
	testutil.Eventually(t, patience, func() bool { return served.Load() > 100 }, "clients come and go")
	<-n.serve()()
	flood.Wait()
}

// visit is a client that connects, and reports whether it could. One that can gets its handshake.
func (n *node) visit() bool {
	conn, err := net.DialTimeout("tcp", n.Addresses()[0], patience)
	if err != nil {
		return false
	}
	c := &client{t: n.t, conn: conn.(*net.TCPConn), in: bufio.NewReader(conn)}
	c.extend()
	defer c.close()
	c.send([]byte(request(pathWebSocket)))
	if head := c.readHead(); !strings.HasPrefix(head, "HTTP/1.1 101 ") {
		n.t.Errorf("a client that had connected got %q; want its upgrade", head)
		return false
	}
	return true
}

// Sessions do not go in the order in which they came.
func TestDrainOrderIsRandom(t *testing.T) {
	const sessions = 100
	var mu sync.Mutex
	var order []string
	n := openNode(t, func(c *Config) {
		c.ShutdownWindow = time.Millisecond
		c.Handler = Handler{
			NonBlocking: true,
			Connect:     func(r *ConnectRequest) (ConnectReply, error) { return ConnectReply{User: string(r.Data)}, nil },
			Disconnect: func(c Client, _ Disconnect) {
				mu.Lock()
				defer mu.Unlock()
				order = append(order, c.User)
			},
		}
	})
	n.neighbour.close()
	var clients []*client
	for i := range sessions {
		c := n.open(pathWebSocket)
		c.say(fmt.Sprintf(`{"id":1,"connect":{"data":%d}}`, i))
		c.next()
		clients = append(clients, c)
	}
	done := n.serve()()
	for _, c := range clients {
		c.rest()
		c.close()
	}
	<-done
	disorder := 0
	for i, user := range order {
		place, err := strconv.Atoi(user)
		if err != nil {
			t.Fatal(err)
		}
		disorder += max(i-place, place-i)
	}
	if len(order) != sessions || disorder < sessions*sessions/6 { // a third of the square is the mean, in order it is 0
		t.Errorf("sessions went in the order %s", order)
	}
}
