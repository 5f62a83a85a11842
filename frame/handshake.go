package frame

import (
	"crypto/sha1"
	"encoding/base64"
	"net/http"
)

const (
	nonceSize = 16
	keySize   = 24 // a nonce in base64

	acceptGUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
)

// CheckUpgrade reports what keeps r from being the opening of a WebSocket (RFC 6455 section 4.2.1), or nil. Path and
// origin are for the session to judge, the path before this.
func CheckUpgrade(r *Request) *HTTPError {
	switch {
	case string(r.Method) != http.MethodGet:
		return errNotGet
	case r.HasBody():
		return errBody
	case !r.hasUpgrade && r.Key == nil && r.Version == nil:
		return errPlain // a browser's or a health check's request, not a broken handshake
	case !r.toWebSocket:
		return ErrUpgrade
	case !r.connUpgrade:
		return errConnection
	case string(r.Version) != "13":
		return errVersion
	case !isKey(r.Key):
		return errKey
	}
	return nil
}

// isKey reports whether key is the base64 form of 16 bytes.
func isKey(key []byte) bool {
	var nonce [keySize / 4 * 3]byte
	if len(key) != keySize {
		return false
	}
	n, err := base64.StdEncoding.Decode(nonce[:], key)
	return err == nil && n == nonceSize
}

// SelectProtocol returns the first protocol of the client's list, Request.Protocols, that is among known, or ""
// if none is: the answer then names none and the client decides whether to go on (RFC 6455 section 4.2.2). A list
// that is not one of tokens is refused whole.
func SelectProtocol(offered []byte, known ...string) (string, *HTTPError) {
	selected := ""
	for l := list(offered); l.next(); {
		token, ok := l.tokenElement()
		if !ok {
			return "", errList
		}
		if selected == "" {
			selected = find(known, token)
		}
	}
	return selected, nil
}

// find returns the one of known that is token, or "".
func find(known []string, token []byte) string {
	for _, k := range known {
		if k == string(token) {
			return k
		}
	}
	return ""
}

// AppendUpgrade appends the answer that makes the conn a WebSocket (RFC 6455 section 4.2.2) to a request that
// CheckUpgrade has passed: key is its Key, protocol comes from SelectProtocol, d from NegotiateDeflate.
func AppendUpgrade(dst, key []byte, protocol string, d DeflateParams) []byte {
	dst = append(dst, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"...)
	dst = append(dst, "Sec-WebSocket-Accept: "...)
	dst = appendAccept(dst, key)
	if protocol != "" {
		dst = append(dst, "\r\nSec-WebSocket-Protocol: "...)
		dst = append(dst, protocol...)
	}
	if d.Agreed() {
		dst = append(dst, "\r\nSec-WebSocket-Extensions: "...)
		dst = d.appendTo(dst)
	}
	return append(dst, "\r\n\r\n"...)
}

// appendAccept appends the proof that key was read and understood.
func appendAccept(dst, key []byte) []byte {
	var buf [keySize + len(acceptGUID)]byte
	sum := sha1.Sum(append(append(buf[:0], key...), acceptGUID...))
	return base64.StdEncoding.AppendEncode(dst, sum[:])
}
