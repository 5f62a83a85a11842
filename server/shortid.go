package server

import (
	"encoding/base64"
	"encoding/binary"
)

// shortIDs are what clientIDs are, in the 20 characters that Engine.IO and Socket.IO use: a permutation of 120 bits under a key
// that this process alone knows, as base64url. What is permuted is the identity of a conn, a serial number of its own and 24
// zeros: what was not made here decodes to zeros once in 16 million times, and then names a conn that does not exist.
type shortIDs struct{ permutation }

const (
	shortIDSize   = 20 // bytes of an id as text
	shortHalf     = 60 // bits of each half of the permutation
	shortHalfMask = 1<<shortHalf - 1

	// The left half is what the conn's high bits and the serial leave of it:
	//
	//	bits 59..36  zero
	//	bits 35..4   serial
	//	bits 3..0    bits 63..60 of the conn
	shortSerial = 4
	shortZero   = shortSerial + 32
)

// newShortIDs returns ids under a fresh key.
func newShortIDs() shortIDs { return shortIDs{newPermutation()} }

// append appends the id of number serial of conn to dst.
func (ids shortIDs) append(dst []byte, tmp *scratch, conn uint64, serial uint32) []byte {
	left, right := ids.mix(tmp, uint64(serial)<<shortSerial|conn>>shortHalf, conn&shortHalfMask, shortHalfMask)
	var b [16]byte // the low 120 bits
	binary.BigEndian.PutUint64(b[:], left>>4)
	binary.BigEndian.PutUint64(b[8:], left<<60|right)
	return base64.RawURLEncoding.AppendEncode(dst, b[1:])
}

// parse returns the conn and the number whose id text is; ok is false for what this process has not made.
func (ids shortIDs) parse(tmp *scratch, text []byte) (conn uint64, serial uint32, ok bool) {
	var b [16]byte
	if len(text) != shortIDSize {
		return 0, 0, false
	}
	if n, err := base64.RawURLEncoding.Decode(b[1:], text); err != nil || n != len(b)-1 {
		return 0, 0, false // line ends are no digits of an id either
	}
	high, low := binary.BigEndian.Uint64(b[:]), binary.BigEndian.Uint64(b[8:])
	left, right := ids.unmix(tmp, high<<4|low>>60, low&shortHalfMask, shortHalfMask)
	if left>>shortZero != 0 {
		return 0, 0, false
	}
	return left<<shortHalf | right, uint32(left >> shortSerial), true
}
