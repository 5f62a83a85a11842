package server

import (
	"encoding/binary"
	"encoding/hex"
)

// clientIDs turns the identity of a conn into the client's id on the wire and back, so that nothing need be
// stored: a permutation of 122 bits under a key that this process alone knows, written as a random UUID
// (RFC 9562 version 4). Nobody can guess another's id, and what was not made here does not decode.
type clientIDs struct{ permutation }

const (
	idSize   = 36 // bytes of a UUID as text
	half     = 61 // bits of each half of the permutation
	halfMask = 1<<half - 1
)

// newClientIDs returns ids under a fresh key.
func newClientIDs() clientIDs { return clientIDs{newPermutation()} }

// append appends the id of conn to dst.
func (ids clientIDs) append(dst []byte, tmp *scratch, conn uint64) []byte {
	left, right := ids.mix(tmp, conn>>half, conn&halfMask, halfMask)
	return appendUUID(dst, left, right)
}

// parse returns the conn whose id text is; ok is false for what this process has not made.
func (ids clientIDs) parse(tmp *scratch, text []byte) (conn uint64, ok bool) {
	left, right, ok := parseUUID(text)
	if !ok {
		return 0, false
	}
	left, right = ids.unmix(tmp, left, right, halfMask)
	return left<<half | right, left < 1<<(64-half)
}

// The 122 free bits of a UUID of version 4: 48, then 12 behind the version, then 62 behind the variant.
//
//	left:  48 bits of the first part, 12 of the second, 1 of the third
//	right: the other 61 of the third
const (
	version4 = 0x4 << 12
	variant  = 0b10 << 62
)

func appendUUID(dst []byte, left, right uint64) []byte {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:], left>>13<<16|version4|left>>1&0xfff)
	binary.BigEndian.PutUint64(b[8:], variant|left&1<<half|right)
	var t [idSize]byte
	hex.Encode(t[:], b[:4])
	hex.Encode(t[9:], b[4:6])
	hex.Encode(t[14:], b[6:8])
	hex.Encode(t[19:], b[8:10])
	hex.Encode(t[24:], b[10:])
	for _, i := range [...]int{8, 13, 18, 23} {
		t[i] = '-'
	}
	return append(dst, t[:]...)
}

func parseUUID(text []byte) (left, right uint64, ok bool) {
	var digits [32]byte
	if len(text) != idSize {
		return 0, 0, false
	}
	n := 0
	for i, c := range text {
		if dash := i == 8 || i == 13 || i == 18 || i == 23; dash != (c == '-') {
			return 0, 0, false
		} else if !dash {
			digits[n] = c
			n++
		}
	}
	var b [16]byte
	if _, err := hex.Decode(b[:], digits[:]); err != nil {
		return 0, 0, false
	}
	high, low := binary.BigEndian.Uint64(b[:]), binary.BigEndian.Uint64(b[8:])
	if high&0xf000 != version4 || low>>62 != variant>>62 {
		return 0, 0, false
	}
	return high>>16<<13 | high&0xfff<<1 | low>>half&1, low & halfMask, true
}
