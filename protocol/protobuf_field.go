package protocol

import (
	"encoding/binary"
	"unicode/utf8"
)

// maxNumber is the largest number that a field may have.
const maxNumber = 1<<29 - 1

// A value is what a field holds on the wire. Of a number with a fixed size, which no field of ours has, nothing is kept.
type value struct {
	wire   byte
	number uint64 // of a varint
	bytes  []byte // of wireBytes; where it was
}

// numbered is a struct that a message decodes into. Its set method stores v under the field's number, or passes over it if the
// struct has no such field. It returns a Fault, or 0.
type numbered interface {
	set(d *Decoder, number uint32, v value) Fault
}

// message reads the message that b is into m. What m holds stays unless the message has a field for it, so that several
// messages merge, and of a number the last counts, as the specification wants.
func (d *Decoder) message(b []byte, m numbered) Fault {
	for i := 0; i < len(b); {
		number, v, next := readField(b, i)
		if next < 0 {
			return Fault(-next)
		}
		if f := m.set(d, number, v); f != 0 {
			return f
		}
		i = next
	}
	return 0
}

// readField reads the field at b[i] and returns the index after it, or a Fault, negated. Groups, which proto3 does not have,
// are a FaultSyntax.
func readField(b []byte, i int) (number uint32, v value, next int) {
	tag, i := readVarint(b, i)
	if i < 0 || tag>>3 == 0 || tag>>3 > maxNumber {
		return 0, v, fault(FaultSyntax)
	}
	v.wire = byte(tag & 7)
	switch v.wire {
	case wireVarint:
		v.number, i = readVarint(b, i)
	case wireBytes:
		v.bytes, i = readSized(b, i)
	case wireFixed64:
		i = skipBytes(b, i, 8)
	case wireFixed32:
		i = skipBytes(b, i, 4)
	default:
		i = fault(FaultSyntax)
	}
	return uint32(tag >> 3), v, i
}

// readVarint reads the varint at b[i]: at most ten bytes, of no more than 64 bits.
func readVarint(b []byte, i int) (v uint64, next int) {
	if i < len(b) && b[i] < 0x80 {
		return uint64(b[i]), i + 1
	}
	v, n := binary.Uvarint(b[i:])
	if n <= 0 {
		return 0, fault(FaultSyntax)
	}
	return v, i + n
}

// readSized reads the size at b[i] and returns as many bytes from behind it.
func readSized(b []byte, i int) (sized []byte, next int) {
	size, i := readVarint(b, i)
	if i < 0 || size > uint64(len(b)-i) {
		return nil, fault(FaultSyntax)
	}
	end := i + int(size)
	return b[i:end:end], end
}

func skipBytes(b []byte, i, n int) int {
	if len(b)-i < n {
		return fault(FaultSyntax)
	}
	return i + n
}

// nextSized cuts the first message off payload.
func nextSized(payload []byte) (msg, rest []byte, err error) {
	msg, i := readSized(payload, 0)
	if i < 0 {
		return nil, nil, Fault(-i)
	}
	return msg, payload[i:], nil
}

// text stores a string.
func (v value) text(p *[]byte) Fault {
	switch {
	case v.wire != wireBytes:
		return FaultType
	case !utf8.Valid(v.bytes):
		return FaultSyntax
	}
	*p = v.bytes
	return 0
}

// raw stores bytes, which may be any; none are the same as an absent field.
func (v value) raw(p *[]byte) Fault {
	if v.wire != wireBytes {
		return FaultType
	}
	*p = nil
	if len(v.bytes) > 0 {
		*p = v.bytes
	}
	return 0
}

func (v value) boolean(p *bool) Fault {
	if v.wire != wireVarint {
		return FaultType
	}
	*p = v.number != 0
	return 0
}

// message stores what a message holds in m.
func (v value) message(d *Decoder, m numbered) Fault {
	if v.wire != wireBytes {
		return FaultType
	}
	return d.message(v.bytes, m)
}

// integer stores a number. Bits that T has no room for are lost, as the specification wants.
func integer[T uint32 | uint64 | int32 | int64](v value, p *T) Fault {
	if v.wire != wireVarint {
		return FaultType
	}
	*p = T(v.number)
	return 0
}
