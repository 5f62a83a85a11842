package netpoll

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// ErrAddress means that an address does not read as host:port, host:first-last or unix:path.
var ErrAddress = errors.New("an address is host:port, host:first-last or unix:/path")

// endpoint is one place to listen on or to connect to.
type endpoint struct {
	addr netip.AddrPort // with an invalid address: every address of the host, IPv6 and IPv4
	path string         // of a Unix socket; then addr means nothing
}

// String returns e as a user would write it.
func (e endpoint) String() string {
	switch {
	case e.path != "":
		return "unix:" + e.path
	case !e.addr.Addr().IsValid():
		return ":" + strconv.Itoa(int(e.addr.Port()))
	}
	return e.addr.String()
}

// sockaddr returns the domain and address for a socket of e.
func (e endpoint) sockaddr() (domain int, sa unix.Sockaddr) {
	switch {
	case e.path != "":
		return unix.AF_UNIX, &unix.SockaddrUnix{Name: e.path}
	case !e.addr.Addr().IsValid():
		return unix.AF_INET6, &unix.SockaddrInet6{Port: int(e.addr.Port())}
	case e.addr.Addr().Unmap().Is4():
		return unix.AF_INET, &unix.SockaddrInet4{Port: int(e.addr.Port()), Addr: e.addr.Addr().As4()}
	}
	return unix.AF_INET6, &unix.SockaddrInet6{Port: int(e.addr.Port()), Addr: e.addr.Addr().As16(), ZoneId: zone(e.addr.Addr())}
}

// zone returns the interface number of a link-local address's zone, 0 for none.
func zone(a netip.Addr) uint32 {
	if i, err := net.InterfaceByName(a.Zone()); err == nil {
		return uint32(i.Index)
	}
	n, _ := strconv.ParseUint(a.Zone(), 10, 32) // not a number: no zone
	return uint32(n)
}

// parseEndpoints reads addresses; a range of ports makes one endpoint for each.
func parseEndpoints(addresses []string) ([]endpoint, error) {
	var all []endpoint
	for _, a := range addresses {
		es, err := parseEndpoint(a)
		if err != nil {
			return nil, fmt.Errorf("netpoll: address %q: %w", a, err)
		}
		all = append(all, es...)
	}
	return all, nil
}

func parseEndpoint(address string) ([]endpoint, error) {
	if path, ok := strings.CutPrefix(address, "unix:"); ok {
		if path == "" {
			return nil, ErrAddress
		}
		return []endpoint{{path: path}}, nil
	}
	host, ports, err := net.SplitHostPort(address)
	if err != nil {
		return nil, ErrAddress
	}
	first, last, err := parsePorts(ports)
	if err != nil {
		return nil, err
	}
	ip, err := resolve(host)
	if err != nil {
		return nil, err
	}
	var es []endpoint
	for port := int(first); port <= int(last); port++ {
		es = append(es, endpoint{addr: netip.AddrPortFrom(ip, uint16(port))})
	}
	return es, nil
}

// parsePorts reads "8000" or "8000-8015".
func parsePorts(s string) (first, last uint16, err error) {
	low, high, ranged := strings.Cut(s, "-")
	if !ranged {
		high = low
	}
	a, errA := strconv.ParseUint(low, 10, 16)
	b, errB := strconv.ParseUint(high, 10, 16)
	if errA != nil || errB != nil || b < a {
		return 0, 0, ErrAddress
	}
	return uint16(a), uint16(b), nil
}

// resolve returns the address of host; of no host, the invalid address, which stands for all.
func resolve(host string) (netip.Addr, error) {
	if host == "" {
		return netip.Addr{}, nil
	}
	if ip, err := netip.ParseAddr(host); err == nil {
		return ip.Unmap(), nil
	}
	a, err := net.ResolveIPAddr("ip", host)
	if err != nil {
		return netip.Addr{}, err
	}
	ip, _ := netip.AddrFromSlice(a.IP)
	return ip.Unmap().WithZone(a.Zone), nil
}

// endpointOf turns the kernel's answer back into an endpoint.
func endpointOf(sa unix.Sockaddr, was endpoint) endpoint {
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		return endpoint{addr: netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), uint16(sa.Port))}
	case *unix.SockaddrInet6:
		if !was.addr.Addr().IsValid() {
			return endpoint{addr: netip.AddrPortFrom(netip.Addr{}, uint16(sa.Port))}
		}
		return endpoint{addr: netip.AddrPortFrom(was.addr.Addr(), uint16(sa.Port))}
	}
	return was
}
