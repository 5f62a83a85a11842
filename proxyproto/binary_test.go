package proxyproto

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
)

const (
	drawn4 = "c0000207 c6336401 dc04 01bb" // 192.0.2.7:56324 to 198.51.100.1:443
	drawn6 = "20010db8000000000000000000000007 20010db8000000000000000000000001 dc04 01bb"
)

// binaryRows are good headers.
var binaryRows = []struct {
	name, drawn string
	want        Header
}{
	{"TCP over IPv4", "SIG 21 11 000c" + drawn4, between(2, "192.0.2.7:56324", "198.51.100.1:443")},
	{"UDP over IPv4", "SIG 21 12 000c" + drawn4, between(2, "192.0.2.7:56324", "198.51.100.1:443")},
	{"TCP over IPv6", "SIG 21 21 0024" + drawn6, between(2, "[2001:db8::7]:56324", "[2001:db8::1]:443")},
	{"UDP over IPv6", "SIG 21 22 0024" + drawn6, between(2, "[2001:db8::7]:56324", "[2001:db8::1]:443")},
	{"IPv4 as IPv6", "SIG 21 21 0024 00000000000000000000ffffc0000207 20010db8000000000000000000000001 dc04 01bb",
		between(2, "192.0.2.7:56324", "[2001:db8::1]:443")},
	{"Unix", "SIG 21 31 00d8" + strings.Repeat("2f", 216), Header{Version: 2, Local: true}},
	{"Unix, datagrams, authority", "SIG 21 32 00dd" + strings.Repeat("2f", 216) + "02 0002 6162", Header{Version: 2, Local: true}},
	{"N12 local", "SIG 20 00 0000", Header{Version: 2, Local: true}},
	{"N12 local with addresses", "SIG 20 11 000c" + drawn4, Header{Version: 2, Local: true}},
	{"N12 local with half an address", "SIG 20 11 0003 c00002", Header{Version: 2, Local: true}},
	{"N12 local of no family", "SIG 20 ff 0002 ffff", Header{Version: 2, Local: true}},
	{"N12 unspecified", "SIG 21 00 0000", Header{Version: 2, Local: true}},
	{"N12 unspecified with addresses", "SIG 21 00 000c" + drawn4, Header{Version: 2, Local: true}},
	{"authority", "SIG 21 11 0016" + drawn4 + "02 0007 65782e74657374", with(func(h *Header) { h.Authority = []byte("ex.test") })},
	{"empty authority", "SIG 21 11 000f" + drawn4 + "02 0000", with(func(h *Header) { h.Authority = []byte{} })},
	{"unique id", "SIG 21 11 0011" + drawn4 + "05 0002 0aff", with(func(h *Header) { h.UniqueID = []byte{0x0a, 0xff} })},
	{"unique id of 128 bytes", "SIG 21 11 008f" + drawn4 + "05 0080" + strings.Repeat("ab", 128),
		with(func(h *Header) { h.UniqueID = bytes.Repeat([]byte{0xab}, 128) })},
	{"TLS", "SIG 21 11 0014" + drawn4 + "20 0005 01 00000000", with(func(h *Header) { h.TLS = true })},
	{"TLS with version and cipher", "SIG 21 11 0021" + drawn4 + "20 0012 01 00000001 21 0003 312e33 23 0004 41455331",
		with(func(h *Header) { h.TLS = true })},
	{"TLS to somebody else", "SIG 21 11 0014" + drawn4 + "20 0005 06 00000000", with(func(*Header) {})},
	{"values that do not matter", "SIG 21 11 001f" + drawn4 + "04 0001 00 04 0000 01 0002 6832 ea 0001 01 ea 0000", with(func(*Header) {})},
	{"values in any order", "SIG 21 11 001b" + drawn4 + "20 0005 01 00000000 30 0000 02 0001 61",
		with(func(h *Header) { h.TLS, h.Authority = true, []byte("a") })},
	{"N11 4 KiB", "SIG 21 11 0ff0" + drawn4 + "04 0fe1" + strings.Repeat("00", 0xfe1), with(func(*Header) {})},
	{"N11 4 KiB, local", "SIG 20 00 0ff0" + strings.Repeat("00", 0xff0), Header{Version: 2, Local: true}},
}

// with returns the header of drawn4 with something more.
func with(more func(h *Header)) Header {
	h := between(2, "192.0.2.7:56324", "198.51.100.1:443")
	more(&h)
	return h
}

func TestBinary(t *testing.T) {
	for _, row := range binaryRows {
		t.Run(row.name, func(t *testing.T) { expectHeader(t, wire(t, row.drawn), row.want) })
	}
}

// The bar stands in front of the first wrong byte.
func TestN10Binary(t *testing.T) {
	for _, row := range []struct {
		name, drawn string
		want        error
	}{
		{"version 0", "SIG | 01 11 000c" + drawn4, ErrVersion},
		{"version 1", "SIG | 11 11 000c" + drawn4, ErrVersion},
		{"version 3", "SIG | 31 11 000c" + drawn4, ErrVersion},
		{"command 2", "SIG | 22 11 000c" + drawn4, ErrVersion},
		{"command 15", "SIG | 2f 11 000c" + drawn4, ErrVersion},
		{"family 4", "SIG 21 | 41 000c" + drawn4, ErrFamily},
		{"family 15", "SIG 21 | f1 000c" + drawn4, ErrFamily},
		{"transport 3", "SIG 21 | 13 000c" + drawn4, ErrFamily},
		{"transport 15", "SIG 21 | 1f 000c" + drawn4, ErrFamily},
		{"family without transport", "SIG 21 | 10 000c" + drawn4, ErrFamily},
		{"transport without family", "SIG 21 | 01 000c" + drawn4, ErrFamily},
		{"IPv4 in 11 bytes", "SIG 21 11 00 | 0b" + drawn4, ErrLength},
		{"IPv4 in none", "SIG 21 11 00 | 00", ErrLength},
		{"IPv6 in 35 bytes", "SIG 21 21 00 | 23" + drawn6, ErrLength},
		{"IPv6 in 12 bytes", "SIG 21 21 00 | 0c" + drawn4, ErrLength},
		{"Unix in 215 bytes", "SIG 21 31 00 | d7", ErrLength},
		{"N11 4 KiB and a byte", "SIG 21 11 0f | f1" + drawn4, ErrLength},
		{"N11 4 KiB and 16 bytes", "SIG 21 11 | 1000" + drawn4, ErrLength},
		{"N11 64 KiB", "SIG 21 11 | ffff" + drawn4, ErrLength},
		{"N11 local", "SIG 20 00 | 1000", ErrLength},
		{"one byte behind the addresses", "SIG 21 11 00 | 0d" + drawn4 + "04", ErrTLV},
		{"two bytes behind the addresses", "SIG 21 11 00 | 0e" + drawn4 + "0400", ErrTLV},
		{"value longer than the header by one", "SIG 21 11 0010" + drawn4 + "04 00 | 02 0000", ErrTLV},
		{"value longer than the header by far", "SIG 21 11 0010" + drawn4 + "04 | ffff 0000", ErrTLV},
		{"one byte behind the last value", "SIG 21 11 0011" + drawn4 + "04 00 | 01 00 04", ErrTLV},
		{"checksum of three bytes", "SIG 21 11 0012" + drawn4 + "03 00 | 03 000000", ErrTLV},
		{"checksum of five bytes", "SIG 21 11 0014" + drawn4 + "03 00 | 05 0000000000", ErrTLV},
		{"checksum of 64 KiB", "SIG 21 11 0014" + drawn4 + "03 | ff05 0000000000", ErrTLV},
		{"checksum twice", "SIG 21 11 001a" + drawn4 + "03 0004 00000000 03 00 | 04 00000000", ErrTLV},
		{"authority twice", "SIG 21 11 0014" + drawn4 + "02 0001 61 02 00 | 01 62", ErrTLV},
		{"unique id twice", "SIG 21 11 0012" + drawn4 + "05 0000 05 00 | 00", ErrTLV},
		{"unique id of 129 bytes", "SIG 21 11 0090" + drawn4 + "05 00 | 81" + strings.Repeat("ab", 129), ErrTLV},
		{"TLS twice", "SIG 21 11 001c" + drawn4 + "20 0005 01 00000000 20 00 | 05 00 00000000", ErrTLV},
		{"TLS of four bytes", "SIG 21 11 0013" + drawn4 + "20 00 | 04 01 000000", ErrTLV},
		{"TLS with a byte behind", "SIG 21 11 0015" + drawn4 + "20 0006 01 00000000 | 21", ErrTLV},
		{"TLS with a value too long", "SIG 21 11 0018" + drawn4 + "20 0009 01 00000000 21 0002 | 31", ErrTLV},
		{"checksum of zeros", "SIG 21 11 0013" + drawn4 + "03 0004 000000 | 00", ErrChecksum},
		{"Unix with a value too long", "SIG 21 31 00db" + strings.Repeat("2f", 216) + "02 00 | 01", ErrTLV},
	} {
		t.Run(row.name, func(t *testing.T) {
			good, bad, _ := strings.Cut(row.drawn, "|")
			expectError(t, wire(t, good), wire(t, bad), row.want)
		})
	}
}

// A header whose checksum was computed by others: the one of the addresses alone, and the same behind a value.
func TestN10Checksum(t *testing.T) {
	for _, row := range []struct{ name, front, behind string }{
		{"at the end", "SIG 21 11 0013" + drawn4, ""},
		{"behind a value", "SIG 21 11 0017" + drawn4 + "02 0001 61", ""},
		{"in front of a value", "SIG 21 11 0017" + drawn4, "02 0001 61"},
		{"IPv6", "SIG 21 21 002b" + drawn6, ""},
		{"Unix", "SIG 21 31 00df" + strings.Repeat("2f", 216), ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			b := append(wire(t, row.front), typeChecksum, 0, checksumSize)
			at := len(b)
			b = append(append(b, unsummed...), wire(t, row.behind)...)
			binary.BigEndian.PutUint32(b[at:], naiveCRC32C(b))
			h, n, err := Parse(b)
			if n != len(b) || err != nil {
				t.Fatalf("Parse(% x) = %+v, %d, %v; want %d bytes", b, h, n, err, len(b))
			}
			expectBitsToMatter(t, b, at-valueHeader)
		})
	}
}

// expectBitsToMatter flips each bit of b behind its fixed part, save those of b[kind]: what is not called a checksum
// is none.
func expectBitsToMatter(t *testing.T, b []byte, kind int) {
	t.Helper()
	for i := 8 * fixedSize; i < 8*len(b); i++ {
		bad := bytes.Clone(b)
		bad[i/8] ^= 1 << (i % 8)
		if h, _, err := Parse(bad); i/8 != kind && err == nil {
			t.Errorf("bit %d flipped: Parse = %+v; want an error", i, h)
		}
	}
}

// naiveCRC32C is the checksum bit by bit: the polynomial 0x1EDC6F41, reflected (RFC 3720 appendix B.4).
func naiveCRC32C(b []byte) uint32 {
	c := ^uint32(0)
	for _, v := range b {
		c ^= uint32(v)
		for range 8 {
			c = c>>1 ^ 0x82f63b78&-(c&1)
		}
	}
	return ^c
}

func TestNaiveCRC32C(t *testing.T) {
	if got := fmt.Sprintf("%08x", naiveCRC32C([]byte("123456789"))); got != "e3069283" {
		t.Errorf("naiveCRC32C(123456789) = %s; want e3069283", got)
	}
}
