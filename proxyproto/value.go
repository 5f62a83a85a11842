package proxyproto

import (
	"encoding/binary"
	"hash/crc32"
)

// Behind the addresses stand values, each after its type and its length (section 2.2).
const (
	typeAuthority = 0x02
	typeChecksum  = 0x03
	typeUniqueID  = 0x05
	typeTLS       = 0x20

	valueHeader  = 1 + 2
	checksumSize = 4
	maxUniqueID  = 128
	tlsSize      = 1 + 4 // flags, the result of a verification; values about the session follow

	flagTLS = 0x01 // the client is connected over TLS
)

// once are the types of which a header may have one value: were there two, readers could differ about which counts.
const once = 1<<typeAuthority | 1<<typeChecksum | 1<<typeUniqueID | 1<<typeTLS

// readValues sets in h what the values from b[at] on say, in a header of size bytes that b has the front of. The error
// errShort asks for more.
func readValues(h *Header, b []byte, at, size int) error {
	seen, checksum := uint64(0), 0
	for at < size {
		kind, n, err := valueAt(b, at, size)
		if err != nil {
			return err
		}
		bit := uint64(1) << kind // 0 for types past those that matter
		if seen&bit&once != 0 {
			return ErrTLV
		}
		seen |= bit
		at += valueHeader
		if kind == typeChecksum {
			checksum = at
		}
		if at+n <= len(b) && !h.set(kind, b[at:at+n]) {
			return ErrTLV
		}
		at += n
	}
	switch {
	case len(b) < size:
		return errShort
	case checksum != 0 && !sumsUp(b, checksum):
		return ErrChecksum
	}
	return nil
}

// valueAt decodes what stands in front of the value at b[at]: its type, and its length n. The error is errShort
// if that has not come whole, and ErrTLV if such a value cannot stand there in a header that ends at size.
func valueAt(b []byte, at, size int) (kind byte, n int, err error) {
	room := size - at - valueHeader
	if room < 0 {
		return 0, 0, ErrTLV
	}
	if len(b) <= at {
		return 0, 0, errShort
	}
	kind = b[at]
	shortest, longest := lengths(kind)
	least, most := uint16Range(b, at+1)
	switch {
	case most < shortest, least > min(longest, room):
		return 0, 0, ErrTLV
	case len(b) < at+valueHeader:
		return 0, 0, errShort
	}
	return kind, least, nil
}

// lengths returns the limits of a value's size.
func lengths(kind byte) (shortest, longest int) {
	switch kind {
	case typeChecksum:
		return checksumSize, checksumSize
	case typeUniqueID:
		return 0, maxUniqueID
	case typeTLS:
		return tlsSize, MaxHeader
	}
	return 0, MaxHeader
}

// set keeps a value if it is of a type that matters, and reports whether it is well formed.
func (h *Header) set(kind byte, value []byte) bool {
	switch kind {
	case typeAuthority:
		h.Authority = value
	case typeUniqueID:
		h.UniqueID = value
	case typeTLS:
		h.TLS = value[0]&flagTLS != 0
		return wellFormed(value[tlsSize:])
	}
	return true
}

// wellFormed reports whether b is values and nothing else.
func wellFormed(b []byte) bool {
	for at := 0; at < len(b); {
		_, n, err := valueAt(b, at, len(b))
		if err != nil {
			return false
		}
		at += valueHeader + n
	}
	return true
}

// The checksum is that of the whole header with zeros in the checksum's own place (section 2.2.2).
var (
	castagnoli = crc32.MakeTable(crc32.Castagnoli)
	unsummed   = make([]byte, checksumSize)
)

func sumsUp(header []byte, at int) bool {
	return binary.BigEndian.Uint32(header[at:]) == sum(header, at)
}

// sum returns the checksum of a header that has its place for it at header[at].
func sum(header []byte, at int) uint32 {
	c := crc32.Update(0, castagnoli, header[:at])
	c = crc32.Update(c, castagnoli, unsummed)
	return crc32.Update(c, castagnoli, header[at+checksumSize:])
}
