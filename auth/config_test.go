package auth

import (
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"strings"
	"testing"
	"time"
)

func TestConfigMistakes(t *testing.T) {
	small := must(rsa.GenerateKey(rand.Reader, 1024))
	public := pemOf(rsaKey().Public())
	for _, row := range []struct {
		config Config
		want   string
	}{
		{Config{HMACSecret: "short"}, "HMAC secret of 5 bytes; use at least 32 random ones"},
		{Config{PreviousHMACSecret: testSecret, PreviousUntil: testNow}, "previous HMAC secret without an HMAC secret"},
		{Config{HMACSecret: testSecret, PreviousHMACSecret: otherSecret}, "say until when"},
		{Config{HMACSecret: testSecret, PreviousHMACSecret: "short", PreviousUntil: testNow}, "previous HMAC secret of 5 bytes"},
		{Config{RSAPublicKey: "x"}, "RSA public key: not a public key in PEM"},
		{Config{RSAPublicKey: pemOf(curveKey().Public())}, "RSA public key"},
		{Config{RSAPublicKey: pemOf(small.Public())}, "an RSA key of 1024 bits; use 2048 to 8192"},
		{Config{ECDSAPublicKey: public}, "ECDSA public key"},
		{Config{Ed25519PublicKey: public}, "Ed25519 public key"},
		{Config{Issuer: "a", IssuerRegexp: "b"}, "both an issuer"},
		{Config{IssuerRegexp: "("}, "issuer: error parsing regexp"},
		{Config{IssuerRegexp: "a)|(b"}, "issuer: error parsing regexp"},
		{Config{JWKS: []JWKS{{Endpoint: "https://a.example"}}, RSAPublicKey: public}, "say whose it is"},
		{Config{JWKS: []JWKS{{Endpoint: "https://a.example"}, {Issuer: "b", Endpoint: "https://b.example"}}}, "say whose it is"},
		{Config{JWKS: []JWKS{{Issuer: "b", Endpoint: "https://a.example"}, {Issuer: "b", Endpoint: "https://b.example"}}}, "two JWKS endpoints"},
		{Config{JWKS: []JWKS{{Endpoint: "http://a.example"}}}, "not encrypted"},
		{Config{JWKS: []JWKS{{Endpoint: "file:///etc/passwd"}}}, "not an address"},
		{Config{JWKS: []JWKS{{Endpoint: "ftp://a.example/keys"}}}, "not at https"},
		{Config{JWKS: []JWKS{{Endpoint: "https://user:word@a.example"}}}, "JWKS endpoint at a.example with a user name"},
		{Config{JWKS: []JWKS{{Endpoint: "%"}}}, "not an address"},
		{Config{JWKS: []JWKS{{Endpoint: "http://a.example/keys?x=y"}}}, `JWKS endpoint "http://a.example/keys" is not encrypted`},
		{Config{JWKS: []JWKS{{Endpoint: "https:/%"}, {Issuer: "b", Endpoint: "%"}}}, "JWKS endpoint beside other"},
		{Config{JWKS: []JWKS{{Issuer: "b", Endpoint: "%"}}}, `JWKS endpoint of the issuer "b" is not an address`},
	} {
		v, err := New(row.config)
		if v != nil || !errors.Is(err, ErrConfig) || !strings.Contains(err.Error(), row.want) {
			t.Errorf("New(%+v) = %v; want %q", row.config, err, row.want)
		}
	}
}

func TestNoKeysAcceptNothing(t *testing.T) {
	v := newVerifier(t, Config{})
	if _, err := v.Connect([]byte(mintHS(t, ada)), testNow); err != errKey {
		t.Errorf("Connect = %v; want %v", err, errKey)
	}
}

func TestPreviousSecret(t *testing.T) {
	v := newVerifier(t, Config{HMACSecret: otherSecret, PreviousHMACSecret: testSecret, PreviousUntil: testNow})
	token := func(secret string) []byte { return by(t, "HS512", "", []byte(secret), ada) }
	for _, row := range []struct {
		secret string
		at     time.Duration
		want   error
	}{
		{otherSecret, -time.Second, nil},
		{otherSecret, time.Second, nil},
		{testSecret, -time.Second, nil},
		{testSecret, 0, errSignature},
		{testSecret, time.Second, errSignature},
		{testSecret + otherSecret, -time.Second, errSignature},
	} {
		if _, err := v.Connect(token(row.secret), testNow.Add(row.at)); err != row.want {
			t.Errorf("Connect(by %q) at %v = %v; want %v", row.secret, row.at, err, row.want)
		}
	}
}

func TestIssuerRegexp(t *testing.T) {
	v := newVerifier(t, Config{HMACSecret: testSecret, IssuerRegexp: "https://a[.]example|b|.*c"})
	for iss, want := range map[string]error{
		"https://a.example": nil, "b": nil, "xc": nil, "bb": errIssuer, "https://a.example/": errIssuer,
		"x\nhttps://a.example": errIssuer, "b\n": errIssuer, "": errIssuer,
	} {
		if _, err := v.Connect([]byte(mintHS(t, object{"iss": iss})), testNow); err != want {
			t.Errorf("Connect(iss %q) = %v; want %v", iss, err, want)
		}
	}
}

func TestBlocking(t *testing.T) {
	static := newVerifier(t, Config{HMACSecret: testSecret, RSAPublicKey: pemOf(rsaKey().Public())})
	remote := newVerifier(t, Config{JWKS: []JWKS{{Endpoint: "https://a.example"}}})
	for _, row := range []struct {
		header         string
		static, remote bool
	}{
		{`{"alg":"HS256"}`, false, false},
		{`{"alg":"RS256"}`, true, true},
		{`{"alg":"ES256"}`, false, true},
		{`{"alg":"EdDSA"}`, false, true},
		{`{"alg":"none"}`, false, false},
		{`{"alg":"RS256","crit":["x"]}`, false, false},
		{`[]`, false, false},
	} {
		token := []byte(encode(row.header) + ".e30.e30")
		if s, r := static.Blocking(token), remote.Blocking(token); s != row.static || r != row.remote {
			t.Errorf("Blocking(%s) = %t with keys, %t with an endpoint; want %t, %t", row.header, s, r, row.static, row.remote)
		}
	}
	if remote.Blocking([]byte("RS256")) {
		t.Error("Blocking(RS256) = true for what is no token")
	}
}
