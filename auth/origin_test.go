package auth

import (
	"errors"
	"strings"
	"testing"
)

func parseOrigins(t testing.TB, list ...string) *Origins {
	t.Helper()
	o, err := ParseOrigins(list)
	if err != nil {
		t.Fatal(err)
	}
	return &o
}

func TestOriginsAllow(t *testing.T) {
	for _, row := range []struct {
		name   string
		rules  string // with spaces between
		origin string
		want   bool
	}{
		{"the same", "https://allowed.com", "https://allowed.com", true},
		{"among others", "http://a https://allowed.com http://b", "https://allowed.com", true},
		{"A01 another site", "https://allowed.com", "https://evil.com", false},
		{"A01 nothing allowed", "", "https://allowed.com", false},
		{"A02 host with more behind", "https://allowed.com", "https://allowed.com.evil", false},
		{"A02 host with more before", "https://allowed.com", "https://evil-allowed.com", false},
		{"A02 host below", "https://allowed.com", "https://www.allowed.com", false},
		{"A02 host above", "https://www.allowed.com", "https://allowed.com", false},
		{"A02 dot behind", "https://allowed.com", "https://allowed.com.", false},
		{"A02 other port", "https://allowed.com", "https://allowed.com:8443", false},
		{"A02 own port left out", "https://allowed.com:8443", "https://allowed.com", false},
		{"A02 port of the other scheme", "https://allowed.com", "https://allowed.com:80", false},
		{"A02 standard port written", "https://allowed.com", "https://allowed.com:443", true},
		{"A02 standard port in the rule", "http://allowed.com:80", "http://allowed.com", true},
		{"A02 port with a zero", "https://allowed.com", "https://allowed.com:0443", false},
		{"A02 port too large", "https://allowed.com", "https://allowed.com:65979", false},
		{"A02 port empty", "https://allowed.com", "https://allowed.com:", false},
		{"A02 port with a sign", "https://allowed.com", "https://allowed.com:+443", false},
		{"A02 two ports", "https://allowed.com", "https://allowed.com:443:443", false},
		{"A02 other scheme", "https://allowed.com", "http://allowed.com", false},
		{"A02 other scheme, same port", "https://allowed.com", "http://allowed.com:443", false},
		{"A02 no scheme", "https://allowed.com", "allowed.com", false},
		{"A02 empty scheme", "https://allowed.com", "://allowed.com", false},
		{"A02 null", "https://allowed.com", "null", false},
		{"A02 empty", "https://allowed.com", "", false},
		{"A02 userinfo", "https://allowed.com", "https://allowed.com@evil.com", false},
		{"A02 userinfo before", "https://allowed.com", "https://evil.com@allowed.com", false},
		{"A02 userinfo with a word", "https://allowed.com", "https://allowed.com:443@evil.com", false},
		{"A02 path", "https://allowed.com", "https://allowed.com/", false},
		{"A02 path of another", "https://allowed.com", "https://evil.com/https://allowed.com", false},
		{"A02 query", "https://allowed.com", "https://allowed.com?x", false},
		{"A02 fragment", "https://allowed.com", "https://evil.com#allowed.com", false},
		{"A02 backslash", "https://allowed.com", `https://evil.com\.allowed.com`, false},
		{"A02 two origins", "https://allowed.com", "https://allowed.com https://evil.com", false},
		{"A02 space", "https://allowed.com", " https://allowed.com", false},
		{"A02 zero byte", "https://allowed.com", "https://allowed.com\x00", false},
		{"A02 mixed case", "https://allowed.com", "hTTpS://AlloweD.Com", true},
		{"A02 mixed case in the rule", "HTTPS://Allowed.Com", "https://allowed.com", true},
		{"A02 letter that folds to k", "https://k.com", "https://\u212a.com", false},
		{"A02 scheme with a digit in front", "https://allowed.com", "1https://allowed.com", false},
		{"A02 scheme with a space in it", "https://allowed.com", "ht tps://allowed.com", false},
		{"A02 file", "https://allowed.com", "file://", false},

		{"A02 star, one label", "https://*.allowed.com", "https://a.allowed.com", true},
		{"A02 star, two labels", "https://*.allowed.com", "https://b.a.Allowed.com", true},
		{"A02 star, none", "https://*.allowed.com", "https://allowed.com", false},
		{"A02 star, empty label", "https://*.allowed.com", "https://.allowed.com", false},
		{"A02 star, empty label within", "https://*.allowed.com", "https://a..allowed.com", false},
		{"A02 star, no dot", "https://*.allowed.com", "https://evil-allowed.com", false},
		{"A02 star, more behind", "https://*.allowed.com", "https://a.allowed.com.evil", false},
		{"A02 star, other port", "https://*.allowed.com:8443", "https://a.allowed.com", false},
		{"A02 star, same port", "https://*.allowed.com:8443", "https://a.allowed.com:8443", true},
		{"A02 star, userinfo", "https://*.allowed.com", "https://evil.com@a.allowed.com", false},
		{"A02 star, star sent", "https://*.allowed.com", "https://*.allowed.com", false},

		{"address", "http://192.0.2.1:3000", "http://192.0.2.1:3000", true},
		{"IPv6", "http://[2001:db8::1]", "http://[2001:DB8::1]:80", true},
		{"IPv6, another", "http://[2001:db8::1]", "http://[2001:db8::2]", false},
		{"IPv6 with a zone", "http://[2001:db8::1]", "http://[2001:db8::1%eth0]", false},
		{"IPv6 without brackets", "http://[2001:db8::1]", "http://2001:db8::1", false},
		{"scheme of an application", "capacitor://localhost", "capacitor://localhost", true},
		{"scheme of another application", "capacitor://localhost", "ionic://localhost", false},
		{"extension", "chrome-extension://abcdef", "chrome-extension://abcdef", true},

		{"everything", "*", "https://evil.com", true},
		{"everything, null", "*", "null", true},

		{"self", "self", "https://edge.example", true},
		{"self over http", "self", "http://edge.example:80", true},
		{"self at another port", "self", "https://edge.example:8443", false},
		{"self, another host", "self", "https://allowed.com", false},
		{"self, other scheme", "self", "ftp://edge.example", false},
	} {
		t.Run(row.name, func(t *testing.T) {
			o := parseOrigins(t, strings.Fields(row.rules)...)
			if got := o.Allows([]byte(row.origin), []byte("Edge.example")); got != row.want {
				t.Errorf("%q allow %q = %t", row.rules, row.origin, got)
			}
		})
	}
}

func TestSelf(t *testing.T) {
	self := parseOrigins(t, "self")
	for _, row := range []struct {
		origin, host string
		want         bool
	}{
		{"http://localhost:8000", "localhost:8000", true},
		{"http://localhost:8000", "localhost:8001", false},
		{"https://localhost", "localhost:443", true},
		{"https://localhost", "localhost:80", false},
		{"http://[::1]:8000", "[::1]:8000", true},
		{"http://localhost", "", false},
		{"http://", "", false},
		{"http://a@b", "a@b", false},
	} {
		if got := self.Allows([]byte(row.origin), []byte(row.host)); got != row.want {
			t.Errorf("self allows %q at %q = %t", row.origin, row.host, got)
		}
	}
}

func TestOriginMistakes(t *testing.T) {
	for entry, want := range map[string]string{
		"":                       "not of the form",
		"allowed.com":            "not of the form",
		"https://allowed.com/":   "not of the form",
		"https://":               "not of the form",
		"https://*":              "not of the form",
		"https://a.*.com":        "not of the form",
		"https://*a.com":         "not of the form",
		"https://a.com:*":        "not of the form",
		"*://a.com":              "not of the form",
		"null":                   "not of the form",
		"https://u@allowed.com":  "not of the form",
		"https://b\u00fccher.de": "not of the form",
		"https://*.com":          "too wide",
		"https://*.0.0.1":        "too wide",
		"https://*.[::1]":        "too wide",
		"https://[1.2.3.4]":      "no IPv6 address",
		"https://[::1::]":        "no IPv6 address",
	} {
		if o, err := ParseOrigins([]string{"https://ok.example", entry}); !errors.Is(err, ErrConfig) || !strings.Contains(err.Error(), want) {
			t.Errorf("ParseOrigins(%q) = %+v, %v; want %q", entry, o, err, want)
		}
	}
	if o := parseOrigins(t, "http://*.localhost:3000"); !o.Allows([]byte("http://app.localhost:3000"), nil) {
		t.Error("http://*.localhost:3000 does not allow http://app.localhost:3000")
	}
}
