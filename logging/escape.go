package logging

import (
	"bytes"
	"fmt"
	"io"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// escaper escapes what the formats of slog leave in a line: DEL and the controls above it, marks that turn the direction
// of writing, and whatever else has no shape. In JSON the value stays the same.
type escaper struct{ next io.Writer }

// Write implements [io.Writer] for one line.
func (e escaper) Write(line []byte) (int, error) {
	if !bytes.ContainsFunc(line, steers) {
		return e.next.Write(line)
	}
	if _, err := e.next.Write(appendEscaped(nil, line)); err != nil {
		return 0, err
	}
	return len(line), nil
}

// steers reports whether r could do something else than stand in its place.
func steers(r rune) bool { return r >= 0x7f && !unicode.IsPrint(r) || r < ' ' && r != '\n' }

// appendEscaped appends line with \u escapes for all that steers.
func appendEscaped(dst, line []byte) []byte {
	for len(line) > 0 {
		r, n := utf8.DecodeRune(line)
		switch {
		case !steers(r):
			dst = append(dst, line[:n]...)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			dst = fmt.Appendf(dst, `\u%04x\u%04x`, high, low)
		default:
			dst = fmt.Appendf(dst, `\u%04x`, r)
		}
		line = line[n:]
	}
	return dst
}
