package config

import "testing"

func TestSize(t *testing.T) {
	for _, r := range []struct {
		text string
		want int64 // below 0 if it is none
		form string
	}{
		{"0", 0, "0"},
		{"1", 1, "1B"},
		{"65536", 65536, "64KiB"},
		{"65536B", 65536, "64KiB"},
		{"64KiB", 65536, "64KiB"},
		{"64 KiB", 65536, "64KiB"},
		{"1000", 1000, "1000B"},
		{"1536KiB", 1536 << 10, "1536KiB"},
		{"16MiB", 16 << 20, "16MiB"},
		{"1GiB", 1 << 30, "1GiB"},
		{"9223372036854775807", 1<<63 - 1, "9223372036854775807B"},
		{"9223372036854775808", -1, ""},
		{"8589934592GiB", -1, ""},
		{"-1", -1, ""},
		{"", -1, ""},
		{"KiB", -1, ""},
		{"64kb", -1, ""},
		{"1.5MiB", -1, ""},
		{"0x10", -1, ""},
		{"64KiBB", -1, ""},
		{"many", -1, ""},
	} {
		got, ok := parseSize(r.text)
		switch {
		case ok != (r.want >= 0):
			t.Errorf("parseSize(%q) = %d, %v", r.text, got, ok)
		case ok && (got != r.want || formatSize(got) != r.form):
			t.Errorf("parseSize(%q) = %d, written %s; want %d, written %s", r.text, got, formatSize(got), r.want, r.form)
		}
	}
}
