package frame

import "bytes"

// isHost reports whether b is what a Host field has: a host, and perhaps a port (RFC 9110 section 7.2).
func isHost(b []byte) bool {
	n := hostSize(b)
	return n > 0 && isEscaped(b[:n]) && (n == len(b) || b[n] == ':' && isDigits(b[n+1:]))
}

// hostSize returns the size of the host at the front of b (RFC 3986 section 3.2.2), 0 if there is none: a name or an address, that
// of IPv6 in brackets. Escapes are for isEscaped.
func hostSize(b []byte) int {
	if len(b) == 0 || b[0] != '[' {
		return classPrefix(b, nameByte)
	}
	n := 1 + classPrefix(b[1:], nameByte|colonByte)
	if n == 1 || n == len(b) || b[n] != ']' {
		return 0
	}
	return n + 1
}

// isEscaped reports whether every percent sign of b begins an escape (RFC 3986 section 2.1).
func isEscaped(b []byte) bool {
	for {
		n := bytes.IndexByte(b, '%')
		if n < 0 {
			return true
		}
		if b = b[n+1:]; len(b) < 2 || hexDigit(b[0]) < 0 || hexDigit(b[1]) < 0 {
			return false
		}
	}
}

// isDigits reports whether b has nothing but digits.
func isDigits(b []byte) bool {
	for _, c := range b {
		if !isDigit(c) {
			return false
		}
	}
	return true
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }
