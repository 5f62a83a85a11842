package auth

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"fmt"

	"github.com/golang-jwt/jwt/v5"
)

// A family is the algorithms that one kind of key is for.
type family uint8

const (
	hmacFamily family = iota + 1
	rsaFamily
	ecdsaFamily
	edwardsFamily
	families
)

// An algorithm is what the alg of a header may name (RFC 7518 section 3.1, RFC 8037 section 3.1).
type algorithm struct {
	family family
	method jwt.SigningMethod
}

// algorithms has what may be asked for, by the exact name.
var algorithms = map[string]algorithm{
	"HS256": {hmacFamily, jwt.SigningMethodHS256},
	"HS384": {hmacFamily, jwt.SigningMethodHS384},
	"HS512": {hmacFamily, jwt.SigningMethodHS512},
	"RS256": {rsaFamily, jwt.SigningMethodRS256},
	"RS384": {rsaFamily, jwt.SigningMethodRS384},
	"RS512": {rsaFamily, jwt.SigningMethodRS512},
	"ES256": {ecdsaFamily, jwt.SigningMethodES256},
	"ES384": {ecdsaFamily, jwt.SigningMethodES384},
	"ES512": {ecdsaFamily, jwt.SigningMethodES512},
	"EdDSA": {edwardsFamily, jwt.SigningMethodEdDSA},
}

// Bounds of RSA keys in bits: less is too weak (RFC 7518 section 3.3), more costs too much to check.
const (
	minRSA = 2048
	maxRSA = 8192
)

// MinSecret is the least bytes of an HMAC secret (RFC 7518 section 3.2).
const MinSecret = 32

// maxMAC is the size of the largest HMAC in bytes.
const maxMAC = 64

// A key checks signatures of its own family and of no other, whatever a token asks for (RFC 8725 section 3.1).
type key struct {
	family   family
	only     string // the one algorithm of the family; "" if all will do
	material any    // []byte, *rsa.PublicKey, *ecdsa.PublicKey or ed25519.PublicKey
	macs     macs   // of an HMAC key
}

// newKey returns the key for material; alg, if it is not "", is the only algorithm that it is for.
func newKey(material any, alg string) (*key, error) {
	k := &key{only: alg, material: material}
	switch m := material.(type) {
	case []byte:
		k.family = hmacFamily
	case *rsa.PublicKey:
		k.family = rsaFamily
		if bits := m.N.BitLen(); bits < minRSA || bits > maxRSA {
			return nil, fmt.Errorf("an RSA key of %d bits; use %d to %d", bits, minRSA, maxRSA)
		}
	case *ecdsa.PublicKey:
		return newCurveKey(m, alg)
	case ed25519.PublicKey:
		k.family = edwardsFamily
	default:
		return nil, fmt.Errorf("a key of the unsupported type %T", material)
	}
	return k, k.checkOnly()
}

// newCurveKey returns the key for an ECDSA key, whose curve leaves no choice of algorithm (RFC 7518 section 3.4).
func newCurveKey(m *ecdsa.PublicKey, alg string) (*key, error) {
	only := map[int]string{256: "ES256", 384: "ES384", 521: "ES512"}[m.Params().BitSize]
	if only == "" || alg != "" && alg != only {
		return nil, fmt.Errorf("an ECDSA key on the curve %s for algorithm %q", m.Params().Name, alg)
	}
	return &key{family: ecdsaFamily, only: only, material: m}, nil
}

func (k *key) checkOnly() error {
	if k.only != "" && algorithms[k.only].family != k.family {
		return fmt.Errorf("a key of type %T for algorithm %q", k.material, k.only)
	}
	return nil
}

// fits reports whether k, which may be nil, is a key for a.
func (k *key) fits(a algorithm) bool {
	return k != nil && k.family == a.family && (k.only == "" || k.only == a.method.Alg())
}

// signed reports whether signature is k's under what t says. k must fit t's algorithm.
func (k *key) signed(t *token, signature []byte) bool {
	if m, ok := t.algorithm.method.(*jwt.SigningMethodHMAC); ok {
		return k.macs.match(m.Hash, k.material.([]byte), t.signed, signature)
	}
	return t.algorithm.method.Verify(string(t.signed), bytes.Clone(signature), k.material) == nil
}
