package frame

import (
	"bytes"
	"testing"

	"github.com/seed4ac54ce5/edge/internal/testutil"
)

// TestNoAllocations holds everything a loop does for a frame or a handshake to no allocation at all.
func TestNoAllocations(t *testing.T) {
	request, refused := []byte(browserRequest), []byte(opening("Host: example.com"))
	q := ClientRequest{Host: "example.com", Target: "/ws", Protocols: []string{"a", "b"}, Deflate: true}
	answer := AppendUpgrade(nil, q.Key[:], "b", DeflateParams{WindowBits: 15})
	text := []byte("Hello, κόσμε! Hello, κόσμε! Hello, κόσμε! Hello, κόσμε!")
	message := AppendMasked(nil, [4]byte{}, OpText, text, false)
	bad := AppendMasked(nil, [4]byte{}, OpText, []byte{0xff}, false)
	goodbye := AppendMaskedClose(nil, [4]byte{}, 1000, "bye")
	o := Options{MaxMessage: 1 << 10, MaxFragments: 10}
	long := sampleText(1 << 10)
	z := Deflate(nil, long, DeflateParams{WindowBits: 12})
	dst := make([]byte, 0, 4<<10)
	var s Stream

	for _, row := range []struct {
		name  string
		pools bool // the race detector makes a sync.Pool forget things on purpose
		run   func() bool
	}{
		{"handshake", false, func() bool {
			var r Request
			n, err := ParseRequest(request, 0, &testLimits, &r)
			if n == 0 || err != nil || CheckUpgrade(&r) != nil || r.Header("cookie") == nil {
				return false
			}
			protocol, err := SelectProtocol([]byte("x, b"), "a", "b")
			d, _ := NegotiateDeflate(r.Extensions)
			dst = AppendUpgrade(dst[:0], r.Key, protocol, d)
			return err == nil && d.Agreed()
		}},
		{"refused handshake", false, func() bool {
			var r Request
			_, err := ParseRequest(refused, 0, &testLimits, &r)
			dst = AppendHTTPError(dst[:0], err)
			return err == errDuplicate
		}},
		{"client's handshake", false, func() bool {
			dst = AppendRequest(dst[:0], &q)
			var r Response
			n, err := ParseResponse(answer, 0, &q, &r)
			return n == len(answer) && err == nil
		}},
		{"ParseHeader", false, func() bool {
			_, n, err := ParseHeader(message)
			return n == 6 && err == nil
		}},
		{"Mask", false, func() bool {
			Mask(dst[:100], [4]byte{1, 2, 3, 4}, 1)
			return true
		}},
		{"Next", false, func() bool {
			f, n, _, err := s.Next(message, &o)
			return n == len(message) && err == nil && f.Fin
		}},
		{"Next, in two reads", false, func() bool {
			_, none, need, _ := s.Next(message[:20], &o)
			_, n, _, err := s.Next(message, &o)
			return none == 0 && need == n && n == len(message) && err == nil
		}},
		{"Next, refused", false, func() bool {
			_, _, _, err := new(Stream).Next(bad, &o)
			dst = AppendClose(dst[:0], err.Code, err.Reason)
			return err == ErrUTF8
		}},
		{"close", false, func() bool {
			f, _, _, _ := new(Stream).Next(goodbye, &o)
			code, reason, err := ParseClose(f.Payload)
			dst = AppendMaskedClose(dst[:0], [4]byte{1, 2, 3, 4}, code, "bye")
			return err == nil && len(reason) == 3
		}},
		{"AppendFrame", false, func() bool {
			dst = AppendMasked(AppendFrame(dst[:0], OpText, text, false), [4]byte{1, 2, 3, 4}, OpText, text, true)
			return len(dst) > 2*len(text)
		}},
		{"Inflate", true, func() bool {
			out, err := Inflate(dst[:0], z, len(long))
			return err == nil && bytes.Equal(out, long)
		}},
		{"Inflate, too big", true, func() bool {
			_, err := Inflate(nil, z, len(long)-1)
			return err == ErrTooBig
		}},
		{"Deflate", true, func() bool {
			dst = Deflate(dst[:0], long, DeflateParams{WindowBits: 12})
			return len(dst) < len(long)
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			if row.pools && testutil.Race {
				t.Skip("a sync.Pool under the race detector drops items at random")
			}
			ok := true
			if n := testing.AllocsPerRun(200, func() { ok = row.run() && ok }); n != 0 || !ok {
				t.Errorf("%v allocations, done = %t", n, ok)
			}
		})
	}
}
