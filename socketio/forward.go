package socketio

import (
	"bytes"
	"encoding/json"

	"github.com/seed4ac54ce5/edge/server"
)

// What programs need that pass events on to others.

// NewArgs returns arguments that came from elsewhere, as JSON values with {"_placeholder":true,"num":i} in the place of
// attachments[i]. Neither may be changed afterwards.
func NewArgs(values []json.RawMessage, attachments [][]byte) Args {
	args := make(Args, len(values))
	for i, value := range values {
		args[i] = Arg{bytes.TrimSpace(value), attachments}
	}
	return args
}

// Attachments returns the binary values of the event, for which the JSON of its arguments has placeholders. They are the
// packet's own, and not to be changed.
func (e *Event) Attachments() [][]byte { return e.packet.Attachments }

// Refusal returns what a function of [Namespace.Use] returns for a [server.Error] or a [server.Disconnect], so that the client
// gets their code and message as the data of its connect_error. Any other error stays as it is.
func Refusal(err error) error {
	if c, ok := codeOf(err); ok {
		return &Error{Message: c.Message, Data: c, cause: err}
	}
	return err
}

// Answer acknowledges an event with an error, as {"error":{"code":…,"message":…}}: those of a [server.Error] or a
// [server.Disconnect], and 100 for any other, which it returns, to be logged.
func Answer(e *Event, err error) error {
	c, known := codeOf(err)
	if ackErr := e.Ack(errorAnswer{c}); known {
		return ackErr
	}
	return err
}

var _ gate = (*server.Server)(nil)
