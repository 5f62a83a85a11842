package protocol

import (
	"bytes"
	"strconv"
	"unicode/utf8"
)

// The functions here append the parts of an object. A field is a key, as it stands on the wire with quotes and colon, a value
// and a comma; closeObject and closeArray turn the last comma into the bracket. A field whose value is zero is left out.

// closeObject ends the object at the end of dst.
func closeObject(dst []byte) []byte { return closeWith(dst, '}') }

// closeArray ends the array at the end of dst.
func closeArray(dst []byte) []byte { return closeWith(dst, ']') }

func closeWith(dst []byte, bracket byte) []byte {
	if last := len(dst) - 1; dst[last] == ',' {
		dst[last] = bracket
		return dst
	}
	return append(dst, bracket)
}

func appendTextField[T []byte | string](dst []byte, key string, text T) []byte {
	if len(text) == 0 {
		return dst
	}
	dst = append(dst, key...)
	return append(appendText(dst, text), ',')
}

func appendRawField(dst []byte, key string, value []byte) []byte {
	if len(value) == 0 {
		return dst
	}
	dst = append(dst, key...)
	return append(appendRaw(dst, value), ',')
}

func appendUintField[T uint16 | uint32 | uint64](dst []byte, key string, v T) []byte {
	if v == 0 {
		return dst
	}
	dst = append(dst, key...)
	return append(strconv.AppendUint(dst, uint64(v), 10), ',')
}

func appendTrueField(dst []byte, key string, v bool) []byte {
	if !v {
		return dst
	}
	dst = append(dst, key...)
	return append(dst, "true,"...)
}

// appendRaw appends a JSON value as it is, save for its newlines: they can only be whitespace, and would end the line.
func appendRaw(dst, value []byte) []byte {
	for {
		n := bytes.IndexByte(value, '\n')
		if n < 0 {
			return append(dst, value...)
		}
		dst = append(dst, value[:n]...)
		value = value[n+1:]
	}
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
