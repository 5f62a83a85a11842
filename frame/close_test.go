package frame

import (
	"bytes"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/gobwas/ws"
)

func TestParseClose(t *testing.T) {
	for _, row := range []struct {
		name, drawn string
		code        StatusCode
		reason      string
		err         *CloseError
	}{
		{"no status", "", 1005, "", nil},
		{"normal", "03e8", 1000, "", nil},
		{"going away, with a reason", "03e9 627965", 1001, "bye", nil},
		{"C01 one byte", "03", 0, "", errCloseSize},
		{"C01 reason is not UTF-8", "03e8 ff", 0, "", errCloseReason},
		{"C01 reason is cut", "03e8 e282", 0, "", errCloseReason},
		{"C02 code and bad reason: the code comes first", "0000 ff", 0, "", errCloseCode},
	} {
		t.Run(row.name, func(t *testing.T) {
			code, reason, err := ParseClose(wire(t, row.drawn))
			if code != row.code || string(reason) != row.reason || err != row.err {
				t.Errorf("ParseClose(%s) = %d, %q, %v; want %d, %q, %v", row.drawn, code, reason, err, row.code, row.reason, row.err)
			}
		})
	}
}

// TestCloseCodes are rows C02 and C03: which codes a peer may send.
func TestCloseCodes(t *testing.T) {
	allowed := func(code int) bool {
		switch code {
		case 1004, 1005, 1006:
			return false
		}
		return 1000 <= code && code <= 1014 || 3000 <= code && code <= 4999
	}
	for code := range 1 << 16 {
		payload := []byte{byte(code >> 8), byte(code)}
		got, _, err := ParseClose(payload)
		switch {
		case allowed(code) && (err != nil || got != StatusCode(code)):
			t.Fatalf("ParseClose(%d) = %d, %v; want it accepted", code, got, err)
		case !allowed(code) && err != errCloseCode:
			t.Fatalf("ParseClose(%d) = %d, %v; want it refused", code, got, err)
		}
	}
}

func TestAppendClose(t *testing.T) {
	for _, row := range []struct {
		name   string
		code   StatusCode
		reason string
		want   string // the payload
	}{
		{"code and reason", 1000, "bye", "\x03\xe8bye"},
		{"code alone", 3005, "", "\x0b\xbd"},
		{"C02 no status", 1005, "never sent", ""},
		{"C02 abnormal", 1006, "never sent", ""},
		{"C02 TLS", 1015, "never sent", ""},
		{"C04 longest reason", 1011, strings.Repeat("x", 123), "\x03\xf3" + strings.Repeat("x", 123)},
		{"C04 one byte too long", 1011, strings.Repeat("x", 124), "\x03\xf3" + strings.Repeat("x", 123)},
		{"C04 cut at a code point", 1011, strings.Repeat("x", 122) + "é", "\x03\xf3" + strings.Repeat("x", 122)},
		{"C04 cut at a code point, all of them wide", 1011, strings.Repeat("日", 100), "\x03\xf3" + strings.Repeat("日", 41)},
		{"C04 not UTF-8", 1011, "good\xff bad", "\x03\xf3good"},
		{"C04 the replacement character is a character", 1011, "a\uFFFDb", "\x03\xf3a\uFFFDb"},
	} {
		t.Run(row.name, func(t *testing.T) {
			got := AppendClose([]byte("before"), row.code, row.reason)
			want := append([]byte{'b', 'e', 'f', 'o', 'r', 'e', 0x88, byte(len(row.want))}, row.want...)
			if !bytes.Equal(got, want) {
				t.Errorf("AppendClose(%d, %q) = %q; want %q", row.code, row.reason, got, want)
			}
			f, n, _, err := new(Stream).Next(AppendMaskedClose(nil, [4]byte{1, 2, 3, 4}, row.code, row.reason), &Options{})
			if n == 0 || err != nil || string(f.Payload) != row.want {
				t.Errorf("AppendMaskedClose(%d, %q) reads as %q, %d, %v; want %q", row.code, row.reason, f.Payload, n, err, row.want)
			}
		})
	}
}

// TestCloseErrorsCanBeSent holds our own errors to what we demand of a peer's close frame.
func TestCloseErrorsCanBeSent(t *testing.T) {
	for _, e := range []*CloseError{
		ErrUTF8, ErrTooBig, ErrUnsupported, ErrLength, errReserved, errOpcode, errUnmasked, errMasked, errControlFin, errControlSize,
		errContinuation, errInterleaved, errFragments, errCloseSize, errCloseCode, errCloseReason, errDeflate,
	} {
		f := readFrame(t, AppendClose(nil, e.Code, e.Reason))
		code, reason := ws.ParseCloseFrameData(f.Payload)
		if code != e.Code || reason != e.Reason || !utf8.ValidString(reason) || ws.CheckCloseFrameData(code, reason) != nil {
			t.Errorf("%v reads as %d %q", e, code, reason)
		}
		if !strings.HasSuffix(e.Error(), e.Reason) {
			t.Errorf("%v does not say %q", e, e.Reason)
		}
	}
}
