package server

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"golang.org/x/sys/unix"
)

// maxFuzz keeps what is fuzzed to one turn of a loop: fewer frames than it serves of one conn.
const maxFuzz = 6 * maxFramesPerTurn

// The kinds of sessions that are fuzzed, as bits.
const (
	fuzzDeflate = 1 << iota // compression is agreed
	fuzzSession             // commands, not an echo
	fuzzReady               // of a client that has connected
	fuzzEngine              // Engine.IO, not a session; with fuzzReady in base64
)

// FuzzSession sends any bytes after a handshake, on /echo, on the echo of Engine.IO or as a client that may have connected, with
// and without compression, whole and cut in two. The session must answer both alike, in whole frames, and leave the node and the
// neighbour as they were.
func FuzzSession(f *testing.F) {
	for _, r := range slices.Concat(messageRows(), headerRows()[:12], deflateRows(), closeRows()[:12]) {
		f.Add(byte(fuzzDeflate), uint16(len(r.send)/2), r.send[:min(len(r.send), maxFuzz)])
	}
	for _, k := range firstTalks() {
		f.Add(byte(fuzzSession), uint16(9), masked(0x81, strings.Join(k.send, "\n")))
	}
	for _, k := range slices.Concat(subscribeTalks(), publishTalks(), otherTalks()) {
		f.Add(byte(fuzzSession|fuzzReady), uint16(9), masked(0x81, strings.Join(k.send, "\n")))
	}
	for _, r := range engineRows() {
		f.Add(byte(fuzzEngine), uint16(len(r.send)/2), r.send[:min(len(r.send), maxFuzz)])
		f.Add(byte(fuzzEngine|fuzzReady|fuzzDeflate), uint16(1), r.send[:min(len(r.send), maxFuzz)])
	}
	n := openNode(f, engineEchoConfig(func(c *SocketIO) { c.PingInterval, c.MaxPayload = time.Hour, maxEngineRow }))
	f.Fuzz(func(t *testing.T, kind byte, cut uint16, b []byte) {
		if len(b) > maxFuzz {
			return
		}
		n.t = t
		defer func() { n.t = f }()
		before := n.counts()
		whole := n.answer(t, kind, b)
		at := int(cut) % (len(b) + 1)
		if split := n.answer(t, kind, b[:at], b[at:]); split != whole {
			t.Errorf("%x cut at %d\n got %s\nwhole %s", b, at, split, whole)
		}
		if after := n.counts(); after.Panics != before.Panics {
			t.Errorf("%x panics", b)
		}
		n.checkNeighbour()
	})
}

// answer sends pieces, each when the one before has been read, and returns what comes back until the session ends
// or has nothing more to say.
func (n *node) answer(t *testing.T, kind byte, pieces ...[]byte) string {
	var fields []string
	if kind&fuzzDeflate != 0 {
		fields = []string{offerDeflate}
	}
	ready := kind&fuzzReady != 0
	target, session := pathEcho, false
	switch {
	case kind&fuzzEngine != 0 && ready:
		target = engineTestPath + webSocketQuery + "&b64=1"
	case kind&fuzzEngine != 0:
		target = engineTestPath + webSocketQuery
	case kind&fuzzSession != 0:
		target, session = pathWebSocket, true
	}
	c := n.open(target, fields...)
	defer c.close()
	if session && ready {
		c.say(hello)
	}
	if session && ready || kind&fuzzEngine != 0 {
		c.next() // the reply, or the open packet
	}
	for _, p := range pieces {
		before := n.counts().WireIn
		c.send(p)
		n.awaitRead(before + uint64(len(p)))
	}
	n.counts() // a turn of the loop later, rooms have been served
	return n.summary(t, c, session)
}

// summary describes the frames that have come. Of a session it takes replies and other frames apart, whose order among
// each other is open, as is which replies share a frame. Pushes are left out: a client that publishes and leaves in
// one read hears nothing of what it would have heard in between.
func (n *node) summary(t *testing.T, c *client, session bool) string {
	var replies, others []string
	for rest := c.available(t); len(rest) > 0; {
		r := bytes.NewReader(rest)
		f, err := readFrame(r)
		if err != nil {
			t.Fatalf("%x is no whole frame: %v", rest, err)
		}
		rest = rest[len(rest)-r.Len():]
		if !session || f.Header.OpCode != ws.OpText {
			others = append(others, describe(f))
			continue
		}
		for line := range strings.SplitSeq(uuid.ReplaceAllString(string(f.Payload), "ID"), "\n") {
			if !strings.HasPrefix(line, `{"push":`) {
				replies = append(replies, line)
			}
		}
	}
	return fmt.Sprintf("%q %q", replies, others)
}

// available returns what the socket holds, without waiting for more.
func (c *client) available(t *testing.T) []byte {
	all, err := c.in.Peek(c.in.Buffered())
	if err != nil {
		t.Fatal(err)
	}
	all = bytes.Clone(all)
	raw, err := c.conn.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 64<<10)
	_ = raw.Read(func(fd uintptr) bool { // the conn is open: there is no other error
		for {
			n, err := unix.Read(int(fd), buf)
			if n <= 0 || err != nil {
				return true
			}
			all = append(all, buf[:n]...)
		}
	})
	return all
}
