package frame

import (
	"net/url"
	"strings"
	"testing"
)

// pairs reads a whole query; ok is false if a pair cannot be read.
func pairs(query string) (all []string, ok bool) {
	rest := []byte(query)
	for {
		name, value, left, found, ok := NextPair(nil, rest)
		if !found || !ok {
			return all, ok
		}
		all = append(all, string(name)+"="+string(value))
		rest = left
	}
}

func TestNextPair(t *testing.T) {
	for query, want := range map[string]string{
		"": "", "a=b": "a=b", "a": "a=", "=": "=", "&&a=1&&b=2&": "a=1 b=2", "a%3Db=c%26d": "a=b=c&d", "a+b=%2B": "a b=+", "a=b=c": "a=b=c",
		"a=%00%ff": "a=\x00\xff", "a=%4a%4A": "a=JJ",
	} {
		if got, ok := pairs(query); !ok || strings.Join(got, " ") != want {
			t.Errorf("%q = %q, %t; want %q", query, got, ok, want)
		}
	}
	for _, query := range []string{"a=%", "a=%4", "%zz", "b&a=%-1", "%1\x11=a"} {
		if got, ok := pairs(query); ok {
			t.Errorf("%q = %q", query, got)
		}
	}
}

// FuzzQuery: pairs are those that the standard library reads.
func FuzzQuery(f *testing.F) {
	for _, q := range []string{"a=b&c", "%41=%7a+", "&=&%", "a=%zz"} {
		f.Add(q)
	}
	f.Fuzz(func(t *testing.T, query string) {
		if strings.Contains(query, ";") {
			return // which it refuses
		}
		got, ok := pairs(query)
		values, err := url.ParseQuery(query)
		if ok != (err == nil) {
			t.Fatalf("%q: %t, others %v", query, ok, err)
		}
		n := 0
		for _, all := range values {
			n += len(all)
		}
		for _, pair := range got {
			found := false
			for name, all := range values {
				for _, v := range all {
					found = found || name+"="+v == pair
				}
			}
			if !found {
				t.Fatalf("%q has no %q", query, pair)
			}
		}
		if ok && n != len(got) {
			t.Fatalf("%q: %d pairs; others read %d", query, len(got), n)
		}
	})
}
