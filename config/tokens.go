package config

import (
	"strings"
	"time"

	"github.com/seed4ac54ce5/edge/auth"
)

// tokens is what the keys under client.token and client.subscription_token set.
type tokens struct {
	HMAC         secret
	PreviousHMAC secret
	Until        time.Time
	RSA          secret
	ECDSA        secret
	Ed25519      secret
	Endpoint     string
	JWKS         []auth.JWKS
	Audience     string
	Issuer       string
	IssuerRegexp string
}

var jwksKeys = []key[auth.JWKS]{
	{Key{"issuer", "", "", live, "", "whose tokens: what `iss` says in them"}, is(func(j *auth.JWKS) *string { return &j.Issuer }, words("a string", anything))},
	{Key{"endpoint", "", "", live, "", "where its keys are: https://…"}, is(func(j *auth.JWKS) *string { return &j.Endpoint }, address("an address such as https://issuer.example/keys", anything))},
	{Key{"allow_http", "", "false", live, "", "an http:// endpoint is fine"}, is(func(j *auth.JWKS) *bool { return &j.AllowHTTP }, boolean)},
}

const secretHint = "32 or more random bytes, as edge genconfig makes them"

// tokenKeys are the keys of both kinds of tokens.
var tokenKeys = func() (all []key[tokens]) {
	all = append(all, secretKeys(Key{"hmac_secret_key", "", "", live, "", "secret of tokens with HS256, HS384 or HS512; 32 bytes at least"},
		func(t *tokens) *secret { return &t.HMAC }, secretHint, shortSecret)...)
	all = append(all, secretKeys(Key{"hmac_previous_secret_key", "", "", live, "", "secret that is on its way out; tokens under it are good until `hmac_previous_until`"},
		func(t *tokens) *secret { return &t.PreviousHMAC }, secretHint, shortSecret)...)
	all = append(all, key[tokens]{Key{"hmac_previous_until", "", "", live, "", "when that ends, as 2030-01-31T12:00:00Z"},
		is(func(t *tokens) *time.Time { return &t.Until }, moments)})
	for _, row := range []struct {
		name, say string
		at        func(*tokens) *secret
		config    func(pem string) auth.Config
	}{
		{"rsa_public_key", "public key of tokens with RS256, RS384 or RS512, in PEM", func(t *tokens) *secret { return &t.RSA },
			func(pem string) auth.Config { return auth.Config{RSAPublicKey: pem} }},
		{"ecdsa_public_key", "public key of tokens with ES256, ES384 or ES512, in PEM", func(t *tokens) *secret { return &t.ECDSA },
			func(pem string) auth.Config { return auth.Config{ECDSAPublicKey: pem} }},
		{"ed25519_public_key", "public key of tokens with EdDSA, in PEM", func(t *tokens) *secret { return &t.Ed25519 },
			func(pem string) auth.Config { return auth.Config{Ed25519PublicKey: pem} }},
	} {
		wrong := func(pem string) string {
			if _, err := auth.New(row.config(pem)); err != nil {
				return "is not such a key: " + reason(err, auth.ErrConfig)
			}
			return ""
		}
		all = append(all, secretKeys(Key{row.name, "", "", live, "", row.say}, row.at, "a public key in PEM", wrong)...)
	}
	return append(all,
		key[tokens]{Key{"jwks_public_endpoint", "", "", live, "", "where the issuer of all tokens publishes its public keys (JWKS), an https address"},
			is(func(t *tokens) *string { return &t.Endpoint }, address("an address such as https://issuer.example/keys", wrongEndpoint))},
		key[tokens]{Key{"jwks", "", "", live, "", "several of these, a list of entries, each with an `issuer`, an `endpoint`, and `allow_http` if that may be an http address; tokens of an issuer must be signed by its own keys"},
			entriesField[tokens, auth.JWKS]{func(t *tokens) *[]auth.JWKS { return &t.JWKS }, jwksKeys}},
		key[tokens]{Key{"audience", "", "", live, "", "what `aud` must be or contain, if anything"},
			is(func(t *tokens) *string { return &t.Audience }, words("a string", anything))},
		key[tokens]{Key{"issuer", "", "", live, "", "what `iss` must be, if anything"},
			is(func(t *tokens) *string { return &t.Issuer }, words("a string", anything))},
		key[tokens]{Key{"issuer_regex", "", "", live, "", "what the whole of `iss` must match, in place of `issuer`"},
			is(func(t *tokens) *string { return &t.IssuerRegexp }, words("a regular expression in the syntax of RE2", wrongRegexp))},
	)
}()

func shortSecret(s string) string {
	if len(s) < auth.MinSecret {
		return "is too short"
	}
	return ""
}

func wrongEndpoint(s string) string {
	if s == "" {
		return ""
	}
	if _, err := auth.New(auth.Config{JWKS: []auth.JWKS{{Endpoint: s}}}); err != nil {
		return "is not an https address"
	}
	return ""
}

// reason returns what err says without the sentinel that it wraps first.
func reason(err, sentinel error) string {
	return strings.TrimPrefix(err.Error(), sentinel.Error()+": ")
}

// config returns which tokens are accepted.
func (t *tokens) config() auth.Config {
	c := auth.Config{
		HMACSecret: t.HMAC.value(), PreviousHMACSecret: t.PreviousHMAC.value(), PreviousUntil: t.Until,
		RSAPublicKey: t.RSA.value(), ECDSAPublicKey: t.ECDSA.value(), Ed25519PublicKey: t.Ed25519.value(),
		JWKS: t.JWKS, Audience: t.Audience, Issuer: t.Issuer, IssuerRegexp: t.IssuerRegexp,
	}
	if t.Endpoint != "" {
		c.JWKS = append(c.JWKS[:len(c.JWKS):len(c.JWKS)], auth.JWKS{Endpoint: t.Endpoint})
	}
	return c
}

// hasKeys reports whether any token can be right.
func (t *tokens) hasKeys() bool {
	return t.HMAC.isSet() || t.RSA.isSet() || t.ECDSA.isSet() || t.Ed25519.isSet() || t.Endpoint != "" || len(t.JWKS) > 0
}

// check says what contradicts each other.
func (t *tokens) check(complain complaint) {
	secrets := []string{"hmac_secret_key", "hmac_secret_key_file", "hmac_previous_secret_key", "hmac_previous_secret_key_file"}
	switch {
	case t.PreviousHMAC.isSet() && !t.HMAC.isSet():
		complain("missing beside a previous one; write "+secretHint, secrets[0], secrets...)
	case t.PreviousHMAC.isSet() && t.Until.IsZero():
		complain("missing beside a previous secret; write until when that is good, as 2030-01-31T12:00:00Z", "hmac_previous_until", secrets...)
	}
	if t.Issuer != "" && t.IssuerRegexp != "" {
		complain("stands beside issuer_regex; write one of them", "issuer", "issuer_regex")
	}
	t.checkJWKS(complain)
}

// checkJWKS leaves to package auth what it finds in endpoints beside each other.
func (t *tokens) checkJWKS(complain complaint) {
	c := t.config()
	if len(c.JWKS) == 0 {
		return
	}
	if _, err := auth.New(auth.Config{JWKS: c.JWKS, RSAPublicKey: c.RSAPublicKey, ECDSAPublicKey: c.ECDSAPublicKey, Ed25519PublicKey: c.Ed25519PublicKey}); err != nil {
		name := "jwks"
		if len(t.JWKS) == 0 {
			name = "jwks_public_endpoint"
		}
		complain(reason(err, auth.ErrConfig), name, "jwks", "rsa_public_key", "rsa_public_key_file",
			"ecdsa_public_key", "ecdsa_public_key_file", "ed25519_public_key", "ed25519_public_key_file")
	}
}

// moments is a time of day, or none.
var moments = codec[time.Time]{kind: "time", hint: "a time such as 2030-01-31T12:00:00Z", write: writeMoment, parse: func(raw any) (time.Time, string) {
	at, ok := asMoment(raw)
	switch {
	case !ok:
		return at, "is not a time"
	case !at.IsZero() && (at.Year() < 2000 || at.Year() > 2999):
		return at, "is out of range"
	}
	return at, ""
}}

// asMoment returns the time that raw is, which YAML and TOML know themselves.
func asMoment(raw any) (time.Time, bool) {
	if at, ok := raw.(time.Time); ok {
		return at.UTC(), true
	}
	s, ok := asString(raw)
	if !ok || s == "" {
		return time.Time{}, ok
	}
	at, err := time.Parse(time.RFC3339, s)
	return at.UTC(), err == nil
}

func writeMoment(at time.Time) string {
	if at.IsZero() {
		return `""`
	}
	return quote(at.Format(time.RFC3339Nano))
}
