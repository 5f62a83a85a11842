package auth

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// An Explanation is what is written in a token, whether or not it is true: the signature is not looked at, and
// Connect or Subscribe has the last word.
type Explanation struct {
	Header json.RawMessage `json:"header"`
	Claims json.RawMessage `json:"claims"`

	Algorithm    string `json:"algorithm"`        // alg, "" if there is none
	KeyID        string `json:"key_id,omitempty"` // kid
	Subscription bool   `json:"subscription"`     // it is for one channel, not for a connection

	// The zero time for those that the token does not have.
	Issued    time.Time `json:"issued,omitzero"`
	NotBefore time.Time `json:"not_before,omitzero"`
	Expires   time.Time `json:"expires,omitzero"` // exp: until when it may be used
	Ends      time.Time `json:"ends,omitzero"`    // expire_at, or else exp: until when what it grants lasts
}

// Explain takes a token apart. It fails, with ErrInvalid, if that cannot be done.
func Explain(b []byte) (Explanation, error) {
	t, err := split(b)
	if err != nil {
		return Explanation{}, err
	}
	var e Explanation
	if e.Header, err = decode(t.header); err != nil || !json.Valid(e.Header) {
		return Explanation{}, errHeader
	}
	var h [headerCount][]byte
	if err := collect(e.Header, headerNames[:], h[:], errHeader); err != nil {
		return Explanation{}, err
	}
	e.Algorithm, _ = unquote(h[headerAlg])
	e.KeyID, _ = unquote(h[headerKid])
	return e, e.readClaims(&t)
}

func (e *Explanation) readClaims(t *token) error {
	c, err := t.claims()
	if err != nil {
		return err
	}
	e.Claims, _ = decode(t.payload)
	e.Subscription = c[claimChannel] != nil
	for _, row := range []struct {
		claim int
		to    *time.Time
	}{{claimIat, &e.Issued}, {claimNbf, &e.NotBefore}, {claimExp, &e.Expires}, {claimExp, &e.Ends}} {
		if *row.to, _, err = c.time(row.claim); err != nil {
			return err
		}
	}
	end, ok, err := c.time(claimExpireAt)
	if ok {
		e.Ends = end
	}
	if ok && end.Unix() == 0 {
		e.Ends = time.Time{}
	}
	return err
}

// String returns e in lines for a person to read.
func (e Explanation) String() string {
	kind := "connection"
	if e.Subscription {
		kind = "subscription"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s token\nheader  %s\nclaims  %s\n", kind, e.Header, e.Claims)
	for _, row := range []struct {
		name, absent string
		at           time.Time
	}{
		{"issued", "", e.Issued},
		{"from", "", e.NotBefore},
		{"until", "always", e.Expires},
		{"grants", "without end", e.Ends},
	} {
		if !row.at.IsZero() {
			row.absent = row.at.Format(time.RFC3339)
		}
		if row.absent != "" {
			fmt.Fprintf(&b, "%-7s %s\n", row.name, row.absent)
		}
	}
	return b.String()
}
