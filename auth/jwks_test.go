package auth

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/MicahParks/jwkset"
)

// An issuer is a JWKS endpoint of a test, and counts who asks.
type issuer struct {
	*httptest.Server
	fetches atomic.Int64
	answer  atomic.Pointer[http.HandlerFunc]
}

// startIssuer returns an endpoint that publishes keys: public or private ones by their kid.
func startIssuer(t testing.TB, keys map[string]any) *issuer {
	t.Helper()
	i := &issuer{}
	i.publish(t, keys)
	i.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		i.fetches.Add(1)
		(*i.answer.Load())(w, r)
	}))
	t.Cleanup(i.Close)
	return i
}

func (i *issuer) publish(t testing.TB, keys map[string]any) {
	t.Helper()
	var entries []any
	for kid, k := range keys {
		entries = append(entries, jwkOf(t, kid, k))
	}
	i.say(text(object{"keys": entries}))
}

func (i *issuer) say(body string) {
	i.do(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, body) })
}

func (i *issuer) do(f http.HandlerFunc) { i.answer.Store(&f) }

// jwkOf returns the JWK of a key.
func jwkOf(t testing.TB, kid string, k any) object {
	t.Helper()
	if private, ok := k.(crypto.Signer); ok {
		k = private.Public()
	}
	options := jwkset.JWKOptions{Metadata: jwkset.JWKMetadataOptions{KID: kid}, Marshal: jwkset.JWKMarshalOptions{Private: true}}
	j, err := jwkset.NewJWKFromKey(k, options)
	if err != nil {
		t.Fatal(err)
	}
	var o object
	if err := json.Unmarshal([]byte(text(j.Marshal())), &o); err != nil {
		t.Fatal(err)
	}
	return o
}

// behind returns a Verifier with i's keys for the tokens of any issuer.
func (i *issuer) behind(t testing.TB) *Verifier {
	t.Helper()
	return newVerifier(t, Config{JWKS: []JWKS{{Endpoint: i.URL, AllowHTTP: true}}})
}

// by makes a token of a user with k under kid.
func by(t testing.TB, alg, kid string, k any, payload object) []byte {
	t.Helper()
	return []byte(mint(t, alg, k, object{"alg": alg, "kid": kid}, payload))
}

var ada = object{"sub": "ada"}

func TestJWKSFamilies(t *testing.T) {
	i := startIssuer(t, map[string]any{"r": rsaKey(), "e": curveKey(), "w": wideKey(), "d": edwardsKey()})
	v := i.behind(t)
	for _, row := range []struct {
		alg, kid string
		key      any
		want     error
	}{
		{"RS256", "r", rsaKey(), nil},
		{"RS512", "r", rsaKey(), nil},
		{"ES256", "e", curveKey(), nil},
		{"ES384", "w", wideKey(), nil},
		{"EdDSA", "d", edwardsKey(), nil},
		{"EdDSA", "r", edwardsKey(), errKey},
		{"RS256", "e", rsaKey(), errKey},
		{"ES256", "w", curveKey(), errKey},
		{"RS256", "", rsaKey(), errNoKid},
		{"HS256", "r", rsaKey().N.Bytes(), errKey},
	} {
		claims, err := v.Connect(by(t, row.alg, row.kid, row.key, ada), testNow)
		if !errors.Is(err, row.want) || (err == nil) != (claims.User == "ada") {
			t.Errorf("Connect(%s by %q) = %+v, %v; want %v", row.alg, row.kid, claims, err, row.want)
		}
	}
	if n := i.fetches.Load(); n != 1 {
		t.Errorf("%d fetches; want 1", n)
	}
}

func TestWarm(t *testing.T) {
	i, down := startIssuer(t, map[string]any{"d": edwardsKey()}), startIssuer(t, nil)
	v := newVerifier(t, Config{JWKS: []JWKS{
		{Issuer: "up", Endpoint: i.URL, AllowHTTP: true}, {Issuer: "down", Endpoint: down.URL, AllowHTTP: true},
	}})
	err := v.Warm(context.Background(), testNow)
	if err == nil || !strings.Contains(err.Error(), down.URL) || strings.Contains(err.Error(), i.URL) {
		t.Errorf("Warm = %v; want the one that has no keys", err)
	}
	i.Close()
	if _, err := v.Connect(by(t, "EdDSA", "d", edwardsKey(), object{"iss": "up"}), testNow); err != nil {
		t.Errorf("Connect after Warm = %v", err)
	}
}

// A new configuration keeps the keys of endpoints that stay, and none of others.
func TestAdoptKeepsKeys(t *testing.T) {
	i := startIssuer(t, map[string]any{"d": edwardsKey()})
	of := func(issuer, audience string) *Verifier {
		return newVerifier(t, Config{Audience: audience, JWKS: []JWKS{{Issuer: issuer, Endpoint: i.URL + "/keys?key=hidden", AllowHTTP: true}}})
	}
	old := of("one", "")
	if err := old.Warm(context.Background(), testNow); err != nil {
		t.Fatal(err)
	}
	i.Close()
	for issuer, want := range map[string]error{"one": nil, "two": ErrUnavailable} {
		v := of(issuer, "us")
		v.Adopt(old)
		if _, err := v.Connect(by(t, "EdDSA", "d", edwardsKey(), object{"iss": issuer, "aud": "us"}), testNow); !errors.Is(err, want) {
			t.Errorf("Connect by %s, whose endpoint is down = %v; want %v", issuer, err, want)
		}
	}
	if err := of("two", "").Warm(context.Background(), testNow); err == nil || strings.Contains(err.Error(), "hidden") {
		t.Errorf("Warm = %v; want an error that does not tell the query", err)
	}
}

func TestRotation(t *testing.T) {
	next := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	i := startIssuer(t, map[string]any{"old": curveKey()})
	v := i.behind(t)
	connect := func(kid string, k any, at time.Duration) error {
		_, err := v.Connect(by(t, "ES256", kid, k, ada), testNow.Add(at))
		return err
	}
	if err := connect("old", curveKey(), 0); err != nil {
		t.Fatalf("the first key: %v", err)
	}
	i.publish(t, map[string]any{"old": curveKey(), "new": next})
	if err := connect("new", next, time.Second); !errors.Is(err, ErrUnavailable) {
		t.Errorf("a new key right after a fetch: %v; want ErrUnavailable", err)
	}
	if err := connect("new", next, jwksInterval); err != nil {
		t.Errorf("a new key after the interval: %v", err)
	}
	i.publish(t, map[string]any{"new": next})
	if err := connect("old", curveKey(), 2*jwksInterval); err != nil {
		t.Errorf("a withdrawn key in its cache: %v", err)
	}
	if err := connect("old", curveKey(), jwksInterval+jwksMaxAge); err != errKid {
		t.Errorf("a withdrawn key after its time in the cache: %v; want %v", err, errKid)
	}
	if err := connect("new", curveKey(), jwksInterval+jwksMaxAge); err != errSignature {
		t.Errorf("the old key under the new name: %v; want %v", err, errSignature)
	}
	if n := i.fetches.Load(); n != 3 {
		t.Errorf("%d fetches; want 3", n)
	}
}

func TestUnknownKidFlood(t *testing.T) {
	i := startIssuer(t, map[string]any{"d": edwardsKey()})
	v := i.behind(t)
	t.Run("A07 unknown kid at high rate", func(t *testing.T) {
		const callers, each = 8, 100
		var wg sync.WaitGroup
		var refused, later atomic.Int64
		for c := range callers {
			wg.Go(func() {
				for n := range each {
					_, err := v.Connect(by(t, "EdDSA", fmt.Sprint(c, n), edwardsKey(), ada), testNow.Add(time.Duration(n)*time.Millisecond))
					switch {
					case errors.Is(err, ErrInvalid):
						refused.Add(1)
					case errors.Is(err, ErrUnavailable):
						later.Add(1)
					}
				}
			})
		}
		wg.Wait()
		if n := i.fetches.Load(); n != 1 || refused.Load() != 1 || later.Load() != callers*each-1 {
			t.Errorf("%d fetches, %d refused, %d put off; want 1, 1 and all others", n, refused.Load(), later.Load())
		}
	})
	for n := range 10 {
		_, err := v.Connect(by(t, "EdDSA", "x", edwardsKey(), ada), testNow.Add(time.Duration(n+1)*jwksInterval))
		if err != errKid {
			t.Errorf("an unknown key in interval %d: %v; want %v", n+1, err, errKid)
		}
	}
	if n := i.fetches.Load(); n != 11 {
		t.Errorf("%d fetches in eleven intervals; want 11", n)
	}
	if _, err := v.Connect(by(t, "EdDSA", "d", edwardsKey(), ada), testNow); err != nil {
		t.Errorf("a known key after all that: %v", err)
	}
}

// A Verifier has the keys that another has from the same endpoint for the same issuer, and no others.
func TestAdoptsKeysOfTheSameEndpoint(t *testing.T) {
	i := startIssuer(t, map[string]any{"d": edwardsKey()})
	same, other := Config{JWKS: []JWKS{{Issuer: "a", Endpoint: i.URL, AllowHTTP: true}}}, Config{JWKS: []JWKS{{Issuer: "b", Endpoint: i.URL, AllowHTTP: true}}}
	elsewhere := Config{JWKS: []JWKS{{Issuer: "a", Endpoint: i.URL + "/other", AllowHTTP: true}}}
	old := newVerifier(t, same)
	if err := old.Warm(context.Background(), testNow); err != nil {
		t.Fatal(err)
	}
	i.Close()
	for _, row := range []struct {
		config Config
		issuer string
		want   error
	}{{same, "a", nil}, {other, "b", ErrUnavailable}, {elsewhere, "a", ErrUnavailable}} {
		v := newVerifier(t, row.config)
		v.Adopt(old)
		if _, err := v.Connect(by(t, "EdDSA", "d", edwardsKey(), object{"iss": row.issuer}), testNow); !errors.Is(err, row.want) {
			t.Errorf("by %s: %v; want %v", row.config.JWKS[0].Endpoint, err, row.want)
		}
	}
}

// While one caller waits for a slow endpoint, nobody else does.
func TestOneCallerWaits(t *testing.T) {
	asked, release := make(chan struct{}), make(chan struct{})
	i := startIssuer(t, map[string]any{"d": edwardsKey()})
	quick := *i.answer.Load()
	v := i.behind(t)
	if err := v.Warm(context.Background(), testNow); err != nil {
		t.Fatal(err)
	}
	i.do(func(w http.ResponseWriter, r *http.Request) {
		close(asked)
		<-release
		quick(w, r)
	})
	old := testNow.Add(jwksMaxAge)
	first := make(chan error)
	go func() {
		_, err := v.Connect(by(t, "EdDSA", "d", edwardsKey(), ada), old)
		first <- err
	}()
	<-asked
	if _, err := v.Connect(by(t, "EdDSA", "d", edwardsKey(), ada), old); err != nil {
		t.Errorf("a known key during a fetch: %v", err)
	}
	if _, err := v.Connect(by(t, "EdDSA", "x", edwardsKey(), ada), old); !errors.Is(err, ErrUnavailable) {
		t.Errorf("an unknown key during a fetch: %v; want ErrUnavailable", err)
	}
	close(release)
	if err := <-first; err != nil {
		t.Errorf("the caller that fetched: %v", err)
	}
}

func TestEndpointDownKeepsOldKeys(t *testing.T) {
	i := startIssuer(t, map[string]any{"d": edwardsKey()})
	var told []error
	v := newVerifier(t, Config{
		JWKS:    []JWKS{{Endpoint: i.URL, AllowHTTP: true}},
		Fetched: func(_ string, err error) { told = append(told, err) },
	})
	at := testNow
	for _, row := range []struct {
		name   string
		answer http.HandlerFunc
	}{
		{"up", *i.answer.Load()},
		{"500", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) }},
		{"404 with keys", func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(404) }},
		{"redirect", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://127.0.0.1:1/", http.StatusFound)
		}},
		{"not JSON", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>") }},
		{"no keys", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"keys":[]}`) }},
		{"too large", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, strings.Repeat(" ", 2*jwksMaxBody), `{}`) }},
		{"cut off", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000")
			fmt.Fprint(w, `{"keys":`)
		}},
	} {
		i.do(row.answer)
		if _, err := v.Connect(by(t, "EdDSA", "d", edwardsKey(), ada), at); err != nil {
			t.Errorf("%s: %v", row.name, err)
		}
		if err := told[len(told)-1]; (err == nil) != (row.name == "up") {
			t.Errorf("%s: Fetched was told %v", row.name, err)
		}
		at = at.Add(jwksMaxAge)
	}
	if len(told) != 8 || i.fetches.Load() != 8 {
		t.Errorf("%d fetches, %d told; want 8", i.fetches.Load(), len(told))
	}
	i.Close()
	if _, err := v.Connect(by(t, "EdDSA", "d", edwardsKey(), ada), at); err != nil || told[8] == nil {
		t.Errorf("with nobody there: %v; Fetched was told %v", err, told[8])
	}
	if _, err := v.Connect(by(t, "EdDSA", "x", edwardsKey(), ada), at.Add(jwksInterval)); !errors.Is(err, ErrUnavailable) {
		t.Errorf("an unknown key with nobody there: %v; want ErrUnavailable", err)
	}
}

func TestIssuersKeepToTheirOwnKeys(t *testing.T) {
	other := ed25519.NewKeyFromSeed([]byte("another seed, of thirty-two byte"))
	a, b := startIssuer(t, map[string]any{"k": edwardsKey()}), startIssuer(t, map[string]any{"k": other})
	static := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	v := newVerifier(t, Config{
		JWKS: []JWKS{
			{Issuer: "https://a.example", Endpoint: a.URL, AllowHTTP: true}, {Issuer: "https://b.example", Endpoint: b.URL, AllowHTTP: true},
		},
		ECDSAPublicKey: pemOf(static.Public()), HMACSecret: testSecret, Issuer: "own",
	})
	iss := func(name any) object { return with(ada, object{"iss": name}) }
	for _, row := range []struct {
		name  string
		token []byte
		want  error
	}{
		{"a by its key", by(t, "EdDSA", "k", edwardsKey(), iss("https://a.example")), nil},
		{"b by its key", by(t, "EdDSA", "k", other, iss("https://b.example")), nil},
		{"own by its key", by(t, "ES256", "", static, iss("own")), nil},
		{"own by the secret", by(t, "HS256", "k", []byte(testSecret), iss("own")), nil},
		{"A09 a by b's key of the same kid", by(t, "EdDSA", "k", other, iss("https://a.example")), errSignature},
		{"A09 b by a's key of the same kid", by(t, "EdDSA", "k", edwardsKey(), iss("https://b.example")), errSignature},
		{"A07 jku to another key set", []byte(mint(t, "EdDSA", other, object{"alg": "EdDSA", "kid": "k", "jku": b.URL}, iss("https://a.example"))), errSignature},
		{"A07 kid is the address of another", by(t, "EdDSA", b.URL+"#k", other, iss("https://a.example")), ErrUnavailable},
		{"A08 payload not read yet", []byte(mintText(t, "EdDSA", other, `{"alg":"EdDSA","kid":"k"}`, `{"iss":`)), errPayload},
		{"A08 an issuer nobody configured", by(t, "EdDSA", "k", edwardsKey(), iss("http://127.0.0.1:1/")), errKey},
		{"A08 an issuer with a suffix", by(t, "EdDSA", "k", edwardsKey(), iss("https://a.example/")), errKey},
		{"A08 no issuer", by(t, "EdDSA", "k", edwardsKey(), ada), errKey},
		{"A08 two issuers", by(t, "EdDSA", "k", edwardsKey(), iss([]string{"https://a.example"})), ErrInvalid},
		{"A08 a by our own key", by(t, "ES256", "k", static, iss("https://a.example")), errKey},
		{"A08 a by our own secret", by(t, "HS256", "k", []byte(testSecret), iss("https://a.example")), errKey},
	} {
		t.Run(row.name, func(t *testing.T) {
			if _, err := v.Connect(row.token, testNow); !errors.Is(err, row.want) {
				t.Errorf("Connect = %v; want %v", err, row.want)
			}
		})
	}
	if a.fetches.Load() != 1 || b.fetches.Load() != 1 {
		t.Errorf("%d and %d fetches; want one each", a.fetches.Load(), b.fetches.Load())
	}
}

// Whatever issuers the node's own tokens may name, those with an endpoint are not among them; a single endpoint without a name
// leaves the secret its own.
func TestSecretBesideIssuers(t *testing.T) {
	a := startIssuer(t, map[string]any{"k": edwardsKey()})
	const name = "https://a.example"
	for _, row := range []struct {
		endpoint, iss string
		want          error
	}{
		{name, name, errKey},
		{name, "https://own.example", nil},
		{"", name, nil},
	} {
		v := newVerifier(t, Config{JWKS: []JWKS{{Issuer: row.endpoint, Endpoint: a.URL, AllowHTTP: true}}, HMACSecret: testSecret})
		if _, err := v.Connect(by(t, "HS256", "", []byte(testSecret), with(ada, object{"iss": row.iss})), testNow); !errors.Is(err, row.want) {
			t.Errorf("with an endpoint of %q, Connect of a token by the secret with iss %q = %v; want %v", row.endpoint, row.iss, err, row.want)
		}
	}
	if n := a.fetches.Load(); n != 0 {
		t.Errorf("%d fetches for tokens by the secret; want none", n)
	}
}

func TestKeySetEntries(t *testing.T) {
	good := jwkOf(t, "k", edwardsKey())
	small := must(rsa.GenerateKey(rand.Reader, 1024))
	for _, row := range []struct {
		name  string
		entry any
		want  bool
	}{
		{"a good one", good, true},
		{"for signatures", with(good, object{"use": "sig"}), true},
		{"for encryption", with(good, object{"use": "enc"}), false},
		{"to verify", with(good, object{"key_ops": []string{"sign", "verify"}}), true},
		{"to sign only", with(good, object{"key_ops": []string{"sign"}}), false},
		{"for its algorithm", with(good, object{"alg": "EdDSA"}), true},
		{"for another algorithm", with(good, object{"alg": "RS256"}), false},
		{"without a kid", with(good, object{"kid": nil}), false},
		{"kid a number", with(good, object{"kid": 1}), false},
		{"of an unknown type", with(good, object{"kty": "PQC"}), false},
		{"with a bad point", with(good, object{"x": "AAAA"}), false},
		{"with an address of a certificate", with(good, object{"x5u": "http://127.0.0.1:1/"}), true},
		{"with a broken certificate", with(good, object{"x5c": []string{"AAAA"}}), true},
		{"a weak RSA key", jwkOf(t, "k", small), false},
		{"an RSA key for PS256", with(jwkOf(t, "k", rsaKey()), object{"alg": "PS256"}), false},
		{"an RSA key for one hash", with(jwkOf(t, "k", rsaKey()), object{"alg": "RS384"}), true},
		{"an ECDSA key for another curve", with(jwkOf(t, "k", curveKey()), object{"alg": "ES384"}), false},
		{"a key for agreement", object{"kid": "k", "kty": "OKP", "crv": "X25519", "x": encode(testSecret[:32])}, false},
		{"a secret", jwkOf(t, "k", []byte(testSecret)), false},
		{"a string", "k", false},
	} {
		byKid, err := parseKeySet([]byte(text(object{"keys": []any{row.entry}})))
		if got := byKid["k"] != nil; got != row.want || (err == nil) != row.want {
			t.Errorf("%s: %v, %v; want a key: %t", row.name, byKid, err, row.want)
		}
	}
}

func TestKeySetWithSomethingElseInIt(t *testing.T) {
	first, second := jwkOf(t, "k", edwardsKey()), jwkOf(t, "k", curveKey())
	byKid, err := parseKeySet([]byte(text(object{"keys": []any{7, object{"kty": "x"}, first, second}, "more": 1})))
	if err != nil || len(byKid) != 1 || byKid["k"].family != edwardsFamily {
		t.Errorf("parseKeySet = %v, %v; want the first key of the name", byKid, err)
	}
}

func TestKeyForOneHash(t *testing.T) {
	k, err := newKey(rsaKey().Public(), "RS384")
	if err != nil || !k.fits(algorithms["RS384"]) || k.fits(algorithms["RS256"]) {
		t.Errorf("an RSA key for RS384: %+v, %v", k, err)
	}
}
