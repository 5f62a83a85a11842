package server

import (
	"github.com/seed4ac54ce5/edge/admission"
	"github.com/seed4ac54ce5/edge/frame"
	"github.com/seed4ac54ce5/edge/hub"
	"github.com/seed4ac54ce5/edge/metrics"
	"github.com/seed4ac54ce5/edge/protocol"
)

// session is the protocol state of one conn. It holds no pointer and lives in a table beside the conns.
type session struct {
	subs          hub.Subs
	midway        uint32 // where it stands in its frames: index into loop.midway, 0 for before a message; before that in a request's body
	who           uint32 // identity: index into loop.users, 0 for a stranger
	commandsUntil uint32 // clocks of what it may send: see charge
	bytesUntil    uint32
	ticket        admission.Ticket // of its address
	partial       uint32           // message in several frames: index into loop.partials, 0 for none; in a head: bytes scanned
	expires       uint32           // second of the loop's clock at which what the token grants ends; 0 for never
	engine        uint32           // of Engine.IO: index into loop.engines, 0 for none
	flags         uint32
	state         state
	wire          wireForm // in which it gets publications
	deflate       frame.DeflateParams
}

// state is where a session stands.
type state uint8

const (
	stateHead    state = iota // a request is not complete, or none has begun
	stateEcho                 // on the development path that sends back what it gets
	stateNew                  // a WebSocket without a session: connect must be the first command
	stateReady                // connected
	stateProxy                // the header of a balancer is not complete
	stateTLS                  // the TLS handshake is not over
	stateClosing              // a close frame or an HTTP answer is our last word
	stateEngine               // a session of Engine.IO
	stateProbe                // a WebSocket that the client of such a session tries out
	stateHeld                 // a request waits for its answer: see hold
)

// The flags of a session.
const (
	flagPongDue       = 1 << iota // a ping has not been answered yet
	flagFramePing                 // heartbeats are WebSocket pings, not the protocol's
	flagOffloaded                 // a message is out at the worker pool, or its replies have not left: later ones wait
	flagAsked                     // the timer runs for the answer to a ping, not to the next ping
	flagEcho                      // on the development path that sends back what it gets
	flagCounted                   // in the count of connections
	flagConnected                 // the application, if there is one, is to be told of the end
	flagProtobuf                  // speaks the protocol's other encoding
	flagRefused                   // connect was answered with an error: nothing more is taken
	flagThrottled                 // it has sent too much and is not read
	flagLastTimer                 // the timer runs for the end of what the token grants
	flagByApplication             // the application has let it in, and refreshes it
	flagProxied                   // a balancer has told its address: loop.peers
	flagAdmitted                  // counted by admission
	flagNoOrigin                  // its request had no origin: a program
	flagEngine                    // a session of Engine.IO
	flagPolling                   // its client polls
	flagIdle                      // between two requests: nothing of the next one has come
	flagLastRequest               // the conn ends behind the answer to the request in hand
	flagGzip                      // the client takes that answer compressed like this,
	flagZlib                      // or like this
	flagHead                      // the request in hand, or that is coming, is a HEAD: its answer has no body
)

// flagsOfRequest are those that end with its answer.
const flagsOfRequest = flagIdle | flagLastRequest | flagGzip | flagZlib

func (s *session) has(flag uint32) bool { return s.flags&flag != 0 }
func (s *session) set(flag uint32)      { s.flags |= flag }
func (s *session) clear(flag uint32)    { s.flags &^= flag }

// early reports whether s is no session yet: its conn has not got as far as a request that makes it one.
func (s *session) early() bool {
	return s.state == stateHead || s.state == stateProxy || s.state == stateTLS || s.state == stateHeld
}

// finish ends s: nothing more is taken from it.
func (s *session) finish() {
	if s.state == stateHead {
		s.partial = 0 // it counted bytes
	}
	s.state = stateClosing
}

// transport is what s counts as.
func (s *session) transport() metrics.Transport {
	switch stream := s.stream(); {
	case s.has(flagEcho):
		return metrics.Echo
	case s.has(flagPolling):
		return metrics.SocketPolling
	case s.has(flagEngine):
		return metrics.SocketWebSocket
	case stream != nil:
		return stream.transport
	}
	return metrics.WebSocket
}

// stream returns what is to be known of s as a stream, nil if it is none.
func (s *session) stream() *streaming { return wirings[s.wire].stream }

// speaks reports whether s is a session of the client protocol.
func (s *session) speaks() bool {
	return s.state == stateNew || s.state == stateReady
}

// stands reports whether s is a client's session, of whatever protocol.
func (s *session) stands() bool { return s.speaks() || s.state == stateEngine }

// encoding is how s's commands and replies are written.
func (s *session) encoding() protocol.Encoding {
	if s.has(flagProtobuf) {
		return protocol.Protobuf
	}
	return protocol.JSON
}

// protocol is the encoding's name for the application.
func (s *session) protocol() string {
	if s.has(flagProtobuf) {
		return "protobuf"
	}
	return "json"
}

// opcode is that of the frames that carry them.
func (s *session) opcode() frame.Opcode { return opcodeOf(s.encoding()) }

// form is how s gets publications of a room.
func (s *session) form(joinLeave bool) hub.Form {
	f := s.wire.form()
	if joinLeave {
		f |= formJoinLeave
	}
	return f
}
