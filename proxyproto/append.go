package proxyproto

import (
	"encoding/binary"
	"net/netip"
	"strconv"
)

// AppendV1 appends h as a line of version 1, which has no place for more than the addresses. They must be valid
// unless h is local. If one of them is IPv6, both are written so.
func AppendV1(dst []byte, h *Header) []byte {
	if h.Local {
		return append(dst, textSignature+"UNKNOWN\r\n"...)
	}
	source, destination := h.Source.Addr().Unmap(), h.Destination.Addr().Unmap()
	family := "TCP4 "
	if !source.Is4() || !destination.Is4() {
		family = "TCP6 "
		source, destination = as6(source), as6(destination)
	}
	dst = append(append(dst, textSignature...), family...)
	dst = append(source.AppendTo(dst), ' ')
	dst = append(destination.AppendTo(dst), ' ')
	dst = append(strconv.AppendUint(dst, uint64(h.Source.Port()), 10), ' ')
	dst = strconv.AppendUint(dst, uint64(h.Destination.Port()), 10)
	return append(dst, "\r\n"...)
}

// as6 returns the IPv6 form of a, without a zone: a zone means nothing to another host.
func as6(a netip.Addr) netip.Addr { return netip.AddrFrom16(a.As16()) }

// AppendV2 appends h in version 2, with a checksum if asked for. The addresses must be valid unless h is local; a
// local header tells nothing else. If one address is IPv6, both are written so. A UniqueID may have 128 bytes,
// and the header as a whole MaxHeader.
func AppendV2(dst []byte, h *Header, checksum bool) []byte {
	start := len(dst)
	dst = append(dst, binarySignature...)
	if h.Local {
		return append(dst, commandLocal, familyUnspecified, 0, 0)
	}
	dst = append(dst, commandProxy, 0, 0, 0)
	dst = appendBlock(dst, start+atFamily, h.Source, h.Destination)
	dst = appendValues(dst, h)
	if checksum {
		dst = appendValue(dst, typeChecksum, unsummed)
	}
	header := dst[start:]
	binary.BigEndian.PutUint16(header[atLength:], uint16(len(header)-fixedSize))
	if checksum {
		at := len(header) - checksumSize
		binary.BigEndian.PutUint32(header[at:], sum(header, at))
	}
	return dst
}

// appendBlock appends the addresses and ports, and sets dst[family].
func appendBlock(dst []byte, family int, source, destination netip.AddrPort) []byte {
	from, to := source.Addr().Unmap(), destination.Addr().Unmap()
	if from.Is4() && to.Is4() {
		dst[family] = familyTCP4
		a, b := from.As4(), to.As4()
		dst = append(append(dst, a[:]...), b[:]...)
	} else {
		dst[family] = familyTCP6
		a, b := from.As16(), to.As16()
		dst = append(append(dst, a[:]...), b[:]...)
	}
	dst = binary.BigEndian.AppendUint16(dst, source.Port())
	return binary.BigEndian.AppendUint16(dst, destination.Port())
}

// appendValues appends what h tells besides addresses.
func appendValues(dst []byte, h *Header) []byte {
	if h.Authority != nil {
		dst = appendValue(dst, typeAuthority, h.Authority)
	}
	if h.UniqueID != nil {
		dst = appendValue(dst, typeUniqueID, h.UniqueID)
	}
	if h.TLS {
		dst = appendValue(dst, typeTLS, []byte{flagTLS, 0, 0, 0, 1}) // no certificate of the client was verified
	}
	return dst
}

func appendValue(dst []byte, kind byte, value []byte) []byte {
	dst = binary.BigEndian.AppendUint16(append(dst, kind), uint16(len(value)))
	return append(dst, value...)
}
