package frame

import (
	"bytes"
	"io"
	"testing"

	"github.com/gobwas/ws"
)

func TestAppendFrame(t *testing.T) {
	for _, row := range []struct {
		name, drawn string
		got         []byte
	}{
		{"section 5.7: unmasked text", "81 05 48656c6c6f", AppendFrame(nil, OpText, []byte("Hello"), false)},
		{"section 5.7: masked text", "81 85 37fa213d 7f9f4d5158", AppendMasked(nil, [4]byte{0x37, 0xfa, 0x21, 0x3d}, OpText, []byte("Hello"), false)},
		{"section 5.7: unmasked ping", "89 05 48656c6c6f", AppendFrame(nil, OpPing, []byte("Hello"), false)},
		{"empty pong", "8a 00", AppendFrame(nil, OpPong, nil, false)},
		{"RFC 7692 section 7.2.3.1: compressed", "c1 07 f248cdc9c90700", AppendFrame(nil, OpText, wire(t, "f248cdc9c90700"), true)},
	} {
		t.Run(row.name, func(t *testing.T) {
			if want := wire(t, row.drawn); !bytes.Equal(row.got, want) {
				t.Errorf("got % x; want % x", row.got, want)
			}
		})
	}
}

// TestAppendFrameOracle has gobwas/ws read what we write, around the lengths where the header changes.
func TestAppendFrameOracle(t *testing.T) {
	for _, size := range []int{0, 1, 125, 126, 0xffff, 0x10000} {
		payload := bytes.Repeat([]byte{0xa5}, size)
		plain := AppendFrame([]byte("x"), OpBinary, payload, false)[1:]
		masked := AppendMasked([]byte("x"), [4]byte{9, 8, 7, 6}, OpBinary, payload, false)[1:]
		for _, b := range [][]byte{plain, masked} {
			f := readFrame(t, b)
			if f.Header.OpCode != OpBinary || !f.Header.Fin || f.Header.Rsv != 0 || !bytes.Equal(f.Payload, payload) {
				t.Errorf("%d bytes read as %+v", size, f.Header)
			}
		}
		if !bytes.Equal(payload, bytes.Repeat([]byte{0xa5}, size)) {
			t.Errorf("AppendMasked changed the payload it was given")
		}
	}
}

// readFrame reads the one frame of b with gobwas/ws, and unmasks it.
func readFrame(t *testing.T, b []byte) ws.Frame {
	t.Helper()
	r := bytes.NewReader(b)
	h, err := ws.ReadHeader(r)
	if err != nil || h.Length != int64(r.Len()) {
		t.Fatalf("ReadHeader(% x) = %+v, %v, %d bytes behind it", b[:min(len(b), 14)], h, err, r.Len())
	}
	payload, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	f := ws.Frame{Header: h, Payload: payload}
	if h.Masked {
		f = ws.UnmaskFrameInPlace(f)
	}
	return f
}
