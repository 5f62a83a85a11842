package netpoll

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

func TestParseEndpoints(t *testing.T) {
	for _, row := range []struct {
		in   string
		want string // endpoints with a space between; empty for ErrAddress
	}{
		{"127.0.0.1:8000", "127.0.0.1:8000"},
		{"127.0.0.1:8000-8002", "127.0.0.1:8000 127.0.0.1:8001 127.0.0.1:8002"},
		{"127.0.0.1:65535-65535", "127.0.0.1:65535"},
		{"[::1]:80", "[::1]:80"},
		{"[::ffff:10.0.0.1]:80", "10.0.0.1:80"},
		{"[fe80::1%lo]:80", "[fe80::1%lo]:80"},
		{"localhost:0", "127.0.0.1:0"},
		{":0", ":0"},
		{"unix:/run/edge.sock", "unix:/run/edge.sock"},
		{"unix:", ""},
		{"", ""},
		{"8000", ""},
		{"127.0.0.1", ""},
		{"127.0.0.1:", ""},
		{"127.0.0.1:http", ""},
		{"127.0.0.1:65536", ""},
		{"127.0.0.1:-1", ""},
		{"127.0.0.1:2-1", ""},
		{"127.0.0.1:1-", ""},
		{"127.0.0.1:1-2-3", ""},
		{"::1:80", ""},
	} {
		got, err := parseEndpoints([]string{row.in})
		if row.want == "" {
			if !errors.Is(err, ErrAddress) || !strings.Contains(err.Error(), row.in) {
				t.Errorf("parseEndpoints(%q) = %v, %v; want %v", row.in, got, err, ErrAddress)
			}
			continue
		}
		var words []string
		for _, e := range got {
			words = append(words, e.String())
		}
		if err != nil || !slices.Equal(words, strings.Fields(row.want)) {
			t.Errorf("parseEndpoints(%q) = %q, %v; want %s", row.in, words, err, row.want)
		}
	}
}

func TestUnknownHost(t *testing.T) {
	if got, err := parseEndpoints([]string{"host.invalid:80"}); err == nil {
		t.Errorf("parseEndpoints(host.invalid:80) = %v; want an error", got)
	}
}

func TestZone(t *testing.T) {
	for in, want := range map[string]uint32{"[fe80::1%lo]:80": 1, "[fe80::1%7]:80": 7, "[fe80::1]:80": 0} {
		e, err := parseEndpoint(in)
		if err != nil {
			t.Fatal(err)
		}
		if got := zone(e[0].addr.Addr()); got != want {
			t.Errorf("zone(%s) = %d; want %d", in, got, want)
		}
	}
}

func TestParseTarget(t *testing.T) {
	for in, ok := range map[string]bool{
		"127.0.0.1:80": true, "[::1]:80": true, "unix:/a": true,
		":80": false, "127.0.0.1:80-81": false, "nowhere": false,
	} {
		if got, err := ParseTarget(in); (err == nil) != ok || ok && got.String() != in {
			t.Errorf("ParseTarget(%s) = %v, %v; want success: %v", in, got, err, ok)
		}
	}
}
