package bench

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	"github.com/seed4ac54ce5/edge/frame"
	"github.com/seed4ac54ce5/edge/netpoll"
	"github.com/seed4ac54ce5/edge/tlsrecord"
)

// The paths that a target without one means.
const (
	roomsPath = "/connection/websocket"
	echoPath  = "/echo"
)

// target is a place to connect to.
type target struct {
	dial    netpoll.Target
	address string // host:port
	path    string // "" if the target names none
	ip      netip.Addr
	port    uint16
	tls     *tls.Config       // nil for a plain connection
	secure  *tlsrecord.Client // the same
	header  string            // further lines of the request for a WebSocket
}

// parseTarget reads host:port, ws://host:port or ws://host:port/path, or the same with wss for TLS.
func parseTarget(o *Options, s string) (target, error) {
	rest, secure := strings.CutPrefix(s, "wss://")
	if !secure {
		rest = strings.TrimPrefix(s, "ws://")
	}
	if strings.Contains(rest, "://") {
		return target{}, fmt.Errorf("%w: --target %q: want ws://host:port, wss://host:port or host:port", ErrUsage, s)
	}
	u, err := url.Parse("ws://" + rest)
	if err == nil && u.User != nil {
		return target{}, fmt.Errorf("%w: --target: leave out the user: want a host and a port, as in 127.0.0.1:8000", ErrUsage)
	}
	if err != nil || u.Port() == "" || u.Hostname() == "" {
		return target{}, fmt.Errorf("%w: --target %q: want a host and a port, as in 127.0.0.1:8000", ErrUsage, s)
	}
	dial, err := netpoll.ParseTarget(u.Host)
	if err != nil {
		return target{}, fmt.Errorf("%w: --target %q: %w", ErrUsage, s, err)
	}
	t := target{dial: dial, address: u.Host, path: u.EscapedPath()}
	if u.RawQuery != "" {
		t.path += "?" + u.RawQuery
	}
	t.ip = ipOf(u.Hostname())
	port, _ := strconv.ParseUint(u.Port(), 10, 16) // netpoll has read it before
	t.port = uint16(port)
	if secure {
		if t.tls, err = o.tlsConfig(u.Hostname()); err != nil {
			return target{}, err
		}
		t.secure = tlsrecord.NewClient(t.tls)
	}
	return t, nil
}

// ipOf returns the address of host, the zero one if it has none; netpoll has resolved it before.
func ipOf(host string) netip.Addr {
	a, err := net.ResolveIPAddr("ip", host)
	if err != nil {
		return netip.Addr{}
	}
	ip, _ := netip.AddrFromSlice(a.IP)
	return ip.Unmap()
}

// request returns the opening of a WebSocket to t, at path if t names none. All connections use one
// key: nobody here is kept from guessing it.
func (t *target) request(path string) *frame.ClientRequest {
	if t.path != "" {
		path = t.path
	}
	return &frame.ClientRequest{Host: t.address, Target: path, Key: frame.NewKey([16]byte{1}), Header: t.header}
}

const (
	perSource  = 12_000 // connections from one source address to one target, of some 28,000 ports
	maxSources = 250 * 250
)

// routes decide where connection number n goes and from which address.
type routes struct {
	targets []target
	sources []netip.Addr // empty for the kernel's choice
	proxy   *proxied     // nil for none
}

// newRoutes reads the targets of o. Targets on loopback get enough source addresses for all
// connections, unless o says how many.
func newRoutes(o *Options) (*routes, error) {
	if len(o.Targets) == 0 {
		return nil, fmt.Errorf("%w: --target is missing: want host:port", ErrUsage)
	}
	header, err := headerLines(o.Headers)
	if err != nil {
		return nil, err
	}
	r := new(routes)
	if r.proxy, err = newProxied(o); err != nil {
		return nil, err
	}
	loopback := true
	for _, s := range o.Targets {
		t, err := parseTarget(o, s)
		if err != nil {
			return nil, err
		}
		t.header = header
		loopback = loopback && t.ip.Is4() && t.ip.IsLoopback()
		r.targets = append(r.targets, t)
	}
	sources := o.Sources
	if sources == 0 && loopback {
		sources = o.Connections/len(r.targets)/perSource + 1
	}
	for i := range sources {
		r.sources = append(r.sources, sourceAddr(i))
	}
	return r, nil
}

// sourceAddr returns address i of those to connect from.
func sourceAddr(i int) netip.Addr {
	return netip.AddrFrom4([4]byte{127, 1, byte(i/250 + 1), byte(i%250 + 1)})
}

// of returns the way of connection n: targets take turns, then sources do.
func (r *routes) of(n uint32) (t *target, source netip.Addr) {
	targets := uint32(len(r.targets))
	if len(r.sources) > 0 {
		source = r.sources[n/targets%uint32(len(r.sources))]
	}
	return &r.targets[n%targets], source
}
