//go:build faults

package faults

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed4ac54ce5/edge/bench"
	"github.com/seed4ac54ce5/edge/frame"
	"github.com/seed4ac54ce5/edge/test/faultproxy"
)

// flooded runs edge flood against the node to its end. What it reports is checked: unless lossy, everything must have arrived.
func (n *node) flooded(lossy bool, scenario string, args ...string) bench.Report {
	n.t.Helper()
	line := append(n.in.command(), edgeBinary, "flood", scenario, "--target="+n.address.String(), "--json", "--probe=0")
	cmd := exec.Command(line[0], append(line[1:], args...)...)
	out, err := cmd.Output()
	var r bench.Report
	if broken := json.Unmarshal(out, &r); broken != nil {
		n.t.Fatalf("edge flood %s: %v, %v", scenario, err, broken)
	}
	if d := &r.Delivery; d.Damaged+d.Misrouted+d.Reordered+d.Duplicated > 0 || !lossy && r.Err() != nil {
		n.t.Errorf("edge flood %s: %v; %+v", scenario, r.Err(), r)
	}
	return r
}

// R12: what comes late, unevenly and in small pieces is in order all the same.
func TestR12LateAndInPieces(t *testing.T) {
	n := start(t, launch{args: []string{"--loops=2"}})
	for _, r := range []struct {
		name   string
		toxics []faultproxy.Toxic
	}{
		{"late by 50 ms", []faultproxy.Toxic{faultproxy.Latency{Delay: 50 * time.Millisecond}}},
		{"late by 30 ms give or take 25", []faultproxy.Toxic{faultproxy.Latency{Delay: 30 * time.Millisecond, Jitter: 25 * time.Millisecond}}},
		{"in pieces of 1 to 13 bytes", []faultproxy.Toxic{faultproxy.Slicer{Size: 7, Variation: 6, Gap: time.Millisecond}}},
	} {
		proxy := faultproxy.Start(t, n.address.String())
		proxy.Add(faultproxy.Both, r.toxics...)
		behind := *n
		behind.address = addressOf(t, proxy.Addr())
		echo := behind.flooded(false, "echo", "--connections=20", "--payload=200", "--duration=4s")
		fanout := behind.flooded(false, "fanout", "--connections=20", "--rate=20", "--payload=200", "--duration=4s")
		t.Logf("%s: %d echoes, %d deliveries, all exact; echo p50 %.0f ms", r.name, echo.Delivery.Received, fanout.Delivery.Received, echo.Latency.P50/1000)
	}
	n.checkNeighbour()
}

// R12: a byte that is corrupted outside TLS ends the connection with the code of what it has broken.
func TestR12Corrupt(t *testing.T) {
	n := start(t, launch{args: []string{"--loops=2"}})
	watch(t, n.member("room"))
	hello := frame.AppendMasked(nil, [4]byte{1, 2, 3, 4}, frame.OpText, []byte(`{"id":1,"connect":{}}`), false)
	for at, want := range map[int]int{
		0:              1002, // opcode and reserved bits
		1:              1002, // mask bit and length
		2:              1007, // masking key: every fourth byte of the text
		6:              1007, // text
		len(hello) - 1: 1007,
	} {
		proxy := faultproxy.Start(t, n.address.String())
		proxy.Add(faultproxy.Upstream, faultproxy.Corrupt{Offset: int64(len(request) + at)})
		c := raw(t, proxy.Addr())
		if _, err := c.conn.Write(hello); err != nil {
			t.Fatal(err)
		}
		if err := c.rest(); codeOf(err) != want {
			t.Errorf("with byte %d of a frame inverted: %v; want close %d", at, err, want)
		}
	}
	n.awaitSessions(1)
	n.checkNeighbour()
}

// raw opens a WebSocket with the bytes of request.
func raw(t *testing.T, address string) *client {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(conn)
	resp, err := http.ReadResponse(r, nil)
	if err != nil || resp.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("the answer to an upgrade is %v, %v", resp, err)
	}
	return &client{conn: conn, r: r}
}

// R12: bytes corrupted at random end connections, with a close frame where the client can still read one, and nothing else.
func TestR12CorruptAtRandom(t *testing.T) {
	const size, rounds = 100, 60
	n := start(t, launch{args: []string{"--loops=2"}})
	watch(t, n.member("room"))
	proxy := faultproxy.Start(t, n.address.String())
	clients := make([]*client, size)
	for i := range clients {
		clients[i] = raw(t, proxy.Addr())
	}
	proxy.Add(faultproxy.Upstream, faultproxy.Corrupt{Rate: 0.002})
	var codes sync.Map
	var wg sync.WaitGroup
	for i, c := range clients {
		wg.Go(func() {
			random := rand.New(rand.NewPCG(uint64(i), 12))
			codes.Store(i, c.suffer(random, rounds))
		})
	}
	wg.Wait()
	counts := make(map[int]int)
	codes.Range(func(_, code any) bool { counts[code.(int)]++; return true })
	for code := range counts {
		switch code {
		case 0, 1002, 1003, 1007, 1009, 3501: // of frames, text, size and commands; 0 stood to the end
		default:
			t.Errorf("%d clients ended with %d", counts[code], code)
		}
	}
	t.Logf("of %d clients, by close code: %v", size, counts)
	proxy.CutAll()
	n.awaitSessions(1)
	if f := n.figures(); f["edge_session_panics_total"] != 0 {
		t.Errorf("%v panics", f["edge_session_panics_total"])
	}
	n.checkNeighbour()
}

// suffer sends commands until rounds of them are answered, or the session ends, or an answer stays away as its command has
// become the front of something larger. It returns the close code.
func (c *client) suffer(random *rand.Rand, rounds int) int {
	for id := range rounds {
		command := `{"id":1,"connect":{}}`
		if id > 0 {
			command = publish(id+1, "nowhere", `"`+strings.Repeat("x", random.IntN(200))+`"`)
		}
		if err := c.conn.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
			return 0
		}
		if err := c.say(command); err != nil {
			return c.lastWord()
		}
		if _, err := c.message(); err != nil {
			return codeOf(err) // 0 of a time-out
		}
	}
	return 0
}

// isTimeout reports whether err is that a deadline has passed.
func isTimeout(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}

// lastWord is the code of the close frame that waits to be read, 0 without one.
func (c *client) lastWord() int { return codeOf(c.rest()) }

// R17: with socket buffers of a page each, every write is short and messages come in pieces. With calls that say EAGAIN
// though there is no need, loops come back. Nothing is lost or doubled.
func TestR17ShortWrites(t *testing.T) {
	ns := newNamespace(t)
	for _, key := range []string{"ipv4/tcp_wmem", "ipv4/tcp_rmem"} {
		ns.set(t, key, "4096 4096 4096")
	}
	n := start(t, launch{in: ns, before: ns.command(), args: []string{"--loops=2", "--queue-max-size=16MiB"}})
	echo := n.flooded(false, "echo", "--connections=20", "--pipeline=8", "--payload=10000", "--duration=5s")
	fanout := n.flooded(false, "fanout", "--connections=20", "--rate=20", "--payload=20000", "--duration=5s")
	t.Logf("buffers of 4 KiB: %d echoes of 10 kB, %d deliveries of 20 kB, all exact", echo.Delivery.Received, fanout.Delivery.Received)
}

func TestR17SpuriousEAGAIN(t *testing.T) {
	n := start(t, launch{before: inject(t, "recvfrom,sendto,sendmsg:error=EAGAIN:when=2+3"), args: []string{"--loops=2"}})
	echo := n.flooded(false, "echo", "--connections=20", "--pipeline=4", "--payload=1000", "--duration=5s")
	fanout := n.flooded(false, "fanout", "--connections=20", "--rate=20", "--payload=5000", "--duration=5s")
	t.Logf("every third call says EAGAIN: %d echoes, %d deliveries, all exact", echo.Delivery.Received, fanout.Delivery.Received)
	n.checkNeighbour()
}
