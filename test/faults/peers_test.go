//go:build faults

package faults

import (
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/seed4ac54ce5/edge/frame"
)

// R10: clients whose network is gone without a word are found dead, idle or with data on the way, within the ping interval
// and the pong timeout or the kernel's limit for what is not acknowledged.
func TestR10HalfOpen(t *testing.T) {
	far := newNamespace(t)
	here := far.plug(t)
	far.address = "127.0.0.1"
	n := start(t, launch{
		args:   []string{"--loops=2", "--address=" + here + ":0"},
		config: "development: true\nroom: {without_namespace: {presence: true}}\n",
	})
	if n.address.Addr().String() != here {
		t.Fatalf("the node listens on %v; want %s", n.address, here)
	}
	near := n.connect()
	for _, room := range []string{"idle", "busy"} {
		c, err := dial(far, n.address, pathProtocol)
		if err != nil {
			t.Fatal(err)
		}
		defer c.reset()
		for _, command := range []string{`{"id":1,"connect":{}}`, subscribe(2, room)} {
			if _, err := c.ask(command); err != nil {
				t.Fatal(err)
			}
		}
	}
	ip(t, "-n", far.name, "route", "add", "blackhole", here) // what the clients' side hears, it cannot answer
	ip(t, "-n", far.name, "link", "set", "far", "down")
	began := time.Now()
	took := make(map[string]time.Duration)
	n.await("both are found dead", func() bool {
		if took["busy"] == 0 {
			if _, err := near.ask(publish(3, "busy", `"`+strings.Repeat("x", 1000)+`"`)); err != nil {
				t.Fatal(err)
			}
		}
		for _, room := range []string{"idle", "busy"} {
			if took[room] == 0 && !present(t, near, room) {
				took[room] = time.Since(began)
			}
		}
		return len(took) == 2
	})
	const most = 45 * time.Second // 25 s to the ping, 8 s for the pong, a second as timers are coarse, and a slow machine
	if took["idle"] > most || took["busy"] > most {
		t.Errorf("found dead after %v; want at most %v", took, most)
	}
	t.Logf("found dead: idle after %v, with unacknowledged data after %v", took["idle"].Round(100*time.Millisecond), took["busy"].Round(100*time.Millisecond))
	n.awaitSessions(1)
	n.checkNeighbour()
}

// present reports whether anybody is in a room.
func present(t *testing.T, c *client, room string) bool {
	t.Helper()
	r, err := c.askAny(fmt.Sprintf(`{"id":4,"presence_stats":{"channel":%q}}`, room))
	if err != nil {
		t.Fatal(err)
	}
	return r.Present.Clients > 0
}

// stage is a point in the life of a connection up to which reach takes it.
type stage struct {
	name  string
	reach func(conn net.Conn) error
}

// until returns a stage at which a client has connected, said something more, and waited for the answers to all but that.
func until(name, path string, asked []string, raw []byte) stage {
	return stage{name, func(conn net.Conn) error {
		c, err := upgrade(conn, path)
		if err != nil {
			return err
		}
		for _, command := range asked {
			if _, err := c.ask(command); err != nil {
				return err
			}
		}
		_, err = conn.Write(raw)
		return err
	}}
}

// written is a stage at which a client has sent bytes and waited for nothing.
func written(name, text string) stage {
	return stage{name, func(conn net.Conn) error {
		_, err := conn.Write([]byte(text))
		return err
	}}
}

const request = "GET /connection/websocket HTTP/1.1\r\nHost: edge\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
	"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"

// stages are all points at which R11 and R49 leave.
func stages() []stage {
	hello := `{"id":1,"connect":{}}`
	whole := frame.AppendMasked(nil, [4]byte{1, 2, 3, 4}, frame.OpText, []byte(subscribe(3, "room")), false)
	ping := frame.AppendMasked(nil, [4]byte{1, 2, 3, 4}, frame.OpPing, []byte("ping"), false)
	goodbye := frame.AppendMaskedClose(nil, [4]byte{1, 2, 3, 4}, 1000, "")
	joined := []string{hello, subscribe(2, "room")}
	return []stage{
		written("at once", ""),
		written("within the head", request[:40]),
		written("before the answer to the head", request),
		until("when upgraded", pathProtocol, nil, nil),
		until("within a frame header", pathProtocol, nil, whole[:1]),
		until("within a payload", pathProtocol, nil, whole[:20]),
		until("when connected", pathProtocol, []string{hello}, nil),
		until("within a command", pathProtocol, []string{hello}, whole[:len(whole)-1]),
		until("before the answer to subscribe", pathProtocol, []string{hello}, whole),
		until("when subscribed", pathProtocol, joined, nil),
		until("with a pong due", pathProtocol, joined, ping),
		until("after the close frame", pathProtocol, joined, goodbye),
		until("on /echo with an echo due", pathEcho, nil, whole),
	}
}

// farewells are the ways to leave.
var farewells = []struct {
	name  string
	leave func(conn net.Conn)
}{
	{"reset", reset},
	{"half close", func(conn net.Conn) { _ = conn.(*net.TCPConn).CloseWrite() }}, // the test closes it later
	{"close", func(conn net.Conn) { _ = conn.Close() }},
}

// R11: clients leave at every stage of the protocol, by a reset, a half close or a close. A half close is an end too. All
// is given back, and no loop spins.
func TestR11LeavingAtEveryStage(t *testing.T) {
	n := start(t, launch{args: []string{"--loops=2"}})
	watch(t, n.member("room"))
	base := n.descriptors()
	left := 0
	for _, s := range stages() {
		for _, f := range farewells {
			conn, err := connectTo(nil, n.address)
			if err != nil {
				t.Fatal(err)
			}
			if err := s.reach(conn); err != nil {
				t.Fatalf("%s: %v", s.name, err)
			}
			f.leave(conn)
			defer func() { _ = conn.Close() }()
			left++
		}
	}
	n.await("their descriptors are back", func() bool { return n.descriptors() <= base })
	n.awaitSessions(1)
	idle := n.share(func() { time.Sleep(2 * time.Second) }) // what is measured
	if idle > 0.2 {
		t.Errorf("the node uses %.0f %% of a CPU when everybody is gone", 100*idle)
	}
	if f := n.figures(); f["edge_session_panics_total"] != 0 || f.sum("edge_subscriptions") != 1 {
		t.Errorf("%v panics, %v subscriptions; want none and one", f["edge_session_panics_total"], f.sum("edge_subscriptions"))
	}
	t.Logf("%d connections left at %d stages in %d ways; descriptors %d before and after; then %.1f %% of a CPU", left, len(stages()), len(farewells), base, 100*idle)
	n.checkNeighbour()
}
