package protocol

import "strconv"

// An Error is a command's negative answer. The conn goes on, except after an error to connect.
type Error struct {
	Code      uint32 // below 400 the protocol's own; the application's from 400 to 1999
	Message   string
	Temporary bool // the same command may succeed later
}

// The protocol's own errors. They are compared by identity and never change.
var (
	ErrInternal              = &Error{Code: 100, Message: "internal server error", Temporary: true}
	ErrUnauthorized          = &Error{Code: 101, Message: "unauthorized"}
	ErrUnknownChannel        = &Error{Code: 102, Message: "unknown channel"}
	ErrPermissionDenied      = &Error{Code: 103, Message: "permission denied"}
	ErrMethodNotFound        = &Error{Code: 104, Message: "method not found"}
	ErrAlreadySubscribed     = &Error{Code: 105, Message: "already subscribed"}
	ErrLimitExceeded         = &Error{Code: 106, Message: "limit exceeded"}
	ErrBadRequest            = &Error{Code: 107, Message: "bad request"}
	ErrNotAvailable          = &Error{Code: 108, Message: "not available"}
	ErrTokenExpired          = &Error{Code: 109, Message: "token expired"}
	ErrExpired               = &Error{Code: 110, Message: "expired"}
	ErrTooManyRequests       = &Error{Code: 111, Message: "too many requests", Temporary: true}
	ErrUnrecoverablePosition = &Error{Code: 112, Message: "unrecoverable position"}
	ErrConcurrentPagination  = &Error{Code: 113, Message: "concurrent pagination", Temporary: true}
)

// Error returns the code and the message.
func (e *Error) Error() string {
	return "protocol: error " + strconv.FormatUint(uint64(e.Code), 10) + ": " + e.Message
}

// A Fault is a rule of the protocol that a message breaks. Whichever it is, the answer is DisconnectBadRequest.
type Fault uint8

const (
	FaultSyntax Fault = 1 + iota // not one JSON object on one line, or not a protobuf message of the size that it says; text not in UTF-8
	FaultType                    // a known field has a value of another type, or in JSON a number that does not fit
	FaultDepth                   // a value nests deeper than MaxDepth
	FaultMethod                  // no command, or one that is not for clients to send
	FaultID                      // no id where a reply is due
)

var faultTexts = [...]string{"unknown fault", "not a well-formed message", "field of the wrong type", "nested too deeply",
	"no known command", "command without id"}

// Error says what is wrong in a few words, without the offending bytes.
func (f Fault) Error() string {
	if int(f) >= len(faultTexts) {
		f = 0
	}
	return "protocol: " + faultTexts[f]
}
