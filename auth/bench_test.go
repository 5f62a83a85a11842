package auth

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/seed4ac54ce5/edge/internal/testutil"
)

// What a loop does for a token or an origin allocates no more than this.
func TestAllocations(t *testing.T) {
	v := newVerifier(t, Config{HMACSecret: testSecret})
	token := []byte(mintHS(t, typical()))
	o := parseOrigins(t, "self", "https://a.example", "https://*.b.example:8443")
	r := NewRevoked(1)
	if err := r.User("ada", testNow, testNow.Add(time.Hour), testNow); err != nil {
		t.Fatal(err)
	}
	caps, err := ParseCapabilities(`[{"channels":["chat:*"],"allow":["sub"],"match":"wildcard"}]`)
	if err != nil {
		t.Fatal(err)
	}
	page, host, id := []byte("https://x.b.example:8443"), []byte("edge.example"), Identity{User: "ada", ID: "t1"}
	for _, row := range []struct {
		name string
		most float64
		run  func() bool
	}{
		{"Connect", 2, func() bool { _, err := v.Connect(token, testNow); return err == nil }},
		{"Blocking", 0, func() bool { return !v.Blocking(token) }},
		{"Allows", 0, func() bool { return o.Allows(page, host) }},
		{"Has", 0, func() bool { return r.Has(&id, testNow) }},
		{"Allow", 0, func() bool { return caps.Allow("chat:1", MaySubscribe) }},
	} {
		ok := true
		n := testing.AllocsPerRun(200, func() { ok = row.run() && ok })
		if !ok || n > row.most && !testutil.Race {
			t.Errorf("%s: %v allocations, at most %v wanted; done = %t", row.name, n, row.most, ok)
		}
	}
}

// typical is the payload of an ordinary connection token.
func typical() object {
	return object{"sub": "user-42", "exp": after(time.Hour), "iat": after(0), "info": object{"name": "Ada"}}
}

func BenchmarkConnect(b *testing.B) {
	v := newVerifier(b, Config{
		HMACSecret: testSecret, RSAPublicKey: pemOf(rsaKey().Public()), ECDSAPublicKey: pemOf(curveKey().Public()),
		Ed25519PublicKey: pemOf(edwardsKey().Public()),
	})
	full := with(typical(), object{
		"subs": object{"a": object{"info": 1}, "b": object{"override": object{"presence": object{"value": true}}}},
		"caps": []any{object{"channels": []string{"chat:*"}, "allow": []string{"sub", "pub"}, "match": "wildcard"}},
	})
	large := with(typical(), object{"meta": string(bytes.Repeat([]byte{'x'}, MaxToken/2))})
	for _, row := range []struct {
		name, token string
	}{
		{"HS256", mintHS(b, typical())},
		{"HS256 full", mintHS(b, full)},
		{"HS256 large", mintHS(b, large)},
		{"RS256", mint(b, "RS256", rsaKey(), object{"alg": "RS256"}, typical())},
		{"ES256", mint(b, "ES256", curveKey(), object{"alg": "ES256"}, typical())},
		{"EdDSA", mint(b, "EdDSA", edwardsKey(), object{"alg": "EdDSA"}, typical())},
	} {
		b.Run(row.name, func(b *testing.B) {
			token := []byte(row.token)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := v.Connect(token, testNow); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkLibrary is the least that the library's own parser does for the token of "HS256" in BenchmarkConnect.
func BenchmarkLibrary(b *testing.B) {
	p := jwt.NewParser(jwt.WithStrictDecoding(), jwt.WithoutClaimsValidation(), jwt.WithValidMethods([]string{"HS256"}))
	secret, token := func(*jwt.Token) (any, error) { return []byte(testSecret), nil }, []byte(mintHS(b, typical()))
	b.ReportAllocs()
	for b.Loop() {
		var claims struct {
			jwt.RegisteredClaims
			Info json.RawMessage `json:"info"`
		}
		if _, err := p.ParseWithClaims(string(token), &claims, secret); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkRefused(b *testing.B) {
	v := newVerifier(b, Config{HMACSecret: testSecret})
	for _, row := range []struct {
		name  string
		token []byte
	}{
		{"size", bytes.Repeat([]byte{'.'}, 1<<20)},
		{"signature", []byte(mint(b, "HS256", []byte(otherSecret), object{"alg": "HS256"}, typical()))},
		{"large signature", []byte(mint(b, "HS256", []byte(otherSecret), object{"alg": "HS256"}, object{"meta": string(bytes.Repeat([]byte{'x'}, MaxToken/2))}))},
	} {
		b.Run(row.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := v.Connect(row.token, testNow); err == nil {
					b.Fatal("accepted")
				}
			}
		})
	}
}

func BenchmarkBlocking(b *testing.B) {
	v := newVerifier(b, Config{HMACSecret: testSecret})
	token := []byte(mintHS(b, typical()))
	b.ReportAllocs()
	for b.Loop() {
		if v.Blocking(token) {
			b.Fatal("an HMAC token is said to block")
		}
	}
}

func BenchmarkAllows(b *testing.B) {
	o := parseOrigins(b, "https://a.example", "https://b.example", "https://*.c.example")
	page, host := []byte("https://app.c.example"), []byte("edge.example")
	b.ReportAllocs()
	for b.Loop() {
		if !o.Allows(page, host) {
			b.Fatal("refused")
		}
	}
}

func BenchmarkRevokedHas(b *testing.B) {
	r := NewRevoked(1)
	id := Identity{User: "ada", ID: "0b4e", Issued: testNow}
	b.ReportAllocs()
	for b.Loop() {
		if r.Has(&id, testNow) {
			b.Fatal("revoked")
		}
	}
}
