package main

import "testing"

func TestByteSize(t *testing.T) {
	for _, r := range []struct {
		text string
		want int // 0 if it is none
		form string
	}{
		{"1", 1, "1B"},
		{"65536", 65536, "64KiB"},
		{"65536B", 65536, "64KiB"},
		{"64KiB", 65536, "64KiB"},
		{"64 KiB", 65536, "64KiB"},
		{"1000", 1000, "1000B"},
		{"1536KiB", 1536 << 10, "1536KiB"},
		{"16MiB", 16 << 20, "16MiB"},
		{"1GiB", 1 << 30, "1GiB"},
		{"2147483647", 1<<31 - 1, "2147483647B"},
		{"2147483648", 0, ""},
		{"2GiB", 0, ""},
		{"2097152KiB", 0, ""},
		{"99999999999999999999", 0, ""},
		{"0", 0, ""},
		{"-1", 0, ""},
		{"", 0, ""},
		{"KiB", 0, ""},
		{"64kb", 0, ""},
		{"1.5MiB", 0, ""},
		{"0x10", 0, ""},
		{"64KiBB", 0, ""},
		{"many", 0, ""},
	} {
		const before = byteSize(7)
		b := before
		err := b.Set(r.text)
		switch {
		case r.want == 0 && (err == nil || b != before):
			t.Errorf("Set(%q) = %d, %v; want an error and no change", r.text, b, err)
		case r.want != 0 && (err != nil || int(b) != r.want || b.String() != r.form):
			t.Errorf("Set(%q) = %d, %v, written %s; want %d, written %s", r.text, b, err, b.String(), r.want, r.form)
		}
	}
}
