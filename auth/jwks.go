package auth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/MicahParks/jwkset"
)

const (
	jwksInterval = 30 * time.Second // at least so long between two fetches from one endpoint
	jwksMaxAge   = 10 * time.Minute // so old keys are fetched again at their next use
	jwksTimeout  = 5 * time.Second  // of one fetch
	jwksMaxBody  = 256 << 10        // bytes
	jwksMaxKeys  = 128              // of one set; more are not looked at
)

// A source is one JWKS endpoint and what it last said. Keys of different sources never meet, so that a kid means nothing
// outside the source it is of. Tokens make it fetch: the caller that meets an unknown kid or old keys asks the
// endpoint, at most once an interval, while all others go on with the keys that are there. While the endpoint is down,
// these stay.
type source struct {
	// Set by newSource.
	issuer, endpoint string
	name             string // the endpoint without its query, in which there may be a key: for errors
	client           *http.Client
	fetched          func(endpoint string, err error)

	// Any goroutine (atomic).
	keys atomic.Pointer[keySet]
	busy atomic.Bool // somebody asks; guards next

	next time.Time // no fetch before
}

// A keySet is what an endpoint said at one time.
type keySet struct {
	byKid map[string]*key
	at    time.Time
}

func newSource(j JWKS, transport http.RoundTripper, fetched func(string, error)) *source {
	if transport == nil {
		t := http.DefaultTransport.(*http.Transport).Clone()
		t.DisableKeepAlives = true // minutes lie between two fetches
		t.MaxResponseHeaderBytes = 64 << 10
		transport = t
	}
	if fetched == nil {
		fetched = func(string, error) {}
	}
	client := &http.Client{Transport: transport, Timeout: jwksTimeout, CheckRedirect: stay}
	name, _, _ := strings.Cut(j.Endpoint, "?")
	s := &source{issuer: j.Issuer, endpoint: j.Endpoint, name: name, client: client, fetched: fetched}
	s.keys.Store(&keySet{})
	return s
}

// stay makes a client take a redirect for the answer: keys come from the address that was configured, or not at all.
func stay(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// key returns the key of this kid. It may block for as long as a fetch takes.
func (s *source) key(kid string, now time.Time) (*key, error) {
	if kid == "" {
		return nil, errNoKid
	}
	set := s.keys.Load()
	if k := set.byKid[kid]; k != nil && now.Sub(set.at) < jwksMaxAge {
		return k, nil
	}
	err := s.ask(context.Background(), now)
	if k := s.keys.Load().byKid[kid]; k != nil {
		return k, nil
	}
	if err != nil {
		return nil, errUnknown
	}
	return nil, errKid
}

// errNotNow is that somebody else is asking an endpoint, or has just done so.
var errNotNow = errors.New("auth: endpoint was asked already")

// ask fetches the keys, unless somebody does or did within the interval.
func (s *source) ask(ctx context.Context, now time.Time) error {
	if !s.busy.CompareAndSwap(false, true) {
		return errNotNow
	}
	defer s.busy.Store(false)
	if now.Before(s.next) {
		return errNotNow
	}
	s.next = now.Add(jwksInterval)
	byKid, err := s.fetch(ctx)
	if err != nil {
		err = fmt.Errorf("auth: key set at %s: %w", s.name, err)
	} else {
		s.keys.Store(&keySet{byKid, now})
	}
	s.fetched(s.name, err)
	return err
}

// fetch asks the endpoint. Its errors are without the address, whose query may have a secret.
func (s *source) fetch(ctx context.Context) (map[string]*key, error) {
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, s.endpoint, nil)
	if err != nil {
		return nil, errors.New("not an address")
	}
	q.Header.Set("Accept", "application/jwk-set+json, application/json")
	r, err := s.client.Do(q)
	if err != nil {
		if u := (*url.Error)(nil); errors.As(err, &u) {
			err = u.Err // without the address
		}
		return nil, err
	}
	defer func() { _ = r.Body.Close() }() // it was only read
	if r.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("status %d", r.StatusCode)
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, jwksMaxBody+1))
	if err != nil {
		return nil, err
	}
	return parseKeySet(body)
}

// parseKeySet returns the public keys for signatures in a JWK set. Entries that are something else, or that we cannot
// use, are skipped (RFC 7517 section 5); a set without any of use is an error. Of one kid, the first entry counts.
func parseKeySet(body []byte) (map[string]*key, error) {
	if len(body) > jwksMaxBody {
		return nil, fmt.Errorf("larger than %d bytes", jwksMaxBody)
	}
	var set struct{ Keys []json.RawMessage }
	if err := json.Unmarshal(body, &set); err != nil {
		return nil, fmt.Errorf("not a JWK set: %w", err)
	}
	byKid := make(map[string]*key)
	for _, entry := range set.Keys[:min(len(set.Keys), jwksMaxKeys)] {
		if kid, k, ok := parseJWK(entry); ok && byKid[kid] == nil {
			byKid[kid] = k
		}
	}
	if len(byKid) == 0 {
		return nil, errors.New("no key in it that can be used")
	}
	return byKid, nil
}

// parseJWK reads one JWK. Certificates in it, and addresses of some, are left out of account: the endpoint vouches for its
// keys.
func parseJWK(entry []byte) (kid string, k *key, ok bool) {
	var m jwkset.JWKMarshal
	if json.Unmarshal(entry, &m) != nil || m.KID == "" || !forSignatures(&m) {
		return "", nil, false
	}
	m.X5U, m.X5C, m.X5T, m.X5TS256 = "", nil, "", ""
	j, err := jwkset.NewJWKFromMarshal(m, jwkset.JWKMarshalOptions{}, jwkset.JWKValidateOptions{})
	if err != nil {
		return "", nil, false
	}
	k, err = newKey(j.Key(), m.ALG.String())
	return m.KID, k, err == nil && k.family != hmacFamily
}

// forSignatures reports whether use and key_ops, as far as they are there, allow a key to check signatures.
func forSignatures(m *jwkset.JWKMarshal) bool {
	if m.USE != "" && m.USE != jwkset.UseSig {
		return false
	}
	for _, op := range m.KEYOPS {
		if op == jwkset.KeyOpsVerify {
			return true
		}
	}
	return len(m.KEYOPS) == 0
}
