package frame

import (
	"bytes"
	"iter"
)

// RequestLimits is what a request may cost before it is understood.
type RequestLimits struct {
	Head   int // bytes of the request line and the fields, with the empty line after them
	Target int // bytes of the request target
	Fields int // header fields
}

// Request is the head of an HTTP request. All its slices are slices of the bytes it was parsed from, and good for
// as long as they are. A field that was not given is nil; one that was given empty is not.
type Request struct {
	Method     []byte
	Path       []byte // of the target, as sent: not unescaped
	RawQuery   []byte // what follows the first '?'
	Host       []byte
	Origin     []byte
	Key        []byte // Sec-WebSocket-Key
	Version    []byte // Sec-WebSocket-Version
	Protocols  []byte // Sec-WebSocket-Protocol, for SelectProtocol
	Extensions []byte // Sec-WebSocket-Extensions, for NegotiateDeflate

	fields        []byte // every field line, and the empty line after them
	authority     []byte // the host in a target in absolute form
	contentLength []byte
	hasUpgrade    bool   // there is an Upgrade field
	toWebSocket   bool   // and it names websocket
	connUpgrade   bool   // Connection names upgrade
	connClose     bool   // Connection names close
	transfer      []byte // Transfer-Encoding
	expect        []byte // Expect
}

// ParseRequest decodes the HTTP/1.1 request head at the front of b into r and returns its size n. With n 0 and no
// error the head is not complete: call again with more, and with from the length of this b, so that a head that
// comes byte by byte costs linear work. r is set only when n is not 0. What is refused is what RFC 9112 lets a
// server refuse: line ends other than CRLF, folded lines, a space before a colon, control characters, two of what
// must be one, a host that is none. Whether it asks for a WebSocket is for CheckUpgrade.
func ParseRequest(b []byte, from int, lim *RequestLimits, r *Request) (n int, err *HTTPError) {
	if len(b) == 0 {
		return 0, nil
	}
	if byteClass[b[0]]&tokenByte == 0 {
		return 0, errMethod // not HTTP at all; TLS begins with 0x16
	}
	b = b[:min(len(b), lim.Head)]
	n, ok := headEnd(b, min(from, len(b)))
	switch {
	case !ok:
		return 0, errLineEnd
	case n == 0 && len(b) == lim.Head:
		return 0, headTooBig(b)
	case n == 0:
		return 0, nil
	}
	if err := r.parse(b[:n], lim); err != nil {
		return 0, err
	}
	return n, nil
}

// headTooBig says what is too big of a head that does not end within b.
func headTooBig(b []byte) *HTTPError {
	if bytes.IndexByte(b, '\n') < 0 {
		return errTargetTooBig
	}
	return errHeadTooBig
}

// parse decodes a whole head.
func (r *Request) parse(head []byte, lim *RequestLimits) *HTTPError {
	line, fields := cutLine(head)
	*r = Request{fields: fields}
	if err := r.parseLine(line, lim); err != nil {
		return err
	}
	for count := 0; len(fields) > endOfFields; count++ {
		name, value, rest, ok := cutField(fields)
		switch {
		case !ok:
			return errField
		case count == lim.Fields:
			return errFields
		}
		if err := r.setField(name, value); err != nil {
			return err
		}
		fields = rest
	}
	return r.checkFields()
}

// parseLine decodes the request line: method, target and version with one space between them (RFC 9112 section 3).
func (r *Request) parseLine(line []byte, lim *RequestLimits) *HTTPError {
	n := classPrefix(line, tokenByte)
	if n == len(line) || line[n] != ' ' {
		return errRequestLine
	}
	r.Method, line = line[:n], line[n+1:]
	n = bytes.IndexByte(line, ' ')
	if n < 0 {
		return errRequestLine
	}
	target, version := line[:n], line[n+1:]
	if n > lim.Target {
		return errTargetTooBig
	}
	if !r.parseTarget(target) {
		return errTarget
	}
	return checkHTTPVersion(version)
}

// parseTarget splits a target in origin form, /path?query, or in absolute form, http://host/path?query, whose host
// must be that of the Host field (RFC 9112 section 3.2, RFC 6455 section 4.1).
func (r *Request) parseTarget(target []byte) bool {
	if !isAll(target, targetByte) {
		return false
	}
	if scheme := schemeSize(target); scheme > 0 {
		target = target[scheme:]
		n := max(bytes.IndexByte(target, '/'), 0)
		r.authority, target = target[:n], target[n:]
	}
	if len(target) == 0 || target[0] != '/' {
		return false
	}
	r.Path, r.RawQuery, _ = bytes.Cut(target, []byte{'?'})
	return true
}

// schemeSize is the size of http:// or https:// at the front of target, or 0.
func schemeSize(target []byte) int {
	for _, scheme := range [...]string{"http://", "https://"} {
		if n := len(scheme); len(target) > n && bytes.EqualFold(target[:n], []byte(scheme)) {
			return n
		}
	}
	return 0
}

// checkHTTPVersion accepts HTTP/1.1 and what may follow it in the same major version (RFC 9112 section 2.3).
func checkHTTPVersion(v []byte) *HTTPError {
	const form = "HTTP/1.1"
	switch {
	case len(v) != len(form) || string(v[:5]) != form[:5] || v[6] != '.' || !isDigit(v[5]) || !isDigit(v[7]):
		return errRequestLine
	case v[5] != '1':
		return errHTTPVersion
	case v[7] == '0':
		return errHTTP10
	}
	return nil
}

// setField keeps a field that the handshake or the framing of the request depends on.
func (r *Request) setField(name, value []byte) *HTTPError {
	once, listed := true, true
	switch {
	case equalFold(name, "host"):
		once = setOnce(&r.Host, value)
	case equalFold(name, "origin"):
		once = setOnce(&r.Origin, value)
	case equalFold(name, "upgrade"):
		r.hasUpgrade = true
		listed = addProtocol(&r.toWebSocket, value, "websocket")
	case equalFold(name, "connection"):
		listed = addToken(&r.connUpgrade, value, "upgrade") && addToken(&r.connClose, value, "close")
	case equalFold(name, "content-length"):
		once = setOnce(&r.contentLength, value)
	case equalFold(name, "transfer-encoding"):
		once = setOnce(&r.transfer, value)
	case equalFold(name, "expect"):
		once = setOnce(&r.expect, value)
	case equalFold(name, "sec-websocket-key"):
		once = setOnce(&r.Key, value)
	case equalFold(name, "sec-websocket-version"):
		once = setOnce(&r.Version, value)
	case equalFold(name, "sec-websocket-protocol"):
		joinList(&r.Protocols, value)
	case equalFold(name, "sec-websocket-extensions"):
		joinList(&r.Extensions, value)
	}
	switch {
	case !once:
		return errDuplicate
	case !listed:
		return errList
	}
	return nil
}

// checkFields holds what was kept against the rules that concern any request.
func (r *Request) checkFields() *HTTPError {
	switch {
	case !isHost(r.Host):
		return errHost
	case r.authority != nil && !bytes.EqualFold(r.authority, r.Host):
		return errHost
	case !isAll(r.Origin, targetByte):
		return errOrigin
	case r.contentLength != nil && (r.transfer != nil || !isLength(r.contentLength)):
		return errContentLength
	case r.transfer != nil && !equalFoldToken(r.transfer, "chunked"):
		return errTransfer
	case r.expect != nil && !equalFoldToken(r.expect, "100-continue"):
		return errExpect
	}
	return nil
}

// HasBody reports whether more of the request follows its head.
func (r *Request) HasBody() bool {
	return r.transfer != nil || len(bytes.Trim(r.contentLength, "0")) > 0
}

// Chunked reports whether the body comes in chunks, for [Chunks]; else it has the bytes that Length says.
func (r *Request) Chunked() bool { return r.transfer != nil }

// Length returns how many bytes the head says that the body has.
func (r *Request) Length() (n int64) {
	for _, c := range r.contentLength { // isLength has counted them
		n = 10*n + int64(c-'0')
	}
	return n
}

// Upgrades reports whether the request has an Upgrade field.
func (r *Request) Upgrades() bool { return r.hasUpgrade }

// Closes reports whether the client wants the conn closed behind the answer (RFC 9112 section 9.6).
func (r *Request) Closes() bool { return r.connClose }

// ExpectsContinue reports whether the client waits for a word before it sends the body (RFC 9110 section 10.1.1).
func (r *Request) ExpectsContinue() bool { return r.expect != nil }

// Header returns the value of the first field of that name, in any case of letters, or nil. name is in lower case.
// The value has no control characters but may be anything else, also invalid UTF-8.
func (r *Request) Header(name string) []byte {
	for n, value := range r.All() {
		if equalFold(n, name) {
			return value
		}
	}
	return nil
}

// All yields every field in the order they were sent, the values without the spaces around them.
func (r *Request) All() iter.Seq2[[]byte, []byte] { return allFields(r.fields) }

// isLength reports whether b is a Content-Length that can be counted with (RFC 9110 section 8.6).
func isLength(b []byte) bool {
	const most = 18 // digits, so that it fits 63 bits
	return 0 < len(b) && len(b) <= most && isDigits(b)
}
