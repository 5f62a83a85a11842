// Package proxyproto is the PROXY protocol, versions 1 and 2, as bytes: the header with which a proxy tells the
// server behind it whose conn it passes on. It does no I/O, starts no goroutine and allocates nothing to parse.
// Sections are those of the protocol's specification, by Willy Tarreau of HAProxy.
//
// A server asks first whether the conn comes from a proxy it trusts. If it does, a header must be the first thing
// on it; if it does not, the bytes are not looked at, as anybody can claim any address:
//
//	if !trusted.Contains(peer.Addr()) {
//		return errUntrusted // close, without a guess
//	}
//	h, n, err := proxyproto.Parse(b) // until n > 0; err: close
//	if !h.Local {
//		peer = h.Source
//	}
//	b = b[n:] // TLS or HTTP, from here on
//
// Parse finds a wrong header at its first wrong byte, so that a peer that speaks something else is found out as
// soon as it has said so. The deadline for a header that never ends is the caller's.
package proxyproto
