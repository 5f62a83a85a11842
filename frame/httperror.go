package frame

import (
	"net/http"
	"strconv"
)

// HTTPError is the answer to a request that is refused, and ends its conn. The values here are fixed and shared, so
// an error costs no allocation; a session may make more of its own.
type HTTPError struct {
	Status int
	Reason string // a few words of ASCII: the body of the answer, also good as a label of a counter
	Header string // further header lines, each with its CRLF
	Bare   bool   // the answer has no body
}

func (e *HTTPError) Error() string { return "http: " + e.Reason }

// Answers that a session decides on, when it knows the path, the origin, the load.
var (
	ErrForbidden   = &HTTPError{Status: http.StatusForbidden, Reason: "origin not allowed"}
	ErrNotFound    = &HTTPError{Status: http.StatusNotFound, Reason: "not found"}
	ErrTimeout     = &HTTPError{Status: http.StatusRequestTimeout, Reason: "request too slow"}
	ErrUnavailable = &HTTPError{Status: http.StatusServiceUnavailable, Reason: "overloaded", Header: "Retry-After: 5\r\n"}
	ErrMethod      = &HTTPError{Status: http.StatusMethodNotAllowed, Reason: "method not allowed"}
	ErrBodyTooBig  = &HTTPError{Status: http.StatusRequestEntityTooLarge, Reason: "body too large", Bare: true} // as Engine.IO's clients know it
	ErrEarlyData   = &HTTPError{Status: http.StatusBadRequest, Reason: "data before the handshake is complete"}
)

// What ParseRequest finds (RFC 9112).
var (
	errMethod        = badRequest("bad method")
	errLineEnd       = badRequest("bad line end")
	errRequestLine   = badRequest("bad request line")
	errTarget        = badRequest("bad request target")
	errHTTP10        = badRequest("HTTP/1.1 required")
	errField         = badRequest("bad header field")
	errDuplicate     = badRequest("header field given twice")
	errHost          = badRequest("bad or missing host")
	errOrigin        = badRequest("bad origin")
	errList          = badRequest("bad list in header field")
	errContentLength = badRequest("bad content length")
	errTransfer      = badRequest("transfer encoding is not chunked")
	errChunk         = badRequest("bad chunk")
	errChunkWaste    = badRequest("too little body in its chunks")
	errExpect        = &HTTPError{Status: http.StatusExpectationFailed, Reason: "unknown expectation"}
	errHeadTooBig    = &HTTPError{Status: http.StatusRequestHeaderFieldsTooLarge, Reason: "header too large"}
	errFields        = &HTTPError{Status: http.StatusRequestHeaderFieldsTooLarge, Reason: "too many header fields"}
	errTargetTooBig  = &HTTPError{Status: http.StatusRequestURITooLong, Reason: "request target too long"}
	errHTTPVersion   = &HTTPError{Status: http.StatusHTTPVersionNotSupported, Reason: "HTTP/1.1 required"}
)

// What CheckUpgrade finds (RFC 6455 sections 4.2.1 and 4.4).
var (
	errNotGet     = &HTTPError{Status: http.StatusMethodNotAllowed, Reason: "method not allowed", Header: "Allow: GET\r\n"}
	errBody       = badRequest("upgrade with a body")
	ErrUpgrade    = badRequest("upgrade is not to websocket")
	errConnection = badRequest("connection is not upgrade")
	errKey        = badRequest("bad websocket key")
	errPlain      = upgradeRequired("this is a websocket endpoint")
	errVersion    = upgradeRequired("websocket version 13 required")
)

func badRequest(reason string) *HTTPError {
	return &HTTPError{Status: http.StatusBadRequest, Reason: reason}
}

// upgradeRequired says what to upgrade to. Who sends an Upgrade field names it in Connection, so that no proxy passes it on (RFC 9110
// section 7.8).
func upgradeRequired(reason string) *HTTPError {
	return &HTTPError{Status: http.StatusUpgradeRequired, Reason: reason, Header: "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"}
}

// AppendRetryLater appends the answer to a client that is to come again, in so many seconds: status 503 or 429 (RFC 6585
// section 4).
func AppendRetryLater(dst []byte, status, seconds int) []byte {
	const body = "come again later\n"
	dst = append(dst, "HTTP/1.1 "...)
	dst = strconv.AppendInt(dst, int64(status), 10)
	dst = append(dst, ' ')
	dst = append(dst, http.StatusText(status)...)
	dst = append(dst, "\r\nConnection: close\r\nRetry-After: "...)
	dst = strconv.AppendInt(dst, int64(seconds), 10)
	dst = append(dst, "\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: "...)
	dst = strconv.AppendInt(dst, int64(len(body)), 10)
	dst = append(dst, "\r\n\r\n"...)
	return append(dst, body...)
}

// AppendHTTPError appends the whole answer that e stands for, with more header lines, each with its CRLF. The conn is to be
// closed once it is sent.
func AppendHTTPError(dst []byte, e *HTTPError, more ...byte) []byte {
	dst = appendErrorFields(dst, e, more)
	if e.Bare {
		return append(dst, "Content-Length: 0\r\n\r\n"...)
	}
	dst = append(dst, "Content-Type: text/plain; charset=utf-8\r\nContent-Length: "...)
	dst = strconv.AppendInt(dst, int64(len(e.Reason)+1), 10)
	dst = append(dst, "\r\n\r\n"...)
	dst = append(dst, e.Reason...)
	return append(dst, '\n')
}

// AppendHTTPErrorHead is AppendHTTPError for a request with HEAD: the answer has no body (RFC 9110 section 9.3.2), and no length, as
// that would be the one of the answer to a GET (section 8.6).
func AppendHTTPErrorHead(dst []byte, e *HTTPError, more ...byte) []byte {
	return append(appendErrorFields(dst, e, more), "\r\n"...)
}

func appendErrorFields(dst []byte, e *HTTPError, more []byte) []byte {
	dst = appendStatus(dst, e.Status)
	dst = append(dst, "Connection: close\r\n"...)
	return append(append(dst, e.Header...), more...)
}
