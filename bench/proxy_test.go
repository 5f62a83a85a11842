package bench

import (
	"errors"
	"net/netip"
	"strings"
	"testing"

	"github.com/seed4ac54ce5/edge/proxyproto"
)

func TestProxyHeaders(t *testing.T) {
	for _, row := range []struct{ version, clients, first, second, to string }{
		{"v1", "", "10.0.0.1:40000", "10.0.0.2:40000", "127.0.0.1:9"},
		{"v2", "", "10.0.0.1:40000", "10.0.0.2:40000", "127.0.0.1:9"},
		{"v2", "198.51.100.0/24", "198.51.100.1:40000", "198.51.100.2:40000", "127.0.0.1:9"},
		{"v1", "2001:db8::/32", "[2001:db8::1]:40000", "[2001:db8::2]:40000", "127.0.0.1:9"},
		{"v2", "10.0.0.7/32", "10.0.0.7:40000", "10.0.0.7:40000", "[::1]:9"},
	} {
		o := Options{Targets: []string{row.to}, ProxyProtocol: row.version, ProxyClients: row.clients}.withDefaults()
		r, err := newRoutes(&o)
		if err != nil {
			t.Fatal(err)
		}
		for n, want := range []string{row.first, row.second} {
			b := r.proxy.append([]byte("before"), &r.targets[0], uint32(n))
			h, size, err := proxyproto.Parse(b[len("before"):])
			if err != nil || size != len(b)-len("before") || r.proxy.client(uint32(n)).String() != want {
				t.Errorf("%+v: header %d is %q of %v: %v", row, n, b, r.proxy.client(uint32(n)), err)
			}
			if h.Source.Addr().Is4() && h.Source.String() != want || h.Destination.Port() != 9 {
				t.Errorf("%+v: header %d is from %v to %v; want from %s", row, n, h.Source, h.Destination, want)
			}
		}
	}
}

func TestProxyClientsAreDistinct(t *testing.T) {
	p := proxied{clients: netip.MustParsePrefix("10.0.0.0/8")}
	seen := make(map[netip.AddrPort]bool)
	for n := range uint32(300_000) {
		a := p.client(n)
		if seen[a] || !p.clients.Contains(a.Addr()) {
			t.Fatalf("client %d is %v, seen before: %v", n, a, seen[a])
		}
		seen[a] = true
	}
}

func TestHeaderLines(t *testing.T) {
	lines, err := headerLines([]string{"X-A: b", "Cookie:  a=b; c:d ", "Origin:https://example.com"})
	if want := "X-A: b\r\nCookie: a=b; c:d\r\nOrigin: https://example.com\r\n"; err != nil || lines != want {
		t.Errorf("headerLines = %q, %v; want %q", lines, err, want)
	}
	for _, bad := range []string{"", "X-A", ": b", "X A: b", "X-A: b\r\nX-B: c", "Host: a", "sec-websocket-key: a", "Upgrade: h2c"} {
		if lines, err := headerLines([]string{bad}); !errors.Is(err, ErrUsage) || strings.Contains(err.Error(), "\n") {
			t.Errorf("headerLines(%q) = %q, %v; want a usage error in a line", bad, lines, err)
		}
	}
}

// Every connection begins with a header, and asks with the lines that were given.
func TestRunBehindAProxy(t *testing.T) {
	for _, version := range []string{"v1", "v2"} {
		l := &liar{proxied: true, spoil: faithful}
		r, err := Run(t.Context(), Options{
			Scenario: Idle, Targets: []string{startLiar(t, l)}, Connections: 5, PublishOnce: true,
			ProxyProtocol: version, Headers: []string{"X-Flood: yes"},
		})
		if err != nil || r.Err() != nil || r.Ready != 6 {
			t.Fatalf("%s: %v, %+v", version, err, r)
		}
		l.mu.Lock()
		for i, want := range []string{"10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.5", "10.0.0.6"} {
			if l.clients[want+":40000"] != 1 {
				t.Errorf("%s: client %d has not come from %s: %v", version, i, want, l.clients)
			}
		}
		if l.without > 0 {
			t.Errorf("%s: %d requests came without the header", version, l.without)
		}
		l.mu.Unlock()
	}
}
