package auth

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// Config says which tokens a Verifier accepts. A token needs a key here; with no key at all, none is accepted.
type Config struct {
	HMACSecret         string    // for HS256, HS384 and HS512; at least MinSecret bytes
	PreviousHMACSecret string    // accepted as well until PreviousUntil, while tokens under it are still about
	PreviousUntil      time.Time // must be set with it

	RSAPublicKey     string // PEM, 2048 to 8192 bits; for RS256, RS384 and RS512
	ECDSAPublicKey   string // PEM; for ES256 on P-256, ES384 on P-384 or ES512 on P-521
	Ed25519PublicKey string // PEM; for EdDSA

	JWKS []JWKS // for RS, ES and EdDSA; every token of one of these issuers must be signed by its endpoint's keys

	Audience     string // "" or what aud must be or contain
	Issuer       string // "" or what iss must be, save in tokens of an issuer that JWKS names
	IssuerRegexp string // instead of Issuer: what the whole of iss must match

	Transport http.RoundTripper                // to the endpoints; nil makes one with the system's roots
	Fetched   func(endpoint string, err error) // told, if it is not nil, of each fetch, on the goroutine that made it; the endpoint is without its query
}

// JWKS is where an issuer publishes its keys (RFC 7517 section 5).
type JWKS struct {
	Issuer    string // what iss is in its tokens; "" for a single endpoint beside no other public key
	Endpoint  string // https://..., never changed by what a token says
	AllowHTTP bool   // http:// is fine, for an endpoint on the same host or in a private network
}

// HasKeys reports whether c has any key, without which no token can be right.
func (c *Config) HasKeys() bool {
	return c.HMACSecret != "" || c.RSAPublicKey != "" || c.ECDSAPublicKey != "" || c.Ed25519PublicKey != "" || len(c.JWKS) > 0
}

// keys returns the keys that are in c itself.
func (c *Config) keys() (keys [families]*key, err error) {
	for _, row := range []struct {
		family family
		name   string
		pem    string
		parse  func([]byte) (any, error)
	}{
		{rsaFamily, "RSA", c.RSAPublicKey, func(b []byte) (any, error) { return jwt.ParseRSAPublicKeyFromPEM(b) }},
		{ecdsaFamily, "ECDSA", c.ECDSAPublicKey, func(b []byte) (any, error) { return jwt.ParseECPublicKeyFromPEM(b) }},
		{edwardsFamily, "Ed25519", c.Ed25519PublicKey, func(b []byte) (any, error) { return jwt.ParseEdPublicKeyFromPEM(b) }},
	} {
		if row.pem == "" {
			continue
		}
		material, err := row.parse([]byte(row.pem))
		if err != nil {
			return keys, fmt.Errorf("%w: %s public key: not a public key in PEM: %w", ErrConfig, row.name, err)
		}
		if keys[row.family], err = newKey(material, ""); err != nil {
			return keys, fmt.Errorf("%w: %s public key: %w", ErrConfig, row.name, err)
		}
	}
	keys[hmacFamily], err = secretKey("HMAC secret", c.HMACSecret)
	return keys, err
}

// previous returns the HMAC key that is on its way out, nil if there is none.
func (c *Config) previous() (*key, error) {
	switch {
	case c.PreviousHMACSecret == "":
		return nil, nil
	case c.HMACSecret == "":
		return nil, fmt.Errorf("%w: a previous HMAC secret without an HMAC secret", ErrConfig)
	case c.PreviousUntil.IsZero():
		return nil, fmt.Errorf("%w: a previous HMAC secret without an end; say until when it is good", ErrConfig)
	}
	return secretKey("previous HMAC secret", c.PreviousHMACSecret)
}

// secretKey returns the key for secret, nil if that is "".
func secretKey(name, secret string) (*key, error) {
	if secret == "" {
		return nil, nil
	}
	if len(secret) < MinSecret {
		return nil, fmt.Errorf("%w: %s of %d bytes; use at least %d random ones", ErrConfig, name, len(secret), MinSecret)
	}
	return newKey([]byte(secret), "")
}

// issuer returns what iss must match, nil if it may be anything.
func (c *Config) issuer() (*regexp.Regexp, error) {
	switch {
	case c.Issuer != "" && c.IssuerRegexp != "":
		return nil, fmt.Errorf("%w: both an issuer and a regular expression for it", ErrConfig)
	case c.Issuer != "":
		return regexp.MustCompile(`\A` + regexp.QuoteMeta(c.Issuer) + `\z`), nil
	case c.IssuerRegexp == "":
		return nil, nil
	}
	if _, err := regexp.Compile(c.IssuerRegexp); err != nil {
		return nil, fmt.Errorf("%w: issuer: %w", ErrConfig, err)
	}
	return regexp.MustCompile(`\A(?:` + c.IssuerRegexp + `)\z`), nil
}

// sources returns the endpoints. One without an issuer would leave it open which key is to check a token.
func (c *Config) sources() ([]*source, error) {
	var all []*source
	taken := make(map[string]bool)
	for _, j := range c.JWKS {
		alone := len(c.JWKS) == 1 && c.RSAPublicKey+c.ECDSAPublicKey+c.Ed25519PublicKey == ""
		switch {
		case j.Issuer == "" && !alone:
			return nil, fmt.Errorf("%w: JWKS endpoint%s beside other public keys; say whose it is", ErrConfig, j.where())
		case taken[j.Issuer]:
			return nil, fmt.Errorf("%w: two JWKS endpoints of the issuer %q", ErrConfig, j.Issuer)
		}
		if err := j.check(); err != nil {
			return nil, err
		}
		taken[j.Issuer] = true
		all = append(all, newSource(j, c.Transport, c.Fetched))
	}
	return all, nil
}

func (j *JWKS) check() error {
	u, err := url.Parse(j.Endpoint)
	switch {
	case err == nil && u.User != nil:
		return fmt.Errorf("%w: JWKS endpoint at %s with a user name in its address", ErrConfig, u.Host)
	case err != nil || u.Host == "" || u.Fragment != "":
		return fmt.Errorf("%w: JWKS endpoint%s is not an address such as https://issuer.example/keys", ErrConfig, j.where())
	case u.Scheme == "http" && !j.AllowHTTP:
		return fmt.Errorf("%w: JWKS endpoint%s is not encrypted; use https or allow http for it", ErrConfig, j.where())
	case u.Scheme != "http" && u.Scheme != "https":
		return fmt.Errorf("%w: JWKS endpoint%s is not at https", ErrConfig, j.where())
	}
	return nil
}

// where names the endpoint in errors: its address without the query, in which there may be a key, or, as far as that cannot be told
// from the rest, its issuer.
func (j *JWKS) where() string {
	u, err := url.Parse(j.Endpoint)
	switch {
	case err == nil && u.Host != "" && u.User == nil:
		return fmt.Sprintf(" %q", u.Scheme+"://"+u.Host+u.EscapedPath())
	case j.Issuer != "":
		return fmt.Sprintf(" of the issuer %q", j.Issuer)
	}
	return ""
}
