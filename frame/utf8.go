package frame

import (
	"encoding/binary"
	"unicode/utf8"
)

// utf8State is what a text message cut between two bytes leaves to be said about the next one: which bytes may
// follow. Zero is the state between two code points, where a text begins and must end (RFC 3629 section 4).
type utf8State uint8

const (
	utf8Start   utf8State = iota
	utf8Last1             // one byte 80..BF completes the code point
	utf8Last2             // two more
	utf8Last3             // three more
	utf8AfterE0           // A0..BF, then one: below is overlong
	utf8AfterED           // 80..9F, then one: above are surrogates
	utf8AfterF0           // 90..BF, then two: below is overlong
	utf8AfterF4           // 80..8F, then two: above is past U+10FFFF
)

// utf8Steps gives for each state inside a code point the bytes that may follow and the state they lead to.
var utf8Steps = [...]struct {
	low, high byte
	next      utf8State
}{
	utf8Last1:   {0x80, 0xBF, utf8Start},
	utf8Last2:   {0x80, 0xBF, utf8Last1},
	utf8Last3:   {0x80, 0xBF, utf8Last2},
	utf8AfterE0: {0xA0, 0xBF, utf8Last1},
	utf8AfterED: {0x80, 0x9F, utf8Last1},
	utf8AfterF0: {0x90, 0xBF, utf8Last2},
	utf8AfterF4: {0x80, 0x8F, utf8Last2},
}

// feed returns the state after p, the next bytes of the text; ok is false as soon as a byte cannot be part of
// valid UTF-8, however the text goes on.
func (s utf8State) feed(p []byte) (next utf8State, ok bool) {
	for s != utf8Start && len(p) > 0 {
		if s, ok = s.step(p[0]); !ok {
			return s, false
		}
		p = p[1:]
	}
	if p = p[asciiPrefix(p):]; len(p) == 0 {
		return s, true
	}
	cut := lastLead(p)
	if !utf8.Valid(p[:cut]) {
		return s, false
	}
	for _, c := range p[cut:] {
		if s, ok = s.step(c); !ok {
			return s, false
		}
	}
	return s, true
}

// step returns the state after the byte c, or false if c is not allowed there.
func (s utf8State) step(c byte) (utf8State, bool) {
	if s == utf8Start {
		return utf8Lead(c)
	}
	step := &utf8Steps[s]
	return step.next, step.low <= c && c <= step.high
}

// utf8Lead returns the state after c as the first byte of a code point.
func utf8Lead(c byte) (utf8State, bool) {
	switch {
	case c < 0x80:
		return utf8Start, true
	case c < 0xC2: // a continuation byte, or the lead of an overlong pair
		return utf8Start, false
	case c < 0xE0:
		return utf8Last1, true
	case c == 0xE0:
		return utf8AfterE0, true
	case c == 0xED:
		return utf8AfterED, true
	case c < 0xF0:
		return utf8Last2, true
	case c == 0xF0:
		return utf8AfterF0, true
	case c < 0xF4:
		return utf8Last3, true
	case c == 0xF4:
		return utf8AfterF4, true
	}
	return utf8Start, false
}

// lastLead returns where the code point begins that p may end in the middle of: the last lead byte among the
// last three bytes, or the end of p. Whatever stands before it must be valid by itself.
func lastLead(p []byte) int {
	for i := len(p) - 1; i >= 0 && i >= len(p)-3; i-- {
		if p[i] >= 0xC0 {
			return i
		}
	}
	return len(p)
}

// asciiPrefix returns how many bytes at the front of p are surely ASCII: all of them, or all before the
// eight-byte word in which another begins.
func asciiPrefix(p []byte) int {
	const high = 0x8080808080808080
	i := 0
	for ; len(p)-i >= 32; i += 32 {
		q := p[i : i+32]
		if (binary.LittleEndian.Uint64(q)|binary.LittleEndian.Uint64(q[8:])|
			binary.LittleEndian.Uint64(q[16:])|binary.LittleEndian.Uint64(q[24:]))&high != 0 {
			return i
		}
	}
	for ; len(p)-i >= 8; i += 8 {
		if binary.LittleEndian.Uint64(p[i:])&high != 0 {
			return i
		}
	}
	for i < len(p) && p[i] < utf8.RuneSelf {
		i++
	}
	return i
}
