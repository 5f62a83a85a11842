package server

import (
	"encoding/binary"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/gobwas/ws"
	"github.com/seed4ac54ce5/edge/internal/testutil"
	"github.com/seed4ac54ce5/edge/metrics"
	"github.com/seed4ac54ce5/edge/protocol"
)

// TestAttackFrames has what breaks no single rule of framing, or only that of another transport.
func TestAttackFrames(t *testing.T) {
	n := openNode(t, nil)
	n.runRows(mixedRows(), pathEcho)
	n.runRows([]row{
		{"Z04 RSV1 where nothing was agreed", masked(0xc1, "\xf2\x48\xcd\xc9\xc9\x07\x00"), refused(1002), metrics.RejectProtocol},
		{"Z04 RSV1 on the first fragment", masked(0x41, "\xf2"), refused(1002), metrics.RejectProtocol},
		{"F25 binary that is no text, where text is echoed", masked(0x82, "\xff"), []string{`binary "\xff"`}, none},
	}, pathEcho)
	n.runRows(envelopeRows(), pathWebSocket+"?format=protobuf")
}

// What breaks a rule of framing or of RFC 7692 does so on each path and over TLS: rows that are refused at once, each with the same
// code and the same rejection.
func TestAttackFramesEverywhere(t *testing.T) {
	n := openNode(t, engineEchoConfig(nil))
	secured := openSecure(t, nil)
	packed := append(deflateRows(), row{"F29 Z01 a bomb of a stranger", masked(0xc1, deflate(strings.Repeat(" ", 1<<20))), refused(1009), metrics.RejectMessageSize})
	paths := []string{pathWebSocket, pathWebSocket + "?format=protobuf"}
	n.refuseEverywhere(secured, packed, paths, offerDeflate)
	n.refuseEverywhere(secured, append(headerRows(), closeRows()...), append(paths, engineTestPath+webSocketQuery)) // which agrees to no extension
}

// refuseEverywhere runs those of the rows that have no answer but a refusal on all targets, and over TLS on another node.
func (n *node) refuseEverywhere(secured *node, rows []row, targets []string, fields ...string) {
	for _, r := range rows {
		if r.reject == none || len(r.want) != 1 {
			continue
		}
		n.attack(r.rule, r.reject, len(targets), func(t *testing.T) {
			for _, target := range targets {
				if got := n.exchange(r.send, nil, target, fields); got[len(got)-1] != r.want[0] { // Engine.IO says who it is before
					t.Errorf("%s: %s; want %s", target, got, r.want)
				}
			}
			moved := secured.rejections(func() {
				for _, version := range tlsVersions {
					c := secured.dial().secure(version)
					defer c.close()
					c.send([]byte(request(pathEcho, fields...)))
					c.readHead()
					c.send(r.send)
					if got := c.rest(); !slices.Equal(got, r.want) {
						t.Errorf("over TLS: %s; want %s", got, r.want)
					}
				}
			})
			checkMoved(t, moved, r.reject, len(tlsVersions))
		})
	}
}

// mixedRows have something of everything in one stream.
func mixedRows() []row {
	return []row{{"F13 all that a stream may have", stream(
		masked(0x81, "Hello"), masked(0x01, "caf"), masked(0x89, "p"), masked(0x00, ""), masked(0x80, "é"),
		masked(0x8a, "nobody asked"), masked(0x82, "\x80\xff"), masked(0x02, ""), masked(0x80, "\xfe"),
		maskedWith([4]byte{}, 0x81, "zero"), masked(0x81, ""),
	), []string{`text "Hello"`, `pong "p"`, `text "café"`, `binary "\x80\xff"`, `binary "\xfe"`, `text "zero"`, `text ""`}, none}}
}

// envelopeRows are messages of the protocol's binary encoding that announce more than they hold.
func envelopeRows() (rows []row) {
	for _, r := range []struct{ rule, envelope string }{
		{"a message of 2^31 bytes", "\x80\x80\x80\x80\x08\x08\x01"},
		{"a message of 2^63 bytes", "\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01\x08\x01"},
		{"a length of eleven bytes", strings.Repeat("\xff", 10) + "\x01"},
		{"a length without an end", "\xff\xff"},
		{"a field of 2^28 bytes", "\x08\x08\x01\x22\x80\x80\x80\x80\x01"},
		{"a field of 2^63 bytes", "\x0e\x08\x01\x22\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01\x00"},
		{"groups within groups", string(append([]byte{100}, slices.Repeat([]byte{0x0b}, 100)...))},
	} {
		rows = append(rows, row{"F28 " + r.rule, masked(0x82, r.envelope), refused(3501), metrics.RejectCommand})
	}
	return rows
}

// A message in as many pieces as one likes is cut off at the limit for pieces, whatever is in them. Up to there they cost
// no more than twice what they are on the wire.
func TestAttackFragments(t *testing.T) {
	const pieces = 131_072
	n := openNode(t, nil)
	for _, r := range []struct{ rule, payload string }{
		{"F16 pieces of a byte without an end", "x"},
		{"F17 pieces of nothing without an end", ""},
	} {
		send := stream(masked(0x01, r.payload), slices.Repeat(masked(0x00, r.payload), pieces))
		n.runRows([]row{{r.rule, send, refused(1008), metrics.RejectPolicy}}, pathEcho)
	}
	n.attack("F16 as many pieces as allowed", none, 0, func(t *testing.T) {
		send := stream(masked(0x01, "x"), slices.Repeat(masked(0x00, "x"), n.config.FragmentLimit-2))
		before := n.counts().WireIn
		c := n.open(pathEcho)
		defer c.close()
		c.send(send)
		head := uint64(len(request(pathEcho)))
		testutil.Eventually(t, patience, func() bool { return n.counts().WireIn >= before+head+uint64(len(send)) }, "all pieces have come")
		if used := n.inputs.Used(); used < int64(n.config.FragmentLimit-1) || used > 2*int64(len(send)) {
			t.Errorf("%d bytes are held of %d that have come", used, len(send))
		}
	})
}

// A peer that vanishes while it is answered leaves nothing either: at each byte of what it sends, and with replies, pings and
// publications on their way to it.
func TestAttackVanish(t *testing.T) {
	n := openNode(t, nil)
	whole := stream(masked(0x81, hello+"\n"+subscribe(2, "room")), masked(0x89, "p"), masked(0x81, publish(3, "room", "1")))
	for _, linger := range []int{0, -1} { // a reset, an end of file
		n.attack(fmt.Sprintf("F27 a member that vanishes, linger %d", linger), none, 0, func(t *testing.T) {
			for size := range whole {
				c := n.open(pathWebSocket)
				if err := c.conn.SetLinger(linger); err != nil {
					t.Fatal(err)
				}
				c.send(whole[:size])
				c.close()
			}
		})
	}
	n.attack("F27 half a close at each byte", none, 0, func(t *testing.T) {
		for size := range whole {
			c := n.open(pathWebSocket)
			c.send(whole[:size])
			if err := c.conn.CloseWrite(); err != nil {
				t.Fatal(err)
			}
			if _, err := io.Copy(io.Discard, c.in); err != nil {
				t.Errorf("half a close after %d bytes: %v; want the end of the stream", size, err)
			}
			c.close()
		}
	})
}

// Where a client speaks the protocol, the opcode of its frames does not matter, as long as what is in them is what it said it
// speaks.
func TestAttackOpcodes(t *testing.T) {
	n := openNode(t, nil)
	connect := string(protocol.Protobuf.AppendConnect(nil, 1, &protocol.ConnectRequest{}))
	for _, r := range []struct {
		rule, target string
		send         []byte
		want         string
		reject       metrics.Rejection
	}{
		{"F25 JSON in a binary frame", pathWebSocket, masked(0x82, hello), "text", none},
		{"F25 JSON in a binary frame that is not UTF-8", pathWebSocket, masked(0x82, "{\"id\":1,\"connect\":{\"name\":\"\xff\"}}"), bad, metrics.RejectCommand},
		{"F25 protobuf in a text frame", pathWebSocket + "?format=protobuf", masked(0x81, connect), "binary", none},
		{"F25 protobuf where JSON is spoken", pathWebSocket, masked(0x82, connect), bad, metrics.RejectCommand},
		{"F25 JSON where protobuf is spoken", pathWebSocket + "?format=protobuf", masked(0x81, hello), bad, metrics.RejectCommand},
	} {
		n.attack(r.rule, r.reject, 1, func(t *testing.T) {
			c := n.open(r.target)
			defer c.close()
			c.send(r.send)
			if got := c.next(); !strings.HasPrefix(got, r.want) {
				t.Errorf("got %s; want %s", got, r.want)
			}
		})
	}
}

// A reason of ours that is too long for a close frame is cut where a character ends, and nothing else is in the frame.
func TestAttackReasons(t *testing.T) {
	for _, r := range []struct{ rule, reason, want string }{
		{"C04 a reason of 123 bytes", strings.Repeat("r", 123), strings.Repeat("r", 123)},
		{"C04 a reason of 124 bytes", strings.Repeat("r", 124), strings.Repeat("r", 123)},
		{"C04 a reason that would be cut within a character", strings.Repeat("é", 100), strings.Repeat("é", 61)},
		{"C04 a reason of characters of four bytes", strings.Repeat("\U0001F600", 40), strings.Repeat("\U0001F600", 30)},
		{"C04 a reason that is not UTF-8", "good\xffbad", "good"},
		{"C04 no reason", "", ""},
	} {
		n := openNode(t, func(c *Config) {
			c.Handler.Connect = func(*ConnectRequest) (ConnectReply, error) {
				return ConnectReply{}, Disconnect{Code: 4321, Reason: r.reason}
			}
		})
		n.attack(r.rule, none, 0, func(t *testing.T) {
			send := masked(0x81, hello)
			for at := range send {
				c := n.open(pathWebSocket)
				n.sendCut(c, send, []int{at})
				f, _ := c.frame()
				if want := ws.NewCloseFrameBody(4321, r.want); string(f.Payload) != string(want) || !utf8.ValidString(r.want) {
					t.Errorf("cut at %d: %q came as %q; want %q", at, r.reason, f.Payload, want)
				}
				c.close()
			}
		})
	}
}

// Both sides close at once, or one of them again and again: there is one close frame of ours and then the end.
func TestAttackCloses(t *testing.T) {
	n := openNode(t, nil)
	n.attack("C06 both sides close at once", none, 0, func(t *testing.T) {
		c := n.member("other")
		if err := n.Disconnect(t.Context(), Target{}, Disconnect{Code: 4000, Reason: "bye"}); err != nil {
			t.Fatal(err)
		}
		c.send(slices.Repeat(closing(1000, ""), 100))
		if got := fmt.Sprint(c.rest()); got != "[close 4000]" {
			t.Errorf("got %s; want our close frame and the end", got)
		}
		c.close()
	})
}

// A large answer is one compressed frame: RSV1 stands on it and on nothing else.
func TestZ06LargeCompressedReply(t *testing.T) {
	n := openNode(t, func(c *Config) { c.MessageLimit = 1 << 20 })
	var digits strings.Builder
	for i := range 30_000 {
		fmt.Fprint(&digits, i*i%9973)
	}
	long := digits.String()
	want := []string{"deflated " + said(ws.OpText, []byte(long))}
	n.runRows([]row{{"Z06 an answer of 100 KB", masked(0x81, long), want, none}}, pathEcho, offerDeflate)
}

// Conns that have compressed keep nothing of it: no compressor, no inflater, no buffer.
func TestZ08IdleCompressedConns(t *testing.T) {
	if testutil.Race {
		t.Skip("the race detector changes what is allocated")
	}
	const conns, each = 200, 4 << 10 // a compressor has 300 times as much, an inflater ten times
	n := openNode(t, nil)
	text := strings.Repeat("compress me ", 100)
	costs := func(fields ...string) int64 {
		before := heapInUse()
		var open []*client
		for range conns {
			c := n.open(pathEcho, fields...)
			c.send(masked(0x81, text))
			if got := c.next(); !strings.HasSuffix(got, said(ws.OpText, []byte(text))) {
				t.Fatalf("got %s", got)
			}
			open = append(open, c)
		}
		spent := heapInUse() - before
		for _, c := range open {
			c.close()
		}
		return spent
	}
	n.attack("Z08 idle conns that have compressed", none, 0, func(t *testing.T) {
		plain := costs()
		if packed := costs(offerDeflate); packed > plain+conns*each {
			t.Errorf("%d conns cost %d bytes with compression, %d without", conns, packed, plain)
		}
	})
}

// heapInUse returns how many bytes are reachable. What pools keep for a while is gone.
func heapInUse() int64 {
	for range 3 {
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// Nothing that a client announces sizes what is allocated for it: neither its length of a frame nor of an envelope.
func TestF04AnnouncedLengthsAllocateNothing(t *testing.T) {
	n := openNode(t, func(c *Config) { c.MessageLimit = maxMessageLimit })
	header := []byte{0x82, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4}
	binary.BigEndian.PutUint64(header[2:], uint64(maxMessageLimit))
	n.attack("F04 as much as the limit allows, announced", none, 0, func(t *testing.T) {
		c := n.open(pathEcho)
		defer c.close()
		before := n.counts().WireIn
		c.send(header)
		testutil.Eventually(t, patience, func() bool { return n.counts().WireIn >= before+uint64(len(header)) }, "the header has come")
		if used := n.inputs.Used(); used > 1<<10 {
			t.Errorf("%d bytes are held for a header of %d", used, len(header))
		}
	})
}
