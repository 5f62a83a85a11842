package protocol

import (
	"bytes"
	"unicode/utf8"
)

// The functions here append the parts of a JSON object. Every field ends with a comma.

// closeObject ends the object at the end of dst.
func closeObject(dst []byte) []byte { return closeWith(dst, '}') }

// closeWith makes the comma at the end of dst, if there is one, the bracket that closes an object or an array.
func closeWith(dst []byte, bracket byte) []byte {
	if last := len(dst) - 1; dst[last] == ',' {
		dst[last] = bracket
		return dst
	}
	return append(dst, bracket)
}

// appendRaw appends a JSON value as it is, save for its newlines: they can only be whitespace, and would end the line.
func appendRaw(dst, value []byte) []byte {
	if bytes.IndexByte(value, '\n') < 0 {
		return append(dst, value...)
	}
	return appendLines(dst, value)
}

func appendLines(dst, value []byte) []byte {
	for len(value) > 0 {
		line, rest := nextLine(value)
		dst = append(dst, line...)
		value = rest
	}
	return dst
}

// appendText appends text as a JSON string. What is not UTF-8 in it becomes U+FFFD; U+2028 and U+2029, which end a line in
// older JavaScript, are escaped.
func appendText[T []byte | string](dst []byte, text T) []byte {
	dst = append(dst, '"')
	start := len(dst)
	dst = append(dst, text...)
	if n := skipPlain(dst, start); n < len(dst) {
		dst = appendEscaped(dst[:n], text[n-start:])
	}
	return append(dst, '"')
}

func appendEscaped[T []byte | string](dst []byte, text T) []byte {
	for len(text) > 0 {
		if c := text[0]; c < utf8.RuneSelf {
			dst = appendASCII(dst, c)
			text = text[1:]
			continue
		}
		r, n := utf8.DecodeRuneInString(string(text[:min(utf8.UTFMax, len(text))]))
		dst = appendRune(dst, r)
		text = text[n:]
	}
	return dst
}

func appendASCII(dst []byte, c byte) []byte {
	switch {
	case c == '"' || c == '\\':
		return append(dst, '\\', c)
	case c >= ' ':
		return append(dst, c)
	case c == '\n':
		return append(dst, '\\', 'n')
	case c == '\r':
		return append(dst, '\\', 'r')
	case c == '\t':
		return append(dst, '\\', 't')
	}
	const digits = "0123456789abcdef"
	return append(dst, '\\', 'u', '0', '0', digits[c>>4], digits[c&15])
}

func appendRune(dst []byte, r rune) []byte {
	switch r {
	case '\u2028':
		return append(dst, `\u2028`...)
	case '\u2029':
		return append(dst, `\u2029`...)
	}
	return utf8.AppendRune(dst, r)
}
