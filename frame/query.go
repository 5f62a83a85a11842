package frame

import "bytes"

// NextPair cuts the first pair off a query (the bytes behind the '?') and appends its name and value to dst, decoded: %41
// is 'A' and '+' a space, as forms and the URLs of browsers have it (URL standard, section 5.1). Empty pairs are passed over.
// found is false when none is left. ok is false for an escape that is none; name and value are then not to be used.
func NextPair(dst, query []byte) (name, value, rest []byte, found, ok bool) {
	for len(query) > 0 {
		var pair []byte
		pair, query, _ = bytes.Cut(query, []byte{'&'})
		if len(pair) == 0 {
			continue
		}
		key, val, _ := bytes.Cut(pair, []byte{'='})
		from := len(dst)
		dst, ok = appendUnescaped(dst, key)
		if !ok {
			return nil, nil, query, true, false
		}
		mid := len(dst)
		dst, ok = appendUnescaped(dst, val)
		return dst[from:mid:mid], dst[mid:], query, true, ok
	}
	return nil, nil, nil, false, true
}

// appendUnescaped appends the bytes that b stands for.
func appendUnescaped(dst, b []byte) (out []byte, ok bool) {
	for len(b) > 0 {
		n := bytes.IndexAny(b, "%+")
		if n < 0 {
			return append(dst, b...), true
		}
		dst = append(dst, b[:n]...)
		if b[n] == '+' {
			dst = append(dst, ' ')
			b = b[n+1:]
			continue
		}
		if len(b) < n+3 {
			return dst, false
		}
		high, low := hexDigit(b[n+1]), hexDigit(b[n+2])
		if high < 0 || low < 0 {
			return dst, false
		}
		dst = append(dst, byte(high<<4|low))
		b = b[n+3:]
	}
	return dst, true
}

// hexDigit returns the value of a hexadecimal digit, -1 for another byte.
func hexDigit(c byte) int {
	switch {
	case isDigit(c):
		return int(c - '0')
	case 'a' <= c|0x20 && c|0x20 <= 'f':
		return int(c|0x20-'a') + 10
	}
	return -1
}
