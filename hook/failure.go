package hook

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"

	"github.com/seed4ac54ce5/edge/server"
)

// Result is how a call ended, or a try. The values are a fixed set, good for a metric's label.
type Result string

// The results.
const (
	OK           Result = "ok"
	Refused      Result = "error"        // the application answered with an error
	Disconnected Result = "disconnect"   // the application ends the conn
	Limited      Result = "limited"      // too many calls were under way
	BreakerOpen  Result = "breaker_open" // the backend has failed too often just now
	Unreachable  Result = "unreachable"  // no connection: nothing was sent
	Reset        Result = "reset"        // the connection broke before the whole answer was there
	Timeout      Result = "timeout"
	Canceled     Result = "canceled"  // by the caller
	Status       Result = "status"    // of HTTP, other than 200
	Oversized    Result = "oversized" // the answer is over the limit
	Malformed    Result = "malformed" // the answer is not what docs/hooks.md says
	Retried      Result = "retried"   // one try, which another follows
	Dropped      Result = "dropped"   // a disconnect event was given up
)

// Answers for clients that the backend was not bothered with. Both are temporary.
var (
	errLimited = &server.Error{Code: 111, Message: "too many requests", Temporary: true}
	errOpen    = &server.Error{Code: 100, Message: "internal server error", Temporary: true}
)

// Failure is a call without a usable answer. Its text has nothing of what was sent or received, and no URL.
type Failure struct {
	Event  Event
	Result Result // Unreachable, Reset, Timeout, Canceled, Status, Oversized or Malformed
	Status int    // with Result Status
	Err    error  // nil if there is no more to say

	busy bool // the backend asks to be left alone for a while (Retry-After)
}

// Error says what happened in one line.
func (f *Failure) Error() string {
	text := fmt.Sprintf("hook: %v: %s", f.Event, f.Result)
	if f.Result == Status {
		text += fmt.Sprintf(" %d", f.Status)
	}
	if f.Err != nil {
		text += ": " + f.Err.Error()
	}
	return text
}

// Unwrap returns f.Err.
func (f *Failure) Unwrap() error { return f.Err }

// brokenError is what the transport says of a connection. Its text repeats only errors that are known to have none of
// the backend's bytes in them.
type brokenError struct{ cause error }

func (b brokenError) Error() string {
	var (
		network *net.OpError
		cert    *tls.CertificateVerificationError
		record  tls.RecordHeaderError
	)
	switch {
	case errors.As(b.cause, &network):
		return network.Error()
	case errors.As(b.cause, &cert):
		return cert.Error()
	case errors.As(b.cause, &record):
		return "not TLS"
	case errors.Is(b.cause, io.EOF), errors.Is(b.cause, io.ErrUnexpectedEOF):
		return "closed"
	}
	return "no HTTP answer"
}

func (b brokenError) Unwrap() error { return b.cause }

// health is what f says of the backend.
func (f *Failure) health() health {
	switch f.Result {
	case Canceled:
		return unknown
	case Timeout, Unreachable, Reset:
		return dead
	case Status:
		if f.Status >= 500 {
			return dead
		}
	}
	return alive
}

// transient reports whether the same call may do better in a moment. What has timed out has cost its time already and
// a slow backend gets no more to do.
func (f *Failure) transient() bool {
	switch f.Result {
	case Unreachable:
		return true
	case Reset:
		return f.Event.repeats()
	case Status:
		gateway := f.Status == 502 || f.Status == 503 || f.Status == 504
		return gateway && !f.busy && f.Event.repeats()
	}
	return false
}

// resultOf names what err says.
func resultOf(err error) Result {
	var (
		f   *Failure
		end server.Disconnect
	)
	switch {
	case err == nil:
		return OK
	case errors.As(err, &f):
		return f.Result
	case err == error(errLimited):
		return Limited
	case err == error(errOpen):
		return BreakerOpen
	case errors.As(err, &end):
		return Disconnected
	}
	return Refused
}
