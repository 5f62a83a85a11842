package frame

import (
	"bytes"
	"testing"
)

// naiveMask is section 5.3 of RFC 6455 to the letter.
func naiveMask(b []byte, key [4]byte, offset int) {
	for i := range b {
		b[i] ^= key[(offset+i)%4]
	}
}

// TestMask is row F23: every length to 300 at every alignment of the memory and of the key, and not a byte beside.
func TestMask(t *testing.T) {
	const most, margin = 300, 8
	key := [4]byte{0x37, 0xfa, 0x21, 0x3d}
	got, want := make([]byte, margin+most+margin), make([]byte, margin+most+margin)
	for size := range most + 1 {
		for start := range margin {
			for offset := range 5 {
				for i := range got {
					got[i], want[i] = byte(i), byte(i)
				}
				Mask(got[start:start+size], key, offset)
				naiveMask(want[start:start+size], key, offset)
				if !bytes.Equal(got, want) {
					t.Fatalf("Mask(%d bytes at %d, offset %d) = % x; want % x", size, start, offset, got, want)
				}
			}
		}
	}
}

func TestMaskZeroKey(t *testing.T) {
	b := bytes.Repeat([]byte("edge"), 50)
	Mask(b, [4]byte{}, 3)
	if !bytes.Equal(b, bytes.Repeat([]byte("edge"), 50)) {
		t.Errorf("Mask with a zero key changed the payload to %q", b)
	}
}

// TestMaskPieces masks a payload in two pieces, cut anywhere, and gets what one piece gives.
func TestMaskPieces(t *testing.T) {
	key := [4]byte{1, 2, 3, 4}
	want := make([]byte, 100)
	Mask(want, key, 0)
	for cut := range want {
		got := make([]byte, len(want))
		Mask(got[:cut], key, 0)
		Mask(got[cut:], key, cut)
		if !bytes.Equal(got, want) {
			t.Fatalf("Mask in two pieces cut at %d = % x; want % x", cut, got, want)
		}
	}
}
