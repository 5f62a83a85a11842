package server

import (
	"github.com/seed4ac54ce5/edge/frame"
	"github.com/seed4ac54ce5/edge/hub"
	"github.com/seed4ac54ce5/edge/protocol"
)

// A [hub.Form] is a wire form, and whether its clients hear of others who come and go.
//
//	4      1 0
//	[ wire ][j]
const formJoinLeave hub.Form = 1

// wireForm is a way to put a publication on the wire. A publication is encoded once in each that somebody needs.
type wireForm uint8

const (
	wireJSON     wireForm = iota // a WebSocket frame of the client protocol
	wireProtobuf                 // the same in its other encoding
	wireJSONDeflate
	wireProtobufDeflate
	wireSSE            // a server-sent event with a message of the client protocol
	wireStream         // such a message on a line of an HTTP answer that does not end
	wireStreamProtobuf // the same in its other encoding
	wireEvents         // what all share of a server-sent event for those who know no protocol
	wireSocketText     // Socket.IO: frames of a WebSocket
	wireSocketBase64   // the same for a client that takes no binary frames
	wireSocketPoll     // packets of a polling payload, a separator behind each
	wireSocketPack     // MessagePack in the place of text, in these three ways
	wireSocketPackBase64
	wireSocketPackPoll
	wireForms // how many there are, at most 16
)

func (w wireForm) form() hub.Form { return hub.Form(w) << 1 }

func wireOf(form hub.Form) wireForm { return wireForm(form >> 1) }

// fullWindow is the window, in bits, with which publications are deflated: clients that keep a smaller one get them
// plain, as one deflated form is shared by all.
const fullWindow = 15

// wireOfWebSocket returns the form for a client of the client protocol.
func wireOfWebSocket(protobuf bool, deflate frame.DeflateParams) wireForm {
	w := wireJSON
	if protobuf {
		w = wireProtobuf
	}
	if deflate.WindowBits == fullWindow {
		w += wireJSONDeflate
	}
	return w
}

// encoder appends the wire of a publication to dst; nothing if the form's clients do not get it.
type encoder func(dst []byte, p *hub.Publication) []byte

// wiring is what is to be known of a wire form.
type wiring struct {
	encoding protocol.Encoding // of the messages in it
	small    wireForm          // which publications have that are not worth deflating
	opaque   bool              // it carries what is not JSON too
	payload  func(wire []byte) int
	join     func(l *loop, dst []byte, pubs []*hub.Publication, form hub.Form) []byte // appends the wire of several
	encode   func(s *Server, dst []byte, p *hub.Publication) []byte
	stream   *streaming // of those that are no WebSockets
}

// wirings is set before anything is served: what joins looks here too, so it cannot be set in its declaration.
var wirings [wireForms]wiring

func init() {
	wirings = [wireForms]wiring{
		wireJSON: {
			encoding: protocol.JSON, small: wireJSON, payload: payloadSize, join: (*loop).joinMessages,
			encode: func(s *Server, dst []byte, p *hub.Publication) []byte {
				return appendFrame(dst, p, protocol.JSON, s.ids)
			},
		},
		wireProtobuf: {
			encoding: protocol.Protobuf, small: wireProtobuf, opaque: true, payload: payloadSize, join: (*loop).joinMessages,
			encode: func(s *Server, dst []byte, p *hub.Publication) []byte {
				return appendFrame(dst, p, protocol.Protobuf, s.ids)
			},
		},
		wireJSONDeflate: {
			encoding: protocol.JSON, small: wireJSON, payload: payloadSize, join: (*loop).joinLarge,
			encode: func(s *Server, dst []byte, p *hub.Publication) []byte {
				return appendDeflated(dst, p, protocol.JSON, s.ids)
			},
		},
		wireProtobufDeflate: {
			encoding: protocol.Protobuf, small: wireProtobuf, opaque: true, payload: payloadSize, join: (*loop).joinLarge,
			encode: func(s *Server, dst []byte, p *hub.Publication) []byte {
				return appendDeflated(dst, p, protocol.Protobuf, s.ids)
			},
		},
		wireSSE:              streamSSE.wiring(wireSSE, protocol.JSON),
		wireStream:           streamJSON.wiring(wireStream, protocol.JSON),
		wireStreamProtobuf:   streamProtobuf.wiring(wireStreamProtobuf, protocol.Protobuf),
		wireEvents:           streamEvents.wiring(wireEvents, protocol.JSON),
		wireSocketText:       socketWiring(wireSocketText, appendSocketText),
		wireSocketBase64:     socketWiring(wireSocketBase64, appendSocketBase64),
		wireSocketPoll:       socketWiring(wireSocketPoll, appendSocketPoll),
		wireSocketPack:       socketWiring(wireSocketPack, appendSocketPack),
		wireSocketPackBase64: socketWiring(wireSocketPackBase64, appendSocketPackBase64),
		wireSocketPackPoll:   socketWiring(wireSocketPackPoll, appendSocketPackPoll),
	}
}

// socketWiring is that of a form of Socket.IO, whose wires follow one another.
func socketWiring(w wireForm, encode func(*Server, []byte, *hub.Publication) []byte) wiring {
	payload := socketPayload
	if w == wireSocketPoll || w == wireSocketPackPoll {
		payload = func(wire []byte) int { return len(wire) }
	}
	return wiring{small: w, opaque: true, payload: payload, join: (*loop).joinWires, encode: encode}
}

// isSocket reports whether w is a form of Socket.IO.
func (w wireForm) isSocket() bool { return wireSocketText <= w && w <= wireSocketPackPoll }

// newEncoders returns the encoder of each form for s.
func newEncoders(s *Server) (all [wireForms]encoder) {
	for i := range all {
		encode := wirings[i].encode
		all[i] = func(dst []byte, p *hub.Publication) []byte { return encode(s, dst, p) }
	}
	return all
}
