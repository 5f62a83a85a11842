package socketio

import (
	"errors"
	"fmt"
)

var (
	// ErrTimeout says that an acknowledgement has not come in time.
	ErrTimeout = errors.New("operation has timed out")
	// ErrDisconnected says that the socket has gone.
	ErrDisconnected = errors.New("socket has been disconnected")
	// ErrNoDeadline says that a broadcast asks for acknowledgements and nothing says how long to wait for them.
	ErrNoDeadline = errors.New("socketio: a broadcast with acknowledgements needs a timeout")
	// ErrReserved is what the error for an event name of the protocol's own wraps.
	ErrReserved = errors.New("a reserved event name")
	// ErrAttachments says that a packet has more binary values than clients take.
	ErrAttachments = errors.New("socketio: too many binary values in one packet")
	// ErrPlaceholder says that beside binary values there is an object that clients would take for the place of one that is not there.
	ErrPlaceholder = errors.New("socketio: an object reads as the place of a binary value")
	// ErrNotRunning says that the node is not open yet.
	ErrNotRunning = errors.New("socketio: the node is not open")
	// ErrParent says that the sockets of a dynamic namespace were asked for as a whole; its children have them.
	ErrParent = errors.New("socketio: sockets are in the children of a dynamic namespace")
)

// An Error is what a client is told: by the event connect_error if [Namespace.Use] returned it, or else in place of
// the acknowledgement that it has asked for.
type Error struct {
	Message string `json:"message"`
	Data    any    `json:"data,omitempty"` // more about it

	cause error // of [Refusal]
}

func (e *Error) Error() string { return e.Message }

// Unwrap returns the error that [Refusal] has made e of, nil for none.
func (e *Error) Unwrap() error { return e.cause }

// reserved names the events that the protocol's libraries raise themselves, so that no peer may send them.
var reserved = map[string]bool{
	"connect":        true,
	"connect_error":  true,
	"disconnect":     true,
	"disconnecting":  true,
	"newListener":    true,
	"removeListener": true,
}

// checkName returns an error for an event that must not be sent.
func checkName(event string) error {
	if reserved[event] {
		return fmt.Errorf("socketio: %q is %w", event, ErrReserved)
	}
	return nil
}
