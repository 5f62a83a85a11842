package frame

import "strconv"

const (
	minWindowBits = 8
	maxWindowBits = 15

	extensionName = "permessage-deflate"
)

// DeflateParams is what was agreed on permessage-deflate (RFC 7692) for the messages that we send. Neither side keeps
// context from one message to the next, so this is all there is; the zero value means that it was not agreed.
type DeflateParams struct {
	WindowBits uint8 // log2 of the window that we compress with, 8 to 15
	Named      bool  // the offer had server_max_window_bits, so the answer must
}

// Agreed reports whether permessage-deflate is in use.
func (p DeflateParams) Agreed() bool { return p.WindowBits != 0 }

// appendTo appends the extension as it stands in the answer; the zero value's form is a client's offer.
func (p DeflateParams) appendTo(dst []byte) []byte {
	dst = append(dst, extensionName+"; server_no_context_takeover; client_no_context_takeover"...)
	if p.Named {
		dst = append(dst, "; server_max_window_bits="...)
		dst = strconv.AppendUint(dst, uint64(p.WindowBits), 10)
	}
	return dst
}

// NegotiateDeflate answers the client's list of extensions, Request.Extensions (RFC 7692 section 5): it accepts the
// first offer of permessage-deflate whose parameters all are what section 7.1 allows, and leaves every other one
// and every other extension. The error is for a list that is not one (RFC 6455 section 9.1).
func NegotiateDeflate(extensions []byte) (DeflateParams, *HTTPError) {
	var agreed DeflateParams
	for l := list(extensions); l.next(); {
		o, ok := cutOffer(&l)
		switch {
		case !ok:
			return DeflateParams{}, errList
		case o.good && !agreed.Agreed():
			agreed = o.params()
		}
	}
	return agreed, nil
}

// deflateAccepted reports whether the server's list of extensions is permessage-deflate alone, with no context
// taken over from message to message, and nothing asked of the client that it did not offer.
func deflateAccepted(extensions []byte) bool {
	l := list(extensions)
	if !l.next() {
		return false
	}
	o, ok := cutOffer(&l)
	return ok && o.good && o.seen&serverNoContext != 0 && o.seen&clientMaxWindow == 0 && !l.next()
}

// The parameters of permessage-deflate (RFC 7692 section 7.1).
const (
	serverNoContext = 1 << iota
	clientNoContext
	serverMaxWindow
	clientMaxWindow
)

// offer is one element of a list of extensions.
type offer struct {
	good bool  // it is permessage-deflate, with parameters that mean something
	seen uint8 // which
	bits uint8 // the value of server_max_window_bits
}

// cutOffer takes one element off l; ok is false if it is malformed.
func cutOffer(l *list) (o offer, ok bool) {
	name := l.token()
	if len(name) == 0 {
		return o, false
	}
	o.good = string(name) == extensionName
	for l.space(); l.skip(';'); l.space() {
		name, value, ok := l.param()
		if !ok {
			return o, false
		}
		o.good = o.add(name, value) && o.good
	}
	return o, l.ended()
}

// add takes one parameter into o and reports whether the offer may still be accepted.
func (o *offer) add(name, value []byte) bool {
	var param uint8
	ok := value == nil
	switch string(name) {
	case "server_no_context_takeover":
		param = serverNoContext
	case "client_no_context_takeover":
		param = clientNoContext
	case "server_max_window_bits":
		param, o.bits = serverMaxWindow, windowBits(value)
		ok = o.bits != 0
	case "client_max_window_bits":
		param = clientMaxWindow
		ok = ok || windowBits(value) != 0
	}
	first := o.seen&param == 0
	o.seen |= param
	return ok && first && param != 0
}

// params is what an accepted offer comes to. We need not tell a client that offers client_max_window_bits to use
// less than the largest window: nothing of it stays with us between messages.
func (o offer) params() DeflateParams {
	if o.seen&serverMaxWindow == 0 {
		return DeflateParams{WindowBits: maxWindowBits}
	}
	return DeflateParams{WindowBits: o.bits, Named: true}
}

// windowBits decodes a number from 8 to 15 without leading zeros; it is 0 if value is anything else.
func windowBits(value []byte) uint8 {
	for bits := uint8(minWindowBits); bits <= maxWindowBits; bits++ {
		if string(value) == strconv.Itoa(int(bits)) {
			return bits
		}
	}
	return 0
}
