package frame

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// peer reads a stream as a session does: what is not consumed is kept, moved, and offered again with more.
type peer struct {
	t       testing.TB
	o       Options
	stream  Stream
	kept    []byte
	need    int
	events  []string // one per frame, and the error if there was one
	stopped bool     // by an error or a close frame
}

// read takes the next bytes off the network.
func (p *peer) read(b []byte) {
	p.kept = append(slices.Clip(slices.Clone(p.kept)), b...) // always at a new address
	for !p.stopped {
		f, n, need, err := p.stream.Next(p.kept, &p.o)
		if err != nil {
			p.events, p.stopped = append(p.events, err.Error()), true
			return
		}
		if n == 0 {
			p.wait(need)
			return
		}
		if p.need != 0 && n != p.need {
			p.t.Errorf("a frame of %d bytes was said to need %d", n, p.need)
		}
		p.events = append(p.events, fmt.Sprintf("%d first=%t fin=%t compressed=%t %x", f.Opcode, f.First, f.Fin, f.Compressed, f.Payload))
		p.kept, p.need, p.stopped = p.kept[n:], 0, f.Opcode == OpClose
	}
}

// wait keeps what the frame at the front was said to need, which must be more than there is and never change.
func (p *peer) wait(need int) {
	if need != 0 && need <= len(p.kept) || p.need != 0 && need != p.need {
		p.t.Errorf("%d bytes are there, need = %d after %d", len(p.kept), need, p.need)
	}
	p.need = need
}

// readCut returns the events of a stream that comes in pieces, cut at the given places in rising order.
func readCut(t testing.TB, stream []byte, o Options, cuts ...int) []string {
	p := &peer{t: t, o: o}
	last := 0
	for _, cut := range append(slices.Clone(cuts), len(stream)) {
		p.read(stream[last:cut])
		last = cut
	}
	return p.events
}

// The frames below are drawn with the key 00000000, which leaves payloads readable; keys that mask are TestStreamKeys'.
var streamRows = []struct {
	name  string
	o     Options
	drawn string
	want  []string
}{
	{"text", Options{}, "81 85 00000000 48656c6c6f", []string{"text Hello"}},
	{"masked text of section 5.7", Options{}, "81 85 37fa213d 7f9f4d5158", []string{"text Hello"}},
	{"empty text, empty binary", Options{}, "81 80 00000000 82 80 00000000", []string{"text", "binary"}},
	{"two messages in one read", Options{}, "81 81 00000000 61 82 81 00000000 ff", []string{"text a", "binary \xff"}},
	{"fragments", Options{}, "01 81 00000000 61 00 81 00000000 62 80 81 00000000 63", []string{"text- a", "-text- b", "-text c"}},
	{"empty fragments", Options{}, "02 80 00000000 00 80 00000000 80 80 00000000", []string{"binary-", "-binary-", "-binary"}},
	{"length in 16 bits", Options{}, "82 fe 007e 00000000" + strings.Repeat("aa", 126), []string{"binary " + strings.Repeat("\xaa", 126)}},
	{"to a client", Options{Client: true}, "81 02 6869 89 00", []string{"text hi", "ping"}},

	{"F01 unmasked from a client", Options{}, "81 05 48656c6c6f", []string{"1002 unmasked frame from client"}},
	{"F01 unmasked, nothing more to come", Options{}, "89 00", []string{"1002 unmasked frame from client"}},
	{"F01 masked from a server", Options{Client: true}, "81 85 37fa213d 7f9f4d5158", []string{"1002 masked frame from server"}},
	{"F02 2^63", Options{}, "82 ff 8000000000000000 00000000", []string{"1002 bad payload length"}},
	{"F02 2^64-1", Options{}, "82 ff ffffffffffffffff 00000000", []string{"1002 bad payload length"}},
	{"F03 2^63 and a byte of payload", Options{}, "82 ff 8000000000000000 00000000 aa", []string{"1002 bad payload length"}},
	{"F04 2^34, header alone", Options{}, "82 ff 0000000400000000", []string{"1009 message too big"}},
	{"F04 2^60, header alone", Options{}, "82 ff 1000000000000000", []string{"1009 message too big"}},
	{"F05 2^63-1", Options{}, "82 ff 7fffffffffffffff 00000000", []string{"1009 message too big"}},
	{"F06 5 in 16 bits", Options{}, "81 fe 0005 00000000 48656c6c6f", []string{"1002 bad payload length"}},
	{"F06 126 in 64 bits", Options{}, "82 ff 000000000000007e 00000000", []string{"1002 bad payload length"}},
	{"F07 RSV1, no extension", Options{}, "c1 80 00000000", []string{"1002 reserved bit set"}},
	{"F07 RSV2", Options{Deflate: true}, "a1 80 00000000", []string{"1002 reserved bit set"}},
	{"F07 RSV3", Options{Deflate: true}, "91 80 00000000", []string{"1002 reserved bit set"}},
	{"F07 all three", Options{Deflate: true}, "f1 80 00000000", []string{"1002 reserved bit set"}},
	{"F07 RSV1 on ping", Options{Deflate: true}, "c9 80 00000000", []string{"1002 reserved bit set"}},
	{"F07 RSV1 on close", Options{Deflate: true}, "c8 80 00000000", []string{"1002 reserved bit set"}},
	{"F07 RSV1 on continuation", Options{Deflate: true}, "41 80 00000000 c0 80 00000000", []string{"text-z", "1002 reserved bit set"}},
	{"F08 opcode 3", Options{}, "83 80 00000000 81 80 00000000", []string{"1002 reserved opcode"}},
	{"F08 opcode 7", Options{}, "87 80 00000000", []string{"1002 reserved opcode"}},
	{"F08 opcode 11", Options{}, "8b 80 00000000", []string{"1002 reserved opcode"}},
	{"F08 opcode 15", Options{}, "8f 80 00000000", []string{"1002 reserved opcode"}},
	{"F09 fragmented ping", Options{}, "09 80 00000000", []string{"1002 fragmented control frame"}},
	{"F09 fragmented close", Options{}, "08 80 00000000", []string{"1002 fragmented control frame"}},
	{"F10 ping of 126 bytes", Options{}, "89 fe 007e 00000000" + strings.Repeat("00", 126), []string{"1002 control frame too big"}},
	{"F10 close of 64 KiB", Options{}, "88 ff 0000000000010000 00000000", []string{"1002 control frame too big"}},
	{"F10 ping of 125 bytes", Options{}, "89 fd 00000000" + strings.Repeat("2a", 125), []string{"ping " + strings.Repeat("*", 125)}},
	{"F11 nothing to continue", Options{}, "80 80 00000000", []string{"1002 nothing to continue"}},
	{"F11 nothing left to continue", Options{}, "81 80 00000000 00 80 00000000", []string{"text", "1002 nothing to continue"}},
	{"F11 text inside text", Options{}, "01 80 00000000 81 80 00000000", []string{"text-", "1002 message begun inside another"}},
	{"F11 binary inside text", Options{}, "01 80 00000000 02 80 00000000", []string{"text-", "1002 message begun inside another"}},
	{"F12 ping between fragments", Options{}, "01 81 00000000 61 89 81 00000000 ff 80 81 00000000 62", []string{"text- a", "ping \xff", "-text b"}},
	{"F14 good, then bad", Options{}, "82 81 00000000 61 83 80 00000000", []string{"binary a", "1002 reserved opcode"}},
	{"F15 sum over the limit", Options{MaxMessage: 5}, "02 83 00000000 616263 00 82 00000000 6465 80 81 00000000 66",
		[]string{"binary- abc", "-binary- de", "1009 message too big"}},
	{"F15 said by a header, the rest yet to come", Options{MaxMessage: 5}, "02 83 00000000 616263 80 83", []string{"binary- abc", "1009 message too big"}},
	{"F16 fragments over the limit", Options{MaxFragments: 3}, "01 80 00000000 00 80 00000000 00 80 00000000 80", []string{"text-", "-text-", "-text-", "1008 too many fragments"}},
	{"F16 fragments at the limit", Options{MaxFragments: 3}, "01 80 00000000 00 80 00000000 80 80 00000000 81 80 00000000", []string{"text-", "-text-", "-text", "text"}},
	{"F16 no fragments allowed", Options{MaxFragments: 1}, "81 80 00000000 01 80 00000000 80 80 00000000", []string{"text", "text-", "1008 too many fragments"}},
	{"F17 empty continuations", Options{MaxFragments: 2}, "02 81 00000000 61 00 80 00000000 00 80 00000000", []string{"binary- a", "-binary-", "1008 too many fragments"}},
	{"F21 pongs nobody asked for", Options{}, "8a 80 00000000 8a 81 00000000 61", []string{"pong", "pong a"}},
	{"F22 frames after close", Options{}, "88 82 00000000 03e8 89 80 00000000 83", []string{"close \x03\xe8"}},
	{"F24 at the limit", Options{MaxMessage: 5}, "81 85 00000000 48656c6c6f", []string{"text Hello"}},
	{"F24 over the limit", Options{MaxMessage: 5}, "81 86", []string{"1009 message too big"}},
	{"F24 at the limit, a ping in the middle", Options{MaxMessage: 4}, "02 82 00000000 6162 89 85 00000000 3132333435 80 82 00000000 6364",
		[]string{"binary- ab", "ping 12345", "-binary cd"}},
	{"F24 over the limit, a ping in the middle", Options{MaxMessage: 4}, "02 82 00000000 6162 89 80 00000000 80 83 00000000 636465",
		[]string{"binary- ab", "ping", "1009 message too big"}},
	{"F24 the limit is each message's own", Options{MaxMessage: 2}, "82 82 00000000 6162 82 82 00000000 6364", []string{"binary ab", "binary cd"}},
	{"F26 HTTP after the upgrade", Options{}, "474554202f", []string{"1002 reserved opcode"}},
	{"F26 TLS after the upgrade", Options{}, "1603010200", []string{"1002 reserved opcode"}},

	{"C01 close of one byte", Options{}, "88 81 00000000 03", []string{"1002 close payload of one byte"}},
	{"C01 reason over 123 bytes", Options{}, "88 fe 007e 00000000 03e8", []string{"1002 control frame too big"}},
	{"C01 reason not UTF-8", Options{}, "88 83 00000000 03e8ff", []string{"1007 invalid UTF-8 in reason"}},
	{"C02 close 1005", Options{}, "88 82 00000000 03ed", []string{"1002 bad close code"}},
	{"C03 close, no code", Options{}, "88 80 00000000", []string{"close"}},
	{"C03 close inside a message", Options{}, "01 81 00000000 61 88 82 00000000 0fa0", []string{"text- a", "close \x0f\xa0"}},
	{"C07 overlong", Options{}, "81 82 00000000 c0af", []string{"1007 invalid UTF-8"}},
	{"C07 surrogate", Options{}, "81 83 00000000 eda080", []string{"1007 invalid UTF-8"}},
	{"C07 past U+10FFFF", Options{}, "81 84 00000000 f4908080", []string{"1007 invalid UTF-8"}},
	{"C07 cut at the end of the message", Options{}, "81 82 00000000 e282", []string{"1007 invalid UTF-8"}},
	{"C07 cut at the end of the last fragment", Options{}, "01 82 00000000 e282 80 80 00000000", []string{"text- \xe2\x82", "1007 invalid UTF-8"}},
	{"C07 seen in a frame that is not all there", Options{}, "81 fe 1000 00000000 6161 ff", []string{"1007 invalid UTF-8"}},
	{"C07 seen in a fragment", Options{}, "01 82 00000000 61f4 80 fe 1000 00000000 90", []string{"text- a\xf4", "1007 invalid UTF-8"}},
	{"C08 code point over fragments, a ping in it", Options{}, "01 81 00000000 e2 89 81 00000000 82 00 81 00000000 82 80 81 00000000 ac",
		[]string{"text- \xe2", "ping \x82", "-text- \x82", "-text \xac"}},
	{"C08 the next message begins afresh", Options{}, "81 83 00000000 e282ac 81 83 00000000 e282ac", []string{"text €", "text €"}},
	{"binary need not be UTF-8", Options{}, "02 81 00000000 ff 80 81 00000000 fe", []string{"binary- \xff", "-binary \xfe"}},
	{"C08 compressed text is for later", Options{Deflate: true}, "41 81 00000000 ff 80 81 00000000 fe 81 81 00000000 61", []string{"text-z \xff", "-textz \xfe", "text a"}},
	{"a message that is not compressed after one that is", Options{Deflate: true}, "c1 81 00000000 ff 81 81 00000000 ff", []string{"textz \xff", "1007 invalid UTF-8"}},
	{"Z04 compressed, not agreed", Options{}, "c1 81 00000000 00", []string{"1002 reserved bit set"}},
	{"Z06 RSV1 on the first frame only", Options{Deflate: true}, "42 81 00000000 01 00 80 00000000 80 80 00000000", []string{"binary-z \x01", "-binary-z", "-binaryz"}},
	{"F15 compressed bytes count too", Options{Deflate: true, MaxMessage: 1}, "41 81 00000000 00 80 81 00000000 00", []string{"text-z \x00", "1009 message too big"}},
}

// withDefaults are the options of a row, limits that it does not care about filled in.
func withDefaults(o Options) Options {
	if o.MaxMessage == 0 {
		o.MaxMessage = 1 << 20
	}
	if o.MaxFragments == 0 {
		o.MaxFragments = 16
	}
	return o
}

var opcodeNames = map[Opcode]string{OpText: "text", OpBinary: "binary", OpClose: "close", OpPing: "ping", OpPong: "pong"}

// nextAll takes all frames of a stream that comes in one piece, drawn as the rows draw them: "-" before what is not the
// first frame of its message and after what is not the last, "z" behind what is compressed.
func nextAll(stream []byte, o Options) (events []string) {
	var s Stream
	for {
		f, n, _, err := s.Next(stream, &o)
		switch {
		case err != nil:
			return append(events, fmt.Sprint(err.Code, " ", err.Reason))
		case n == 0:
			return events
		}
		event := opcodeNames[f.Opcode]
		if !f.First {
			event = "-" + event
		}
		if !f.Fin {
			event += "-"
		}
		if f.Compressed {
			event += "z"
		}
		if len(f.Payload) > 0 {
			event += " " + string(f.Payload)
		}
		events = append(events, event)
		if f.Opcode == OpClose {
			return events
		}
		stream = stream[n:]
	}
}

func TestStream(t *testing.T) {
	for _, row := range streamRows {
		t.Run(row.name, func(t *testing.T) {
			if got := nextAll(wire(t, row.drawn), withDefaults(row.o)); !slices.Equal(got, row.want) {
				t.Errorf("Next(%s) = %q; want %q", row.drawn, got, row.want)
			}
		})
	}
}

// TestF13StreamCutAnywhere holds that each stream of the table, cut at every byte and into single bytes, gives what it
// gives whole.
func TestF13StreamCutAnywhere(t *testing.T) {
	for _, row := range streamRows {
		t.Run(row.name, func(t *testing.T) {
			cutEverywhere(t, wire(t, row.drawn), withDefaults(row.o))
		})
	}
}

func cutEverywhere(t *testing.T, stream []byte, o Options) {
	t.Helper()
	want := readCut(t, stream, o)
	every := make([]int, len(stream))
	for cut := range stream {
		every[cut] = cut
		if got := readCut(t, stream, o, cut); !slices.Equal(got, want) {
			t.Fatalf("cut at %d: %q; want %q", cut, got, want)
		}
	}
	if got := readCut(t, stream, o, every...); !slices.Equal(got, want) {
		t.Fatalf("byte by byte: %q; want %q", got, want)
	}
}

// longStream is many messages of all kinds with keys that mask, and a broken rule at the end.
func longStream(r *rand.Rand) []byte {
	texts := []string{"", "hello", "żółw 日本語 \U0001F600", strings.Repeat("κόσμε", 60), strings.Repeat("a", 1000)}
	var b []byte
	for range 12 {
		text := []byte(texts[r.IntN(len(texts))])
		op, rsv := OpText, byte(0)
		switch r.IntN(3) {
		case 0:
			op, text = OpBinary, append(text, 0xff, 0xfe)
		case 1:
			rsv, text = rsv1Bit>>4, Deflate(nil, text, DeflateParams{WindowBits: maxWindowBits})
		}
		for first := true; first || len(text) > 0; first = false {
			n := r.IntN(len(text) + 1)
			if r.IntN(2) == 0 {
				n = len(text)
			}
			b = appendFragment(b, r, Header{Fin: n == len(text), OpCode: op, Rsv: rsv}, text[:n])
			op, rsv, text = OpContinuation, 0, text[n:]
			if r.IntN(3) == 0 {
				b = appendFragment(b, r, Header{Fin: true, OpCode: OpPing}, []byte("\x80 in between"))
			}
		}
	}
	return append(b, 0x83)
}

func appendFragment(b []byte, r *rand.Rand, h Header, payload []byte) []byte {
	h.Masked, h.Length = true, int64(len(payload))
	binary.LittleEndian.PutUint32(h.Mask[:], r.Uint32())
	b = append(AppendHeader(b, h), payload...)
	Mask(b[len(b)-len(payload):], h.Mask, 0)
	return b
}

// TestF13StreamRandomCuts has streams of many messages and up to a dozen cuts.
func TestF13StreamRandomCuts(t *testing.T) {
	const seed = 6455
	r := rand.New(rand.NewPCG(seed, seed))
	o := Options{MaxMessage: 1 << 16, MaxFragments: 2000, Deflate: true}
	for range 20 {
		stream := longStream(r)
		want := readCut(t, stream, o)
		if last := want[len(want)-1]; last != errOpcode.Error() || len(want) < 12 {
			t.Fatalf("seed %d: the stream ends with %q after %d frames", seed, last, len(want))
		}
		for range 30 {
			cuts := make([]int, r.IntN(12))
			for i := range cuts {
				cuts[i] = r.IntN(len(stream))
			}
			slices.Sort(cuts)
			if got := readCut(t, stream, o, cuts...); !slices.Equal(got, want) {
				t.Fatalf("seed %d, cuts %d: %q; want %q", seed, cuts, got, want)
			}
		}
	}
	cutEverywhere(t, longStream(r), o)
}

// TestStreamLinear checks that no byte of a large frame is looked at twice: what an earlier call has done may be
// overwritten by anything, and nobody notices.
func TestStreamLinear(t *testing.T) {
	text := bytes.Repeat([]byte("héllo"), 20000)
	b := AppendMasked(nil, [4]byte{1, 2, 3, 4}, OpText, text, false)
	o := Options{MaxMessage: len(text)}
	var s Stream
	const header = 14
	for end := header; end < len(b); end += 1000 {
		if _, n, need, err := s.Next(b[:end], &o); n != 0 || need != len(b) || err != nil {
			t.Fatalf("Next(%d of %d bytes) = %d, need %d, %v", end, len(b), n, need, err)
		}
		if !bytes.Equal(b[header:end], text[:end-header]) {
			t.Fatalf("the first %d bytes are not unmasked", end)
		}
		clear(text[:end-header])
		clear(b[header:end])
		for i := header; i < end; i++ {
			b[i] = 0xff // not UTF-8, if it were looked at
			text[i-header] = 0xff
		}
	}
	f, n, _, err := s.Next(b, &o)
	if n != len(b) || err != nil || !bytes.Equal(f.Payload, text) {
		t.Fatalf("Next = %d, %v", n, err)
	}
}

// TestStreamPayloadIsClipped lets a session append to a payload without spoiling the frame behind it.
func TestStreamPayloadIsClipped(t *testing.T) {
	b := AppendMasked(AppendMasked(nil, [4]byte{}, OpText, []byte("a"), false), [4]byte{}, OpText, []byte("b"), false)
	want := nextAll(slices.Clone(b), withDefaults(Options{}))
	var s Stream
	f, n, _, _ := s.Next(b, &Options{MaxMessage: 1})
	_ = append(f.Payload, "overrun"...)
	if got := nextAll(b[n:], withDefaults(Options{})); !slices.Equal(got, want[1:]) {
		t.Errorf("after appending to a payload the next frame is %q; want %q", got, want[1:])
	}
}

// TestStreamManyFragments is the largest message that the limits are meant for: 16 MiB in 65,537 frames.
func TestStreamManyFragments(t *testing.T) {
	const fragments, size = 65537, 16 << 20
	o := Options{MaxMessage: size, MaxFragments: fragments}
	var s Stream
	var total int
	for i := range fragments {
		h := Header{OpCode: OpContinuation, Length: 256, Masked: true, Fin: i == fragments-1}
		switch i {
		case 0:
			h.OpCode = OpText
		case fragments - 1:
			h.Length = 0
		}
		b := append(AppendHeader(nil, h), bytes.Repeat([]byte("x"), int(h.Length))...)
		f, n, _, err := s.Next(b, &o)
		if n != len(b) || err != nil || f.Fin != h.Fin {
			t.Fatalf("fragment %d = %d, %v", i, n, err)
		}
		if total += len(f.Payload); s.Idle() != f.Fin {
			t.Fatalf("fragment %d: Idle() = %t", i, s.Idle())
		}
	}
	if total != size || !s.Idle() {
		t.Errorf("%d bytes, left %+v; want %d and nothing", total, s, size)
	}
}

// TestStreamLimits holds the message limit at its own limits.
func TestStreamLimits(t *testing.T) {
	for _, row := range []struct {
		limit  int
		length int64
		want   *CloseError
	}{
		{0, 0, nil}, {0, 1, ErrTooBig}, {-1, 0, ErrTooBig},
		{1<<31 - 1, 1<<31 - 1, nil}, {1<<31 - 1, 1 << 31, ErrTooBig},
		{1<<63 - 1, 1<<31 - 1, nil}, {1<<63 - 1, 1 << 31, ErrTooBig}, {1<<63 - 1, 1<<63 - 1, ErrTooBig},
	} {
		b := AppendHeader(nil, Header{Fin: true, OpCode: OpBinary, Masked: true, Length: row.length})
		if _, _, _, err := new(Stream).Next(b, &Options{MaxMessage: row.limit}); err != row.want {
			t.Errorf("limit %d, length %d: %v; want %v", row.limit, row.length, err, row.want)
		}
	}
}

// TestStreamIsSmall guards what a conn pays for having a Stream.
func TestStreamIsSmall(t *testing.T) {
	typ := reflect.TypeFor[Stream]()
	if typ.Size() > 16 {
		t.Errorf("Stream has %d bytes; want 16", typ.Size())
	}
	for i := range typ.NumField() {
		if kind := typ.Field(i).Type.Kind(); kind > reflect.Float64 {
			t.Errorf("Stream.%s is a %v: it may hold a pointer", typ.Field(i).Name, kind)
		}
	}
}

// A short message is taken as any frame is, whatever its first two bytes, its text and the limit are, and wherever it ends.
func TestShortMessagesAsAnyFrame(t *testing.T) {
	texts := map[string]string{
		"ASCII": strings.Repeat("abcdefgh", 32), "Greek": strings.Repeat("αβγδ", 32), "not UTF-8": strings.Repeat("abc\xff", 64),
	}
	for name, text := range texts {
		for first := range 256 {
			for _, second := range []int{0, 1, 100, 0x80, 0x81, 0x80 + 7, 0x80 + 100, 0x80 + 101, 0x80 + 125, 0x80 + 126, 0x80 + 127} {
				for _, o := range []Options{{MaxMessage: 100, MaxFragments: 2}, {MaxMessage: 1 << 10, Deflate: true}, {MaxMessage: 1 << 10, Client: true}} {
					short := append([]byte{byte(first), byte(second), 1, 2, 3, 4}, text[:1+second&0x7f]...)
					Mask(short[6:], [4]byte{1, 2, 3, 4}, 0)
					for _, b := range [][]byte{short, short[:len(short)-1], short[:len(short)-2]} {
						var s, any Stream
						left, right := bytes.Clone(b), bytes.Clone(b)
						f, n, need, err := s.Next(left, &o)
						wantF, wantN, wantNeed, wantErr := any.takeAny(right, &o)
						if n != wantN || need != wantNeed || err != wantErr || s != any || !reflect.DeepEqual(f, wantF) || !bytes.Equal(left, right) {
							t.Fatalf("%s: Next(% x) = %v, %d, %d, %v; want %v, %d, %d, %v", name, b[:6], f, n, need, err, wantF, wantN, wantNeed, wantErr)
						}
					}
				}
			}
		}
	}
}
