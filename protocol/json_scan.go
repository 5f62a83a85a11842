package protocol

import (
	"encoding/binary"
	"math/bits"
	"unicode/utf8"
)

// MaxDepth is how deep the value of a command's field may nest: as deep as the JSON parsers of PHP and Apple's Foundation go,
// so that what passes here can be read at the other end. No walk through a value uses more stack than this.
const MaxDepth = 512

// ValidJSON reports whether raw, any bytes, is a JSON value that a client can read: in UTF-8, no deeper than MaxDepth, with
// whitespace around it at most. What protobuf clients publish may be none, and must not reach clients that speak JSON.
func ValidJSON(raw []byte) bool {
	end := skipValue(raw, skipSpace(raw, 0), MaxDepth)
	return end > 0 && skipSpace(raw, end) == len(raw)
}

// The functions here prove b to be JSON (RFC 8259) and step over it. An index is a place in b, a whole line or more than one
// value; each function takes the index where its token starts and returns the one after it, or a Fault, negated.

// fault returns f in the place of an index.
func fault(f Fault) int { return -int(f) }

// at returns b[i], or 0, which starts no token, if i is past the end or a fault.
func at(b []byte, i int) byte {
	if uint(i) < uint(len(b)) {
		return b[i]
	}
	return 0
}

// skipSpace returns the index of the first byte from i on that is not whitespace.
func skipSpace(b []byte, i int) int {
	if i < len(b) && b[i] > ' ' {
		return i
	}
	return skipSpaces(b, i)
}

//go:noinline
func skipSpaces(b []byte, i int) int { // apart, so that the common case above is small enough to be inlined
	for at(b, i) == ' ' || at(b, i) == '\t' || at(b, i) == '\r' || at(b, i) == '\n' {
		i++
	}
	return i
}

// skipValue steps over a value of any type that has no more than depth levels.
func skipValue(b []byte, i, depth int) int {
	switch at(b, i) {
	case '"':
		return skipString(b, i)
	case '{':
		return skipObject(b, i, depth)
	case '[':
		return skipArray(b, i, depth)
	case 't':
		return skipLiteral(b, i, "true")
	case 'f':
		return skipLiteral(b, i, "false")
	case 'n':
		return skipLiteral(b, i, "null")
	}
	return skipNumber(b, i)
}

func skipObject(b []byte, i, depth int) int {
	if depth == 0 {
		return fault(FaultDepth)
	}
	i, more := enter(b, i, '}')
	for more {
		if i = skipKey(b, i); i < 0 {
			return i
		}
		if i = skipValue(b, i, depth-1); i < 0 {
			return i
		}
		i, more = next(b, i, '}')
	}
	return i
}

func skipArray(b []byte, i, depth int) int {
	if depth == 0 {
		return fault(FaultDepth)
	}
	i, more := enter(b, i, ']')
	for more {
		if i = skipValue(b, i, depth-1); i < 0 {
			return i
		}
		i, more = next(b, i, ']')
	}
	return i
}

// enter steps over an opening bracket: to the first element, or past the closing bracket if there is none.
func enter(b []byte, i int, closing byte) (_ int, more bool) {
	i = skipSpace(b, i+1)
	if at(b, i) == closing {
		return i + 1, false
	}
	return i, true
}

// next steps from the end of an element to the next one, or past the closing bracket.
func next(b []byte, i int, closing byte) (_ int, more bool) {
	i = skipSpace(b, i)
	switch at(b, i) {
	case ',':
		return skipSpace(b, i+1), true
	case closing:
		return i + 1, false
	}
	return fault(FaultSyntax), false
}

// skipKey steps over a key and its colon, to the value.
func skipKey(b []byte, i int) int {
	if at(b, i) != '"' {
		return fault(FaultSyntax)
	}
	if i = skipString(b, i); i < 0 {
		return i
	}
	return skipColon(b, i)
}

// skipColon steps from the end of a key to its value.
func skipColon(b []byte, i int) int {
	i = skipSpace(b, i)
	if at(b, i) != ':' {
		return fault(FaultSyntax)
	}
	return skipSpace(b, i+1)
}

func skipLiteral(b []byte, i int, literal string) int {
	if len(b)-i < len(literal) || string(b[i:i+len(literal)]) != literal {
		return fault(FaultSyntax)
	}
	return i + len(literal)
}

// skipNumber steps over a number (section 6). What follows it is for the caller to check.
func skipNumber(b []byte, i int) int {
	if at(b, i) == '-' {
		i++
	}
	if at(b, i) == '0' {
		i++
	} else if i = skipDigits(b, i); i < 0 {
		return i
	}
	if at(b, i) == '.' {
		if i = skipDigits(b, i+1); i < 0 {
			return i
		}
	}
	if at(b, i)|0x20 == 'e' {
		return skipExponent(b, i)
	}
	return i
}

func skipExponent(b []byte, i int) int {
	i++
	if at(b, i) == '+' || at(b, i) == '-' {
		i++
	}
	return skipDigits(b, i)
}

// skipDigits steps over at least one digit.
func skipDigits(b []byte, i int) int {
	start := i
	for at(b, i)-'0' <= 9 {
		i++
	}
	if i == start {
		return fault(FaultSyntax)
	}
	return i
}

// skipString steps over a string (section 7), which is valid UTF-8 then.
func skipString(b []byte, i int) int {
	if end := skipPlain(b, i+1); at(b, end) == '"' {
		return end + 1
	}
	end, _ := scanString(b, i+1)
	return end
}

// scanString steps from behind the opening quote of a string to behind the closing one, and reports whether there are escapes.
func scanString(b []byte, i int) (_ int, escaped bool) {
	start := i
	for {
		i = skipUnescaped(b, i)
		switch at(b, i) {
		case '"':
			if !utf8.Valid(b[start:i]) {
				return fault(FaultSyntax), false
			}
			return i + 1, escaped
		case '\\':
			if i, escaped = skipEscape(b, i), true; i < 0 {
				return i, false
			}
		default: // a control character, or the end of b
			return fault(FaultSyntax), false
		}
	}
}

// skipEscape steps over a backslash and what it escapes.
func skipEscape(b []byte, i int) int {
	switch at(b, i+1) {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return i + 2
	case 'u':
		if _, ok := parseHex4(b, i+2); ok {
			return i + 6
		}
	}
	return fault(FaultSyntax)
}

// parseHex4 returns the value of the four hexadecimal digits at i.
func parseHex4(b []byte, i int) (r rune, ok bool) {
	if len(b)-i < 4 {
		return 0, false
	}
	for _, c := range b[i : i+4] {
		switch {
		case c-'0' <= 9:
			c -= '0'
		case (c|0x20)-'a' <= 5:
			c = (c | 0x20) - 'a' + 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}

// Strings are searched eight bytes at a time: ones has 1 in each byte of a word, highs the top bit of each.
const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// skipPlain returns the index of the first byte from i on that is special in a string or not ASCII, or len(b).
func skipPlain(b []byte, i int) int {
	for ; i+8 <= len(b); i += 8 {
		word := binary.LittleEndian.Uint64(b[i:])
		if found := (specials(word) | word) & highs; found != 0 {
			return i + bits.TrailingZeros64(found)/8
		}
	}
	word := loadTail(b, i)
	return i + bits.TrailingZeros64((specials(word)|word)&highs)/8
}

// skipUnescaped returns the index of the first byte from i on that is special in a string, or len(b).
func skipUnescaped(b []byte, i int) int {
	for ; i+8 <= len(b); i += 8 {
		word := binary.LittleEndian.Uint64(b[i:])
		if found := specials(word) &^ word & highs; found != 0 {
			return i + bits.TrailingZeros64(found)/8
		}
	}
	word := loadTail(b, i)
	return i + bits.TrailingZeros64(specials(word)&^word&highs)/8
}

// specials sets the top bit of each byte of word that is special in a string: a quote, a backslash or a control character.
// Bytes over 0x7f may have it set too; so may those above the lowest special one, by the borrow, which is why the lowest is
// the one to trust. All other bits mean nothing.
func specials(word uint64) uint64 {
	return ((word ^ ones*'"') - ones) | ((word ^ ones*'\\') - ones) | (word - ones*' ')
}

// loadTail returns the last bytes of b, from i on and fewer than eight, in a word, the first of them lowest. What is left of the
// word is 0, and so special.
func loadTail(b []byte, i int) uint64 {
	if len(b) >= 8 {
		return binary.LittleEndian.Uint64(b[len(b)-8:]) >> (8 * (8 - (len(b) - i)))
	}
	var word uint64
	for n, c := range b[i:] {
		word |= uint64(c) << (8 * n)
	}
	return word
}
