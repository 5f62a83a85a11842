package proxyproto

import (
	"errors"
	"net/netip"
)

// MaxHeader is the size in bytes of the largest header that Parse accepts. The protocol allows 64 KiB more than
// anybody sends; a caller that keeps this much of a conn that has not shown its header keeps enough.
const MaxHeader = 4096

// A Header is what a proxy says about a conn.
type Header struct {
	Version uint8 // 1 or 2

	// Local: the conn is the proxy's own, for a health check, or the proxy cannot name its client. The
	// addresses to go by are the socket's, and nothing below is set.
	Local bool

	Source      netip.AddrPort // the client; never an IPv4 address in the form of an IPv6 one
	Destination netip.AddrPort // what it connected to; likewise

	// Version 2 only. The slices are of Parse's argument.
	Authority []byte // the host name that the client asked for (TLS SNI), nil if not told
	UniqueID  []byte // names the conn, at most 128 bytes, nil if not told
	TLS       bool   // the client speaks TLS to the proxy
}

// What Parse finds wrong, for counters and logs. After any of them the conn is to be closed without a reply.
var (
	ErrSignature = errors.New("proxyproto: no header")
	ErrText      = errors.New("proxyproto: malformed text header")         // 2.1
	ErrVersion   = errors.New("proxyproto: unknown version or command")    // 2.2
	ErrFamily    = errors.New("proxyproto: unknown family or transport")   // 2.2
	ErrLength    = errors.New("proxyproto: length does not fit")           // 2.2: its addresses, or MaxHeader
	ErrTLV       = errors.New("proxyproto: malformed type-length-value")   // 2.2
	ErrChecksum  = errors.New("proxyproto: checksum differs")              // 2.2.2
	errShort     = errors.New("proxyproto: the header goes on after this") // never leaves the package
)

// Parse decodes the header, of either version, at the front of b, and its size n; what follows it belongs to the
// conn. With n 0 and no error, b holds only part of one: call again with all of it and more. An error means that
// no bytes to come could make a header of b.
func Parse(b []byte) (h Header, n int, err error) {
	if len(b) > 0 && b[0] == binarySignature[0] {
		h, n, err = parseBinary(b)
	} else {
		h, n, err = parseText(b)
	}
	switch err {
	case nil:
		return h, n, nil
	case errShort:
		return Header{}, 0, nil
	}
	return Header{}, 0, err
}
