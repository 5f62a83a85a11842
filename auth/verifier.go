package auth

import (
	"context"
	"errors"
	"regexp"
	"sync"
	"time"
)

// A Verifier checks tokens. It never changes, save that it keeps what JWKS endpoints said; any goroutine may use it.
type Verifier struct {
	keys     [families]*key
	previous *key // HMAC, until
	until    time.Time
	sources  []*source
	blocks   bool // some of them or of the keys take long to check with
	audience string
	issuer   *regexp.Regexp // nil: any
}

// New returns a Verifier for c, or an error that wraps ErrConfig. It fetches nothing; see Warm.
func New(c Config) (*Verifier, error) {
	v := &Verifier{until: c.PreviousUntil, audience: c.Audience}
	var err error
	if v.keys, err = c.keys(); err != nil {
		return nil, err
	}
	if v.previous, err = c.previous(); err != nil {
		return nil, err
	}
	if v.issuer, err = c.issuer(); err != nil {
		return nil, err
	}
	if v.sources, err = c.sources(); err != nil {
		return nil, err
	}
	for f, k := range v.keys {
		v.blocks = v.blocks || k != nil && family(f) != hmacFamily
	}
	v.blocks = v.blocks || len(v.sources) > 0
	return v, nil
}

// Adopt has v go on with what old knows of the endpoints that both have: a new configuration is no reason to forget keys, and
// the endpoint may be down. To be called before any other use of v.
func (v *Verifier) Adopt(old *Verifier) {
	for i, s := range v.sources {
		for _, known := range old.sources {
			if known.issuer == s.issuer && known.endpoint == s.endpoint {
				v.sources[i] = known
			}
		}
	}
}

// Warm fetches the keys of all JWKS endpoints, so that the first tokens need not wait for them, and returns what failed.
// A Verifier is of use even so: it asks again when tokens come. It may block for seconds, unless ctx ends before.
func (v *Verifier) Warm(ctx context.Context, now time.Time) error {
	var wg sync.WaitGroup
	errs := make([]error, len(v.sources))
	for i, s := range v.sources {
		wg.Go(func() { errs[i] = s.ask(ctx, now) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

// Blocking reports whether checking this token takes a public key or a JWKS endpoint, and so does not belong on a
// loop. A token that is refused without either does not.
func (v *Verifier) Blocking(token []byte) bool {
	if !v.blocks {
		return false
	}
	t, err := parse(token)
	if err != nil || t.algorithm.family == hmacFamily {
		return false
	}
	return len(v.sources) > 0 || v.keys[t.algorithm.family] != nil
}

// open returns the claims of b if it is authentic and meant for us. Its times are still to be checked.
func (v *Verifier) open(b []byte, now time.Time) (claims, error) {
	t, err := parse(b)
	if err != nil {
		return claims{}, err
	}
	k, owner, err := v.key(&t, now)
	if err != nil {
		return claims{}, err
	}
	if !k.fits(t.algorithm) {
		return claims{}, errKey
	}
	if !v.authentic(&t, k, now) {
		return claims{}, errSignature
	}
	c, err := t.claims()
	if err != nil {
		return claims{}, err
	}
	return c, v.meant(&c, owner)
}

// key returns the key that must have signed t, and the issuer that this key stands for: "" if it is no endpoint's.
func (v *Verifier) key(t *token, now time.Time) (k *key, owner string, err error) {
	if len(v.sources) == 0 {
		return v.keys[t.algorithm.family], "", nil
	}
	c, err := t.claims()
	if err != nil {
		return nil, "", err
	}
	iss, err := c.text(claimIss)
	if err != nil {
		return nil, "", err
	}
	switch s := v.source(iss); {
	case s == nil, s.issuer == "" && t.algorithm.family == hmacFamily: // the secret may stand beside a single endpoint
		return v.keys[t.algorithm.family], "", nil
	case t.algorithm.family == hmacFamily:
		return nil, "", errKey
	default:
		k, err = s.key(t.kid, now)
		return k, s.issuer, err
	}
}

// source returns the endpoint for tokens of an issuer, nil if there is none.
func (v *Verifier) source(issuer string) *source {
	for _, s := range v.sources {
		if s.issuer == issuer || s.issuer == "" {
			return s
		}
	}
	return nil
}

// authentic reports whether t is signed by k or, if that is the HMAC key, by the one before it.
func (v *Verifier) authentic(t *token, k *key, now time.Time) bool {
	var space [maxMAC]byte
	signature, err := appendDecoded(space[:0], t.signature)
	if err != nil {
		return false
	}
	if k.signed(t, signature) {
		return true
	}
	return k.family == hmacFamily && v.previous != nil && now.Before(v.until) && v.previous.signed(t, signature)
}

// meant returns an error unless the token is of an issuer and for an audience that it may be of and for. owner is the
// issuer whose keys have signed it; iss was what chose them.
func (v *Verifier) meant(c *claims, owner string) error {
	iss, err := c.text(claimIss)
	if err != nil {
		return err
	}
	if owner == "" && v.issuer != nil && (iss == "" || !v.issuer.MatchString(iss)) {
		return errIssuer
	}
	if v.audience == "" {
		return nil
	}
	return c.meantFor(v.audience)
}
