package frame

import (
	"bytes"
	"encoding/base64"
	"errors"
	"iter"
	"net/http"
)

// ClientRequest is what a client asks for. Its strings go to the wire as they are.
type ClientRequest struct {
	Host      string // and port, if it is not the default one
	Target    string // path, and query if there is one
	Key       [keySize]byte
	Protocols []string
	Deflate   bool   // offer permessage-deflate, without context takeover
	Header    string // further header lines, each with its CRLF
}

// NewKey makes the key of a request from 16 random bytes (RFC 6455 section 4.1).
func NewKey(nonce [nonceSize]byte) (key [keySize]byte) {
	base64.StdEncoding.Encode(key[:], nonce[:])
	return key
}

// AppendRequest appends the opening of a WebSocket from the client's side.
func AppendRequest(dst []byte, r *ClientRequest) []byte {
	dst = append(dst, "GET "...)
	dst = append(dst, r.Target...)
	dst = append(dst, " HTTP/1.1\r\nHost: "...)
	dst = append(dst, r.Host...)
	dst = append(dst, "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: "...)
	dst = append(dst, r.Key[:]...)
	for i, p := range r.Protocols {
		if i == 0 {
			dst = append(dst, "\r\nSec-WebSocket-Protocol: "...)
		} else {
			dst = append(dst, ", "...)
		}
		dst = append(dst, p...)
	}
	if r.Deflate {
		dst = append(dst, "\r\nSec-WebSocket-Extensions: "...)
		dst = DeflateParams{}.appendTo(dst)
	}
	dst = append(dst, "\r\n"...)
	dst = append(dst, r.Header...)
	return append(dst, "\r\n"...)
}

// Response is the head of the server's answer. With a status other than 101 the rest is not set, and what follows
// the head is the body of the refusal.
type Response struct {
	Status   int
	Protocol string        // one of those asked for, or ""
	Deflate  DeflateParams // for Deflate; Agreed only if it was asked for

	RetryAfter int // seconds for which a refused client is to stay away (RFC 9110 section 10.2.3), 0 if it is not told or told a date

	fields     []byte
	accept     []byte
	extensions []byte
	protocol   []byte
	upgrade    bool
	connection bool
}

// What a server can do wrong in its answer (RFC 6455 section 4.1).
var (
	ErrResponse   = errors.New("frame: response is not HTTP/1.1")
	ErrNotUpgrade = errors.New("frame: response does not upgrade to websocket")
	ErrAccept     = errors.New("frame: response has the wrong Sec-WebSocket-Accept")
	ErrProtocol   = errors.New("frame: response has a subprotocol that was not asked for")
	ErrExtension  = errors.New("frame: response has an extension that was not asked for")
)

// maxResponseHead is more than any server's answer takes.
const maxResponseHead = 16 << 10

// ParseResponse decodes the answer to q at the front of b into r and returns the size n of its head; what follows
// are frames. n 0 and from are as for ParseRequest.
func ParseResponse(b []byte, from int, q *ClientRequest, r *Response) (n int, err error) {
	const start = "HTTP/1."
	if m := min(len(b), len(start)); string(b[:m]) != start[:m] {
		return 0, ErrResponse
	}
	b = b[:min(len(b), maxResponseHead)]
	n, ok := headEnd(b, min(from, len(b)))
	switch {
	case !ok || n == 0 && len(b) == maxResponseHead:
		return 0, ErrResponse
	case n == 0:
		return 0, nil
	}
	if err := r.parse(b[:n]); err != nil {
		return 0, err
	}
	if r.Status == http.StatusSwitchingProtocols {
		err = r.check(q)
	}
	return n, err
}

// parse decodes a whole head.
func (r *Response) parse(head []byte) error {
	line, fields := cutLine(head)
	*r = Response{fields: fields}
	if r.Status = statusOf(line); r.Status == 0 {
		return ErrResponse
	}
	for len(fields) > endOfFields {
		name, value, rest, ok := cutField(fields)
		if !ok || !r.setField(name, value) {
			return ErrResponse
		}
		fields = rest
	}
	return nil
}

// statusOf decodes a status line (RFC 9112 section 4); it returns 0 if it is none.
func statusOf(line []byte) int {
	const code = len("HTTP/1.1 ")
	if len(line) < code+3 || line[code-1] != ' ' || len(line) > code+3 && line[code+3] != ' ' {
		return 0
	}
	status := 0
	for _, c := range line[code : code+3] {
		if !isDigit(c) {
			return 0
		}
		status = status*10 + int(c-'0')
	}
	return status
}

// setField keeps a field that the handshake depends on.
func (r *Response) setField(name, value []byte) (ok bool) {
	switch {
	case equalFold(name, "upgrade"):
		r.upgrade = equalFold(value, "websocket")
	case equalFold(name, "connection"):
		return addToken(&r.connection, value, "upgrade")
	case equalFold(name, "sec-websocket-accept"):
		return setOnce(&r.accept, value)
	case equalFold(name, "sec-websocket-protocol"):
		return setOnce(&r.protocol, value)
	case equalFold(name, "sec-websocket-extensions"):
		joinList(&r.extensions, value)
	case equalFold(name, "retry-after"):
		r.RetryAfter = secondsOf(value)
	}
	return true
}

// maxSeconds is more than any wait that is told in earnest.
const maxSeconds = 1 << 30

// secondsOf reads a number of seconds; what is none is 0.
func secondsOf(value []byte) (n int) {
	for _, c := range value {
		if !isDigit(c) {
			return 0
		}
		n = min(n*10+int(c-'0'), maxSeconds)
	}
	return n
}

// check holds a 101 against what q asked for.
func (r *Response) check(q *ClientRequest) error {
	var accept [28]byte
	switch {
	case !r.upgrade || !r.connection:
		return ErrNotUpgrade
	case !bytes.Equal(r.accept, appendAccept(accept[:0], q.Key[:])):
		return ErrAccept
	}
	if r.protocol != nil {
		if r.Protocol = find(q.Protocols, r.protocol); r.Protocol == "" {
			return ErrProtocol
		}
	}
	if r.extensions != nil {
		return r.checkExtensions(q)
	}
	return nil
}

// checkExtensions accepts permessage-deflate if it was offered, on the terms of the offer.
func (r *Response) checkExtensions(q *ClientRequest) error {
	if !q.Deflate || !deflateAccepted(r.extensions) {
		return ErrExtension
	}
	r.Deflate = DeflateParams{WindowBits: maxWindowBits}
	return nil
}

// All yields every field in the order they were sent, the values without the spaces around them.
func (r *Response) All() iter.Seq2[[]byte, []byte] { return allFields(r.fields) }
