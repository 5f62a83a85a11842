package frame

import (
	"bytes"
	"encoding/hex"
	"math"
	"strings"
	"testing"

	"github.com/gobwas/ws"
)

// wire reads bytes drawn in hex, with spaces where the eye wants them.
func wire(t testing.TB, drawn string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.NewReplacer(" ", "", "\n", "", "\t", "").Replace(drawn))
	if err != nil {
		t.Fatalf("wire(%q): %v", drawn, err)
	}
	return b
}

func TestHeader(t *testing.T) {
	for _, row := range []struct {
		name  string
		drawn string
		want  Header
	}{
		{"text, whole", "81 05", Header{Fin: true, OpCode: OpText, Length: 5}},
		{"text, first of several", "01 03", Header{OpCode: OpText, Length: 3}},
		{"continuation, last", "80 02", Header{Fin: true, OpCode: OpContinuation, Length: 2}},
		{"empty ping, masked", "89 80 37fa213d", Header{Fin: true, OpCode: OpPing, Masked: true, Mask: [4]byte{0x37, 0xfa, 0x21, 0x3d}}},
		{"deflated", "c1 07", Header{Fin: true, Rsv: ws.Rsv(true, false, false), OpCode: OpText, Length: 7}},
		{"all reserved bits", "f0 00", Header{Fin: true, Rsv: ws.Rsv(true, true, true)}},
		{"largest in 7 bits", "82 7d", Header{Fin: true, OpCode: OpBinary, Length: 125}},
		{"smallest in 16 bits", "82 7e 007e", Header{Fin: true, OpCode: OpBinary, Length: 126}},
		{"largest in 16 bits", "82 7e ffff", Header{Fin: true, OpCode: OpBinary, Length: 0xffff}},
		{"smallest in 64 bits", "82 7f 0000000000010000", Header{Fin: true, OpCode: OpBinary, Length: 1 << 16}},
		{"largest in 64 bits", "82 ff 7fffffffffffffff 01020304",
			Header{Fin: true, OpCode: OpBinary, Masked: true, Mask: [4]byte{1, 2, 3, 4}, Length: math.MaxInt64}},
	} {
		t.Run(row.name, func(t *testing.T) {
			b := wire(t, row.drawn)
			h, n, err := ParseHeader(append(b[:len(b):len(b)], 0xee))
			if h != row.want || n != len(b) || err != nil {
				t.Errorf("ParseHeader(%s) = %+v, %d, %v; want %+v, %d", row.drawn, h, n, err, row.want, len(b))
			}
			if got := AppendHeader(nil, row.want); !bytes.Equal(got, b) {
				t.Errorf("AppendHeader(%+v) = % x; want % x", row.want, got, b)
			}
			for cut := range b {
				if _, n, err := ParseHeader(b[:cut]); n != 0 || err != nil {
					t.Errorf("ParseHeader(% x) = %d, %v; want to be asked for more", b[:cut], n, err)
				}
			}
		})
	}
}

func TestHeaderLengthForm(t *testing.T) {
	for _, row := range []struct{ name, drawn string }{
		{"F06 0 in 16 bits", "82 7e 0000"},
		{"F06 125 in 16 bits", "82 7e 007d"},
		{"F06 0 in 64 bits", "82 7f 0000000000000000"},
		{"F06 65535 in 64 bits", "82 7f 000000000000ffff"},
		{"F02 2^63", "82 7f 8000000000000000"},
		{"F02 2^64-1", "82 7f ffffffffffffffff"},
		{"F03 2^63, masked, a payload byte behind", "82 ff 8000000000000000 01020304 05"},
	} {
		t.Run(row.name, func(t *testing.T) {
			if h, n, err := ParseHeader(wire(t, row.drawn)); h != (Header{}) || n != 0 || err != ErrLength {
				t.Errorf("ParseHeader(%s) = %+v, %d, %v; want ErrLength", row.drawn, h, n, err)
			}
		})
	}
}

// TestHeaderOracle compares with gobwas/ws around every length where the form changes.
func TestHeaderOracle(t *testing.T) {
	for _, length := range []int64{0, 1, 125, 126, 127, 0xffff, 0x10000, math.MaxInt64} {
		for b0 := range 256 {
			h := Header{Fin: b0&finBit != 0, Rsv: byte(b0) & rsvBits >> 4, OpCode: Opcode(b0 & opBits), Length: length}
			var want bytes.Buffer
			if err := ws.WriteHeader(&want, h); err != nil {
				t.Fatal(err)
			}
			if got := AppendHeader(nil, h); !bytes.Equal(got, want.Bytes()) {
				t.Fatalf("AppendHeader(%+v) = % x; want % x", h, got, want.Bytes())
			}
			if got, _, err := ParseHeader(want.Bytes()); got != h || err != nil {
				t.Fatalf("ParseHeader(% x) = %+v, %v; want %+v", want.Bytes(), got, err, h)
			}
		}
	}
}
