package engineio

import (
	"bytes"
	"encoding/base64"
	"iter"
)

// Type is what a packet is for: the character that it begins with.
type Type byte

// The types.
const (
	Open    Type = '0' // the handshake
	Close   Type = '1'
	Ping    Type = '2' // the server's, or a client's that probes a WebSocket
	Pong    Type = '3'
	Message Type = '4'
	Upgrade Type = '5' // the session goes on in the WebSocket that it comes by
	Noop    Type = '6' // ends a poll
)

// Separator stands between the packets of a payload.
const Separator = 0x1e

// base64Mark begins a binary packet in text.
const base64Mark = 'b'

// The data of pings and pongs that try out a WebSocket.
const probe = "probe"

// Packet is one packet. Data is a slice of the bytes that it was parsed from, and good for as long as they are.
type Packet struct {
	Type   Type
	Binary bool // a Message that is bytes, not text
	Data   []byte
}

// Probes reports whether p asks if a WebSocket works.
func (p Packet) Probes() bool { return p.Type == Ping && string(p.Data) == probe }

// ParseText decodes a packet in text: a text message of a WebSocket, or one packet of a payload. Base64 is decoded in place,
// so b is void then. ok is false for no packet, an unknown type, or what is not base64.
func ParseText(b []byte) (p Packet, ok bool) {
	if len(b) == 0 {
		return Packet{}, false
	}
	if IsBase64(b) {
		return parseBase64(b[1:])
	}
	t := Type(b[0])
	return Packet{Type: t, Data: b[1:]}, Open <= t && t <= Noop
}

// IsBase64 reports whether b, a packet in text, is one of bytes.
func IsBase64(b []byte) bool { return len(b) > 0 && b[0] == base64Mark }

// parseBase64 decodes standard base64, with its padding or without.
func parseBase64(b []byte) (p Packet, ok bool) {
	if len(b)%4 == 0 {
		b = bytes.TrimSuffix(bytes.TrimSuffix(b, []byte{'='}), []byte{'='})
	}
	n, err := base64.RawStdEncoding.Decode(b, b)
	return Packet{Type: Message, Binary: true, Data: b[:n]}, err == nil
}

// Packets yields the packets of a payload of long-polling, each still to be given to [ParseText]. An empty payload is one
// empty packet.
func Packets(payload []byte) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for {
			packet, rest, more := bytes.Cut(payload, []byte{Separator})
			if !yield(packet) || !more {
				return
			}
			payload = rest
		}
	}
}

// AppendBase64 appends the text of a packet that is bytes.
func AppendBase64(dst, data []byte) []byte {
	return base64.StdEncoding.AppendEncode(append(dst, base64Mark), data)
}

// AppendText appends a packet of text.
func AppendText(dst []byte, t Type, data []byte) []byte {
	return append(append(dst, byte(t)), data...)
}

// ProbeAnswer is the packet that answers one that [Packet.Probes].
const ProbeAnswer = string(Pong) + probe
