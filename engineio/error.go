package engineio

import (
	"net/http"
	"strconv"
)

// Error is the answer to a request that is refused. The values here are fixed and shared.
type Error struct {
	Code    int    // the protocol's
	Status  int    // of HTTP
	Message string // of characters that JSON leaves as they are
	Why     string // for ourselves
}

func (e *Error) Error() string { return "engine.io: " + e.Message + ": " + e.Why }

// The errors. A server looks for them in this order.
var (
	ErrTransport = &Error{0, http.StatusBadRequest, "Transport unknown", "no such transport"}
	ErrJSONP     = &Error{3, http.StatusBadRequest, "Bad request", "JSONP is not served"}
	ErrSession   = &Error{1, http.StatusBadRequest, "Session ID unknown", "no such session"}
	ErrMismatch  = &Error{3, http.StatusBadRequest, "Bad request", "the session has another transport"}
	ErrMethod    = &Error{2, http.StatusBadRequest, "Bad handshake method", "a session begins with GET"}
	ErrNoUpgrade = &Error{3, http.StatusBadRequest, "Bad request", "not the opening of a WebSocket"}
	ErrForbidden = &Error{4, http.StatusForbidden, "Forbidden", "not let in"}
	ErrVersion   = &Error{5, http.StatusBadRequest, "Unsupported protocol version", "not version 4"}
)

// What a request of a session's may get besides.
var (
	ErrBusy        = &Error{3, http.StatusBadRequest, "Bad request", "another such request is under way"}
	ErrContentType = &Error{3, http.StatusBadRequest, "Bad request", "a body that is not text"}
	ErrPayload     = &Error{3, http.StatusBadRequest, "Bad request", "a payload that cannot be decoded"}
)

// AppendJSON appends the body of an answer to a request that is no upgrade.
func (e *Error) AppendJSON(dst []byte) []byte {
	dst = append(dst, `{"code":`...)
	dst = strconv.AppendInt(dst, int64(e.Code), 10)
	dst = append(dst, `,"message":"`...)
	dst = append(dst, e.Message...)
	return append(dst, `"}`...)
}

// AppendUpgradeError appends the whole answer to a request for a WebSocket, after which the conn is to be closed. fields are further
// lines of its head, each with its CRLF.
func (e *Error) AppendUpgradeError(dst []byte, fields []byte) []byte {
	dst = append(dst, "HTTP/1.1 "...)
	dst = strconv.AppendInt(dst, int64(e.Status), 10)
	dst = append(dst, ' ')
	dst = append(dst, http.StatusText(e.Status)...)
	dst = append(dst, "\r\nConnection: close\r\nContent-type: text/html\r\nContent-Length: "...)
	dst = strconv.AppendInt(dst, int64(len(e.Message)), 10)
	dst = append(dst, "\r\n"...)
	dst = append(dst, fields...)
	dst = append(dst, "\r\n"...)
	return append(dst, e.Message...)
}
