package server

import (
	"fmt"
	"strings"
	"testing"

	"github.com/gobwas/ws"
	"github.com/seed4ac54ce5/edge/internal/testutil"
	"github.com/seed4ac54ce5/edge/metrics"
)

// TestConformanceClose holds the server against RFC 6455 on the closing handshake.
func TestConformanceClose(t *testing.T) {
	openNode(t, nil).runRows(closeRows(), pathEcho)
}

func closeRows() []row {
	hello, bye := masked(0x81, "Hello"), closing(1000, "")
	long := strings.Repeat("r", 123)
	rows := []row{
		{"5.5.1 without a code", masked(0x88, ""), refused(1005), none},
		{"5.5.1 with a reason", closing(1000, "so long"), refused(1000), none},
		{"5.5.1 C01 with the longest reason", closing(1000, long), refused(1000), none},
		{"5.5.1 C01 with a reason of 124 bytes", masked(0x88, "\x03\xe8"+long+"r"), refused(1002), metrics.RejectProtocol},
		{"5.5.1 C01 with half a code", masked(0x88, "\x03"), refused(1002), metrics.RejectProtocol},
		{"5.5.1 C01 with a reason that is not UTF-8", closing(1000, "caf\xe9"), refused(1007), metrics.RejectUTF8},
		{"5.5.1 C01 with a reason cut within a code point", closing(1000, "\xe2\x82"), refused(1007), metrics.RejectUTF8},
		{"5.5.1 after messages, which come back first", stream(hello, masked(0x82, "b"), bye), refused(1000, `text "Hello"`, `binary "b"`), none},
		{"5.5.1 within a message", stream(masked(0x01, "Hel"), bye), refused(1000), none},
		{"5.5.1 F22 messages after it", stream(bye, hello, masked(0x89, "p")), refused(1000), none},
		{"5.5.1 F22 broken frames after it", stream(bye, drawn("81 05 48656c6c6f")), refused(1000), none},
		{"7.1.1 C06 twice", stream(bye, bye), refused(1000), none},
		{"7.1.1 C06 after a frame for which the server closes", stream(drawn("83 80 00000000"), bye), refused(1002), metrics.RejectProtocol},
	}
	for _, code := range []ws.StatusCode{1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999} {
		rows = append(rows, row{fmt.Sprintf("7.4 C03 code %d", code), closing(code, "x"), refused(int(code)), none})
	}
	for _, code := range []ws.StatusCode{0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535} {
		rows = append(rows, row{fmt.Sprintf("7.4 C02 code %d", code), closing(code, ""), refused(1002), metrics.RejectProtocol})
	}
	return rows
}

// A client that sends on behind its close frame, against RFC 6455 section 5.5.1, must still get ours, and not
// a reset in its place.
func TestC06CloseBeforeMuchElse(t *testing.T) {
	n := openNode(t, nil)
	send := append(closing(1000, ""), make([]byte, 1<<20)...)
	if got := fmt.Sprint(n.exchange(send, nil, pathEcho, nil)); got != "[close 1000]" {
		t.Errorf("a close frame and a mebibyte behind it: got %s", got)
	}
}

// What a server has refused it discards, so that the peer sees why, and not a reset.
func TestRefusalBeforeMuchElse(t *testing.T) {
	n := openNode(t, nil)
	send := append(drawn("83 80 00000000"), make([]byte, 1<<20)...)
	if got := fmt.Sprint(n.exchange(send, nil, pathEcho, nil)); got != "[close 1002]" {
		t.Errorf("a broken frame and a mebibyte behind it: got %s", got)
	}
}

// The server ends a TCP connection whose peer never answers its close frame.
func TestC05CloseThatIsNotAnswered(t *testing.T) {
	t.Parallel()
	n := openNode(t, nil)
	c := n.open(pathEcho)
	defer c.close()
	c.send(drawn("83 80 00000000"))
	if got := fmt.Sprint(c.rest()); got != "[close 1002]" {
		t.Fatalf("got %s; want a close frame and the end of the stream", got)
	}
	testutil.Eventually(t, lingerTimeout+patience, func() bool { return n.counts().Open == 1 }, "the conn's slot is free")
}

// A peer that vanishes at any point of its stream leaves nothing behind and harms nobody.
func TestF27PeerThatVanishes(t *testing.T) {
	n := openNode(t, nil)
	whole := stream([]byte(request(pathEcho)), masked(0x01, "Hel"), masked(0x80, "lo"))
	for _, linger := range []int{0, -1} { // a reset, an end of file
		for size := range whole {
			c := n.dial()
			if err := c.conn.SetLinger(linger); err != nil {
				t.Fatal(err)
			}
			c.send(whole[:size])
			c.close()
		}
	}
	testutil.Eventually(t, patience, func() bool { return n.counts().Open == 1 }, "the slots are free")
	n.checkNeighbour()
	c := n.counts()
	if bad := c.Disconnects; bad[6] == 0 || c.Connections[metrics.Echo] != 1 {
		t.Errorf("%d sessions ended with 1006, %d stand; want some and the neighbour's", bad[6], c.Connections[metrics.Echo])
	}
}

// A peer that only closes its side has gone: it is closed too, with what it sent answered (R11).
func TestHalfClose(t *testing.T) {
	n := openNode(t, nil)
	c := n.open(pathEcho)
	defer c.close()
	c.send(masked(0x81, "last words"))
	if err := c.conn.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(c.rest()); got != `[text "last words"]` {
		t.Errorf("after a half-close: got %s; want the echo and the end of the stream", got)
	}
	n.checkNeighbour()
}
