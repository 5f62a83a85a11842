package packet

import (
	"encoding/binary"
	"math"
	"strconv"
)

// The first bytes of MessagePack's values (its specification, "Formats").
const (
	packMap    = 0x80 // and 15 more
	packArray  = 0x90 // and 15 more
	packText   = 0xa0 // and 31 more
	packNil    = 0xc0
	packFalse  = 0xc2
	packTrue   = 0xc3
	packBin8   = 0xc4
	packExt8   = 0xc7
	packFloat4 = 0xca
	packFloat8 = 0xcb
	packUint1  = 0xcc
	packUint2  = 0xcd
	packUint4  = 0xce
	packUint8  = 0xcf
	packInt1   = 0xd0
	packInt8   = 0xd3
	packFixExt = 0xd4 // 1, 2, 4, 8, 16 bytes
	packText8  = 0xd9
	packArr16  = 0xdc
	packArr32  = 0xdd
	packMap16  = 0xde
	packMap32  = 0xdf
	packMinus  = 0xe0 // -32, and up to -1
)

// AppendPack appends p, whose attachments these are, as MessagePack. The errors are those of a payload that is not JSON, or
// whose placeholders are of no attachment.
func AppendPack(dst []byte, p *Packet, attachments [][]byte) ([]byte, error) {
	members := byte(2)
	if p.Data != nil {
		members++
	}
	if p.HasID {
		members++
	}
	dst = append(dst, packMap|members)
	dst = append(packString(dst, "type"), byte(p.Type.Plain()))
	dst = packString(packString(dst, "nsp"), string(p.Namespace))
	if p.HasID {
		dst = packUint(packString(dst, "id"), p.ID)
	}
	if p.Data == nil {
		return dst, nil
	}
	from := len(dst)
	k := packer{scanner: scanner{b: p.Data}, out: packString(dst, "data"), parts: attachments}
	k.space()
	if !k.value(maxPackDepth) {
		return dst[:from], ErrPayload
	}
	k.space()
	if k.at != len(p.Data) {
		return dst[:from], ErrPayload
	}
	return k.out, nil
}

// maxSafe is 2^53: up to it each whole number is one of 64 bits of floating point, and no other is the same.
const maxSafe = 1 << 53

// maxPackDepth bounds what an application nests.
const maxPackDepth = 1000

// packer turns JSON into MessagePack.
type packer struct {
	scanner
	out   []byte
	parts [][]byte
}

func (k *packer) value(depth int) bool {
	from := k.at
	switch c := k.peek(); c {
	case '"':
		if !k.text() {
			return false
		}
		k.string(k.b[from+1 : k.at-1])
	case '[':
		return depth > 0 && k.array(depth-1)
	case '{':
		return depth > 0 && k.object(depth-1)
	case 't':
		k.out = append(k.out, packTrue)
		return k.word("true")
	case 'f':
		k.out = append(k.out, packFalse)
		return k.word("false")
	case 'n':
		k.out = append(k.out, packNil)
		return k.word("null")
	default:
		if !k.number() {
			return false
		}
		k.pack(string(k.b[from:k.at]))
	}
	return true
}

// string packs what stands between quotes.
func (k *packer) string(text []byte) {
	for _, c := range text {
		if c == '\\' {
			k.out = packString(k.out, unquote(text))
			return
		}
	}
	k.out = packString(k.out, string(text))
}

// pack packs a number: a whole one in as few bytes as it needs, however it is written, as JavaScript's encoder does.
func (k *packer) pack(number string) {
	if n, err := strconv.ParseUint(number, 10, 64); err == nil {
		k.out = packUint(k.out, n)
		return
	}
	if n, err := strconv.ParseInt(number, 10, 64); err == nil {
		k.out = packInt(k.out, n)
		return
	}
	f, _ := strconv.ParseFloat(number, 64) // one that is too large is infinite, as in JavaScript
	switch whole := f == math.Trunc(f); {
	case whole && 0 <= f && f <= maxSafe:
		k.out = packUint(k.out, uint64(f))
		return
	case whole && -maxSafe <= f && f < 0:
		k.out = packInt(k.out, int64(f))
		return
	}
	k.out = binary.BigEndian.AppendUint64(append(k.out, packFloat8), math.Float64bits(f))
}

func (k *packer) array(depth int) bool {
	head := len(k.out)
	k.out = append(k.out, packArray)
	for n := 0; ; n++ {
		more, ok := k.next(']', n == 0)
		if !more {
			k.out = packSize(k.out, head, n, packArr16)
			return ok
		}
		if !k.value(depth) {
			return false
		}
	}
}

// object packs an object, or the attachment that it stands for.
func (k *packer) object(depth int) bool {
	if i, size, ok := Placeholder(k.b[k.at:]); ok && i < len(k.parts) {
		k.out = packBytes(k.out, k.parts[i])
		k.at += size
		return true
	}
	head := len(k.out)
	k.out = append(k.out, packMap)
	for n := 0; ; n++ {
		more, ok := k.next('}', n == 0)
		if !more {
			k.out = packSize(k.out, head, n, packMap16)
			return ok
		}
		from := k.at
		if !k.text() {
			return false
		}
		k.string(k.b[from+1 : k.at-1])
		k.space()
		if k.peek() != ':' {
			return false
		}
		k.at++
		k.space()
		if !k.value(depth) {
			return false
		}
	}
}

// packSize writes the size of an array or a map, whose head is one byte so far, before its elements.
func packSize(out []byte, head, n int, wide byte) []byte {
	switch {
	case n < 16:
		out[head] |= byte(n)
		return out
	case n <= math.MaxUint16:
		out = append(out, 0, 0)
		copy(out[head+3:], out[head+1:])
		out[head] = wide
		binary.BigEndian.PutUint16(out[head+1:], uint16(n))
		return out
	}
	out = append(out, 0, 0, 0, 0)
	copy(out[head+5:], out[head+1:])
	out[head] = wide + 1
	binary.BigEndian.PutUint32(out[head+1:], uint32(n))
	return out
}

func packString(dst []byte, text string) []byte {
	if n := len(text); n < 32 {
		dst = append(dst, packText|byte(n))
	} else {
		dst = packLength(dst, packText8, n)
	}
	return append(dst, text...)
}

func packBytes(dst, b []byte) []byte { return append(packLength(dst, packBin8, len(b)), b...) }

// packLength appends a length of 1, 2 or 4 bytes behind the first byte that says which.
func packLength(dst []byte, first byte, n int) []byte {
	switch {
	case n <= math.MaxUint8:
		return append(dst, first, byte(n))
	case n <= math.MaxUint16:
		return binary.BigEndian.AppendUint16(append(dst, first+1), uint16(n))
	}
	return binary.BigEndian.AppendUint32(append(dst, first+2), uint32(n))
}

func packUint(dst []byte, n uint64) []byte {
	switch {
	case n < packMap:
		return append(dst, byte(n))
	case n <= math.MaxUint8:
		return append(dst, packUint1, byte(n))
	case n <= math.MaxUint16:
		return binary.BigEndian.AppendUint16(append(dst, packUint2), uint16(n))
	case n <= math.MaxUint32:
		return binary.BigEndian.AppendUint32(append(dst, packUint4), uint32(n))
	}
	return binary.BigEndian.AppendUint64(append(dst, packUint8), n)
}

// packInt appends a number below 0.
func packInt(dst []byte, n int64) []byte {
	switch {
	case n >= -32:
		return append(dst, byte(n))
	case n >= math.MinInt8:
		return append(dst, packInt1, byte(n))
	case n >= math.MinInt16:
		return binary.BigEndian.AppendUint16(append(dst, packInt1+1), uint16(n))
	case n >= math.MinInt32:
		return binary.BigEndian.AppendUint32(append(dst, packInt1+2), uint32(n))
	}
	return binary.BigEndian.AppendUint64(append(dst, packInt8), uint64(n))
}
