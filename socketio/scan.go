package socketio

import (
	"bytes"

	"github.com/seed4ac54ce5/edge/socketio/packet"
)

// Functions that find their way in JSON that the node has checked already. What they are given otherwise they do
// not understand, but they stay inside of it.

// skipSpace returns where the next token begins at or after i.
func skipSpace(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\t' || b[i] == '\n' || b[i] == '\r') {
		i++
	}
	return i
}

// skipString returns the end of the string that begins at i.
func skipString(b []byte, i int) int {
	for i++; i < len(b); i++ {
		switch b[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(b)
}

// skipValue returns the end of the value that begins at i.
func skipValue(b []byte, i int) int {
	depth := 0
	for i < len(b) {
		switch b[i] {
		case '"':
			i = skipString(b, i)
		case '[', '{':
			depth++
			i++
		case ']', '}':
			if depth == 0 {
				return i // of a number or a word before it
			}
			depth--
			i++
		case ',':
			if depth == 0 {
				return i
			}
			i++
			continue
		default:
			if i++; depth > 0 || i < len(b) && !ends(b[i]) {
				continue
			}
		}
		if depth == 0 {
			return i
		}
	}
	return len(b)
}

// ends reports whether c ends a number or a word.
func ends(c byte) bool {
	return c == ',' || c == ']' || c == '}' || c == ' ' || c == '\t' || c == '\n' || c == '\r'
}

// elements yields each element of the array in b.
func elements(b []byte) func(yield func([]byte) bool) {
	return func(yield func([]byte) bool) {
		i := skipSpace(b, 0)
		if i == len(b) || b[i] != '[' {
			return
		}
		for i = skipSpace(b, i+1); i < len(b) && b[i] != ']'; i = skipSpace(b, i+1) { // over the comma
			end := skipValue(b, i)
			if !yield(b[i:end:end]) {
				return
			}
			if i = skipSpace(b, end); i == len(b) || b[i] != ',' {
				return
			}
		}
	}
}

// replacePlaceholders appends b to dst, with what put appends in the place of each placeholder.
func replacePlaceholders(dst, b []byte, put func(dst []byte, num int) []byte) []byte {
	for i := 0; i < len(b); {
		switch b[i] {
		case '"':
			end := skipString(b, i)
			dst = append(dst, b[i:end]...)
			i = end
		case '{':
			if num, n, ok := packet.Placeholder(b[i:]); ok {
				dst = put(dst, num)
				i += n
				continue
			}
			fallthrough
		default:
			dst = append(dst, b[i])
			i++
		}
	}
	return dst
}

// isPlaceholder reports whether b is one, and of which attachment.
func isPlaceholder(b []byte) (num int, ok bool) {
	if len(b) == 0 || b[0] != '{' || !bytes.Contains(b, []byte(`"_placeholder"`)) {
		return 0, false
	}
	num, n, ok := packet.Placeholder(b)
	return num, ok && n == len(b)
}
