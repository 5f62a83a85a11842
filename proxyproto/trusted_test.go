package proxyproto

import (
	"net/netip"
	"strings"
	"testing"
)

func TestN06Trusted(t *testing.T) {
	trusted, err := ParseTrusted([]string{"10.0.0.0/8", "192.0.2.7", "2001:db8::/32", "::1", "::ffff:172.16.0.0/108", "fe80::/10"})
	if err != nil {
		t.Fatal(err)
	}
	for a, want := range map[string]bool{
		"10.0.0.0":              true,
		"10.255.255.255":        true,
		"11.0.0.0":              false,
		"::ffff:10.1.2.3":       true,
		"::ffff:11.1.2.3":       false,
		"::10.1.2.3":            false,
		"192.0.2.7":             true,
		"192.0.2.8":             false,
		"172.16.0.1":            true,
		"::ffff:172.31.255.255": true,
		"172.32.0.0":            false,
		"2001:db8:ffff::1":      true,
		"2001:db9::":            false,
		"::1":                   true,
		"::2":                   false,
		"fe80::7%eth0":          true,
		"fec0::7%eth0":          false,
	} {
		if got := trusted.Contains(netip.MustParseAddr(a)); got != want {
			t.Errorf("Contains(%s) = %v; want %v", a, got, want)
		}
	}
	if trusted.Contains(netip.Addr{}) {
		t.Error("Contains(no address) = true; want false")
	}
}

func TestN06NobodyIsTrustedByDefault(t *testing.T) {
	for _, a := range []string{"127.0.0.1", "::1", "0.0.0.0", "::"} {
		if (Trusted{}).Contains(netip.MustParseAddr(a)) {
			t.Errorf("Contains(%s) = true; want false", a)
		}
	}
}

// A network of everything is one of its family.
func TestTrustedEverything(t *testing.T) {
	for entry, want := range map[string][2]bool{
		"0.0.0.0/0":            {true, false},
		"::ffff:0.0.0.0/96":    {true, false},
		"::/0":                 {false, true},
		"::ffff:0:0/97":        {true, false},
		"::fffe:0:0/95":        {false, false},
		"255.255.255.255":      {false, false},
		"::ffff:192.0.2.7":     {true, false},
		"::ffff:192.0.2.7/128": {true, false},
	} {
		trusted, err := ParseTrusted([]string{entry})
		if err != nil {
			t.Errorf("ParseTrusted(%s): %v", entry, err)
			continue
		}
		four := trusted.Contains(netip.MustParseAddr("192.0.2.7")) || trusted.Contains(netip.MustParseAddr("10.0.0.1"))
		six := trusted.Contains(netip.MustParseAddr("2001:db8::7"))
		if got := [2]bool{four, six}; got != want {
			t.Errorf("%s has an IPv4 address, an IPv6 address: %v; want %v", entry, got, want)
		}
	}
}

func TestParseTrustedErrors(t *testing.T) {
	for entry, want := range map[string]string{
		"10.0.0.1/8":             "write 10.0.0.0/8, or 10.0.0.1 for the one host",
		"2001:db8::1/32":         "write 2001:db8::/32, or 2001:db8::1 for the one host",
		"::ffff:10.0.0.1/104":    "write 10.0.0.0/8, or 10.0.0.1 for the one host",
		"":                       `network ""`,
		"10.0.0.0/33":            "10.0.0.0/8",
		"10.0.0.0/-1":            "10.0.0.0/8",
		"10.0.0.0/":              "10.0.0.0/8",
		"10.0.0/8":               "10.0.0.0/8",
		"fe80::1%eth0":           "10.0.0.0/8",
		"fe80::%eth0/64":         "10.0.0.0/8",
		"proxy.example.com":      "10.0.0.0/8",
		"10.0.0.0/8,10.1.0.0/16": "10.0.0.0/8",
	} {
		trusted, err := ParseTrusted([]string{"192.0.2.0/24", entry})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("ParseTrusted(%q): %v; want an error with %q", entry, err, want)
		}
		if trusted.Contains(netip.MustParseAddr("192.0.2.7")) {
			t.Errorf("ParseTrusted(%q) trusts what stood in front of the error", entry)
		}
	}
}

func TestContainsAllocatesNothing(t *testing.T) {
	trusted, err := ParseTrusted([]string{"10.0.0.0/8", "fe80::/10"})
	if err != nil {
		t.Fatal(err)
	}
	a := netip.MustParseAddr("fe80::7%eth0")
	if n := testing.AllocsPerRun(100, func() { trusted.Contains(a) }); n != 0 {
		t.Errorf("Contains allocates %v times; want 0", n)
	}
}
