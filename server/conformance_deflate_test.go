package server

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/gobwas/ws"
	"github.com/seed4ac54ce5/edge/metrics"
)

const (
	offerDeflate = "Sec-WebSocket-Extensions: permessage-deflate"
	takesDeflate = "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; client_no_context_takeover"
)

// TestConformanceNegotiation holds the server against RFC 7692 sections 5 and 7.1 on what it offers and accepts.
func TestConformanceNegotiation(t *testing.T) {
	openNode(t, nil).runHeads(negotiationHeads())
}

func negotiationHeads() (rows []headRow) {
	const window = "; server_max_window_bits="
	for _, r := range []struct{ offer, answer string }{
		{"permessage-deflate", takesDeflate},
		{"permessage-deflate; client_max_window_bits", takesDeflate},
		{"permessage-deflate; client_max_window_bits=8", takesDeflate},
		{"permessage-deflate; server_no_context_takeover; client_no_context_takeover", takesDeflate},
		{"permessage-deflate; server_max_window_bits=8", takesDeflate + window + "8"},
		{"permessage-deflate; server_max_window_bits=15", takesDeflate + window + "15"},
		{`permessage-deflate; server_max_window_bits="10"`, takesDeflate + window + "10"},
		{"permessage-deflate;server_max_window_bits=9;client_max_window_bits=15", takesDeflate + window + "9"},
		{"x-webkit-deflate-frame, permessage-deflate", takesDeflate},
		{"permessage-deflate; server_max_window_bits=12, permessage-deflate", takesDeflate + window + "12"},
		{"permessage-deflate; server_max_window_bits=7, permessage-deflate", takesDeflate},
		{"permessage-deflate; unknown, permessage-deflate; server_max_window_bits=11", takesDeflate + window + "11"},
		{"permessage-deflate; server_max_window_bits=7", ""},
		{"permessage-deflate; server_max_window_bits=16", ""},
		{"permessage-deflate; server_max_window_bits=010", ""},
		{"permessage-deflate; server_max_window_bits=ten", ""},
		{"permessage-deflate; server_max_window_bits", ""},
		{"permessage-deflate; client_max_window_bits=7", ""},
		{"permessage-deflate; client_max_window_bits=16", ""},
		{"permessage-deflate; client_max_window_bits; client_max_window_bits", ""},
		{"permessage-deflate; server_no_context_takeover=1", ""},
		{"permessage-deflate; client_no_context_takeover; client_no_context_takeover", ""},
		{"permessage-deflate; unknown", ""},
		{"permessage-deflate; server_max_window_bits=10; server_max_window_bits=10", ""},
		{"permessage-bzip2", ""},
	} {
		var fields []string
		if r.answer != "" {
			fields = []string{r.answer}
		}
		send := changed("Sec-WebSocket-Extensions: " + r.offer)
		rows = append(rows, headRow{"7.1 Z05 " + r.offer, send, http.StatusSwitchingProtocols, fields, none})
	}
	twoLines := changed(offerDeflate + "; server_max_window_bits=99\n" + offerDeflate)
	return append(rows, headRow{"5 Z05 offers in two fields", twoLines, http.StatusSwitchingProtocols, []string{takesDeflate}, none})
}

// TestConformanceDeflate holds the server against RFC 7692 on messages, on a conn that has agreed to it.
func TestConformanceDeflate(t *testing.T) {
	openNode(t, nil).runRows(deflateRows(), pathEcho, offerDeflate)
}

func deflateRows() []row {
	const hello = "\xf2\x48\xcd\xc9\xc9\x07\x00" // section 7.2.3.1
	long := strings.Repeat("deflate me ", 30)
	packed := deflate(long)
	echo := []string{`text "Hello"`}
	corrupt := func(rule, payload string) row {
		return row{rule, masked(0xc1, payload), refused(1007), metrics.RejectUTF8}
	}
	return []row{
		{"7.2.3.1 one block", masked(0xc1, hello), echo, none},
		{"7.2.3.3 no compression", masked(0xc1, "\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00"), echo, none},
		{"7.2.3.4 Z07 final block", masked(0xc1, "\xf3\x48\xcd\xc9\xc9\x07\x00\x00"), echo, none},
		{"7.2.3.5 two blocks", masked(0xc1, "\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00"), echo, none},
		{"7.2.3.6 Z07 empty message", masked(0xc1, "\x00"), []string{`text ""`}, none},
		{"7.2.3.6 Z07 empty message, fixed block", masked(0xc1, "\x02\x00"), []string{`text ""`}, none},
		{"7.2.3.6 Z07 no bytes at all", masked(0xc1, ""), []string{`text ""`}, none},
		{"6.1 not compressed", masked(0x81, "Hello"), echo, none},
		{"6.1 long and not compressed", masked(0x81, long), []string{"deflated " + said(ws.OpText, []byte(long))}, none},
		{"6.2 long text", masked(0xc1, packed), []string{"deflated " + said(ws.OpText, []byte(long))}, none},
		{"6.2 long binary", masked(0xc2, packed), []string{"deflated " + said(ws.OpBinary, []byte(long))}, none},
		{"6.2 some compressed, some not", stream(masked(0xc1, hello), masked(0x81, "Hello"), masked(0xc2, hello)), []string{`text "Hello"`, `text "Hello"`, `binary "Hello"`}, none},
		{"6.1 RSV1 on the first fragment only", stream(masked(0x41, hello[:3]), masked(0x00, ""), masked(0x80, hello[3:])), echo, none},
		{"6.1 fragments of one byte", pieces(0x41, hello), echo, none},
		{"6.1 ping between compressed fragments", stream(masked(0x41, hello[:3]), masked(0x89, "p"), masked(0x80, hello[3:])), []string{`pong "p"`, `text "Hello"`}, none},
		{"6.1 F07 RSV1 on a continuation", stream(masked(0x41, hello[:3]), masked(0xc0, hello[3:])), refused(1002), metrics.RejectProtocol},
		{"6.1 F07 RSV1 on a continuation of what is not compressed", stream(masked(0x01, "a"), masked(0xc0, hello)), refused(1002), metrics.RejectProtocol},
		{"6 F07 RSV1 on a ping", masked(0xc9, ""), refused(1002), metrics.RejectProtocol},
		{"6 F07 RSV1 on a close", masked(0xc8, "\x03\xe8"), refused(1002), metrics.RejectProtocol},
		{"5.2 F07 RSV2", masked(0xa1, hello), refused(1002), metrics.RejectProtocol},
		{"5.2 F07 RSV1 and RSV3", masked(0xd1, hello), refused(1002), metrics.RejectProtocol},
		{"8.1 C08 text that is not UTF-8 only once inflated", masked(0xc1, deflate("caf\xe9")), refused(1007), metrics.RejectUTF8},
		{"8.1 C08 binary that is not UTF-8 once inflated", masked(0xc2, deflate("caf\xe9")), []string{`binary "caf\xe9"`}, none},
		{"8.1 C08 compressed bytes are no text", masked(0xc1, deflate("é")), []string{`text "é"`}, none},
		corrupt("7.2.2 Z03 block of a reserved type", "\xff\xff\xff\xff"),
		corrupt("7.2.2 Z03 stored block of the wrong length", "\x00\x05\x00\x00\x00Hello"),
		corrupt("7.2.2 Z03 cut short", packed[:len(packed)-2]),
		corrupt("7.2.2 Z03 bytes behind a final block", "\xf3\x48\xcd\xc9\xc9\x07\x00\x00abc"),
		corrupt("7.2.2 Z03 distance beyond the start", "\xf2\x48\x05\xc2\x00"),
		{"7.1.1.2 the message before it is no context", stream(masked(0xc1, packed), masked(0xc1, followUp(long))), refused(1007, "deflated "+said(ws.OpText, []byte(long))), metrics.RejectUTF8},
		{"7.2.2 Z03 good messages before a corrupt one", stream(masked(0xc1, hello), masked(0xc1, "\xff")), refused(1007, `text "Hello"`), metrics.RejectUTF8},
	}
}

// pieces is a message of one byte a fragment. b0 is the first byte of the first.
func pieces(b0 byte, payload string) (frames []byte) {
	for i := range len(payload) {
		frames = append(frames, masked(b0, payload[i:i+1])...)
		b0 = 0x00
	}
	return append(frames, masked(0x80, "")...)
}

// followUp is what a client with context takeover sends when it sends message a second time.
func followUp(message string) string {
	return strings.TrimSuffix(flushed(message, message)[len(flushed(message)):], flushTail)
}

// TestConformanceInflateLimits has Z01 and Z02, with limits under which a loop inflates itself and with such
// that it has the pool do it.
func TestConformanceInflateLimits(t *testing.T) {
	for _, limit := range []int{10_000, inflateInline, inflateInline + 1} {
		t.Run(fmt.Sprint(limit), func(t *testing.T) {
			n := openNode(t, func(c *Config) { c.MessageLimit = limit })
			n.runRows(inflateRows(limit), pathEcho, offerDeflate)
		})
	}
}

func inflateRows(limit int) []row {
	at := strings.Repeat("a", limit)
	echo := []string{"deflated " + said(ws.OpText, []byte(at))}
	var stored strings.Builder // of a block a byte: the compressed form is the larger one
	for range min(limit, 1000) {
		stored.WriteString("\x00\x01\x00\xfe\xffa")
	}
	stored.WriteString("\x00")
	rows := []row{
		{"Z02 inflates to the limit", masked(0xc1, deflate(at)), echo, none},
		{"Z02 inflates to the limit, and what follows waits", stream(masked(0xc1, deflate(at)), masked(0x81, "next"), masked(0x89, "p")), append(slices.Clone(echo), `text "next"`, `pong "p"`), none},
		{"Z02 inflates to the limit, in fragments", stream(masked(0x41, deflate(at)[:9]), masked(0x89, "p"), masked(0x80, deflate(at)[9:])), append([]string{`pong "p"`}, echo...), none},
		{"Z02 inflates to a byte more", masked(0xc1, deflate(at+"a")), refused(1009), metrics.RejectMessageSize},
		{"Z02 is over the limit and inflates to less", masked(0xc2, strings.Repeat("\x00\x01\x00\xfe\xffa", limit/6+1)), refused(1009), metrics.RejectMessageSize},
		{"Z01 inflates to 16 times the limit", masked(0xc1, deflate(strings.Repeat(at, 16))), refused(1009), metrics.RejectMessageSize},
		{"Z02 good messages before one too large", stream(masked(0x81, "a"), masked(0xc1, deflate(at+"a")), masked(0x81, "b")), refused(1009, `text "a"`), metrics.RejectMessageSize},
		{"C08 not UTF-8 in the last byte", masked(0xc1, deflate(at[1:]+"\xff")), refused(1007), metrics.RejectUTF8},
	}
	if limit > 6001 {
		rows = append(rows, row{"Z02 inflates to less than it is", masked(0xc2, stored.String()), []string{"deflated " + said(ws.OpBinary, []byte(at[:1000]))}, none})
	}
	return rows
}

// A bomb is measured, not kept: what it would come to is never there.
func TestZ01BombCostsNoMemory(t *testing.T) {
	const limit = 2 << 20
	size := fewer(32 << 20)
	n := openNode(t, func(c *Config) { c.MessageLimit = limit })
	bomb := stream(masked(0xc2, deflate(strings.Repeat("\x00", size))))
	run := func() {
		if got := n.exchange(bomb, nil, pathEcho, []string{offerDeflate}); !slices.Equal(got, refused(1009)) {
			t.Errorf("a bomb got %s; want 1009", got)
		}
	}
	run() // pooled buffers are made
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	run()
	runtime.ReadMemStats(&after)
	if spent := after.TotalAlloc - before.TotalAlloc; spent > limit/2 {
		t.Errorf("%d bytes of a bomb of %d cost %d bytes; want less than half the limit of %d", len(bomb), size, spent, limit)
	}
}

// Neither side takes context over: the same message is compressed to the same bytes each time (RFC 7692 section
// 7.1.1.1).
func TestServerTakesNoContextOver(t *testing.T) {
	n := openNode(t, nil)
	c := n.open(pathEcho, offerDeflate)
	defer c.close()
	long := strings.Repeat("the same again ", 40)
	var first []byte
	for range 3 {
		c.send(masked(0x81, long))
		f, err := readFrame(c.in)
		if err != nil || f.Header.Rsv != 4 {
			t.Fatalf("got %+v, %v; want a compressed frame", f.Header, err)
		}
		if first == nil {
			first = f.Payload
		}
		if string(f.Payload) != string(first) {
			t.Errorf("the same message came as %x, then as %x", first, f.Payload)
		}
	}
}

// A message is compressed within the window that the client has named (RFC 7692 section 7.1.2.1). It is random
// bytes that come twice, so that whoever looks back far enough halves it: just as far as the window reaches, and
// one byte further.
func TestServerMaxWindowBits(t *testing.T) {
	n := openNode(t, func(c *Config) { c.MessageLimit = 1 << 20 })
	rng := rand.NewChaCha8([32]byte{})
	for bits := 8; bits <= 15; bits++ {
		window := 1 << bits
		within, beyond := make([]byte, window/2), make([]byte, window+1)
		_, _ = rng.Read(within)
		_, _ = rng.Read(beyond)
		c := n.open(pathEcho, fmt.Sprintf("%s; server_max_window_bits=%d", offerDeflate, bits))
		if size := c.packed(t, within); size > 2*len(within)*7/10 {
			t.Errorf("window of %d bits: %d bytes that come twice are compressed to %d; want about half of both", bits, len(within), size)
		}
		if size := c.packed(t, beyond); size < 2*len(beyond) {
			t.Errorf("window of %d bits: %d bytes that come twice are compressed to %d; the client cannot look back so far", bits, len(beyond), size)
		}
		c.close()
	}
}

// packed sends half twice in a message and returns the size of the compressed echo.
func (c *client) packed(t *testing.T, half []byte) int {
	t.Helper()
	twice := string(half) + string(half)
	c.send(masked(0x82, twice))
	f, err := readFrame(c.in)
	if err != nil || f.Header.Rsv != 4 {
		t.Fatalf("got %+v, %v; want a compressed frame", f.Header, err)
	}
	if got, err := io.ReadAll(inflate(f.Payload)); err != nil || string(got) != twice {
		t.Fatalf("the echo of %d bytes inflates to %d others, %v", len(twice), len(got), err)
	}
	return len(f.Payload)
}

// TestConformanceLargeDeflate has a message that takes long to inflate, alone and in fragments.
func TestConformanceLargeDeflate(t *testing.T) {
	size := fewer(16 << 20)
	n := openNode(t, func(c *Config) { c.MessageLimit, c.QueueLimit = size, 2*size })
	text := strings.Repeat("sixteen bytes ok", size/16)
	packed := deflate(text)
	want := []string{"deflated " + said(ws.OpText, []byte(text)), "close 1000"}
	for _, send := range [][]byte{
		masked(0xc1, packed),
		stream(masked(0x41, packed[:100]), masked(0x00, packed[100:len(packed)/3]), masked(0x80, packed[len(packed)/3:])),
	} {
		if got := n.exchange(stream(send, closing(1000, "")), nil, pathEcho, []string{offerDeflate}); !slices.Equal(got, want) {
			t.Errorf("got %s; want %s", got, want)
		}
		n.checkNeighbour()
	}
}
