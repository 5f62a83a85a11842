package proxyproto

import (
	"encoding/binary"
	"net/netip"
)

// A header of version 2 (section 2.2):
//
//	bytes 0-11    the signature
//	byte 12       7-4 version, 2 · 3-0 command
//	byte 13       7-4 family of the addresses · 3-0 transport
//	bytes 14-15   how many bytes follow: the two addresses, the two ports, and then any number of
//	              type (1 byte), length (2 bytes), value
const (
	binarySignature = "\r\n\r\n\x00\r\nQUIT\n"

	atCommand = len(binarySignature)
	atFamily  = atCommand + 1
	atLength  = atFamily + 1
	fixedSize = atLength + 2

	commandLocal = 0x20
	commandProxy = 0x21

	familyUnspecified = 0x00
	familyTCP4        = 0x11
	familyUDP4        = 0x12
	familyTCP6        = 0x21
	familyUDP6        = 0x22
	familyUnix        = 0x31
	familyUnixgram    = 0x32

	size4    = 2 * (4 + 2)
	size6    = 2 * (16 + 2)
	sizeUnix = 2 * 108
)

// parseBinary decodes a header of version 2. The error errShort asks for more.
func parseBinary(b []byte) (Header, int, error) {
	f, err := parseFixed(b)
	if err != nil {
		return Header{}, 0, err
	}
	b = b[:min(len(b), f.size)]
	var h Header
	if !f.opaque {
		err = readValues(&h, b, fixedSize+f.block, f.size)
	}
	switch {
	case err != nil:
		return Header{}, 0, err
	case len(b) < f.size:
		return Header{}, 0, errShort
	}
	h.Source, h.Destination = addresses(b[fixedSize : fixedSize+f.block])
	if !h.Source.IsValid() {
		h = Header{Local: true}
	}
	h.Version = 2
	return h, f.size, nil
}

// fixed is what the first 16 bytes say.
type fixed struct {
	block  int  // bytes of addresses and ports behind them
	opaque bool // what is behind them is only to be skipped
	size   int  // of the whole header
}

// parseFixed decodes as much of the first 16 bytes as has come; if that is not all, the error is errShort at best.
func parseFixed(b []byte) (f fixed, err error) {
	if n := min(len(b), len(binarySignature)); string(b[:n]) != binarySignature[:n] {
		return f, ErrSignature
	}
	if len(b) > atCommand && b[atCommand] != commandLocal && b[atCommand] != commandProxy {
		return f, ErrVersion
	}
	if len(b) > atFamily {
		if f.block, f.opaque = block(b[atCommand], b[atFamily]); f.block < 0 {
			return f, ErrFamily
		}
	}
	least, most := uint16Range(b, atLength)
	f.size = fixedSize + least
	switch {
	case most < f.block, f.size > MaxHeader:
		return f, ErrLength
	case len(b) < fixedSize:
		return f, errShort
	}
	return f, nil
}

// block returns the size of the addresses of a family, below 0 if there is no such family, and whether the header is
// to be accepted without a look at what they are: with the command LOCAL the family does not matter, and
// familyUnspecified says nothing of what follows. Old proxies check health with that one and PROXY.
func block(command, family byte) (size int, opaque bool) {
	if command == commandLocal {
		return 0, true
	}
	switch family {
	case familyUnspecified:
		return 0, true
	case familyTCP4, familyUDP4:
		return size4, false
	case familyTCP6, familyUDP6:
		return size6, false
	case familyUnix, familyUnixgram:
		return sizeUnix, false
	}
	return -1, false
}

// addresses decodes a block of addresses. Both are invalid unless they are IP addresses.
func addresses(b []byte) (source, destination netip.AddrPort) {
	size := 4
	switch len(b) {
	case size4:
	case size6:
		size = 16
	default:
		return source, destination
	}
	ports := b[2*size:]
	return addrPort(b[:size], ports), addrPort(b[size:2*size], ports[2:])
}

func addrPort(ip, port []byte) netip.AddrPort {
	a, _ := netip.AddrFromSlice(ip)
	return netip.AddrPortFrom(a.Unmap(), binary.BigEndian.Uint16(port))
}

// uint16Range returns the least and the most that the number in the two bytes from b[at] on can be, of which perhaps
// one or none has come.
func uint16Range(b []byte, at int) (least, most int) {
	switch {
	case len(b) <= at:
		return 0, 0xffff
	case len(b) == at+1:
		return int(b[at]) << 8, int(b[at])<<8 | 0xff
	}
	n := int(binary.BigEndian.Uint16(b[at:]))
	return n, n
}
