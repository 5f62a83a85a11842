package frame

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"
	"unicode/utf8"

	"github.com/gobwas/ws"
)

// FuzzStream holds: a stream gives the same events however it is cut, and checkAgainstOracle.
func FuzzStream(f *testing.F) {
	for _, row := range streamRows {
		f.Add(wire(f, row.drawn), row.o.Deflate, row.o.Client, uint64(1))
	}
	r := rand.New(rand.NewPCG(1, 2))
	f.Add(longStream(r), true, false, uint64(2))
	f.Fuzz(func(t *testing.T, stream []byte, deflate, client bool, seed uint64) {
		o := Options{MaxMessage: 4096, MaxFragments: 8, Deflate: deflate, Client: client}
		whole := readCut(t, slices.Clone(stream), o)
		r := rand.New(rand.NewPCG(seed, 0))
		cuts := make([]int, r.IntN(6))
		for i := range cuts {
			cuts[i] = r.IntN(len(stream) + 1)
		}
		slices.Sort(cuts)
		if got := readCut(t, slices.Clone(stream), o, cuts...); !slices.Equal(got, whole) {
			t.Fatalf("cut at %d: %q; whole: %q", cuts, got, whole)
		}
		checkAgainstOracle(t, stream, o)
	})
}

// checkAgainstOracle takes the stream frame by frame: each header that is accepted must be what gobwas/ws accepts in
// that place, the frame must re-encode to the bytes it came from, and a text message that is accepted must be UTF-8.
func checkAgainstOracle(t *testing.T, stream []byte, o Options) {
	var s Stream
	var text []byte
	state := ws.StateServerSide
	if o.Client {
		state = ws.StateClientSide
	}
	if o.Deflate {
		state = state.Set(ws.StateExtended)
	}
	for b := slices.Clone(stream); ; {
		f, n, _, err := s.Next(b, &o)
		if n == 0 || err != nil {
			return
		}
		h, size, err := ParseHeader(stream)
		if err != nil {
			t.Fatalf("ParseHeader(% x) = %v; the frame was accepted", stream[:n], err)
		}
		if err := ws.CheckHeader(h, state); err != nil {
			t.Fatalf("% x was accepted; gobwas/ws says %v", stream[:n], err)
		}
		again := append(AppendHeader(nil, h), f.Payload...)
		if h.Masked {
			naiveMask(again[size:], h.Mask, 0)
		}
		if !bytes.Equal(again, stream[:n]) {
			t.Fatalf("% x re-encodes to % x", stream[:n], again)
		}
		if !f.Opcode.IsControl() {
			state = state.Set(ws.StateFragmented)
			text = append(text, f.Payload...)
			if f.Fin {
				if f.Opcode == OpText && !f.Compressed && !utf8.Valid(text) {
					t.Fatalf("%q was accepted as text", text)
				}
				state, text = state.Clear(ws.StateFragmented), nil
			}
		}
		b, stream = b[n:], stream[n:]
	}
}
