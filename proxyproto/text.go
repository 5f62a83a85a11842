package proxyproto

import "net/netip"

// A header of version 1 is a line of words with one space between them (section 2.1):
//
//	PROXY TCP4 192.0.2.7 198.51.100.1 56324 443\r\n
//	PROXY TCP6 2001:db8::7 2001:db8::1 56324 443\r\n
//	PROXY UNKNOWN whatever, or nothing, up to the end of the line\r\n
const (
	textSignature = "PROXY "
	maxText       = 107 // bytes of a line with its end; only UNKNOWN can come near
)

// parseText decodes a header of version 1. The error errShort asks for more.
func parseText(b []byte) (Header, int, error) {
	l := line{b: b, wrong: ErrSignature}
	l.expect(textSignature)
	l.wrong = ErrText
	h := Header{Version: 1}
	if l.sees('U') {
		h.Local = true
		l.unknown()
	} else {
		l.addresses(&h)
	}
	l.expect("\r\n")
	return h, l.at, l.err
}

// A line is read from left to right. It stops at its first wrong byte, or at the end of b if the line goes on
// there; whatever is read after that is nothing.
type line struct {
	b     []byte
	at    int
	err   error // why it has stopped: wrong or errShort
	wrong error
}

// fail stops l, unless it has stopped already.
func (l *line) fail() {
	if l.err == nil {
		l.err = l.wrong
	}
}

// peek returns the next byte and true, or stops.
func (l *line) peek() (byte, bool) {
	if l.err == nil && l.at == len(l.b) {
		l.err = errShort
	}
	if l.err != nil {
		return 0, false
	}
	return l.b[l.at], true
}

// sees reports whether the next byte is c.
func (l *line) sees(c byte) bool {
	next, ok := l.peek()
	return ok && next == c
}

// expect takes word.
func (l *line) expect(word string) {
	for i := range len(word) {
		if !l.sees(word[i]) {
			l.fail()
			return
		}
		l.at++
	}
}

// unknown takes a line without addresses as far as its end: whatever the proxy still says is to be ignored.
func (l *line) unknown() {
	l.expect("UNKNOWN")
	if l.sees('\r') {
		return
	}
	l.expect(" ")
	for {
		c, ok := l.peek()
		if !ok || c == '\r' {
			return
		}
		if c == '\n' || l.at == maxText-len("\r\n") {
			l.fail()
			return
		}
		l.at++
	}
}

// addresses takes a line with addresses as far as its end.
func (l *line) addresses(h *Header) {
	l.expect("TCP")
	six := l.sees('6')
	if six {
		l.expect("6 ")
	} else {
		l.expect("4 ")
	}
	source := l.ip(six)
	l.expect(" ")
	destination := l.ip(six)
	l.expect(" ")
	port := l.port()
	l.expect(" ")
	h.Source = netip.AddrPortFrom(source, port)
	h.Destination = netip.AddrPortFrom(destination, l.port())
}

func (l *line) ip(six bool) netip.Addr {
	if six {
		return l.ip6()
	}
	return l.ip4()
}

func (l *line) port() uint16 { return uint16(l.number(0xffff)) }

// number takes a decimal number up to most. A zero in front of other digits is wrong: some read octal then.
func (l *line) number(most int) int {
	n, first := 0, l.at
	for {
		c, ok := l.peek()
		if !ok {
			return 0
		}
		if c < '0' || c > '9' {
			break
		}
		if n == 0 && l.at > first || n*10+int(c-'0') > most {
			l.fail()
			return 0
		}
		n = n*10 + int(c-'0')
		l.at++
	}
	if l.at == first {
		l.fail()
	}
	return n
}
