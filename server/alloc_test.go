package server

import (
	"encoding/binary"
	"io"
	"strings"
	"testing"

	"github.com/seed4ac54ce5/edge/internal/testutil"
)

// exact is a client for measurements: it writes prepared bytes and reads replies of a known size, and allocates nothing.
type exact struct {
	*client
	send []byte
	in   []byte
}

// openQuiet is openNode for measurements.
func openQuiet(t *testing.T) *node {
	t.Helper()
	if testutil.Race {
		t.Skip("the race detector makes sync.Pool drop what it is given")
	}
	return openNode(t, nil)
}

// turn sends and reads what must come back.
func (e *exact) turn() {
	if _, err := e.conn.Write(e.send); err != nil {
		e.t.Error(err)
	}
	e.read()
}

func (e *exact) read() {
	if _, err := io.ReadFull(e.conn, e.in); err != nil {
		e.t.Error(err)
	}
}

const (
	settling = 20 // runs in which buffers and pools find their size
	measured = 50
)

// checkAllocs fails the test unless f, server and client together, allocates nothing.
func checkAllocs(t *testing.T, what string, f func()) {
	t.Helper()
	for range settling {
		f()
	}
	if got := testing.AllocsPerRun(measured, f); got > 0 {
		t.Errorf("%s: %v allocations a run; want none", what, got)
	}
}

// An echo costs no allocation, whole, in several frames of a read, or with a ping.
func TestEchoDoesNotAllocate(t *testing.T) {
	for _, r := range []struct {
		what string
		send []byte
		size int
	}{
		{"a message of 64 bytes", masked(0x81, strings.Repeat("m", 64)), 2 + 64},
		{"a message of 20 KiB", masked(0x82, strings.Repeat("m", 20<<10)), 4 + 20<<10},
		{"ten messages in a read", []byte(strings.Repeat(string(masked(0x81, "m")), 10)), 10 * 3},
		{"a ping", masked(0x89, "p"), 3},
	} {
		n := openQuiet(t)
		e := &exact{n.open(pathEcho), r.send, make([]byte, r.size)}
		checkAllocs(t, r.what, e.turn)
		e.close()
	}
}

// A message that comes in pieces is put together in a buffer from the loop's pool.
func TestEchoInTwoReadsDoesNotAllocate(t *testing.T) {
	n := openQuiet(t)
	e := &exact{n.open(pathEcho), nil, make([]byte, 4+3000)}
	defer e.close()
	message := masked(0x81, strings.Repeat("m", 3000))
	ping, pong := masked(0x89, ""), make([]byte, 2)
	other := &exact{n.open(pathEcho), ping, pong}
	defer other.close()
	checkAllocs(t, "a message in two reads", func() {
		if _, err := e.conn.Write(message[:1000]); err != nil {
			t.Error(err)
		}
		other.turn() // the loop has read the first part
		e.send = message[1000:]
		e.turn()
	})
}

// A publication to a room of a thousand costs no allocation, and so none for a delivery.
func TestPublishDoesNotAllocate(t *testing.T) {
	const members = 1000
	n := openQuiet(t)
	var room []*exact
	for range members {
		c := n.member("room")
		defer c.close()
		room = append(room, &exact{client: c})
	}
	publisher, _ := n.connect(pathWebSocket)
	defer publisher.close()
	from := &exact{publisher, masked(0x81, publish(2, "room", `"sixteen bytes .."`)), make([]byte, 2+len(published(2)))}
	wire := 4 + len(strings.Replace(pushOf("room", `"sixteen bytes .."`), "ID", strings.Repeat("x", idSize), 1))
	for _, m := range room {
		m.in = make([]byte, wire)
	}
	checkAllocs(t, "a publication to 1000 members", func() {
		from.turn()
		for _, m := range room {
			m.read()
		}
	})
	if got := room[members-1].in; int(binary.BigEndian.Uint16(got[2:])) != wire-4 || !strings.Contains(string(got), "sixteen bytes") {
		t.Errorf("the last member got %q", got)
	}
}

// Subscribe and unsubscribe in a room where others are cost no allocation.
func TestSubscribeDoesNotAllocate(t *testing.T) {
	n := openQuiet(t)
	other := n.member("room")
	defer other.close()
	c, _ := n.connect(pathWebSocket)
	defer c.close()
	e := &exact{c, masked(0x81, subscribe(2, "room")+"\n"+unsubscribe(3, "room")), make([]byte, 2+len(subscribed(2)+"\n"+unsubscribed(3)))}
	checkAllocs(t, "subscribe and unsubscribe", e.turn)
}

// A handshake costs no allocation.
func TestHandshakeDoesNotAllocate(t *testing.T) {
	n := openQuiet(t)
	e := &exact{nil, []byte(request(pathWebSocket)), make([]byte, len(accepted()))}
	var fresh []*client
	for range settling + 1 + measured {
		c := n.dial()
		defer c.close()
		fresh = append(fresh, c)
	}
	checkAllocs(t, "a handshake", func() {
		e.client, fresh = fresh[0], fresh[1:]
		e.turn()
	})
	if got := string(e.in); got != accepted() {
		t.Errorf("got %q", got)
	}
}
