package deploy

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/seed4ac54ce5/edge/internal/testutil"
	"github.com/seed4ac54ce5/edge/test/balancer"
)

// The balancers at layer 4 run with the files of this folder in front of two nodes with its edge.yaml. The nodes share
// nothing, so a backend publishes at both, and "no message is lost" is what a client can make sure of that has moved: what it
// has missed is in the history of the node that it has come to.

// wide is connections that a balancer of a test forwards.
const wide = 2000

// fleetEnv gives nodes a limit that tells addresses apart, and rooms a past.
func fleetEnv(more ...string) []string {
	return append(more,
		fmt.Sprintf("EDGE_CLIENT_PER_IP_CONNECTION_LIMIT=%d", perAddress),
		"EDGE_ROOM_WITHOUT_NAMESPACE_HISTORY_SIZE=100000",
		"EDGE_ROOM_WITHOUT_NAMESPACE_HISTORY_TTL=10m",
		"EDGE_ROOM_WITHOUT_NAMESPACE_FORCE_RECOVERY=true",
		"EDGE_ROOM_WITHOUT_NAMESPACE_ALLOW_SUBSCRIBE_FOR_CLIENT=true",
		"EDGE_ROOM_WITHOUT_NAMESPACE_ALLOW_HISTORY_FOR_SUBSCRIBER=true")
}

// perAddress is connections that one address may have at a node.
const perAddress = 2

func TestHAProxyInFrontOfNodes(t *testing.T) {
	program := need(t, "haproxy", "haproxy")
	f := newFleet(t, fleetEnv("EDGE_SHUTDOWN_DELAY=1h", "EDGE_SHUTDOWN_WINDOW=2s")...)
	front := balancer.HAProxy(t, program, "haproxy/haproxy.cfg", f.site.Fronts[0], f.site, wide)
	checkAddresses(t, f, front)

	// A node that is not ready gets nobody, though it listens; then it sends its clients away, and nobody misses anything.
	g, publishing := followUnderLoad(t, f, front)
	f.nodes[0].signal(syscall.SIGTERM)
	awaitHealth(front, "DOWN")
	before := f.nodes[0].clients()
	for i := range 4 {
		defer f.visitor(front, 10+i).close(t)
	}
	if got := f.nodes[0].clients(); got != before || !f.nodes[0].listens() {
		t.Errorf("a node that is not ready had %d clients and has %d; listening: %v", before, got, f.nodes[0].listens())
	}
	f.nodes[0].signal(syscall.SIGINT) // the delay is over
	f.nodes[0].end()
	publishing.checkAll(g)
	f.start(0)
	awaitHealth(front, "UP")
	f.awaitVisitor(front, 0)

	// One that does not answer gets nobody, and somebody again when it does.
	f.nodes[0].signal(syscall.SIGSTOP)
	awaitHealth(front, "DOWN")
	for i := range 4 {
		defer f.visitor(front, i).close(t)
	}
	f.nodes[0].signal(syscall.SIGCONT)
	awaitHealth(front, "UP")
	if got := f.nodes[0].clients(); got != 0 {
		t.Errorf("a node that did not answer got %d clients", got)
	}
	f.awaitVisitor(front, 0)
}

func TestNginxInFrontOfNodes(t *testing.T) {
	program := need(t, "nginx", "nginx libnginx-mod-stream")
	f := newFleet(t, fleetEnv("EDGE_SHUTDOWN_DELAY=0s", "EDGE_SHUTDOWN_WINDOW=2s")...)
	front := balancer.Nginx(t, program, "nginx/nginx-stream.conf", f.site.Fronts[0], f.site)
	checkAddresses(t, f, front)
	g, publishing := followUnderLoad(t, f, front)
	f.drain(0)
	f.nodes[0].end()
	publishing.checkAll(g)
	for i := range 8 { // nobody is sent to where nobody listens
		defer f.visitor(front, i).close(t)
	}
	f.start(0)
	f.awaitVisitor(front, 0)
}

// awaitHealth waits until HAProxy takes both ports of the first node to be up or down.
func awaitHealth(front *balancer.Balancer, state string) {
	for _, server := range []string{"Server edge/node1-8000 is ", "Server edge/node1-8001 is "} {
		front.AwaitLast(server, server+state)
	}
}

// checkAddresses fails the test unless nodes know where clients behind the balancer come from: an address gets as many
// connections as it may have at two nodes and no more, the log says which it was, and others get in.
func checkAddresses(t *testing.T, f *fleet, front *balancer.Balancer) {
	t.Helper()
	from := netip.MustParseAddr("127.9.8.7")
	let := 0
	var refused net.Conn
	for refused == nil && let <= 2*perAddress {
		conn, err := dialFrom(front.Address, from)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close() }()
		s := &session{Conn: conn}
		if err := s.begin(); err == nil {
			let++
		} else if refused = conn; !strings.Contains(err.Error(), "429") {
			t.Errorf("a client beyond the limit for its address got %v; want status 429", err)
		}
	}
	if refused == nil || let < perAddress {
		t.Fatalf("%d clients of one address were let in by two nodes; want at least %d, at most %d", let, perAddress, 2*perAddress)
	}
	said := fmt.Sprintf(`"peer":"%v"`, refused.LocalAddr())
	testutil.Eventually(t, patience, func() bool {
		return strings.Contains(f.nodes[0].log.String()+f.nodes[1].log.String(), said)
	}, "a node logs "+said)
	f.visitor(front, 0).close(t)
}

// visitor is a session of no further interest.
type visitor struct{ *session }

// visitor opens a session through the balancer, sooner or later, from the address number i.
func (f *fleet) visitor(front *balancer.Balancer, i int) visitor {
	f.t.Helper()
	var s *session
	testutil.Eventually(f.t, patience, func() (ok bool) {
		var err error
		s, err = openSession(front.Address, netip.AddrFrom4([4]byte{127, 7, 1, byte(1 + i)}))
		return err == nil
	}, "a client gets in")
	return visitor{s}
}

// close ends the session.
func (v visitor) close(t *testing.T) {
	if err := v.Close(); err != nil {
		t.Error(err)
	}
}

// awaitVisitor has clients come until one of them is sent to node number i.
func (f *fleet) awaitVisitor(front *balancer.Balancer, i int) {
	f.t.Helper()
	before := f.nodes[i].clients()
	testutil.Eventually(f.t, patience, func() bool {
		defer f.visitor(front, 100).close(f.t)
		return f.nodes[i].clients() > before
	}, "a client is sent to a node that is back")
	testutil.Eventually(f.t, patience, func() bool { return f.nodes[i].clients() == before }, "it has gone")
}

// drain has node number i drain by the command for it.
func (f *fleet) drain(i int) {
	f.t.Helper()
	accept(f.t, f.program, "drain", "--internal", "http://"+f.nodes[i].place.Internal.String(), "--key-file", save(f.t, "api_key", apiKey))
}

// publishing is a backend that publishes numbers at both nodes, as they do not tell each other.
type publishing struct {
	stop   func()
	number atomic.Int64 // the last one that both have, or the one that is left
}

// followUnderLoad has clients follow a room in which somebody publishes, and returns when both nodes have some of them.
func followUnderLoad(t *testing.T, f *fleet, front *balancer.Balancer) (*crowd, *publishing) {
	t.Helper()
	g := follow(t, front.Address, "room", 60)
	for i, n := range f.nodes {
		if n.clients() == 0 {
			t.Errorf("none of %d clients is at node %d", len(g.followers), i)
		}
	}
	p := new(publishing)
	over := make(chan struct{})
	var done sync.WaitGroup
	p.stop = sync.OnceFunc(func() { close(over); done.Wait() })
	t.Cleanup(p.stop)
	nodes := f.nodes // the first is replaced later
	done.Go(func() {
		every := time.NewTicker(20 * time.Millisecond)
		defer every.Stop()
		for number := 1; ; number++ {
			select {
			case <-over:
				return
			case <-every.C:
			}
			nodes[0].publish(g.room, number)
			nodes[1].publish(g.room, number)
			p.number.Store(int64(number))
		}
	})
	g.await("publications arrive", func() bool { return g.have(10) })
	return g, p
}

// checkAll fails the test unless all clients stand, some have moved, and all come to have all publications.
func (p *publishing) checkAll(g *crowd) {
	g.t.Helper()
	moment := int(p.number.Load())
	g.await("everybody is back", func() bool { return int(g.standing.Load()) == len(g.followers) })
	g.await("publications go on", func() bool { return g.have(moment + 10) })
	p.stop()
	all := int(p.number.Load())
	g.await("everybody has all publications", func() bool { return g.have(all) })
	if g.moves.Load() == 0 {
		g.t.Error("nobody has moved")
	}
	g.t.Logf("%d clients, %d moves, %d publications, none missed", len(g.followers), g.moves.Load(), all)
	g.leave()
}
