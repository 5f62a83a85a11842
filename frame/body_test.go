package frame

import (
	"bufio"
	"bytes"
	"io"
	"net/http/httputil"
	"strings"
	"testing"
)

// scanAll looks at raw whole, and returns the body, what of raw was not the body's, and the error's status, 0 for none; whole
// is false if the body has no end.
func scanAll(raw string, limit int) (body, rest string, whole bool, status int) {
	var c Chunks
	n, whole, err := c.Scan([]byte(raw), limit)
	if err != nil {
		return "", "", false, err.Status
	}
	if !whole {
		return "", "", false, 0
	}
	return string(AppendBody(nil, []byte(raw[:n]))), raw[n:], true, 0
}

func TestChunks(t *testing.T) {
	for _, r := range []struct {
		name, raw, body, rest string
		whole                 bool
		status                int
	}{
		{"empty", "0\r\n\r\n", "", "", true, 0},
		{"two chunks", "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n", "abcde", "", true, 0},
		{"what follows stays", "1\r\na\r\n0\r\n\r\nGET /", "a", "GET /", true, 0},
		{"hex in both cases", "a\r\n0123456789\r\nB\r\n0123456789a\r\n0\r\n\r\n", "01234567890123456789a", "", true, 0},
		{"extensions", "1;a=b;c=\"d\"\r\na\r\n0 ;e\r\n\r\n", "a", "", true, 0},
		{"line ends in the data", "4\r\n\r\n\r\n\r\n0\r\n\r\n", "\r\n\r\n", "", true, 0},
		{"trailers", "1\r\na\r\n0\r\nX: y\r\nZ:\r\n\r\n", "a", "", true, 0},
		{"not whole: size", "3", "", "", false, 0},
		{"not whole: data", "3\r\nab", "", "", false, 0},
		{"not whole: end", "3\r\nabc\r\n0\r\n", "", "", false, 0},
		{"H15 bare LF behind a size", "3\nabc\r\n0\r\n\r\n", "", "", false, 400},
		{"H15 bare CR behind a size", "3\rabc\r\n0\r\n\r\n", "", "", false, 400},
		{"H15 bare LF behind data", "3\r\nabc\n0\r\n\r\n", "", "", false, 400},
		{"H15 bare LF in an extension", "3;a\nb\r\nabc\r\n0\r\n\r\n", "", "", false, 400},
		{"H15 NUL in an extension", "3;\x00\r\nabc\r\n0\r\n\r\n", "", "", false, 400},
		{"H15 bare LF at the end", "0\r\n\n", "", "", false, 400},
		{"H15 space before a trailer", "0\r\n X: y\r\n\r\n", "", "", false, 400},
		{"H14 no size", "\r\nabc", "", "", false, 400},
		{"H14 negative", "-1\r\n", "", "", false, 400},
		{"H14 plus", "+1\r\na\r\n", "", "", false, 400},
		{"H14 0x", "0x1\r\na\r\n", "", "", false, 400},
		{"H14 nine digits", "000000001\r\na\r\n0\r\n\r\n", "", "", false, 400},
		{"H14 a control character with the low bits of a digit", "\x13\r\nabc\r\n", "", "", false, 400},
		{"more data than its size", "1\r\nab\r\n", "", "", false, 400},
		{"one chunk too large", "65\r\n", "", "", false, 413},
		{"size beyond all", "ffffffff\r\n", "", "", false, 413},
		{"together too large", "60\r\n" + strings.Repeat("a", 96) + "\r\n5\r\n", "", "", false, 413},
		{"endless extension", "1;" + strings.Repeat("a", 300), "", "", false, 400},
		{"endless trailers", "0\r\n" + strings.Repeat("X: y\r\n", 100), "", "", false, 400},
	} {
		body, rest, whole, status := scanAll(r.raw, 100)
		if body != r.body || rest != r.rest || whole != r.whole || status != r.status {
			t.Errorf("%s: %.60q = %q %q %t %d; want %q %q %t %d", r.name, r.raw, body, rest, whole, status, r.body, r.rest, r.whole, r.status)
		}
	}
}

// A body in chunks of one byte may be as large as one that fits, as long as it is not all chunks and no body.
func TestChunksWaste(t *testing.T) {
	if body, _, _, status := scanAll(strings.Repeat("1\r\na\r\n", 2000)+"0\r\n\r\n", 1<<20); len(body) != 2000 || status != 0 {
		t.Errorf("%d bytes in chunks of one: %d", len(body), status)
	}
	if _, _, _, status := scanAll(strings.Repeat("1;"+strings.Repeat("x", 200)+"\r\na\r\n", 1000), 1<<20); status != 400 {
		t.Errorf("more extensions than body: %d", status)
	}
}

// FuzzChunks: what is a body is one for the standard library too, and the same, whole and cut in two.
func FuzzChunks(f *testing.F) {
	for _, raw := range []string{"0\r\n\r\n", "3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nA: b\r\n\r\nrest", "3\nabc\r\n", "\x13\r\n", "1\r\na\r\n0\r\n\r\n"} {
		f.Add([]byte(raw), uint16(4))
	}
	f.Fuzz(func(t *testing.T, raw []byte, at uint16) {
		const limit = 1 << 12
		body, rest, whole, status := scanAll(string(raw), limit)
		cut := int(at) % (len(raw) + 1)
		var c Chunks
		n, done, err := c.Scan(raw[:cut], limit)
		if err == nil && !done {
			var more int
			more, done, err = c.Scan(raw[cut:], limit)
			n += more
		}
		if (err != nil) != (status != 0) || done != whole || whole && n != len(raw)-len(rest) {
			t.Fatalf("%q cut at %d: %d %t %v; whole %d %t %d", raw, cut, n, done, err, len(raw)-len(rest), whole, status)
		}
		if !whole {
			return
		}
		want, stdErr := io.ReadAll(httputil.NewChunkedReader(bufio.NewReader(bytes.NewReader(raw))))
		if stdErr != nil || string(want) != body {
			t.Fatalf("%q = %q; others read %q, %v", raw, body, want, stdErr)
		}
	})
}
