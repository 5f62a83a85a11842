package balancer

import (
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"testing"
)

// Site is where things stand: on addresses of the loopback that are this test's own, so that their ports stay free while
// nobody listens there.
type Site struct {
	Fronts [fronts]netip.AddrPort // for clients, one for each balancer
	Nodes  [2]Place
}

// Place is that of a node.
type Place struct {
	Public   [2]netip.AddrPort
	Internal netip.AddrPort // the port is the same for both nodes, as in the files
}

// fronts is how many balancers a site has room for.
const fronts = 8

// NewSite returns a site where nobody listens.
func NewSite(t testing.TB) *Site {
	t.Helper()
	network := [4]byte{127, byte(2 + rand.N(250)), byte(rand.N(256)), 0}
	at := func(host byte) netip.Addr { network[3] = host; return netip.AddrFrom4(network) }
	ports := freePorts(t, at(1), 3)
	s := new(Site)
	for i := range s.Nodes {
		host := at(byte(1 + i))
		s.Nodes[i] = Place{
			Public:   [2]netip.AddrPort{netip.AddrPortFrom(host, ports[0]), netip.AddrPortFrom(host, ports[1])},
			Internal: netip.AddrPortFrom(host, ports[2]),
		}
	}
	for i := range s.Fronts {
		s.Fronts[i] = netip.AddrPortFrom(at(byte(3+i)), ports[0])
	}
	return s
}

// freePorts returns ports that nobody has on an address.
func freePorts(t testing.TB, on netip.Addr, count int) (ports []uint16) {
	t.Helper()
	for range count {
		l, err := net.Listen("tcp", netip.AddrPortFrom(on, 0).String())
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = l.Close() }() // after the last, so that they differ
		ports = append(ports, uint16(l.Addr().(*net.TCPAddr).Port))
	}
	return ports
}

// servers returns what to write for the nodes that the files name: pairs of what stands there and what is to.
func (s *Site) servers() (pairs []string) {
	for i, n := range s.Nodes {
		for j, public := range n.Public {
			pairs = append(pairs, fmt.Sprintf("10.0.0.%d:%d", 11+i, 8000+j), public.String())
		}
	}
	return pairs
}
