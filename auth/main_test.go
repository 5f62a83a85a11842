package auth

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"sync"
	"testing"
	"time"

	"github.com/seed4ac54ce5/edge/internal/testutil"
)

func TestMain(m *testing.M) { testutil.Main(m) }

const (
	testSecret  = "a secret of the tests, 32 bytes and more"
	otherSecret = "another secret, that nobody ever told us"
)

// testNow is the time in all tests: tokens know whole seconds only.
var testNow = time.Unix(1_800_000_000, 0).UTC()

var (
	rsaKey     = sync.OnceValue(func() *rsa.PrivateKey { return must(rsa.GenerateKey(rand.Reader, 2048)) })
	curveKey   = sync.OnceValue(func() *ecdsa.PrivateKey { return must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)) })
	wideKey    = sync.OnceValue(func() *ecdsa.PrivateKey { return must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader)) })
	edwardsKey = sync.OnceValue(func() ed25519.PrivateKey { return ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize)) })
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// pemOf returns a public key as configurations have it.
func pemOf(public any) string {
	der := must(x509.MarshalPKIXPublicKey(public))
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

// object is a JSON object in a test.
type object = map[string]any

// mint makes a token, signed with key by the algorithm by, whatever the header says.
func mint(t testing.TB, by string, key any, header, payload object) string {
	t.Helper()
	return mintText(t, by, key, text(header), text(payload))
}

func mintText(t testing.TB, by string, key any, header, payload string) string {
	t.Helper()
	signed := encode(header) + "." + encode(payload)
	signature, err := algorithms[by].method.Sign(signed, key)
	if err != nil {
		t.Fatal(err)
	}
	return signed + "." + encode(string(signature))
}

// text returns v as JSON.
func text(v any) string { return string(must(json.Marshal(v))) }

func encode(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

// mintHS makes a token with HS256 and testSecret.
func mintHS(t testing.TB, payload object) string {
	t.Helper()
	return mint(t, "HS256", []byte(testSecret), object{"alg": "HS256", "typ": "JWT"}, payload)
}

// with returns base with the members of changes instead or besides; nil takes one away.
func with(base, changes object) object {
	all := object{}
	for name, value := range base {
		all[name] = value
	}
	for name, value := range changes {
		if all[name] = value; value == nil {
			delete(all, name)
		}
	}
	return all
}

func newVerifier(t testing.TB, c Config) *Verifier {
	t.Helper()
	v, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// after returns testNow and so much, in Unix seconds.
func after(d time.Duration) int64 { return testNow.Add(d).Unix() }
