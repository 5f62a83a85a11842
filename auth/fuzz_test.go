package auth

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// FuzzToken holds both checks to this: what they accept the library accepts too, with the same user, and is one of
// the tokens that were signed, to the byte. Keys and signatures are the same in every process that fuzzes.
func FuzzToken(f *testing.F) {
	v := newVerifier(f, Config{HMACSecret: testSecret, Ed25519PublicKey: pemOf(edwardsKey().Public())})
	signed := map[string]bool{}
	for _, payload := range []object{
		{}, {"sub": "ada"}, {"sub": "ada", "exp": after(time.Hour), "subs": object{"a": object{"b64info": "WzFd"}}},
		{"sub": "ada", "channel": "news", "override": object{"presence": object{"value": true}}},
	} {
		for _, token := range []string{mintHS(f, payload), mint(f, "EdDSA", edwardsKey(), object{"alg": "EdDSA"}, payload)} {
			signed[token] = true
			f.Add([]byte(token))
			f.Add([]byte(strings.Replace(token, ".", "..", 1)))
		}
	}
	f.Add([]byte(encode(`{"alg":"none"}`) + ".e30."))
	f.Fuzz(func(t *testing.T, token []byte) {
		before := bytes.Clone(token)
		connect, connectErr := v.Connect(token, testNow)
		subscribe, subscribeErr := v.Subscribe(token, testNow)
		if !bytes.Equal(token, before) {
			t.Fatal("a check changed the token")
		}
		for user, err := range map[string]error{connect.User: connectErr, subscribe.User: subscribeErr} {
			if err == nil {
				mustBeSigned(t, v, signed, string(token), user)
			} else if !errors.Is(err, ErrInvalid) && !errors.Is(err, ErrExpired) {
				t.Errorf("error %v", err)
			}
		}
	})
}

func mustBeSigned(t *testing.T, v *Verifier, signed map[string]bool, token, user string) {
	var claims jwt.RegisteredClaims
	clock := jwt.WithTimeFunc(func() time.Time { return testNow })
	_, err := jwt.ParseWithClaims(token, &claims, func(t *jwt.Token) (any, error) {
		return v.keys[algorithms[t.Method.Alg()].family].material, nil
	}, clock, jwt.WithStrictDecoding())
	if !signed[token] || err != nil || claims.Subject != user {
		t.Errorf("accepted %q of %q, which the library says is of %q, %v", token, user, claims.Subject, err)
	}
}

// FuzzClaims signs any payload: what is accepted has the user and the expiry that encoding/json finds in it.
func FuzzClaims(f *testing.F) {
	v := newVerifier(f, Config{HMACSecret: testSecret})
	for _, payload := range []string{
		`{"sub":"ada","exp":1900000000}`, `{"subs":{"a":{"info":[1,"]"],"b64data":"AQ=="}}}`, `{"channels":["a","b\\\"c"]}`,
		`{"caps":[{"channels":["a:*"],"allow":["sub"],"match":"wildcard"}]}`, "{ \"\\u0073ub\" :\t\"\\n\" }", `{"sub":"a","sub":"b"}`,
	} {
		f.Add([]byte(payload))
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		if len(payload) > MaxToken/2 {
			return
		}
		got, err := v.Connect([]byte(mintText(t, "HS256", []byte(testSecret), `{"alg":"HS256"}`, string(payload))), testNow)
		if err != nil {
			return
		}
		all := map[string]json.RawMessage{}
		if err := json.Unmarshal(payload, &all); err != nil {
			t.Fatalf("accepted %q, which is no object: %v", payload, err)
		}
		var user string
		if sub, ok := all["sub"]; ok && json.Unmarshal(sub, &user) != nil || user != got.User {
			t.Errorf("user %q of %q; want %q", got.User, payload, user)
		}
		for _, part := range [][]byte{got.Meta, []byte(got.Capabilities.String())} {
			if len(part) > 0 && (!json.Valid(part) || bytes.ContainsAny(part, "\r\n")) {
				t.Errorf("%q has the part %q", payload, part)
			}
		}
	})
}

// FuzzCursor holds the walk over JSON to what encoding/json finds in the same text.
func FuzzCursor(f *testing.F) {
	for _, text := range []string{`{"a":1,"b":{"c":[2,"}"]}}`, ` [ 1 , "\\" , [ ] ] `, `{"a\"":null}`, `[]`, `{}`, `[-1e5,true]`} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if !json.Valid(text) {
			return
		}
		var list []json.RawMessage
		if c, ok := enter(text, '['); ok != (json.Unmarshal(text, &list) == nil && list != nil) {
			t.Errorf("enter(%q) as a list = %t", text, ok)
		} else if ok {
			for _, want := range list {
				if !c.element() || !bytes.Equal(c.value, want) {
					t.Fatalf("element of %q = %q; want %q", text, c.value, want)
				}
			}
			if c.element() {
				t.Errorf("%q has one element more: %q", text, c.value)
			}
		}
		var members map[string]json.RawMessage
		c, ok := enter(text, '{')
		if ok != (json.Unmarshal(text, &members) == nil && members != nil) {
			t.Errorf("enter(%q) as an object = %t", text, ok)
		}
		last := map[string][]byte{}
		for ok && c.member() {
			name, isString := unquote(c.name)
			if !isString {
				t.Fatalf("name %q in %q", c.name, text)
			}
			last[strings.ToValidUTF8(name, "\ufffd")] = c.value
		}
		for name, want := range members {
			if got, ok := last[strings.ToValidUTF8(name, "\ufffd")]; ok && bytes.Equal(got, want) {
				continue
			}
			if strings.ContainsRune(name, '\ufffd') {
				continue // several names that are not text may look alike
			}
			t.Errorf("member %q of %q = %q; want %q", name, text, last[name], want)
		}
	})
}

// FuzzOrigin holds Allows to a slow reading of the same rules by net/url.
func FuzzOrigin(f *testing.F) {
	o := parseOrigins(f, "https://allowed.com", "http://*.allowed.com:8080", "http://[::1]:3000", "app://x")
	for _, origin := range []string{
		"https://allowed.com", "https://allowed.com:443", "http://a.b.allowed.com:8080", "http://[::1]:3000", "app://x", "null",
		"https://allowed.com@evil.com", "https://allowed.com.evil", "https://allowed.com/", "HTTPS://ALLOWED.COM",
	} {
		f.Add([]byte(origin))
	}
	f.Fuzz(func(t *testing.T, header []byte) {
		if got, want := o.Allows(header, nil), allowedSlowly(string(header)); got && !want {
			t.Errorf("Allows(%q) = true", header)
		}
	})
}

// allowedSlowly is what the rules of FuzzOrigin say.
func allowedSlowly(header string) bool {
	u, err := url.Parse(header)
	if err != nil || u.User != nil || u.Path != "" || u.RawQuery != "" || u.Fragment != "" || u.Opaque != "" {
		return false
	}
	host := strings.ToLower(u.Hostname())
	switch u.Scheme {
	case "https":
		return host == "allowed.com" && (u.Port() == "" || u.Port() == "443")
	case "http":
		return host == "::1" && u.Port() == "3000" || strings.HasSuffix(host, ".allowed.com") && len(host) > len(".allowed.com") && u.Port() == "8080"
	case "app":
		return host == "x" && u.Port() == ""
	}
	return false
}
