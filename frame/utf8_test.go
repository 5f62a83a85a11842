package frame

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"
)

// feedPieces feeds the pieces of a text and returns how many bytes were taken before one was refused, and whether
// the text may end after the last.
func feedPieces(pieces ...[]byte) (taken int, complete bool) {
	var s utf8State
	for _, p := range pieces {
		next, ok := s.feed(p)
		if !ok {
			return taken, false
		}
		s = next
		taken += len(p)
	}
	return taken, s == utf8Start
}

// hopeless returns the length of the shortest front of b that no continuation makes valid, or len(b)+1.
func hopeless(b []byte) int {
	tails := []string{"", "\x80", "\x80\x80", "\x80\x80\x80", "\x9f", "\x9f\x80", "\xa0", "\xa0\x80", "\x8f\x80\x80", "\x90\x80\x80"}
	for n := range len(b) + 1 {
		alive := false
		for _, tail := range tails {
			alive = alive || utf8.Valid(append(b[:n:n], tail...))
		}
		if !alive {
			return n
		}
	}
	return len(b) + 1
}

var utf8Texts = []string{
	"", "a", "plain ASCII, longer than a word", strings.Repeat("x", 70) + "é",
	"κόσμε", "日本語", "\U00010000\U0010FFFF", "\u0080\u07ff\u0800\uffff", "a𐍈b",
	"C07 overlong \xc0\x80", "C07 overlong \xc1\xbf", "C07 overlong \xe0\x9f\xbf", "C07 overlong \xf0\x8f\xbf\xbf",
	"C07 surrogate \xed\xa0\x80", "C07 surrogate \xed\xbf\xbf", "C07 past the end \xf4\x90\x80\x80", "C07 never \xf5", "C07 never \xff",
	"C07 cut at the end \xe2\x82", "C07 cut at the end \xf0\x9f\x98", "C07 cut inside \xe2\x82x", "C07 stray \x80", "\xf0\x9f\x98é",
	strings.Repeat("κόσμε ", 12) + "\xed\xa0" + strings.Repeat("κ", 12), strings.Repeat("a", 31) + "\xf4\x90" + strings.Repeat("a", 31),
}

// TestUTF8 cuts each text at every byte: the verdict is that of unicode/utf8, and it falls at the first bad byte.
func TestUTF8(t *testing.T) {
	for _, text := range utf8Texts {
		t.Run(fmt.Sprintf("%.20q", text), func(t *testing.T) {
			b := []byte(text)
			bad := hopeless(b)
			for cut := range len(b) + 1 {
				taken, complete := feedPieces(b[:cut], b[cut:])
				if complete != utf8.Valid(b) {
					t.Fatalf("cut at %d: complete = %v; want %v", cut, complete, utf8.Valid(b))
				}
				if bad <= len(b) && taken != 0 && cut >= bad {
					t.Fatalf("cut at %d: byte %d was taken, after which nothing can be valid", cut, bad)
				}
			}
		})
	}
}

// TestUTF8ByteByByte feeds single bytes, so that every one is judged alone.
func TestUTF8ByteByByte(t *testing.T) {
	for _, text := range utf8Texts {
		var pieces [][]byte
		for i := range len(text) {
			pieces = append(pieces, []byte(text[i:i+1]))
		}
		taken, complete := feedPieces(pieces...)
		if want := min(hopeless([]byte(text))-1, len(text)); taken != want || complete != utf8.ValidString(text) {
			t.Errorf("%q: taken %d, complete %v; want %d, %v", text, taken, complete, want, utf8.ValidString(text))
		}
	}
}

// TestUTF8Runes judges all sequences of one to four bytes that could begin or break a rune.
func TestUTF8Runes(t *testing.T) {
	edges := []byte{0x00, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc1, 0xc2, 0xdf, 0xe0, 0xe1, 0xec, 0xed, 0xee, 0xef,
		0xf0, 0xf1, 0xf3, 0xf4, 0xf5, 0xff}
	var try func(b []byte)
	try = func(b []byte) {
		if _, complete := feedPieces(b); complete != utf8.Valid(b) {
			t.Fatalf("% x: complete = %v; want %v", b, complete, utf8.Valid(b))
		}
		if len(b) == 4 {
			return
		}
		for _, c := range edges {
			try(append(b[:len(b):len(b)], c))
		}
	}
	try(nil)
}
