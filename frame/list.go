package frame

// Classes of bytes in an HTTP head.
const (
	tokenByte  = 1 << iota // of a token (RFC 9110 section 5.6.2)
	textByte               // of a field value: visible, space, tab, or not ASCII (section 5.5)
	targetByte             // of a request target: visible ASCII save '#', which ends an URI
	nameByte               // of a host's name or address (RFC 3986 section 3.2.2), save the comma
	colonByte              // ':'
)

var byteClass = func() (class [256]uint8) {
	for c := range class {
		if c >= ' ' && c != 0x7f || c == '\t' {
			class[c] |= textByte
		}
		if c > ' ' && c < 0x7f && c != '#' {
			class[c] |= targetByte
		}
	}
	const alphanumeric = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	for _, c := range []byte(alphanumeric + "!#$%&'*+-.^_`|~") {
		class[c] |= tokenByte
	}
	for _, c := range []byte(alphanumeric + "-._~%!$&'()*+;=") {
		class[c] |= nameByte
	}
	class[':'] |= colonByte
	return class
}()

// classPrefix returns how many bytes at the front of b are of the class.
func classPrefix(b []byte, class uint8) int {
	for i, c := range b {
		if byteClass[c]&class == 0 {
			return i
		}
	}
	return len(b)
}

// isAll reports whether every byte of b is of the class.
func isAll(b []byte, class uint8) bool { return classPrefix(b, class) == len(b) }

// equalFold reports whether b is lower, which has letters in lower case, digits and hyphens only, in any case.
// b must be a token: outside those, setting the sixth bit could make a match out of other bytes.
func equalFold(b []byte, lower string) bool { return len(b) == len(lower) && sameFold(b, lower) }

// equalFoldToken is equalFold for what may be no token.
func equalFoldToken(b []byte, lower string) bool {
	return classPrefix(b, tokenByte) == len(b) && equalFold(b, lower)
}

// sameFold is equalFold for equal lengths, apart so that the check of these is inlined.
func sameFold(b []byte, lower string) bool {
	b = b[:len(lower)]
	for i := range len(lower) {
		if b[i]|0x20 != lower[i] {
			return false
		}
	}
	return true
}

// list is what is left to read of a field value that is a comma-separated list (RFC 9110 section 5.6.1). Every
// method takes what it names off the front; all of them together take work linear in the bytes.
type list []byte

// next steps over empty elements to the front of the next one, and reports whether there is one.
func (l *list) next() bool {
	l.space()
	for l.skip(',') {
		l.space()
	}
	return len(*l) > 0
}

// ended reports whether the element that was read ends here, at a comma or with the list.
func (l *list) ended() bool {
	l.space()
	return len(*l) == 0 || (*l)[0] == ','
}

// token takes a token; it is empty if there is none.
func (l *list) token() []byte {
	n := classPrefix(*l, tokenByte)
	t := (*l)[:n]
	*l = (*l)[n:]
	return t
}

// skip takes c if it is next.
func (l *list) skip(c byte) bool {
	if len(*l) == 0 || (*l)[0] != c {
		return false
	}
	*l = (*l)[1:]
	return true
}

// space takes spaces and tabs.
func (l *list) space() {
	for l.skip(' ') || l.skip('\t') {
	}
}

// tokenElement takes one element that must be a token, and no more.
func (l *list) tokenElement() (token []byte, ok bool) {
	token = l.token()
	return token, len(token) > 0 && l.ended()
}

// IsTokenList reports whether b is a list of tokens, such as names of methods or fields.
func IsTokenList(b []byte) bool {
	for l := list(b); l.next(); {
		if _, ok := l.tokenElement(); !ok {
			return false
		}
	}
	return true
}

// param takes a parameter of an extension, name or name=value (RFC 6455 section 9.1), after its semicolon. value is
// nil if there is none; a quoted one must hold a token and loses its quotes, but keeps its backslashes.
func (l *list) param() (name, value []byte, ok bool) {
	l.space()
	if name = l.token(); len(name) == 0 {
		return nil, nil, false
	}
	l.space()
	if !l.skip('=') {
		return name, nil, true
	}
	l.space()
	if l.skip('"') {
		value, ok = l.quoted()
	} else {
		value = l.token()
	}
	return name, value, ok || len(value) > 0
}

// quoted takes what stands before the closing quote, and the quote.
func (l *list) quoted() (value []byte, ok bool) {
	b := *l
	for i := 0; i < len(b); i++ {
		if b[i] == '"' {
			*l = b[i+1:]
			return b[:i], i > 0
		}
		if b[i] == '\\' {
			i++ // the byte behind it is meant
		}
		if i == len(b) || byteClass[b[i]]&tokenByte == 0 {
			break
		}
	}
	return nil, false
}
