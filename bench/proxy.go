package bench

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/seed4ac54ce5/edge/proxyproto"
)

// proxied has every connection begin as one that a proxy passes on, each from a client address of its own. A nil proxied is no
// proxy.
type proxied struct {
	version int
	clients netip.Prefix
}

// defaultClients is where clients that a proxy tells of have their addresses.
const defaultClients = "10.0.0.0/8"

// newProxied reads --proxy-protocol and --proxy-clients.
func newProxied(o *Options) (*proxied, error) {
	p := new(proxied)
	switch o.ProxyProtocol {
	case "":
		return nil, nil
	case "v1":
		p.version = 1
	case "v2":
		p.version = 2
	default:
		return nil, fmt.Errorf("%w: --proxy-protocol %q: want v1 or v2", ErrUsage, o.ProxyProtocol)
	}
	var err error
	if p.clients, err = netip.ParsePrefix(o.ProxyClients); err != nil {
		return nil, fmt.Errorf("%w: --proxy-clients %q: want a range of addresses, as %s", ErrUsage, o.ProxyClients, defaultClients)
	}
	p.clients = p.clients.Masked()
	return p, nil
}

// client returns the address of client number n. With more clients than addresses some share one.
func (p *proxied) client(n uint32) netip.AddrPort {
	const port = 40_000
	b := p.clients.Addr().AsSlice()
	host := min(p.clients.Addr().BitLen()-p.clients.Bits(), 32)
	n = uint32(uint64(n+1) % (1 << host)) // the range's own address is nobody's
	for i := range min(4, len(b)) {
		b[len(b)-1-i] |= byte(n >> (8 * i))
	}
	a, _ := netip.AddrFromSlice(b)
	return netip.AddrPortFrom(a, port)
}

// append appends the header of connection n, which goes to t.
func (p *proxied) append(dst []byte, t *target, n uint32) []byte {
	if p == nil {
		return dst
	}
	h := proxyproto.Header{Source: p.client(n), Destination: netip.AddrPortFrom(t.ip, t.port)}
	if p.version == 1 {
		return proxyproto.AppendV1(dst, &h)
	}
	return proxyproto.AppendV2(dst, &h, false)
}

// ownHeaders are those that the opening of a WebSocket has already.
var ownHeaders = []string{"host", "upgrade", "connection", "content-length", "transfer-encoding"}

// headerLines returns what --header says as lines of a request, each with its end.
func headerLines(headers []string) (string, error) {
	var lines strings.Builder
	for _, h := range headers {
		name, value, ok := strings.Cut(h, ":")
		value = strings.TrimSpace(value)
		if !ok || !isToken(name) || strings.ContainsFunc(value, isControl) {
			return "", fmt.Errorf("%w: --header %q: want 'Name: value'", ErrUsage, h)
		}
		lower := strings.ToLower(name)
		for _, own := range ownHeaders {
			if lower == own || strings.HasPrefix(lower, "sec-websocket-") {
				return "", fmt.Errorf("%w: --header %q: the opening of a WebSocket has its own; want another one", ErrUsage, h)
			}
		}
		lines.WriteString(name + ": " + value + "\r\n")
	}
	return lines.String(), nil
}

// isToken reports whether name may be a field's (RFC 9110 section 5.6.2).
func isToken(name string) bool {
	return name != "" && !strings.ContainsFunc(name, func(r rune) bool {
		return r <= ' ' || r >= 0x7F || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, r)
	})
}

func isControl(r rune) bool { return r < ' ' && r != '\t' || r == 0x7F }
