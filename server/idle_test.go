package server

import (
	"net"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/seed4ac54ce5/edge/internal/testutil"
	"github.com/seed4ac54ce5/edge/netpoll"
)

// quietApp lets everybody into a room, and remembers nobody.
type quietApp struct{}

func (quietApp) Start(*Server) {}
func (quietApp) Connect(*SocketConnect) (SocketWelcome, error) {
	return SocketWelcome{Rooms: []string{"idle"}}, nil
}
func (quietApp) Connected(Socket, string)                    {}
func (quietApp) Event(Socket, *SocketEvent)                  {}
func (quietApp) Ack(Socket, uint64, SocketPacket)            {}
func (quietApp) Disconnect(Socket, string, string, []string) {}
func (quietApp) Gone(Socket)                                 {}

// thin is a client that takes nothing of the heap but this: what it costs there is the node's.
type thin int

// dialThin connects to n's public address.
func (n *node) dialThin() thin {
	n.t.Helper()
	to, err := net.ResolveTCPAddr("tcp", n.Addresses()[0])
	if err != nil {
		n.t.Fatal(err)
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		n.t.Fatal(err)
	}
	limit := unix.NsecToTimeval(patience.Nanoseconds())
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &limit); err != nil {
		n.t.Fatal(err)
	}
	if err := unix.Connect(fd, &unix.SockaddrInet4{Port: to.Port, Addr: to.AddrPort().Addr().As4()}); err != nil {
		n.t.Fatal(err)
	}
	return thin(fd)
}

// say sends text and, if there is anything to be, reads until it has been answered with that.
func (c thin) say(t testing.TB, text []byte, until string) (answer string) {
	t.Helper()
	if _, err := unix.Write(int(c), text); err != nil {
		t.Fatal(err)
	}
	var buf [4 << 10]byte
	for n := 0; !strings.Contains(answer, until); answer = string(buf[:n]) {
		more, err := unix.Read(int(c), buf[n:])
		if err == unix.EINTR {
			continue
		}
		if more <= 0 || err != nil {
			t.Fatalf("%q, then %v; want %q", buf[:n], err, until)
		}
		n += more
	}
	return answer
}

// transports are how a client can be idle in a room, and the bytes that may be reachable for it.
var transports = []struct {
	name  string
	most  int
	begin func(t testing.TB, c thin)
}{
	{"WebSocket", 200, func(t testing.TB, c thin) {
		c.say(t, []byte(request(pathWebSocket)), "\r\n\r\n")
		c.say(t, masked(0x81, hello), `"connect"`)
		c.say(t, masked(0x81, subscribe(2, "idle")), `"id":2`)
	}},
	{"Socket.IO in a WebSocket", 300, func(t testing.TB, c thin) {
		c.say(t, []byte(request("/socket.io/"+webSocketQuery)), `"maxPayload"`)
		c.say(t, textOf("40"), `40{"sid"`)
	}},
	{"Socket.IO by polling", 600, func(t testing.TB, c thin) {
		open := c.say(t, []byte(get("/socket.io/"+pollingQuery)), `"maxPayload"`)
		_, open, _ = strings.Cut(open, `"sid":"`)
		sid, _, _ := strings.Cut(open, `"`)
		target := "/socket.io/" + pollingQuery + "&sid=" + sid
		c.say(t, []byte(post(target, "40")), "ok")
		c.say(t, []byte(get(target)), `40{"sid"`)
		c.say(t, []byte(get(target)), "")
	}},
	{"server-sent events", 200, func(t testing.TB, c thin) {
		c.say(t, []byte(get(pathSSE+"?room=idle")), `"room":"idle"`)
	}},
	{"HTTP streaming", 200, func(t testing.TB, c thin) {
		c.say(t, []byte(post(pathHTTPStream, `{"id":1,"connect":{}}`+"\n"+`{"id":2,"subscribe":{"channel":"idle"}}`)), `"id":2`)
	}},
}

// openIdle returns a node with all of them that sends no heartbeats.
func openIdle(t *testing.T) *node {
	return openNode(t, func(c *Config) {
		c.SSE, c.HTTPStream = true, true
		c.SocketIO = &SocketIO{App: quietApp{}, PingInterval: time.Hour, NoHandshakes: true}
	})
}

// arrive returns so many clients that are idle.
func (n *node) arrive(count int, begin func(testing.TB, thin)) (all []thin) {
	for range count {
		c := n.dialThin()
		all = append(all, c)
		begin(n.t, c)
	}
	return all
}

// leave ends them, every other one with a reset.
func (n *node) leave(all []thin) {
	for i, c := range all {
		if i%2 == 0 {
			_ = unix.SetsockoptLinger(int(c), unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
		}
		if err := unix.Close(int(c)); err != nil {
			n.t.Error(err)
		}
	}
}

// idleMemory returns what the node's process has in its heap, and beside that for conns. Mailboxes of the application are gone.
func (n *node) idleMemory() (bytes int) {
	n.t.Helper()
	testutil.Eventually(n.t, patience, func() (quiet bool) {
		err := n.onLoops(n.t.Context(), func(l *loop) { quiet = len(l.sockets.boxes)+len(l.sockets.waiting) == 0 })
		return quiet && err == nil
	}, "the application has been told everything")
	heap := heapInUse()
	const subscription = 24 // bytes of package hub's record
	err := n.onLoops(n.t.Context(), func(l *loop) {
		bytes = l.net.Open()*int(reflect.TypeOf(netpoll.Conn{}).Size()+reflect.TypeOf(session{}).Size()+reflect.TypeOf(address{}).Size()) +
			l.engines.Bytes() + l.pollings.Bytes() + l.sockets.records.Bytes() + l.rosters.Subscriptions()*subscription
	})
	if err != nil {
		n.t.Error(err)
	}
	return bytes + int(heap)
}

// What the node has of clients that are idle is small. This counts what is reachable; of the process's memory, which edge flood
// idle measures, the collector's headroom is another part.
func TestIdleMemory(t *testing.T) {
	if testutil.Race {
		t.Skip("the race detector changes what is allocated")
	}
	const clients = 1_000
	for _, transport := range transports {
		n := openIdle(t)
		n.run(transport.name, func(t *testing.T) {
			alone := n.holdings()
			n.leave(n.arrive(50, transport.begin)) // pools and tables are there from here on
			n.awaitHoldings(t, alone)
			before := n.idleMemory()
			all := n.arrive(clients, transport.begin)
			each := (n.idleMemory() - before) / clients
			t.Logf("%d bytes", each)
			if each > transport.most {
				t.Errorf("each takes %d bytes; want at most %d", each, transport.most)
			}
			n.leave(all)
			n.awaitHoldings(t, alone)
		})
	}
}

// Clients that come and leave, again and again, over all transports, leave the node as it was.
func TestIdleRounds(t *testing.T) {
	const rounds, slack = 10, 256 << 10
	n := openIdle(t)
	alone := n.holdings()
	round := func() {
		var all []thin
		for _, transport := range transports {
			all = append(all, n.arrive(fewer(50), transport.begin)...)
		}
		n.leave(all)
		n.awaitHoldings(t, alone)
	}
	round() // pools and tables have their size from here on
	round()
	before, slots, goroutines := n.idleMemory(), n.slots(), runtime.NumGoroutine()
	for range rounds {
		round()
	}
	if got := n.slots(); got != slots {
		t.Errorf("%d slots after %d rounds; %d before", got, rounds, slots)
	}
	testutil.Eventually(t, patience, func() bool { return runtime.NumGoroutine() <= goroutines }, "there are as many goroutines as before")
	if grown := n.idleMemory() - before; grown > slack && !testutil.Race {
		t.Errorf("%d bytes more after %d rounds", grown, rounds)
	} else {
		t.Logf("%d bytes more after %d rounds", grown, rounds)
	}
	n.checkNeighbour()
}

// slots returns how many records of all kinds the node's loops have ever needed at a time.
func (n *node) slots() (count int) {
	n.t.Helper()
	err := n.onLoops(n.t.Context(), func(l *loop) {
		count = int(l.engines.End()+l.pollings.End()+l.sockets.records.End()) + len(l.audiences.table)
	})
	if err != nil {
		n.t.Error(err)
	}
	return count
}

// Requests are kept as long as they may be shown, and take their own size.
func TestHandshakesAreForgotten(t *testing.T) {
	n := openNode(t, func(c *Config) { c.SocketIO = &SocketIO{App: quietApp{}} })
	c := n.socket()
	defer c.close()
	err := n.onLoops(t.Context(), func(l *loop) {
		h := &l.sockets.handshakes
		for id, kept := range h.byConn {
			var shown SocketHandshake
			shown.Header = make(map[string][]string)
			h.show(id, &shown)
			if shown.URL != "/socket.io/"+webSocketQuery || shown.Header.Get("sec-websocket-version") != "13" || shown.Issued.IsZero() {
				t.Errorf("shown: %+v", shown)
			}
			if most := len(request(shown.URL)); len(kept.text) > most || h.bytes > most+fieldCost {
				t.Errorf("%d bytes are kept of %d; counted %d", len(kept.text), most, h.bytes)
			}
			for range 3 {
				h.expire(id, 5)
			}
		}
		if len(h.byConn) != 1 || len(h.recent) != 1 {
			t.Errorf("%d are kept, %d of them for a while", len(h.byConn), len(h.recent))
		}
		h.age(4)
		if len(h.byConn) != 1 {
			t.Error("it is forgotten before its time")
		}
		h.age(5)
		if len(h.byConn)+len(h.recent)+h.bytes != 0 {
			t.Errorf("left: %+v", h)
		}
		h.bytes = maxFields + 1
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range []string{request("/socket.io/" + webSocketQuery), get("/socket.io/" + pollingQuery)} {
		full := n.dial()
		full.send([]byte(r))
		if head := full.readHead(); !strings.HasPrefix(head, "HTTP/1.1 503 ") {
			t.Errorf("a handshake for which there is no room: %q", head)
		}
		full.close()
	}
}
