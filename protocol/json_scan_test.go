package protocol

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// naiveSkip is skipPlain or skipUnescaped, a byte at a time.
func naiveSkip(b []byte, i int, ascii bool) int {
	for ; i < len(b); i++ {
		if c := b[i]; c == '"' || c == '\\' || c < ' ' || ascii && c > 0x7f {
			break
		}
	}
	return i
}

// Each byte, at each place of strings of each length around the word size, before bytes of each kind.
func TestSkipPlain(t *testing.T) {
	for _, filler := range []byte{' ', '#', '[', 0x7f} {
		for size := range 20 {
			for place := range size {
				checkSkips(t, filler, size, place)
			}
		}
	}
}

func checkSkips(t *testing.T, filler byte, size, place int) {
	b := bytes.Repeat([]byte{filler}, size)
	for c := range 256 {
		b[place] = byte(c)
		for start := range min(place+1, 9) {
			if got, want := skipPlain(b, start), naiveSkip(b, start, true); got != want {
				t.Fatalf("skipPlain(%q, %d) = %d; want %d", b, start, got, want)
			}
			if got, want := skipUnescaped(b, start), naiveSkip(b, start, false); got != want {
				t.Fatalf("skipUnescaped(%q, %d) = %d; want %d", b, start, got, want)
			}
		}
	}
}

// Special bytes next to each other: only the first counts, whatever it borrows from the next.
func TestSkipPlainNeighbours(t *testing.T) {
	special := []byte{0, 1, 0x1f, ' ', '!', '"', '#', '[', '\\', ']', 0x7f, 0x80, 0x81, 0xa2, 0xdc, 0xff}
	for _, x := range special {
		for _, y := range special {
			for _, z := range special {
				b := []byte{'a', x, y, z, 'a', x, y, z, 'a', x}
				for start := range b {
					if got, want := skipPlain(b, start), naiveSkip(b, start, true); got != want {
						t.Fatalf("skipPlain(%q, %d) = %d; want %d", b, start, got, want)
					}
					if got, want := skipUnescaped(b, start), naiveSkip(b, start, false); got != want {
						t.Fatalf("skipUnescaped(%q, %d) = %d; want %d", b, start, got, want)
					}
				}
			}
		}
	}
}

// A value is valid here if it is valid for encoding/json, with each byte of it replaced or removed, and cut anywhere.
func TestSkipValueAgainstEncodingJSON(t *testing.T) {
	values := []string{`{"a":[1,-0.5e+10,{"b":null}],"c":"x\u00e9\n"}`, `[true,false,null]`, `"\ud83d\ude00 \\ \" \/"`, `-12.34E-5`, `0`, `[]`, `{ }`,
		` [ 1 , "" , { "" : 0 } ]`}
	for _, value := range values {
		checkValid(t, []byte(value))
		for i := range len(value) {
			checkValid(t, []byte(value[:i]))
			checkValid(t, []byte(value[:i]+value[i+1:]))
			for c := range byte(0x80) {
				if c != '\n' {
					checkValid(t, fmt.Appendf(nil, "%s%c%s", value[:i], c, value[i+1:]))
					checkValid(t, fmt.Appendf(nil, "%s%c%s", value[:i], c, value[i:]))
				}
			}
		}
	}
}

func checkValid(t *testing.T, b []byte) {
	end := skipValue(b, skipSpace(b, 0), MaxDepth)
	got := end >= 0 && skipSpace(b, end) == len(b)
	if want := json.Valid(b); got != want {
		t.Fatalf("valid(%q) = %v; want %v", b, got, want)
	}
}

func TestValidJSON(t *testing.T) {
	nested := func(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }
	for raw, want := range map[string]bool{
		`null`: true, ` {"a": [1, "\u0041"]} `: true, "{\n\t\"a\": 1\r\n}\n": true, `"é"`: true, nested(MaxDepth): true,
		``: false, ` `: false, `{} {}`: false, `{`: false, `nul`: false, "\x00": false, "\"a\nb\"": false, "\"\xff\"": false, "\xde\xad": false,
		nested(MaxDepth + 1): false,
	} {
		if got := ValidJSON([]byte(raw)); got != want {
			t.Errorf("ValidJSON(%q) = %v; want %v", raw, got, want)
		}
	}
}
