package protocol

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestAppendText(t *testing.T) {
	tests := []struct{ text, want string }{
		{"", `""`},
		{"plain", `"plain"`},
		{"longer than a word of eight", `"longer than a word of eight"`},
		{`a"b\c/`, `"a\"b\\c/"`},
		{"\n\r\t\b\f\x00\x1f\x7f", "\"\\n\\r\\t\\u0008\\u000c\\u0000\\u001f\x7f\""},
		{"é世😀", `"é世😀"`},
		{"a\u2028b\u2029c", `"a\u2028b\u2029c"`},
		{"\xff\xc3\xa9\xc3", "\"\uFFFDé\uFFFD\""},
		{"\xed\xa0\x80", "\"\uFFFD\uFFFD\uFFFD\""}, // a surrogate, encoded
		{"\xf4\x90\x80\x80", "\"\uFFFD\uFFFD\uFFFD\uFFFD\""},
		{"<>&", `"<>&"`},
	}
	for _, test := range tests {
		if got := string(appendText([]byte("x"), test.text)); got != "x"+test.want {
			t.Errorf("appendText(%q) = %s; want %s", test.text, got[1:], test.want)
		}
		if got := string(appendText([]byte("x"), []byte(test.text))); got != "x"+test.want {
			t.Errorf("appendText([]byte(%q)) = %s; want %s", test.text, got[1:], test.want)
		}
	}
}

// Each byte at each place of a text of each length is read back by encoding/json as it was, or as U+FFFD.
func TestAppendTextAgainstEncodingJSON(t *testing.T) {
	for size := 1; size < 20; size++ {
		text := []byte(strings.Repeat("é", size)[:size])
		for place := range size {
			for c := range 256 {
				text[place] = byte(c)
				var got string
				if err := json.Unmarshal(appendText(nil, text), &got); err != nil || got != string([]rune(string(text))) {
					t.Fatalf("appendText(%q) = %s, %v; want what reads back", text, appendText(nil, text), err)
				}
			}
		}
	}
}

func TestAppendRaw(t *testing.T) {
	tests := []struct{ value, want string }{
		{`{"a":1}`, `{"a":1}`},
		{"\n{\n\n  \"a\":\r\n1\n}\n", "{  \"a\":\r1}"},
		{"\n", ""},
		{` "<\u0041 é>" `, ` "<\u0041 é>" `},
	}
	for _, test := range tests {
		if got := string(appendRaw(nil, []byte(test.value))); got != test.want {
			t.Errorf("appendRaw(%q) = %q; want %q", test.value, got, test.want)
		}
	}
}
