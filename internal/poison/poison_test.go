package poison

import (
	"bytes"
	"testing"
)

func TestBytes(t *testing.T) {
	b := []byte("kept by mistake")
	whole, want := b, bytes.Clone(b)
	Bytes(b[:4])
	if On {
		copy(want, []byte{Byte, Byte, Byte, Byte})
	}
	if !bytes.Equal(whole, want) {
		t.Errorf("Bytes(%q[:4]) = %q; want %q", "kept by mistake", whole, want)
	}
}
