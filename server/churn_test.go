package server

import (
	"context"
	"crypto/tls"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed4ac54ce5/edge/internal/testutil"
	"github.com/seed4ac54ce5/edge/metrics"
	"github.com/seed4ac54ce5/edge/protocol"
)

const (
	churned   = 20_000   // connections that TestChurn makes, unless EDGE_CHURN is another number
	churners  = 32       // connections at a time
	heapSlack = 1 << 20  // bytes by which the heap may have grown
	largeEcho = 48 << 10 // bytes that a client asks for and may not read
	smallRoom = 4 << 10  // bytes of a client's receive buffer, at times: what it does not read then waits in the node
)

// Connections of every kind that end anywhere, in any way, leave the node with what it held before: descriptors,
// goroutines, slots, timers, memory.
func TestChurn(t *testing.T) {
	n := openNode(t, func(c *Config) {
		c.Loops = 2
		c.Addresses = append(c.Addresses, "unix:"+filepath.Join(t.TempDir(), "edge.sock"))
		c.Rooms.WithoutNamespace = RoomOptions{Presence: true, HistorySize: 4, HistoryTTL: time.Minute}
		c.Rooms.Namespaces = []Namespace{{"latest", RoomOptions{Kind: "ephemeral"}}}
	})
	secured := openSecure(t, func(c *Config) { c.Loops = 2 })
	churn := newChurn(n)
	churn.secured = secured.Addresses()[0]
	churn.run(t, fewer(2_000)) // pools and tables have their size from here on
	secured.awaitNobody(t)
	heap := n.settledHeap(t)
	before, beforeSecured, goroutines := n.holdings(), secured.holdings(), runtime.NumGoroutine()

	began, count := time.Now(), churnCount(t)
	queued := n.mostQueued(func() { churn.run(t, count) })
	t.Logf("%d connections in %v; at most %d bytes waited for them", count, time.Since(began).Round(time.Millisecond), queued)

	n.awaitHoldings(t, before)
	secured.awaitHoldings(t, beforeSecured)
	secured.awaitNobody(t)
	if secured.tls.Handshakes() != 0 {
		t.Errorf("%d handshakes are under way", secured.tls.Handshakes())
	}
	t.Logf("over TLS: %d established, %d rejected; the node holds %+v and %+v, %d goroutines",
		churn.shaken.Load(), tlsRejected(secured.counts()), n.holdings(), secured.holdings(), runtime.NumGoroutine())
	testutil.Eventually(t, patience, func() bool { return runtime.NumGoroutine() <= goroutines }, "there are as many goroutines as before")
	if grown := n.settledHeap(t) - heap; grown > heapSlack && !testutil.Race {
		t.Errorf("the heap has grown by %d bytes", grown)
	} else {
		t.Logf("the heap has grown by %d bytes", grown)
	}
	n.checkNeighbour()
}

// tlsRejected returns how many conns were rejected for their TLS.
func tlsRejected(c metrics.Counts) (n uint64) {
	for r, times := range c.Rejects {
		if stage, _ := metrics.Rejection(r).Labels(); stage == "tls" {
			n += times
		}
	}
	return n
}

// awaitNobody waits until all conns of a node have gone, and the coroutines of their handshakes.
func (n *node) awaitNobody(t *testing.T) {
	t.Helper()
	testutil.Eventually(t, patience, func() bool { return n.holdings().conns == 0 && n.tls.Handshakes() == 0 }, "all conns over TLS have gone")
}

// mostQueued runs f and returns the most bytes that were seen to wait for conns meanwhile.
func (n *node) mostQueued(f func()) (most int64) {
	done := make(chan struct{})
	go func() { defer close(done); f() }()
	look := time.NewTicker(20 * time.Millisecond)
	defer look.Stop()
	for {
		select {
		case <-done:
			return most
		case <-look.C:
			most = max(most, n.budget.Used())
		}
	}
}

func churnCount(t *testing.T) int {
	if text := os.Getenv("EDGE_CHURN"); text != "" {
		count, err := strconv.Atoi(text)
		if err != nil {
			t.Fatalf("EDGE_CHURN: %v", err)
		}
		return count
	}
	return fewer(churned)
}

// settledHeap returns the heap of a node without conns but the neighbour's.
func (n *node) settledHeap(t *testing.T) int64 {
	t.Helper()
	testutil.Eventually(t, patience, func() bool { return n.holdings().conns == 1 }, "all conns have gone")
	return heapInUse()
}

// churn makes connections to a node.
type churn struct {
	networks []string // "tcp" or "unix", as addresses
	address  []string
	secured  string // address of the node with TLS
	lives    [][][]byte
	left     atomic.Int64
	shaken   atomic.Int64 // handshakes that have succeeded
}

// newChurn lists what clients of each kind send: a request, and then frames, each of which has an answer.
func newChurn(n *node) *churn {
	c := new(churn)
	for _, a := range n.Addresses() {
		network, address := "tcp", a
		if path, ok := strings.CutPrefix(a, "unix:"); ok {
			network, address = "unix", path
		}
		c.networks, c.address = append(c.networks, network), append(c.address, address)
	}
	for _, fields := range [][]string{nil, {offerDeflate}} {
		echo := [][]byte{[]byte(request(pathEcho, fields...)), masked(0x81, "Hello"), fragments("Hello"), masked(0x82, strings.Repeat("x", largeEcho)), closing(1000, "")}
		talk := [][]byte{[]byte(request(pathWebSocket, fields...)), masked(0x81, hello), masked(0x81, subscribe(2, "room")),
			masked(0x81, subscribe(3, "latest:room")+"\n"+publish(4, "latest:room", `"new"`)), fragments(publish(5, "room", `"`+strings.Repeat("p", 2000)+`"`)),
			masked(0x89, "ping"), masked(0x81, `{"id":6,"history":{"channel":"room","limit":-1}}`), masked(0x81, unsubscribe(7, "room")), closing(1000, "")}
		if fields != nil {
			echo[1], talk[2] = masked(0xc1, deflate("Hello")), masked(0xc1, deflate(subscribe(2, "room")))
		}
		c.lives = append(c.lives, echo, talk)
	}
	binary := [][]byte{[]byte(request(pathWebSocket, "Sec-WebSocket-Protocol: centrifuge-protobuf"))}
	for _, command := range [][]byte{
		protocol.Protobuf.AppendConnect(nil, 1, &protocol.ConnectRequest{}),
		protocol.Protobuf.AppendSubscribe(nil, 2, &protocol.SubscribeRequest{Channel: []byte("room")}),
		protocol.Protobuf.AppendPublish(nil, 3, &protocol.PublishRequest{Channel: []byte("room"), Data: []byte(`"binary"`)}),
	} {
		binary = append(binary, masked(0x82, string(command)))
	}
	c.lives = append(c.lives, append(binary, drawn("83 80 00000000")))
	return c
}

// fragments is text in three frames with a ping between them.
func fragments(text string) []byte {
	return stream(masked(0x01, text[:2]), masked(0x00, text[2:3]), masked(0x89, "between"), masked(0x80, text[3:]))
}

// run makes count connections, some at a time.
func (c *churn) run(t *testing.T, count int) {
	c.left.Store(int64(count))
	var all sync.WaitGroup
	for range churners {
		all.Go(func() {
			rng := rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64()))
			buf := make([]byte, 4<<10)
			for c.left.Add(-1) >= 0 {
				if err := c.live(rng, buf); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
}

// live is one connection: it goes through the steps of its kind to a random one, cuts that one anywhere, and ends. Errors are
// those of connecting alone: from there on the node may well be the first to end it.
func (c *churn) live(rng *rand.Rand, buf []byte) error {
	conn, err := c.dial(rng)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	if conn.RemoteAddr().String() == c.secured {
		c.liveSecured(conn, rng, buf)
		return nil
	}
	life := c.lives[rng.IntN(len(c.lives))]
	last := rng.IntN(len(life) + 1)
	for i, step := range life[:last] {
		if _, err := conn.Write(step); err != nil {
			return nil
		}
		if i == 0 || rng.IntN(2) == 0 { // frames before the answer to the request would be refused
			if _, err := conn.Read(buf); err != nil {
				return nil
			}
		}
	}
	if last < len(life) {
		_, _ = conn.Write(life[last][:rng.IntN(len(life[last]))])
	}
	abandon(conn, rng.IntN(4))
	return nil
}

// cutter is a conn of which no more than so many bytes are sent.
type cutter struct {
	net.Conn
	left int
}

func (c *cutter) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b[:min(len(b), c.left)])
	if c.left -= n; err == nil && n < len(b) {
		err = io.ErrShortWrite
	}
	return n, err
}

// liveSecured is a connection over TLS that is cut at a random byte of what it sends: within a handshake, behind it, or within a record.
func (c *churn) liveSecured(conn net.Conn, rng *rand.Rand, buf []byte) {
	defer abandon(conn, rng.IntN(4))
	stages := []int{500, 3_000, largeEcho} // a ClientHello is larger than the first
	cut := &cutter{conn, rng.IntN(stages[rng.IntN(len(stages))])}
	version := []uint16{tls.VersionTLS12, tls.VersionTLS13}[rng.IntN(2)]
	over := tls.Client(cut, &tls.Config{InsecureSkipVerify: true, MinVersion: version, MaxVersion: version})
	if over.Handshake() != nil {
		return
	}
	c.shaken.Add(1)
	for i, step := range c.lives[rng.IntN(len(c.lives))] {
		if _, err := over.Write(step); err != nil {
			return
		}
		if i == 0 || rng.IntN(2) == 0 {
			if _, err := over.Read(buf); err != nil {
				return
			}
		}
	}
}

// dial connects over a random transport, from a random address of this host where that has addresses: one alone has too few ports
// for as many connections as have just ended.
func (c *churn) dial(rng *rand.Rand) (net.Conn, error) {
	i := rng.IntN(8) % len(c.address) * rng.IntN(2)
	var d net.Dialer
	if c.networks[i] == "tcp" {
		d.LocalAddr = &net.TCPAddr{IP: net.IPv4(127, byte(1+rng.IntN(250)), byte(rng.IntN(250)), byte(1+rng.IntN(250)))}
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	network, address := c.networks[i], c.address[i]
	if network == "tcp" && rng.IntN(3) == 0 {
		address = c.secured
	}
	conn, err := d.DialContext(ctx, network, address)
	if tcp, ok := conn.(*net.TCPConn); ok && rng.IntN(4) == 0 {
		err = tcp.SetReadBuffer(smallRoom)
	}
	return conn, err
}

// abandon ends a connection: in order, with a reset, with half a close and all that still comes, or with half a close and
// a reset.
func abandon(conn net.Conn, way int) {
	half, canHalve := conn.(interface{ CloseWrite() error })
	tcp, canReset := conn.(*net.TCPConn)
	if way >= 2 && canHalve {
		_ = half.CloseWrite() // the node may have ended it
	}
	if way == 2 {
		_, _ = io.Copy(io.Discard, conn)
	}
	if way%2 == 1 && canReset {
		_ = tcp.SetLinger(0)
	}
}
