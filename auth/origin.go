package auth

import (
	"bytes"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// Origins says which web pages may use the server, by the Origin header that browsers send (RFC 6454 section 7); the
// zero value lets none. It is immutable. Requests without the header come from programs, or from pages that browsers
// trust less: the caller lets them in only with a token of their own.
type Origins struct {
	everything bool
	self       bool
	rules      []originRule
}

// An originRule allows one origin, or all hosts below one.
type originRule struct {
	origin
	below bool
}

// An origin is a scheme, a host and a port. Letters may be in any case; the port of a scheme that we know is never 0.
type origin struct {
	scheme, host []byte
	port         uint16 // 0 if there is none
}

// ParseOrigins reads a list of origins:
//
//	https://example.com         this scheme, host and port, the scheme's own if there is none, and nothing else
//	https://*.example.com:8443  any host with one or more labels before example.com, but not example.com itself
//	self                        the host and port that the request is for, over http or https
//	*                           every page of the world, even those that have no origin ("null")
//
// Hosts in other than ASCII letters are written as browsers send them, in Punycode. The error wraps ErrConfig.
func ParseOrigins(list []string) (Origins, error) {
	var o Origins
	for _, entry := range list {
		switch entry {
		case "*":
			o.everything = true
		case "self":
			o.self = true
		default:
			r, err := parseOriginRule(entry)
			if err != nil {
				return Origins{}, err
			}
			o.rules = append(o.rules, r)
		}
	}
	return o, nil
}

func parseOriginRule(entry string) (originRule, error) {
	scheme, host, _ := strings.Cut(entry, "://")
	host, below := strings.CutPrefix(host, "*.")
	o, ok := parseOrigin([]byte(scheme + "://" + host))
	switch {
	case !ok:
		return originRule{}, fmt.Errorf("%w: origin %q is not of the form https://example.com or https://*.example.com:8443, without a path", ErrConfig, entry)
	case below && !mayHaveBelow(string(o.host)):
		return originRule{}, fmt.Errorf("%w: origin %q is too wide; write at least two labels after the star", ErrConfig, entry)
	case o.host[0] == '[' && !isIPv6(string(o.host)):
		return originRule{}, fmt.Errorf("%w: origin %q has no IPv6 address between its brackets", ErrConfig, entry)
	}
	return originRule{o, below}, nil
}

// mayHaveBelow reports whether a star may stand before host: not before a single label such as com, nor an address.
func mayHaveBelow(host string) bool {
	if host == "localhost" {
		return true
	}
	last := host[strings.LastIndexByte(host, '.')+1:]
	return len(last) < len(host) && last[0] > '9'
}

func isIPv6(bracketed string) bool {
	a, err := netip.ParseAddr(strings.Trim(bracketed, "[]"))
	return err == nil && a.Is6()
}

// Allows reports whether a page of this origin may use the server; host is the request's Host header, for "self". An
// origin that is not one, such as null, or one with a path, is allowed only by "*". It allocates nothing.
func (o *Origins) Allows(header, host []byte) bool {
	if o.everything {
		return true
	}
	page, ok := parseOrigin(header)
	if !ok {
		return false
	}
	if o.self && page.isAt(host) {
		return true
	}
	for i := range o.rules {
		if o.rules[i].allows(page) {
			return true
		}
	}
	return false
}

func (r *originRule) allows(page origin) bool {
	if page.port != r.port || !bytes.EqualFold(page.scheme, r.scheme) {
		return false
	}
	host := page.host
	if r.below {
		dot := len(host) - len(r.host) - 1
		if dot < 1 || host[dot] != '.' {
			return false
		}
		host = host[dot+1:]
	}
	return bytes.EqualFold(host, r.host)
}

// isAt reports whether o is a page of the server that a request with this Host header is for. Whether that came by http
// or https, a proxy in front may have kept to itself.
func (o origin) isAt(header []byte) bool {
	standard := standardPort(o.scheme)
	host, port, ok := parseAuthority(header, standard)
	return ok && standard != 0 && port == o.port && bytes.EqualFold(host, o.host)
}

// parseOrigin reads the serialization of an origin (RFC 6454 section 6.2).
func parseOrigin(b []byte) (o origin, ok bool) {
	scheme, rest, ok := bytes.Cut(b, []byte("://"))
	if !ok || !isScheme(scheme) {
		return o, false
	}
	o.scheme = scheme
	o.host, o.port, ok = parseAuthority(rest, standardPort(scheme))
	return o, ok
}

// standardPort returns the port that origins of a scheme leave out, 0 if we know none.
func standardPort(scheme []byte) uint16 {
	switch {
	case bytes.EqualFold(scheme, []byte("https")):
		return 443
	case bytes.EqualFold(scheme, []byte("http")):
		return 80
	}
	return 0
}

// parseAuthority reads a host and an optional port, which is standard if it is absent.
func parseAuthority(b []byte, standard uint16) (host []byte, port uint16, ok bool) {
	host, digits := b, []byte(nil)
	if i := bytes.LastIndexByte(b, ':'); i > bytes.LastIndexByte(b, ']') {
		host, digits = b[:i], b[i+1:]
		if port, ok = parsePort(digits); !ok {
			return nil, 0, false
		}
		return host, port, isHost(host)
	}
	return host, standard, isHost(host)
}

// parsePort reads a port as browsers write it: 1 to 65535, without a zero in front.
func parsePort(b []byte) (uint16, bool) {
	if len(b) == 0 || len(b) > 5 || b[0] == '0' {
		return 0, false
	}
	n, err := strconv.ParseUint(string(b), 10, 16)
	return uint16(n), err == nil
}

// isScheme reports whether b is a letter and then letters, digits and +-. (RFC 3986 section 3.1).
func isScheme(b []byte) bool {
	if len(b) == 0 || !isLetter(b[0]) {
		return false
	}
	for _, c := range b {
		if !isLetter(c) && !isDigit(c) && c != '+' && c != '-' && c != '.' {
			return false
		}
	}
	return true
}

// isHost reports whether b is labels with dots between, or something in brackets that looks like an IPv6 address.
func isHost(b []byte) bool {
	if len(b) > 2 && b[0] == '[' && b[len(b)-1] == ']' {
		return isAddress(b[1 : len(b)-1])
	}
	label := 0 // bytes in it so far
	for _, c := range b {
		switch {
		case isLetter(c) || isDigit(c) || c == '-' || c == '_':
			label++
		case c == '.' && label > 0:
			label = 0
		default:
			return false
		}
	}
	return label > 0
}

func isAddress(b []byte) bool {
	for _, c := range b {
		if hex := isDigit(c) || 'a' <= c|0x20 && c|0x20 <= 'f'; !hex && c != ':' && c != '.' {
			return false
		}
	}
	return true
}

func isLetter(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }

func isDigit(c byte) bool { return '0' <= c && c <= '9' }
