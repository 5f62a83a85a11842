package proxyproto

import (
	"encoding/hex"
	"net/netip"
	"reflect"
	"strings"
	"testing"

	"github.com/seed4ac54ce5/edge/internal/testutil"
)

// wire reads bytes drawn in hex, with spaces where the eye wants them. SIG stands for the signature of version 2.
func wire(t testing.TB, drawn string) []byte {
	t.Helper()
	drawn = strings.ReplaceAll(drawn, "SIG", hex.EncodeToString([]byte(binarySignature)))
	b, err := hex.DecodeString(strings.NewReplacer(" ", "", "\n", "", "\t", "").Replace(drawn))
	if err != nil {
		t.Fatalf("wire(%q): %v", drawn, err)
	}
	return b
}

// between returns the header of a conn between two hosts.
func between(version uint8, source, destination string) Header {
	return Header{Version: version, Source: netip.MustParseAddrPort(source), Destination: netip.MustParseAddrPort(destination)}
}

// expectHeader holds that b is the header want, alone and with bytes of the conn behind it, and that each shorter part
// of it asks for more.
func expectHeader(t *testing.T, b []byte, want Header) {
	t.Helper()
	for _, behind := range []string{"", "\x00", "GET / HTTP/1.1\r\n", string(b)} {
		h, n, err := Parse(append(b[:len(b):len(b)], behind...))
		if !reflect.DeepEqual(h, want) || n != len(b) || err != nil {
			t.Errorf("Parse(%q and %q) = %+v, %d, %v; want %+v, %d", b, behind, h, n, err, want, len(b))
		}
	}
	for cut := range b {
		expectMore(t, b[:cut])
	}
}

// expectMore holds that Parse asks for what comes after b.
func expectMore(t *testing.T, b []byte) {
	t.Helper()
	if h, n, err := Parse(b); !reflect.DeepEqual(h, Header{}) || n != 0 || err != nil {
		t.Errorf("Parse(%q) = %+v, %d, %v; want to be asked for more", b, h, n, err)
	}
}

// expectError holds that good asks for more, as does each part of it, and that there is no header in it with one or
// more bytes of bad behind it.
func expectError(t *testing.T, good, bad []byte, want error) {
	t.Helper()
	b := append(good[:len(good):len(good)], bad...)
	for cut := range len(good) + 1 {
		expectMore(t, b[:cut])
	}
	for cut := len(good) + 1; cut <= len(b); cut++ {
		if h, n, err := Parse(b[:cut]); !reflect.DeepEqual(h, Header{}) || n != 0 || err != want {
			t.Errorf("Parse(%q) = %+v, %d, %v; want %v", b[:cut], h, n, err, want)
		}
	}
}

// The bar stands in front of the first wrong byte.
func TestN07NoHeader(t *testing.T) {
	for _, row := range []struct{ name, text string }{
		{"HTTP", "|GET / HTTP/1.1\r\n"},
		{"HTTP PUT", "P|UT / HTTP/1.1\r\n"},
		{"HTTP/2 preface", "PR|I * HTTP/2.0\r\n\r\nSM\r\n\r\n"},
		{"TLS", "|\x16\x03\x01\x02\x00\x01\x00\x01\xfc"},
		{"small letters", "|proxy TCP4 192.0.2.7 198.51.100.1 56324 443\r\n"},
		{"one word", "PROXY|\r\n"},
		{"tab", "PROXY|\tTCP4 192.0.2.7 198.51.100.1 56324 443\r\n"},
		{"empty line", "\r\n|GET / HTTP/1.1\r\n"},
		{"N10 signature ends otherwise", "\r\n\r\n\x00\r\nQUIT|\r\n"},
		{"N10 signature broken off", "\r\n\r\n|PROXY UNKNOWN\r\n"},
	} {
		t.Run(row.name, func(t *testing.T) {
			good, bad, _ := strings.Cut(row.text, "|")
			expectError(t, []byte(good), []byte(bad), ErrSignature)
		})
	}
}

// N13: a second header belongs to the conn, and is nothing that HTTP or TLS knows.
func TestN13SecondHeaderIsLeftOver(t *testing.T) {
	first := "PROXY TCP4 192.0.2.7 198.51.100.1 56324 443\r\n"
	second := "PROXY TCP4 203.0.113.9 198.51.100.1 1 443\r\n"
	h, n, err := Parse([]byte(first + second))
	if want := between(1, "192.0.2.7:56324", "198.51.100.1:443"); !reflect.DeepEqual(h, want) || n != len(first) || err != nil {
		t.Errorf("Parse = %+v, %d, %v; want %+v, %d: the first and nothing else", h, n, err, want, len(first))
	}
}

func TestParseAllocatesNothing(t *testing.T) {
	if testutil.Race {
		t.Skip("the race detector allocates")
	}
	full := between(2, "[2001:db8::7]:56324", "[2001:db8::1]:443")
	full.Authority, full.UniqueID, full.TLS = []byte("chat.example.com"), []byte("7f3a"), true
	for name, b := range map[string][]byte{
		"version 1":           []byte("PROXY TCP6 2001:db8::7 ::ffff:192.0.2.1 56324 443\r\n"),
		"version 1, unknown":  []byte("PROXY UNKNOWN what is said here\r\n"),
		"version 1, half":     []byte("PROXY TCP6 2001:db8::7 ::ffff:19"),
		"version 1, bad":      []byte("PROXY TCP4 192.0.2.256"),
		"version 2":           AppendV2(nil, &full, true),
		"version 2, half":     AppendV2(nil, &full, true)[:70],
		"version 2, bad":      wire(t, "SIG 22"),
		"version 2, checksum": wire(t, "SIG 21 11 0013 c0000207 c6336401 dc04 01bb 03 0004 00000000"),
	} {
		if n := testing.AllocsPerRun(100, func() { _, _, _ = Parse(b) }); n != 0 {
			t.Errorf("%s: Parse allocates %v times; want 0", name, n)
		}
	}
}

func BenchmarkParse(b *testing.B) {
	h := between(2, "192.0.2.7:56324", "198.51.100.1:443")
	h.Authority = []byte("chat.example.com")
	for name, header := range map[string][]byte{
		"v1":     AppendV1(nil, &h),
		"v2":     AppendV2(nil, &h, false),
		"v2+crc": AppendV2(nil, &h, true),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, n, err := Parse(header); n == 0 || err != nil {
					b.Fatal(n, err)
				}
			}
		})
	}
}
