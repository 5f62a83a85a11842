package hub

import (
	"slices"
	"strings"
	"testing"
)

func TestTags(t *testing.T) {
	long := strings.Repeat("x", 300)
	for _, want := range [][]string{nil, {"k", "v"}, {"", ""}, {"k", "", "", "v"}, {long, "v", "k", long}} {
		var tags Tags
		for i := 0; i < len(want); i += 2 {
			tags = tags.Append([]byte(want[i]), []byte(want[i+1]))
		}
		var got []string
		for key, value := range tags.All() {
			got = append(got, string(key), string(value))
		}
		if !slices.Equal(got, want) || !tags.whole() {
			t.Errorf("tags of %q = %q, whole %v", want, got, tags.whole())
		}
	}
}

func TestMalformedTags(t *testing.T) {
	whole := Tags(nil).Append([]byte("key"), []byte("value"))
	for _, bad := range []Tags{
		whole[:1],                      // a text cut short
		whole[:4],                      // a key without its value
		append(slices.Clone(whole), 0), // another one
		{0x80},                         // half a length
		{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01}, // a length above 64 bits
		{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01, 0},    // one beyond the end
	} {
		if bad.whole() {
			t.Errorf("%x counts as whole", []byte(bad))
		}
		for range bad.All() { // ends without a panic
			continue
		}
	}
	for key := range whole.Append(nil, nil).All() {
		if string(key) != "key" {
			t.Error("All goes on after a break")
		}
		break
	}
}
