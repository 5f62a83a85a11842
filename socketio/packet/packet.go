package packet

import (
	"errors"
	"strconv"
)

// Type is what a packet is about.
type Type uint8

const (
	Connect Type = iota
	Disconnect
	Event
	Ack
	ConnectError
	BinaryEvent // never in MessagePack
	BinaryAck   // nor this
)

// Packet is one packet. Its slices are parts of what it was parsed from.
type Packet struct {
	Type        Type
	Namespace   []byte // begins with a slash and has no comma; "/" where the packet names none
	ID          uint64 // of an acknowledgement; with HasID
	HasID       bool
	Data        []byte // one JSON value, with placeholders for what is binary; nil for none
	Attachments int    // of a binary packet: as many binary messages follow
}

// Limits bound what is taken from a peer.
type Limits struct {
	Attachments int
	Depth       int // of nested arrays and objects
}

// The errors of a packet that breaks a rule. After any of them a server closes the session.
var (
	ErrType        = errors.New("packet: unknown type")
	ErrAttachments = errors.New("packet: number of attachments")
	ErrNamespace   = errors.New("packet: namespace")
	ErrID          = errors.New("packet: acknowledgement id")
	ErrPayload     = errors.New("packet: payload")
	ErrPlaceholder = errors.New("packet: placeholder of no attachment")
	ErrFormat      = errors.New("packet: not MessagePack")
)

// IsBinary reports whether attachments follow.
func (t Type) IsBinary() bool { return t == BinaryEvent || t == BinaryAck }

// Plain returns t without what it says of attachments.
func (t Type) Plain() Type {
	switch t {
	case BinaryEvent:
		return Event
	case BinaryAck:
		return Ack
	}
	return t
}

// main is the namespace of packets that name none.
var main = []byte{'/'}

// Parse reads the packet in b, the whole text behind the Engine.IO digit, into p. Its payload is proved to be JSON of
// the shape that its type asks for. b is UTF-8: its transport has checked that.
func Parse(b []byte, limits *Limits, p *Packet) error {
	*p = Packet{Namespace: main}
	if len(b) == 0 || b[0] < '0' || b[0] > '0'+byte(BinaryAck) {
		return ErrType
	}
	p.Type, b = Type(b[0]-'0'), b[1:]
	if p.Type.IsBinary() {
		n, digits, ok := number(b)
		if !ok || n == 0 || n > uint64(max(limits.Attachments, 0)) || digits == len(b) || b[digits] != '-' {
			return ErrAttachments
		}
		p.Attachments, b = int(n), b[digits+1:]
	}
	if len(b) > 0 && b[0] == '/' {
		end := 0
		for end < len(b) && b[end] != ',' {
			end++
		}
		p.Namespace, b = b[:end], b[min(end+1, len(b)):]
	}
	if len(b) > 0 && isDigit(b[0]) {
		id, digits, ok := number(b)
		if !ok {
			return ErrID
		}
		p.ID, p.HasID, b = id, true, b[digits:]
	}
	if len(b) > 0 {
		p.Data = b
	}
	return p.check(limits)
}

// number reads the decimal digits at the front of b. ok is false if there are none, or too many.
func number(b []byte) (n uint64, digits int, ok bool) {
	for digits < len(b) && isDigit(b[digits]) {
		digits++
	}
	n, err := strconv.ParseUint(string(b[:min(digits, maxDigits)]), 10, 64)
	return n, digits, err == nil && digits < maxDigits
}

// maxDigits is more than any number of 64 bits has, but for zeros in front.
const maxDigits = 32

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// check proves p's payload.
func (p *Packet) check(limits *Limits) error {
	if p.Data == nil {
		return nil // an event without a name is tolerated, and is none
	}
	v, err := scan(p.Data, limits.Depth, p.Attachments)
	switch {
	case err != nil:
		return err
	case !v.suits(p.Type):
		return ErrPayload
	}
	return nil
}

// suits reports whether v may be the payload of a packet.
func (v *value) suits(t Type) bool {
	switch t.Plain() {
	case Connect:
		return v.kind == '{'
	case ConnectError:
		return v.kind == '{' || v.kind == '"'
	case Event:
		return v.kind == '[' && (v.first == '0' || v.first == '"' && !Reserved(v.name))
	case Ack:
		return v.kind == '['
	}
	return false
}

// Append appends p as text, without the Engine.IO digit.
func Append(dst []byte, p *Packet) []byte {
	dst = append(dst, '0'+byte(p.Type))
	if p.Type.IsBinary() {
		dst = strconv.AppendUint(dst, uint64(p.Attachments), 10)
		dst = append(dst, '-')
	}
	if len(p.Namespace) > 1 {
		dst = append(dst, p.Namespace...)
		dst = append(dst, ',')
	}
	if p.HasID {
		dst = strconv.AppendUint(dst, p.ID, 10)
	}
	return append(dst, p.Data...)
}
