package server

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/gobwas/ws"
	"github.com/seed4ac54ce5/edge/metrics"
)

// drawn returns the bytes of a row that no encoder would make, in hexadecimal with spaces for the reader.
func drawn(digits string) []byte {
	b, err := hex.DecodeString(strings.ReplaceAll(digits, " ", ""))
	if err != nil {
		panic(err)
	}
	return b
}

// stream puts frames together.
func stream(frames ...[]byte) []byte { return slices.Concat(frames...) }

// refused is what comes back to a stream that breaks a rule with its last frame.
func refused(code int, before ...string) []string {
	return append(before, fmt.Sprintf("close %d", code))
}

// TestConformanceHeaders holds the server against what RFC 6455 says of the header of each frame, on a conn
// without extensions.
func TestConformanceHeaders(t *testing.T) {
	n := openNode(t, nil)
	n.runRows(headerRows(), pathEcho)
}

func headerRows() []row {
	hello := masked(0x81, "Hello")
	rows := []row{
		{"5.1 F01 unmasked text", drawn("81 05 48656c6c6f"), refused(1002), metrics.RejectProtocol},
		{"5.1 F01 unmasked empty binary", drawn("82 00"), refused(1002), metrics.RejectProtocol},
		{"5.1 F01 unmasked ping", drawn("89 00"), refused(1002), metrics.RejectProtocol},
		{"5.1 F01 unmasked close", drawn("88 02 03e8"), refused(1002), metrics.RejectProtocol},
		{"5.1 F14 unmasked after masked", stream(hello, drawn("81 01 61")), refused(1002, `text "Hello"`), metrics.RejectProtocol},

		{"5.2 F02 length 2^63", drawn("82 ff 8000000000000000 37fa213d"), refused(1002), metrics.RejectProtocol},
		{"5.2 F02 length 2^64-1", drawn("82 ff ffffffffffffffff 37fa213d"), refused(1002), metrics.RejectProtocol},
		{"5.2 F02 length 2^63 of a continuation", stream(masked(0x01, "a"), drawn("80 ff 8000000000000000")), refused(1002), metrics.RejectProtocol},
		{"5.2 F03 length 2^64-6 and one byte of payload", drawn("82 ff fffffffffffffffa 37fa213d 00"), refused(1002), metrics.RejectProtocol},
		{"5.2 F04 length 2^34 from the header alone", drawn("82 ff 0000000400000000"), refused(1009), metrics.RejectMessageSize},
		{"5.2 F04 length 2^60 from the header alone", drawn("81 ff 1000000000000000"), refused(1009), metrics.RejectMessageSize},
		{"5.2 F04 length 2^63-1 from the header alone", drawn("82 ff 7fffffffffffffff"), refused(1009), metrics.RejectMessageSize},
		{"5.2 F06 length 5 in 16 bits", drawn("81 fe 0005 00000000 48656c6c6f"), refused(1002), metrics.RejectProtocol},
		{"5.2 F06 length 0 in 16 bits", drawn("82 fe 0000 00000000"), refused(1002), metrics.RejectProtocol},
		{"5.2 F06 length 125 in 16 bits", drawn("82 fe 007d 00000000"), refused(1002), metrics.RejectProtocol},
		{"5.2 F06 length 126 in 64 bits", drawn("82 ff 000000000000007e 00000000"), refused(1002), metrics.RejectProtocol},
		{"5.2 F06 length 65535 in 64 bits", drawn("82 ff 000000000000ffff 00000000"), refused(1002), metrics.RejectProtocol},
		{"5.2 F05 length 0 in 64 bits", drawn("82 ff 0000000000000000 00000000"), refused(1002), metrics.RejectProtocol},

		{"5.5 F10 ping of 126 bytes", stream(drawn("89 fe 007e 00000000"), make([]byte, 126)), refused(1002), metrics.RejectProtocol},
		{"5.5 F10 pong of 65536 bytes, header", drawn("8a ff 0000000000010000"), refused(1002), metrics.RejectProtocol},
		{"5.5 F10 close of 126 bytes, header", drawn("88 fe"), refused(1002), metrics.RejectProtocol},
		{"5.5 F09 ping with FIN 0", masked(0x09, ""), refused(1002), metrics.RejectProtocol},
		{"5.5 F09 pong with FIN 0", masked(0x0a, "x"), refused(1002), metrics.RejectProtocol},
		{"5.5 F09 close with FIN 0", masked(0x08, "\x03\xe8"), refused(1002), metrics.RejectProtocol},
		{"5.5 F09 ping with FIN 0 inside a message", stream(masked(0x01, "a"), masked(0x09, "")), refused(1002), metrics.RejectProtocol},

		{"10.7 F26 HTTP after the handshake", []byte("GET / HTTP/1.1\r\nHost: a\r\n\r\n"), refused(1002), metrics.RejectProtocol},
		{"10.7 F26 TLS after the handshake", drawn("16 03 01 00 a5 01 00 00 a1 03 03"), refused(1002), metrics.RejectProtocol},
		{"10.7 F26 HTTP/2 after the handshake", []byte("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), refused(1002), metrics.RejectProtocol},
	}
	for rsv := byte(1); rsv < 8; rsv++ {
		for _, b0 := range []byte{0x81, 0x82, 0x89, 0x8a, 0x88} {
			rule := fmt.Sprintf("5.2 F07 RSV %03b and opcode %x", rsv, b0&15)
			rows = append(rows, row{rule, stream(masked(b0|rsv<<4, ""), hello), refused(1002), metrics.RejectProtocol})
		}
	}
	for _, op := range []byte{3, 4, 5, 6, 7, 11, 12, 13, 14, 15} {
		rule := fmt.Sprintf("5.2 F08 opcode %x, and nothing behind it", op)
		rows = append(rows, row{rule, stream(hello, masked(0x80|op, "x"), hello), refused(1002, `text "Hello"`), metrics.RejectProtocol})
	}
	return rows
}

// TestConformanceMessages holds the server against RFC 6455 on messages: their sizes, fragments and control
// frames among them.
func TestConformanceMessages(t *testing.T) {
	n := openNode(t, func(c *Config) { c.MessageLimit, c.FragmentLimit = 1000, 8 })
	n.runRows(messageRows(), pathEcho)
}

func messageRows() []row {
	at, over := strings.Repeat("m", 1000), strings.Repeat("m", 1001)
	zero := slices.Repeat(masked(0x00, ""), 7)
	return []row{
		{"5.6 text", masked(0x81, "Hello"), []string{`text "Hello"`}, none},
		{"5.6 binary", masked(0x82, "\x00\xff"), []string{`binary "\x00\xff"`}, none},
		{"5.6 empty text and empty binary", stream(masked(0x81, ""), masked(0x82, "")), []string{`text ""`, `binary ""`}, none},
		{"5.3 F23 zero masking key", maskedWith([4]byte{}, 0x81, "Hello"), []string{`text "Hello"`}, none},
		{"5.2 length 125", masked(0x82, at[:125]), []string{said(ws.OpBinary, []byte(at[:125]))}, none},
		{"5.2 length 126", masked(0x82, at[:126]), []string{said(ws.OpBinary, []byte(at[:126]))}, none},

		{"5.4 two fragments", stream(masked(0x01, "Hel"), masked(0x80, "lo")), []string{`text "Hello"`}, none},
		{"5.4 binary in three fragments", stream(masked(0x02, "\x80"), masked(0x00, "\x81"), masked(0x80, "\x82")), []string{`binary "\x80\x81\x82"`}, none},
		{"5.4 empty first and last fragment", stream(masked(0x01, ""), masked(0x00, "x"), masked(0x80, "")), []string{`text "x"`}, none},
		{"5.4 nothing but empty fragments", stream(masked(0x02, ""), masked(0x00, ""), masked(0x80, "")), []string{`binary ""`}, none},
		{"5.4 two messages in fragments", stream(masked(0x01, "a"), masked(0x80, "b"), masked(0x02, "c"), masked(0x80, "d")), []string{`text "ab"`, `binary "cd"`}, none},
		{"5.4 F12 pings between fragments", stream(masked(0x01, "Hel"), masked(0x89, "p"), masked(0x00, "l"), masked(0x89, ""), masked(0x80, "o")), []string{`pong "p"`, `pong ""`, `text "Hello"`}, none},
		{"5.4 F21 pong between fragments", stream(masked(0x01, "a"), masked(0x8a, "p"), masked(0x80, "b")), []string{`text "ab"`}, none},
		{"5.4 F11 continuation of nothing, last", masked(0x80, "x"), refused(1002), metrics.RejectProtocol},
		{"5.4 F11 continuation of nothing, not last", masked(0x00, "x"), refused(1002), metrics.RejectProtocol},
		{"5.4 F11 continuation after a whole message", stream(masked(0x81, "a"), masked(0x80, "x")), refused(1002, `text "a"`), metrics.RejectProtocol},
		{"5.4 F11 continuation after a message in fragments", stream(masked(0x01, "a"), masked(0x80, "b"), masked(0x80, "x")), refused(1002, `text "ab"`), metrics.RejectProtocol},
		{"5.4 F11 text inside a text", stream(masked(0x01, "a"), masked(0x81, "x")), refused(1002), metrics.RejectProtocol},
		{"5.4 F11 binary inside a text", stream(masked(0x01, "a"), masked(0x02, "x")), refused(1002), metrics.RejectProtocol},
		{"5.4 F16 as many fragments as allowed", stream(masked(0x01, "a"), zero[:6*6], masked(0x80, "b")), []string{`text "ab"`}, none},
		{"5.4 F16 F17 one fragment too many", stream(masked(0x01, "a"), zero, masked(0x80, "b")), refused(1008), metrics.RejectPolicy},

		{"5.5.2 empty ping", masked(0x89, ""), []string{`pong ""`}, none},
		{"5.5.2 ping of 125 bytes that are not text", masked(0x89, strings.Repeat("\xfe", 125)), []string{said(ws.OpPong, []byte(strings.Repeat("\xfe", 125)))}, none},
		{"5.5.2 ten pings", slices.Repeat(masked(0x89, "p"), 10), slices.Repeat([]string{`pong "p"`}, 10), none},
		{"5.5.3 F21 unsolicited pongs", stream(masked(0x8a, ""), masked(0x8a, "x"), masked(0x8a, "x"), masked(0x81, "a")), []string{`text "a"`}, none},

		{"10.4 F24 message at the limit", masked(0x81, at), []string{said(ws.OpText, []byte(at))}, none},
		{"10.4 F24 message over the limit", masked(0x81, over), refused(1009), metrics.RejectMessageSize},
		{"10.4 F24 at the limit in fragments, with a ping", stream(masked(0x01, at[:600]), masked(0x89, at[:125]), masked(0x80, at[600:])), []string{said(ws.OpPong, []byte(at[:125])), said(ws.OpText, []byte(at))}, none},
		{"10.4 F15 sum of fragments over the limit", stream(masked(0x01, at[:600]), masked(0x00, at[:400]), masked(0x80, "m")), refused(1009), metrics.RejectMessageSize},
		{"10.4 F15 the moment the sum passes", stream(masked(0x02, at), drawn("00 81")), refused(1009), metrics.RejectMessageSize},
		{"10.4 F14 good messages before one over the limit", stream(masked(0x81, "a"), masked(0x82, "b"), masked(0x81, over)), refused(1009, `text "a"`, `binary "b"`), metrics.RejectMessageSize},
	}
}

// TestConformanceMask has every length up to 300 at every alignment, each under a key of its own.
func TestConformanceMask(t *testing.T) {
	n := openNode(t, nil)
	var send []byte
	var want []string
	payload := []byte(strings.Repeat("The quick brown fox jumps over the lazy dog. ", 7))
	for size := range 301 {
		key := [4]byte{byte(size), byte(size >> 3), 0x80 | byte(size), 0}
		send = append(send, maskedWith(key, 0x82, string(payload[:size]))...)
		want = append(want, said(ws.OpBinary, payload[:size]))
	}
	n.runRows([]row{{"5.3 F23 every length up to 300", send, want, none}}, pathEcho)
}

// TestConformanceLargeMessages has the largest messages that the limits may be raised for.
func TestConformanceLargeMessages(t *testing.T) {
	size, fragments := fewer(16<<20), fewer(65_536)+1
	n := openNode(t, func(c *Config) { c.MessageLimit, c.FragmentLimit, c.QueueLimit = size, fragments, 2*size })
	text := strings.Repeat("sixteen bytes ¢ ", size/17+1)[:size/17*17]
	text += strings.Repeat("x", size-len(text))
	want := []string{said(ws.OpText, []byte(text)), "close 1000"}

	pieces := masked(0x01, "")
	for i := range fragments - 2 {
		pieces = append(pieces, masked(0x00, text[i*256:][:256])...)
	}
	pieces = append(pieces, masked(0x80, text[(fragments-2)*256:])...)
	for _, r := range []row{
		{rule: "one frame", send: masked(0x81, text)},
		{rule: fmt.Sprint(fragments, " fragments"), send: pieces},
	} {
		n.run(r.rule, func(t *testing.T) {
			if got := n.exchange(stream(r.send, closing(1000, "")), nil, pathEcho, nil); !slices.Equal(got, want) {
				t.Errorf("got %s; want %s", got, want)
			}
			n.checkNeighbour()
		})
	}
}
