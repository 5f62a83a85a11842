package protocol

import "iter"

// An Encoding is a form of the protocol on the wire. Both carry the same values.
type Encoding uint8

const (
	JSON     Encoding = iota // text frames; an object to a line
	Protobuf                 // binary frames; before each message its size, as a varint
)

// String returns e's name, as it ends that of the subprotocol.
func (e Encoding) String() string {
	if e == Protobuf {
		return "protobuf"
	}
	return "json"
}

// Next cuts the first message off payload, a frame's or what an earlier call left of it: a line, or what stands behind a size.
// When rest is empty the frame is done. Each frame has a message, so an empty payload is a FaultSyntax, as is a size that is
// not there in full or goes past the end. Blank lines are returned as they are, and nothing decodes from one.
func (e Encoding) Next(payload []byte) (msg, rest []byte, err error) {
	if len(payload) == 0 {
		return nil, nil, FaultSyntax
	}
	if e == Protobuf {
		return nextSized(payload)
	}
	msg, rest = nextLine(payload)
	return msg, rest, nil
}

// Messages returns the messages of a frame's payload, as Next cuts them. An error, a Fault, comes last.
func (e Encoding) Messages(payload []byte) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		msg, rest, err := e.Next(payload)
		for yield(msg, err) && len(rest) > 0 {
			msg, rest, err = e.Next(rest)
		}
	}
}

// Join makes dst, a frame's payload with any number of messages, ready for one more: in JSON a newline comes between two.
func (e Encoding) Join(dst []byte) []byte {
	if e == JSON && len(dst) > 0 {
		return append(dst, '\n')
	}
	return dst
}

// DecodeCommand reads the command in msg, as Next returned it, into c. All of msg is checked, also where nothing is read from
// it. Fields that are not known are passed over; of fields that come more than once the last counts, save that protobuf merges
// messages. The error is a Fault, and c then holds nothing of use.
func (e Encoding) DecodeCommand(d *Decoder, msg []byte, c *Command) error {
	if e == Protobuf {
		return d.decodeProtobufCommand(msg, c)
	}
	return d.decodeJSONCommand(msg, c)
}

// Subs returns the channels of r.Subs with their requests, in the order of the client. A channel may come more than once. A
// request is good until the next one; d must not decode anything else in between.
func (e Encoding) Subs(d *Decoder, r *ConnectRequest) iter.Seq2[[]byte, *SubscribeRequest] {
	return func(yield func([]byte, *SubscribeRequest) bool) {
		if e == Protobuf {
			d.protobufSubs(r, yield)
		} else {
			d.jsonSubs(r, yield)
		}
	}
}

// DecodeReply reads the message from the server in msg, as Next returned it, into r. The error is a Fault, and r then holds
// nothing of use.
func (e Encoding) DecodeReply(d *Decoder, msg []byte, r *Reply) error {
	if e == Protobuf {
		return d.decodeProtobufReply(msg, r)
	}
	return d.decodeJSONReply(msg, r)
}
