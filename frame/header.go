package frame

import (
	"encoding/binary"

	"github.com/gobwas/ws"
)

// The words of the protocol come from gobwas/ws, so that its tools and ours talk about the same values.
type (
	Header     = ws.Header
	Opcode     = ws.OpCode
	StatusCode = ws.StatusCode
)

// Opcodes (RFC 6455 section 5.2).
const (
	OpContinuation = ws.OpContinuation
	OpText         = ws.OpText
	OpBinary       = ws.OpBinary
	OpClose        = ws.OpClose
	OpPing         = ws.OpPing
	OpPong         = ws.OpPong
)

// RsvCompressed is the Header.Rsv of a compressed message's first frame (RFC 7692 section 6).
const RsvCompressed = rsv1Bit >> 4

// A frame begins with two bytes; the rest of the header depends on them (RFC 6455 section 5.2):
//
//	byte 0   7 FIN · 6 RSV1 · 5 RSV2 · 4 RSV3 · 3-0 opcode
//	byte 1   7 MASK · 6-0 payload length, or 126: it is in the next 2 bytes, or 127: in the next 8
//	then     4 bytes of masking key if MASK is set
const (
	finBit  = 0x80
	rsv1Bit = 0x40
	rsvBits = 0x70
	opBits  = 0x0f

	maskBit  = 0x80
	length16 = 126
	length64 = 127
	maskSize = 4

	maxControlPayload = ws.MaxControlFramePayloadSize
)

// ParseHeader decodes the frame header at the front of b (RFC 6455 section 5.2) and its size n, 2 to 14 bytes.
// With n 0 and no error, b holds only part of one: call again with more. The only error is ErrLength; every
// other rule depends on what came before the frame and is checked by Stream.
func ParseHeader(b []byte) (h Header, n int, err *CloseError) {
	length, n, err := payloadLength(b)
	if n == 0 {
		return Header{}, 0, err
	}
	h = Header{
		Fin:    b[0]&finBit != 0,
		Rsv:    b[0] & rsvBits >> 4,
		OpCode: Opcode(b[0] & opBits),
		Masked: b[1]&maskBit != 0,
		Length: length,
	}
	if h.Masked {
		if len(b) < n+maskSize {
			return Header{}, 0, nil
		}
		n += copy(h.Mask[:], b[n:])
	}
	return h, n, nil
}

// payloadLength decodes the length in the header at the front of b, and the size n of the header up to where
// a masking key would follow: 2, 4 or 10 bytes, 0 if they are not all there. A length in more bytes than it
// needs, or of more than 63 bits, is ErrLength.
func payloadLength(b []byte) (length int64, n int, err *CloseError) {
	if len(b) < 2 {
		return 0, 0, nil
	}
	short := b[1] &^ maskBit
	switch {
	case short < length16:
		return int64(short), 2, nil
	case short == length16 && len(b) >= 4:
		length, n = int64(binary.BigEndian.Uint16(b[2:])), 4
		if length < length16 {
			return 0, 0, ErrLength
		}
	case short == length64 && len(b) >= 10:
		length, n = int64(binary.BigEndian.Uint64(b[2:])), 10
		if length <= 0xffff { // negative: the 64th bit is set
			return 0, 0, ErrLength
		}
	}
	return length, n, nil
}

// AppendHeader appends h in its shortest form. h.Length must not be negative; h.Mask is written if h.Masked.
func AppendHeader(dst []byte, h Header) []byte {
	b0 := byte(h.OpCode)&opBits | h.Rsv<<4&rsvBits
	if h.Fin {
		b0 |= finBit
	}
	var b1 byte
	if h.Masked {
		b1 = maskBit
	}
	switch {
	case h.Length < length16:
		dst = append(dst, b0, b1|byte(h.Length))
	case h.Length <= 0xffff:
		dst = append(dst, b0, b1|length16, byte(h.Length>>8), byte(h.Length))
	default:
		dst = append(dst, b0, b1|length64)
		dst = binary.BigEndian.AppendUint64(dst, uint64(h.Length))
	}
	if h.Masked {
		dst = append(dst, h.Mask[:]...)
	}
	return dst
}
