package protocol

import (
	"encoding/binary"
	"math/bits"
	"unicode/utf8"
)

// The functions here append the parts of a protobuf message. Every number of a field that we write is below 16, so that with
// the wire type it makes one byte.

// Wire types, the low three bits of what stands before a value.
const (
	wireVarint  = 0
	wireFixed64 = 1
	wireBytes   = 2 // a size as a varint, and as many bytes
	wireFixed32 = 5
)

func appendVarint(dst []byte, v uint64) []byte {
	if v < 0x80 {
		return append(dst, byte(v))
	}
	return binary.AppendUvarint(dst, v)
}

// varintSize is the number of bytes that v takes as a varint.
func varintSize(v uint64) int { return (bits.Len64(v|1) + 6) / 7 }

// openSized starts a message that only its size precedes.
func openSized(dst []byte) (_ []byte, start int) {
	dst = append(dst, 0)
	return dst, len(dst)
}

// closeSized ends the message that starts at b[start], and writes its size into the byte before. If the size needs more than
// that the message moves up.
func closeSized(b []byte, start int) []byte {
	size := len(b) - start
	if size < 0x80 {
		b[start-1] = byte(size)
		return b
	}
	more := varintSize(uint64(size)) - 1
	var room [binary.MaxVarintLen64]byte
	b = append(b, room[:more]...)
	copy(b[start+more:], b[start:start+size])
	binary.PutUvarint(b[start-1:], uint64(size))
	return b
}

// appendSizedText appends text behind its size. Each byte in it that is not UTF-8 becomes U+FFFD, as other decoders refuse the
// whole message otherwise.
func appendSizedText[T []byte | string](dst []byte, text T) []byte {
	dst = appendVarint(dst, uint64(len(text)))
	start := len(dst)
	dst = append(dst, text...)
	if utf8.Valid(dst[start:]) {
		return dst
	}
	return appendCleanText(dst[:start-varintSize(uint64(len(text)))], text)
}

func appendCleanText[T []byte | string](dst []byte, text T) []byte {
	dst = append(dst, 0)
	start := len(dst)
	for _, r := range string(text) {
		dst = utf8.AppendRune(dst, r)
	}
	return closeSized(dst, start)
}
