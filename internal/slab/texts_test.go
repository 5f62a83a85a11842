package slab

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

func TestTextsComeBack(t *testing.T) {
	var texts Texts
	rng := rand.New(rand.NewPCG(1, 2))
	want := make(map[Text][]byte)
	for range 2000 {
		b := make([]byte, rng.IntN(120))
		for i := range b {
			b[i] = byte(rng.Uint32())
		}
		x := texts.Put(b)
		want[x] = b
		if rng.IntN(2) == 0 {
			for old := range want {
				texts.Free(old)
				delete(want, old)
				break
			}
		}
	}
	cells := 0
	for x, b := range want {
		if got := texts.Append([]byte("x"), x); !bytes.Equal(got[1:], b) || !texts.Equal(x, b) {
			t.Fatalf("text of %d bytes came back as %q; want %q", x.Len(), got[1:], b)
		}
		if len(b) > 0 && (texts.Equal(x, b[1:]) || texts.Equal(x, append(bytes.Clone(b[1:]), b[0]+1))) {
			t.Fatalf("%q equals another text", b)
		}
		cells += (len(b) + 27) / 28
		texts.Free(x)
	}
	if texts.Live() != 0 {
		t.Errorf("%d of %d cells are in use after all texts are freed", texts.Live(), cells)
	}
}
