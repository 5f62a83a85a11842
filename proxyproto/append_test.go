package proxyproto

import (
	"bytes"
	"reflect"
	"testing"
)

func TestAppendV1(t *testing.T) {
	for _, row := range []struct {
		h    Header
		want string
	}{
		{Header{Local: true}, "PROXY UNKNOWN\r\n"},
		{between(1, "192.0.2.7:56324", "198.51.100.1:443"), "PROXY TCP4 192.0.2.7 198.51.100.1 56324 443\r\n"},
		{between(1, "[2001:db8::7]:0", "[::1]:65535"), "PROXY TCP6 2001:db8::7 ::1 0 65535\r\n"},
		{between(1, "[::ffff:192.0.2.7]:1", "198.51.100.1:2"), "PROXY TCP4 192.0.2.7 198.51.100.1 1 2\r\n"},
		{between(1, "192.0.2.7:1", "[2001:db8::1]:2"), "PROXY TCP6 ::ffff:192.0.2.7 2001:db8::1 1 2\r\n"},
		{between(1, "[fe80::7%eth0]:1", "[fe80::1]:2"), "PROXY TCP6 fe80::7 fe80::1 1 2\r\n"},
	} {
		if got := string(AppendV1([]byte("x"), &row.h)); got != "x"+row.want {
			t.Errorf("AppendV1(x, %+v) = %q; want %q", row.h, got, "x"+row.want)
		}
	}
}

func TestAppendV2(t *testing.T) {
	told := between(2, "192.0.2.7:56324", "198.51.100.1:443")
	told.Authority, told.UniqueID, told.TLS = []byte("a.b"), []byte{7}, true
	for _, row := range []struct {
		h    Header
		want string
	}{
		{Header{Local: true}, "SIG 20 00 0000"},
		{between(2, "192.0.2.7:56324", "198.51.100.1:443"), "SIG 21 11 000c" + drawn4},
		{between(2, "[2001:db8::7]:56324", "[2001:db8::1]:443"), "SIG 21 21 0024" + drawn6},
		{between(2, "192.0.2.7:1", "[2001:db8::1]:2"),
			"SIG 21 21 0024 00000000000000000000ffffc0000207 20010db8000000000000000000000001 0001 0002"},
		{told, "SIG 21 11 001e" + drawn4 + "02 0003 612e62 05 0001 07 20 0005 0100000001"},
	} {
		if got := AppendV2([]byte("x"), &row.h, false); !bytes.Equal(got, append([]byte("x"), wire(t, row.want)...)) {
			t.Errorf("AppendV2(x, %+v) = % x; want 78 %s", row.h, got, row.want)
		}
	}
}

func TestAppendV2Checksum(t *testing.T) {
	h := between(2, "[2001:db8::7]:56324", "[2001:db8::1]:443")
	h.Authority, h.UniqueID, h.TLS = []byte("chat.example.com"), bytes.Repeat([]byte{1}, 128), true
	b := AppendV2([]byte("x"), &h, true)[1:]
	if got, n, err := Parse(b); !reflect.DeepEqual(got, h) || n != len(b) || err != nil {
		t.Errorf("Parse(% x) = %+v, %d, %v; want %+v, %d", b, got, n, err, h, len(b))
	}
	bad := bytes.Clone(b)
	bad[fixedSize]++ // in the client's address
	if _, _, err := Parse(bad); err != ErrChecksum {
		t.Errorf("Parse(% x) = %v; want %v", bad, err, ErrChecksum)
	}
}
