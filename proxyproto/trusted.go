package proxyproto

import (
	"fmt"
	"net/netip"
	"strings"
)

// Trusted are the networks whose hosts may say for whom they speak. The zero value trusts nobody. It is not
// changed after it has been made: any goroutine may ask.
type Trusted struct {
	networks []netip.Prefix
}

// ParseTrusted reads networks such as 10.0.0.0/8 and 2001:db8::/32, and single addresses. IPv4 written as IPv6
// (::ffff:10.0.0.0/104) is IPv4. An entry with bits behind its mask is an error, as it is not clear what it means.
func ParseTrusted(list []string) (Trusted, error) {
	var t Trusted
	for _, entry := range list {
		p, err := parseNetwork(entry)
		if err != nil {
			return Trusted{}, err
		}
		t.networks = append(t.networks, p)
	}
	return t, nil
}

func parseNetwork(entry string) (netip.Prefix, error) {
	p, err := parsePrefix(entry)
	if err != nil {
		return netip.Prefix{}, fmt.Errorf("proxyproto: trusted network %q; write one like 10.0.0.0/8 or 2001:db8::/32", entry)
	}
	if p.Addr().Is4In6() && p.Bits() >= 96 {
		p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
	}
	if p != p.Masked() {
		return netip.Prefix{}, fmt.Errorf("proxyproto: trusted network %s has bits behind its mask; write %s, or %s for the one host",
			entry, p.Masked(), p.Addr())
	}
	return p, nil
}

// parsePrefix reads a network or an address, which is a network of one.
func parsePrefix(entry string) (netip.Prefix, error) {
	if strings.Contains(entry, "/") {
		return netip.ParsePrefix(entry)
	}
	a, err := netip.ParseAddr(entry)
	if err != nil || a.Zone() != "" {
		return netip.Prefix{}, fmt.Errorf("not an address: %q", entry)
	}
	return netip.PrefixFrom(a, a.BitLen()), nil
}

// Contains reports whether a is of one of the networks, whichever form it has: an IPv4 address that a socket of both
// families gives as IPv6 is IPv4, and a zone does not matter. An invalid address is of none.
func (t Trusted) Contains(a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	for _, p := range t.networks {
		if p.Contains(a) {
			return true
		}
	}
	return false
}
