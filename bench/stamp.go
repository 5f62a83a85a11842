package bench

import (
	"bytes"
	"fmt"
)

// stamp is what a message says of itself. On the wire it is a JSON string of a given size, its quotes
// counted:
//
//	0      "
//	1      f
//	2-9    source: room, or connection that echoes, hexadecimal
//	10-17  sequence, from 1
//	18-33  when it was due, nanoseconds on the sender's clock
//	34-39  size
//	40-    x, as many as it takes
//	last   "
type stamp struct {
	source   uint32
	sequence uint32
	due      int64
}

const (
	stampStart = `"f`
	minStamp   = 41
	maxStamp   = 1 << 20
)

// padding is compared with and copied from, piece by piece.
var padding = bytes.Repeat([]byte{'x'}, 4<<10)

// appendTo appends s in size bytes.
func (s stamp) appendTo(dst []byte, size int) []byte {
	dst = append(dst, stampStart...)
	dst = appendHex(dst, uint64(s.source), 8)
	dst = appendHex(dst, uint64(s.sequence), 8)
	dst = appendHex(dst, uint64(s.due), 16)
	dst = appendHex(dst, uint64(size), 6)
	for left := size - minStamp; left > 0; left -= len(padding) {
		dst = append(dst, padding[:min(left, len(padding))]...)
	}
	return append(dst, '"')
}

// errStamp means that a message is not what was sent.
var errStamp = fmt.Errorf("bench: message is damaged")

// parseStamp reads the stamp at the front of b, every byte of which is checked, and its size.
func parseStamp(b []byte) (s stamp, size int, err error) {
	if len(b) < minStamp || string(b[:2]) != stampStart {
		return stamp{}, 0, errStamp
	}
	source, ok1 := parseHex(b[2:10])
	sequence, ok2 := parseHex(b[10:18])
	due, ok3 := parseHex(b[18:34])
	n, ok4 := parseHex(b[34:40])
	size = int(n)
	if !ok1 || !ok2 || !ok3 || !ok4 || size < minStamp || size > len(b) || b[size-1] != '"' || !isPadding(b[40:size-1]) {
		return stamp{}, 0, errStamp
	}
	return stamp{uint32(source), uint32(sequence), int64(due)}, size, nil
}

func isPadding(b []byte) bool {
	for len(b) > len(padding) {
		if !bytes.Equal(b[:len(padding)], padding) {
			return false
		}
		b = b[len(padding):]
	}
	return bytes.Equal(b, padding[:len(b)])
}

// appendHex appends the low digits of v.
func appendHex(dst []byte, v uint64, digits int) []byte {
	for shift := 4 * (digits - 1); shift >= 0; shift -= 4 {
		dst = append(dst, "0123456789abcdef"[v>>shift&15])
	}
	return dst
}

// parseHex reads digits as appendHex writes them.
func parseHex(b []byte) (v uint64, ok bool) {
	var bad uint8
	for _, c := range b {
		digit := hexDigits[c]
		bad |= digit
		v = v<<4 | uint64(digit&15)
	}
	return v, bad < 16
}

// hexDigits is the value of each digit, and 255 for what is none.
var hexDigits = func() (t [256]uint8) {
	for i := range t {
		t[i] = 255
	}
	for i, c := range []byte("0123456789abcdef") {
		t[c] = uint8(i)
	}
	return t
}()
