package frame

import (
	"bytes"
	stdflate "compress/flate"
	"fmt"
	"io"
	"math/bits"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsflate"
)

const manyBytes = 1 << 20 // more than any message below

// TestInflate has the examples of RFC 7692 section 7.2.3 and what may be wrong with a stream.
func TestInflate(t *testing.T) {
	for _, row := range []struct {
		name, drawn string
		want        string
		err         *CloseError
	}{
		{"7.2.3.1 one block", "f248cdc9c90700", "Hello", nil},
		{"7.2.3.2 into the message before", "f200110000", "", errDeflate}, // context that we told the client not to keep
		{"7.2.3.3 no compression", "000500faff48656c6c6f00", "Hello", nil},
		{"7.2.3.4 final block", "f348cdc9c9070000", "Hello", nil},
		{"7.2.3.5 two blocks", "f248050000 00ffff cac9c90700", "Hello", nil},
		{"7.2.3.6 empty", "00", "", nil},
		{"Z07 nothing at all", "", "", nil},
		{"Z07 empty, tail not cut off", "00 0000ffff", "", errDeflate},
		{"Z07 tail not cut off", "f248cdc9c90700 0000ffff", "", errDeflate},
		{"Z07 final block without the zero byte", "f348cdc9c90700", "Hello", nil},
		{"Z07 empty final block", "0300", "", nil},
		{"Z07 bytes behind a final block", "f348cdc9c90700 f248cdc9c90700", "", errDeflate},
		{"Z07 a byte behind a final block", "f348cdc9c90700 01", "", errDeflate},
		{"Z07 two zero bytes behind a final block", "f348cdc9c90700 0000", "", errDeflate},
		{"Z07 cut short", "f248cdc9", "", errDeflate},
		{"Z07 cut short in a stored block", "000500faff4865", "", errDeflate},
		{"Z07 cut short in a final stored block", "010500faff4865", "", errDeflate},
		{"Z07 cut short in a stored header", "0005", "", errDeflate},
		{"Z03 reserved block type", "06", "", errDeflate},
		{"Z03 stored length and its complement differ", "000500faf048656c6c6f00", "", errDeflate},
		{"Z03 distance before the beginning", "4b04f200", "", errDeflate},
		{"Z03 noise", "ffffffffffffffff", "", errDeflate},
	} {
		t.Run(row.name, func(t *testing.T) {
			src := wire(t, row.drawn)
			got, err := Inflate([]byte("before "), src, manyBytes)
			if err != row.err || err == nil && string(got) != "before "+row.want {
				t.Errorf("Inflate(%s) = %q, %v; want %q, %v", row.drawn, got, err, row.want, row.err)
			}
			got, fits, err := InflateInto(make([]byte, 0, 100), src, manyBytes)
			if err != row.err || fits != (err == nil) || string(got) != row.want && err == nil {
				t.Errorf("InflateInto(%s) = %q, %t, %v; want %q, %v", row.drawn, got, fits, err, row.want, row.err)
			}
		})
	}
}

// TestInflateLimit is row Z02, for messages that end in every way and for every size of room.
func TestInflateLimit(t *testing.T) {
	text := sampleText(1000)
	final := append(finish(t, text), 0)
	for _, z := range [][]byte{Deflate(nil, text, DeflateParams{WindowBits: 15}), final, final[:len(final)-1]} {
		for _, room := range []int{0, 1, len(text) - 1, len(text), len(text) + 1, 2 * len(text)} {
			for _, limit := range []int{0, 1, len(text) - 1, len(text), len(text) + 1} {
				t.Run(fmt.Sprintf("room %d, limit %d", room, limit), func(t *testing.T) {
					checkLimit(t, text, z, room, limit)
				})
			}
		}
	}
}

func checkLimit(t *testing.T, text, z []byte, room, limit int) {
	var want *CloseError
	if len(text) > limit {
		want = ErrTooBig
	}
	dst := append(make([]byte, 0, 3+room), "abc"...)
	got, err := Inflate(dst, z, limit)
	if err != want || err == nil && string(got) != "abc"+string(text) {
		t.Errorf("Inflate = %d bytes, %v; want %d, %v", len(got), err, 3+len(text), want)
	}
	got, fits, err := InflateInto(dst, z, limit)
	switch {
	case err != want && !(err == nil && !fits && room < limit): // too big for the room is all that need be known
		t.Errorf("InflateInto = %v; want %v", err, want)
	case fits != (len(text) <= min(room, limit)):
		t.Errorf("InflateInto fits = %t", fits)
	case fits && (string(got) != "abc"+string(text) || &got[0] != &dst[0]):
		t.Errorf("InflateInto = %q, not in the room", got)
	case !fits && string(got) != "abc":
		t.Errorf("InflateInto = %q; want dst as it was", got)
	}
}

// finish compresses text to a stream with a final block.
func finish(t *testing.T, text []byte) []byte {
	var b bytes.Buffer
	w, err := stdflate.NewWriter(&b, stdflate.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestInflateBomb is row Z01: a message that is too big costs no memory, one that is not costs what it has.
func TestInflateBomb(t *testing.T) {
	const size = 32 << 20
	z := Deflate(nil, make([]byte, size), DeflateParams{WindowBits: 15})
	if _, err := Inflate(nil, z, 1); err != ErrTooBig { // and the pool is filled
		t.Fatal(err)
	}
	for _, row := range []struct {
		limit int
		most  uint64
		want  *CloseError
	}{{size - 1, 1 << 20, ErrTooBig}, {size, size + 1<<20, nil}} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		out, err := Inflate(nil, z, row.limit)
		runtime.ReadMemStats(&after)
		if used := after.TotalAlloc - before.TotalAlloc; err != row.want || used > row.most {
			t.Errorf("limit %d: %d bytes out, %v, %d bytes allocated; want at most %d", row.limit, len(out), err, used, row.most)
		}
	}
}

// deflateTexts are messages of all sorts: compressible or not, smaller and larger than any window and any block.
func deflateTexts() map[string][]byte {
	r := rand.New(rand.NewPCG(7692, 1))
	noise := make([]byte, 70<<10)
	for i := range noise {
		noise[i] = byte(r.Uint32())
	}
	repeats := []byte{} // the same block again at ever larger distances
	for distance := 64; distance <= 64<<10; distance *= 2 {
		repeats = append(append(repeats, noise[:200]...), make([]byte, distance-64)...)
	}
	return map[string][]byte{
		"empty": {}, "one byte": {'x'}, "tiny": []byte("{}"), "short": sampleText(100), "json": sampleText(1 << 10),
		"long json": sampleText(70 << 10), "zeros": make([]byte, 70<<10), "noise": noise, "repeats": repeats,
		"noise twice": append(bytes.Clone(noise[:300]), noise[:300]...), "words": []byte(strings.Repeat("the quick brown fox ", 3500)),
	}
}

// TestDeflate inflates what we deflate, with each window, by four decoders, and holds it to the window.
func TestDeflate(t *testing.T) {
	for name, text := range deflateTexts() {
		for bits := uint8(minWindowBits); bits <= maxWindowBits; bits++ {
			t.Run(fmt.Sprintf("%s, window %d", name, bits), func(t *testing.T) {
				before := []byte("before")
				z := Deflate(before, text, DeflateParams{WindowBits: bits})
				if !bytes.HasPrefix(z, before) {
					t.Fatalf("Deflate does not append: % x", z[:len(before)])
				}
				z = z[len(before):]
				if out, err := Inflate(nil, z, len(text)); err != nil || !bytes.Equal(out, text) {
					t.Errorf("Inflate = %d bytes, %v; want %d", len(out), err, len(text))
				}
				stream := append(bytes.Clone(z), inflateTail...)
				if out, err := io.ReadAll(stdflate.NewReader(bytes.NewReader(stream))); err != nil || !bytes.Equal(out, text) {
					t.Errorf("compress/flate = %d bytes, %v; want %d", len(out), err, len(text))
				}
				out, farthest, err := puffStream(stream)
				if err != nil || !bytes.Equal(out, text) || farthest > 1<<bits {
					t.Errorf("puff = %d bytes, farthest %d, %v; want %d bytes, farthest %d", len(out), farthest, err, len(text), 1<<bits)
				}
				f, err := wsflate.DecompressFrame(readFrame(t, AppendFrame(nil, OpBinary, z, true)))
				if err != nil || !bytes.Equal(f.Payload, text) {
					t.Errorf("gobwas/ws = %d bytes, %v; want %d", len(f.Payload), err, len(text))
				}
			})
		}
	}
}

// TestWindowIsUsed checks that puff would notice: with the largest window the same texts refer further back.
func TestWindowIsUsed(t *testing.T) {
	stream := append(Deflate(nil, deflateTexts()["repeats"], DeflateParams{WindowBits: 15}), inflateTail...)
	if _, farthest, err := puffStream(stream); err != nil || farthest <= 1<<14 {
		t.Errorf("farthest %d, %v; want more than %d", farthest, err, 1<<14)
	}
}

// TestInflateOracle inflates what gobwas/ws deflates.
func TestInflateOracle(t *testing.T) {
	for name, text := range deflateTexts() {
		f, err := wsflate.CompressFrame(ws.NewBinaryFrame(text))
		if err != nil {
			t.Fatal(err)
		}
		if out, err := Inflate(nil, f.Payload, len(text)); err != nil || !bytes.Equal(out, text) {
			t.Errorf("%s: %d bytes, %v; want %d", name, len(out), err, len(text))
		}
	}
}

// TestInflateAfterErrors is row Z03: a stream that is refused, for whatever reason, leaves nothing in the pool that
// harms the next.
func TestInflateAfterErrors(t *testing.T) {
	text := sampleText(5000)
	z := Deflate(nil, text, DeflateParams{WindowBits: 15})
	r := rand.New(rand.NewPCG(3, 3))
	for range 500 {
		bad := bytes.Clone(z[:r.IntN(len(z)+1)])
		if len(bad) > 0 {
			bad[r.IntN(len(bad))] ^= byte(1 + r.IntN(255))
		}
		if out, err := Inflate(nil, bad, r.IntN(2*len(text))); err == nil && len(out) > 2*len(text) {
			t.Fatalf("%d bytes came out", len(out))
		}
		if out, err := Inflate(nil, z, len(text)); err != nil || !bytes.Equal(out, text) {
			t.Fatalf("after % x: %d bytes, %v", bad, len(out), err)
		}
	}
}

// TestInflateForgets is row Z03 of one client and another: a stream whose code lengths have a code without codes, which
// is corrupt, does not find the literal codes of the message before in their place.
func TestInflateForgets(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 4))
	secret := make([]byte, 2000)
	for i := range secret {
		secret[i] = "\x00\x00\x00\x00secrtkyz"[r.IntN(12)]
	}
	theirs := Deflate(nil, secret, DeflateParams{WindowBits: 15})
	p := puff{in: theirs}
	if p.bits(1); p.bits(2) != 2 {
		t.Fatal("the message has no codes of its own")
	}
	literals, _ := p.dynamicCodes()

	w := bitWriter{}
	w.bits(2<<1, 3) // a block with codes
	w.bits(0, 5+5+4+12)
	for range 257 + 1 {
		w.symbol(literals, 0) // no literal has a code, nor has a distance
	}
	for _, b := range []byte("secret") {
		w.symbol(literals, int(b))
	}
	w.symbol(literals, 256) // the end of the block
	w.bits(0, 3)            // the head of the flush
	for range 100 {
		if _, err := Inflate(nil, theirs, len(secret)); err != nil {
			t.Fatal(err)
		}
		if out, err := Inflate(nil, w.out, len(secret)); err != errDeflate {
			t.Fatalf("by the codes of another message: %q, %v", out, err)
		}
	}
}

// bitWriter writes what puff reads.
type bitWriter struct {
	out []byte
	n   int // bits written
}

// bits writes the n low bits of v, the least first.
func (w *bitWriter) bits(v, n int) {
	for i := range n {
		if w.n%8 == 0 {
			w.out = append(w.out, 0)
		}
		w.out[w.n/8] |= byte(v>>i&1) << (w.n % 8)
		w.n++
	}
}

// symbol writes the code of symbol, its first bit first.
func (w *bitWriter) symbol(h huffman, symbol int) {
	for code, s := range h {
		if s != symbol {
			continue
		}
		for i := bits.Len(uint(code)) - 2; i >= 0; i-- {
			w.bits(code>>i, 1)
		}
	}
}

// FuzzInflate holds: nothing panics or passes its limit; of what compress/flate takes the two ways of inflating make the
// same, and what it does; and what we deflate comes back. Of a corrupt stream it claims no more: see inflaters.
func FuzzInflate(f *testing.F) {
	f.Add([]byte("f248"), uint8(9), uint16(100))
	f.Add(Deflate(nil, sampleText(300), DeflateParams{WindowBits: 15}), uint8(15), uint16(300))
	f.Add(Deflate(nil, make([]byte, 40000), DeflateParams{WindowBits: 15}), uint8(8), uint16(39999))
	f.Add([]byte("\xf3\x48\xcd\xc9\xc9\x07\x00\x00"), uint8(12), uint16(5))
	f.Fuzz(func(t *testing.T, b []byte, bits uint8, limit uint16) {
		p := DeflateParams{WindowBits: minWindowBits + bits%(maxWindowBits-minWindowBits+1)}
		if out, err := Inflate(nil, Deflate(nil, b, p), len(b)); err != nil || !bytes.Equal(out, b) {
			t.Fatalf("deflated and inflated: %d bytes, %v; want %d", len(out), err, len(b))
		}
		if len(b) > 0 {
			if _, err := Inflate(nil, Deflate(nil, b, p), len(b)-1); err != ErrTooBig {
				t.Fatalf("limit %d of %d bytes: %v", len(b)-1, len(b), err)
			}
		}
		out, err := Inflate(nil, b, int(limit))
		into, fits, intoErr := InflateInto(make([]byte, 0, limit), b, int(limit))
		stream := append(bytes.Clone(b), inflateTail...)
		if len(out) > int(limit) || len(into) > int(limit) {
			t.Fatalf("%d and %d bytes came out; the limit is %d", len(out), len(into), limit)
		}
		want, stdErr := io.ReadAll(stdflate.NewReader(bytes.NewReader(stream)))
		if stdErr != nil && len(b) > 0 {
			return
		}
		if err != intoErr || fits != (err == nil) || !bytes.Equal(out, into) && err == nil {
			t.Fatalf("Inflate = %d bytes, %v; InflateInto = %d bytes, %t, %v", len(out), err, len(into), fits, intoErr)
		}
		if err != nil || len(b) == 0 {
			return
		}
		if !bytes.Equal(out, want) {
			t.Fatalf("Inflate = % x; compress/flate = % x", out, want)
		}
	})
}
