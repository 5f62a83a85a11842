package auth

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// A Signer makes tokens with HS256, for the command line, tests and backends in Go.
type Signer struct {
	Secret   string // at least MinSecret bytes
	Issuer   string // iss; "" leaves it out
	Audience string // aud; "" leaves it out
}

// Connect returns a connection token that says what c does; Subs must name each channel once. A zero time leaves its
// claim out. The error wraps ErrConfig.
func (s *Signer) Connect(c ConnectClaims) (string, error) {
	w := s.claims(&c.Identity)
	w.Info, w.Meta = c.Info, c.Meta
	w.Caps = json.RawMessage(c.Capabilities.text)
	for i := range c.Subs {
		sub := &c.Subs[i]
		if _, ok := w.Subs[sub.Channel]; ok || sub.Channel == "" {
			return "", fmt.Errorf("%w: subscription to %q; name each channel once", ErrConfig, sub.Channel)
		}
		if w.Subs == nil {
			w.Subs = make(map[string]wireSub)
		}
		w.Subs[sub.Channel] = newWireSub(sub)
	}
	return s.sign(w)
}

// Subscribe returns a subscription token that says what c does. The error wraps ErrConfig.
func (s *Signer) Subscribe(c SubscribeClaims) (string, error) {
	if c.Channel == "" {
		return "", fmt.Errorf("%w: a subscription token needs a channel", ErrConfig)
	}
	w := s.claims(&c.Identity)
	w.wireSub = newWireSub(&c.Sub)
	w.Channel, w.Client = c.Channel, c.Client
	return s.sign(w)
}

func (s *Signer) claims(id *Identity) *wireClaims {
	w := &wireClaims{}
	w.Subject, w.ID, w.Issuer = id.User, id.ID, s.Issuer
	w.IssuedAt, w.ExpiresAt = date(id.Issued), date(id.Expiry)
	if s.Audience != "" {
		w.Audience = jwt.ClaimStrings{s.Audience}
	}
	return w
}

func (s *Signer) sign(w *wireClaims) (string, error) {
	k, err := secretKey("HMAC secret", s.Secret)
	if err != nil {
		return "", err
	}
	if k == nil {
		return "", fmt.Errorf("%w: no HMAC secret to sign with", ErrConfig)
	}
	text, err := jwt.NewWithClaims(jwt.SigningMethodHS256, w).SignedString(k.material)
	if err != nil {
		return "", fmt.Errorf("%w: claims that are not JSON: %w", ErrConfig, err)
	}
	if len(text) > MaxToken {
		return "", fmt.Errorf("%w: a token of %d bytes; at most %d are accepted", ErrConfig, len(text), MaxToken)
	}
	return text, nil
}

// date returns t as a claim, nil for the zero time.
func date(t time.Time) *jwt.NumericDate {
	if t.IsZero() {
		return nil
	}
	return jwt.NewNumericDate(t)
}

// wireClaims are the claims of either kind of token as JSON.
type wireClaims struct {
	jwt.RegisteredClaims
	wireSub
	Channel string             `json:"channel,omitempty"`
	Client  string             `json:"client,omitempty"`
	Meta    json.RawMessage    `json:"meta,omitempty"`
	Subs    map[string]wireSub `json:"subs,omitempty"`
	Caps    json.RawMessage    `json:"caps,omitempty"`
}

// wireSub is a Sub as JSON.
type wireSub struct {
	Info     json.RawMessage            `json:"info,omitempty"`
	Data     json.RawMessage            `json:"data,omitempty"`
	B64Data  []byte                     `json:"b64data,omitempty"`
	Override map[string]map[string]bool `json:"override,omitempty"`
}

func newWireSub(s *Sub) (w wireSub) {
	w.Info = s.Info
	if json.Valid(s.Data) {
		w.Data = s.Data
	} else {
		w.B64Data = s.Data
	}
	o := s.Override
	for i, field := range o.fields() {
		if *field == AsRoom {
			continue
		}
		if w.Override == nil {
			w.Override = make(map[string]map[string]bool)
		}
		w.Override[overrideNames[i]] = map[string]bool{"value": *field == On}
	}
	return w
}
