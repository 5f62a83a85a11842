package proxyproto

import (
	"encoding/binary"
	"net/netip"
)

// ip4 takes an IPv4 address: four numbers with dots between them.
func (l *line) ip4() netip.Addr {
	var a [4]byte
	for i := range a {
		if i > 0 {
			l.expect(".")
		}
		a[i] = byte(l.number(0xff))
	}
	return netip.AddrFrom4(a)
}

// ip6 takes an IPv6 address: eight groups with colons between them, or fewer with a double colon where one or more
// groups of zeros are left out. Beyond the specification it takes ::ffff:192.0.2.7, as inet_ntop writes an
// IPv4 address that has become an IPv6 one, and proxies write what inet_ntop does. No other form has dots,
// and none has a zone.
func (l *line) ip6() netip.Addr {
	a := groups{gap: -1}
	if l.sees(':') {
		l.expect("::")
		a.gap = 0
	}
	for l.err == nil && !(a.gap == a.n && l.sees(' ')) {
		start := l.at
		l.group(&a)
		if a.mayMap() && l.sees('.') {
			l.at = start
			return l.ip4()
		}
		if !l.sees(':') {
			break
		}
		l.colon(&a)
	}
	if !a.complete() {
		l.fail()
	}
	return a.addr()
}

// group takes one to four hexadecimal digits.
func (l *line) group(a *groups) {
	v, first := uint16(0), l.at
	for {
		c, _ := l.peek()
		d, ok := hexDigit(c)
		if !ok {
			break
		}
		if a.full() || l.at == first+4 {
			l.fail()
			return
		}
		v = v<<4 | uint16(d)
		l.at++
	}
	if l.at == first {
		l.fail()
		return
	}
	if l.err == nil {
		a.add(v)
	}
}

// colon takes the colon behind a group, and a second one if it is there. Behind one alone there is a group.
func (l *line) colon(a *groups) {
	if a.full() {
		l.fail()
		return
	}
	l.at++
	if l.sees(':') && a.gap < 0 {
		a.gap = a.n
		l.at++
	}
}

func hexDigit(c byte) (byte, bool) {
	switch {
	case c >= '0' && c <= '9':
		return c - '0', true
	case c|0x20 >= 'a' && c|0x20 <= 'f':
		return c | 0x20 - 'a' + 10, true
	}
	return 0, false
}

// groups are those of an IPv6 address, as many as have been read.
type groups struct {
	v   [8]uint16
	n   int
	gap int // before which of them the double colon stands, -1 if there is none
}

func (a *groups) add(v uint16) {
	a.v[a.n] = v
	a.n++
}

// full reports whether there can be no further group: a double colon stands for one at least.
func (a *groups) full() bool { return a.n == 8 || a.gap >= 0 && a.n == 7 }

// complete reports whether there need not be a further group.
func (a *groups) complete() bool { return a.n == 8 || a.gap >= 0 }

// mayMap reports whether the group read last, the second, may really be the start of an IPv4 address.
func (a *groups) mayMap() bool { return a.gap == 0 && a.n == 2 && a.v[0] == 0xffff }

// addr returns the address of complete groups.
func (a *groups) addr() netip.Addr {
	var b [16]byte
	for i, v := range a.v[:a.n] {
		if a.gap >= 0 && i >= a.gap {
			i += 8 - a.n
		}
		binary.BigEndian.PutUint16(b[2*i:], v)
	}
	return netip.AddrFrom16(b).Unmap()
}
