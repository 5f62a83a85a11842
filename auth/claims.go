package auth

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"math"
	"strconv"
	"time"
	"unicode/utf8"
)

// What is read of a payload.
const (
	claimIss = iota
	claimSub
	claimAud
	claimExp
	claimNbf
	claimIat
	claimJti
	claimExpireAt
	claimInfo
	claimB64Info
	claimData
	claimB64Data
	claimMeta
	claimChannels
	claimSubs
	claimCaps
	claimChannel
	claimClient
	claimOverride
	claimCount
)

var claimNames = [claimCount]string{
	claimIss: "iss", claimSub: "sub", claimAud: "aud", claimExp: "exp", claimNbf: "nbf", claimIat: "iat",
	claimJti: "jti", claimExpireAt: "expire_at", claimInfo: "info", claimB64Info: "b64info", claimData: "data",
	claimB64Data: "b64data", claimMeta: "meta", claimChannels: "channels", claimSubs: "subs", claimCaps: "caps",
	claimChannel: "channel", claimClient: "client", claimOverride: "override",
}

// claims are the values of a payload as they are written, nil where there is none.
type claims [claimCount][]byte

// claims reads t's payload, whether or not t is authentic. The values share one slice of their own.
func (t *token) claims() (c claims, err error) {
	text, err := decode(t.payload)
	if err != nil {
		return c, err
	}
	if !json.Valid(text) || !utf8.Valid(text) {
		return c, errPayload
	}
	return c, collect(oneLine(text), claimNames[:], c[:], errPayload)
}

// oneLine returns the valid JSON of text without line ends: parts of it go into messages that end at one.
func oneLine(text []byte) []byte {
	if !bytes.ContainsAny(text, "\r\n") {
		return text
	}
	var b bytes.Buffer
	if err := json.Compact(&b, text); err != nil {
		panic("auth: valid JSON is not: " + err.Error())
	}
	return b.Bytes()
}

// text returns a claim that is a string, "" if it is absent.
func (c *claims) text(i int) (string, error) {
	if c[i] == nil {
		return "", nil
	}
	s, ok := unquote(c[i])
	if !ok {
		return "", refuseClaim(claimNames[i])
	}
	return s, nil
}

// farFuture bounds times in seconds, so that no arithmetic with them overflows.
const farFuture = 1 << 40

// time returns a claim that is a NumericDate (RFC 7519 section 2) in whole seconds, rounded down; false if it is absent.
func (c *claims) time(i int) (time.Time, bool, error) {
	if c[i] == nil {
		return time.Time{}, false, nil
	}
	seconds, err := strconv.ParseFloat(string(c[i]), 64)
	if err != nil && !math.IsInf(seconds, 0) {
		return time.Time{}, false, refuseClaim(claimNames[i])
	}
	seconds = math.Floor(max(-farFuture, min(seconds, farFuture)))
	return time.Unix(int64(seconds), 0).UTC(), true, nil
}

// meantFor returns an error unless aud is, or contains, audience.
func (c *claims) meantFor(audience string) error {
	list, ok := enter(c[claimAud], '[')
	if !ok {
		aud, err := c.text(claimAud)
		if err == nil && aud != audience {
			err = errAudience
		}
		return err
	}
	for list.element() {
		if aud, ok := unquote(list.value); ok && aud == audience {
			return nil
		}
	}
	return errAudience
}

// bytes returns what the claim raw is as JSON or, if it is there, what the claim encoded is in base64; nil if neither is.
func (c *claims) bytes(raw, encoded int) ([]byte, error) {
	b, ok := either(c[raw], c[encoded])
	if !ok {
		return nil, refuseClaim(claimNames[encoded])
	}
	return b, nil
}

// shown is bytes for what other clients get to see, which is JSON in either form: any bytes would end up within the messages of
// those who speak JSON.
func (c *claims) shown(raw, encoded int) ([]byte, error) {
	b, ok := eitherJSON(c[raw], c[encoded])
	if !ok {
		return nil, refuseClaim(claimNames[encoded])
	}
	return b, nil
}

// eitherJSON is either for a value that must be JSON, or nothing at all.
func eitherJSON(raw, encoded []byte) (b []byte, ok bool) {
	b, ok = either(raw, encoded)
	switch {
	case !ok || encoded != nil && len(b) > 0 && !(json.Valid(b) && utf8.Valid(b)):
		return nil, false
	case len(b) == 0:
		return b, true
	}
	return oneLine(b), true
}

// either returns raw or, if that is not nil, what the JSON string encoded is in base64 (RFC 4648 section 4).
func either(raw, encoded []byte) (b []byte, ok bool) {
	if encoded == nil {
		return raw, true
	}
	s, ok := unquote(encoded)
	if !ok {
		return nil, false
	}
	b, err := base64.StdEncoding.DecodeString(s)
	return b, err == nil
}

// maxTTL is how far away the end of what a token grants may be; a later one is brought forward.
const maxTTL = 365 * 24 * time.Hour

// expiry returns when what the token grants ends, the zero time if never: expire_at if it is there, 0 for never, or exp.
func (c *claims) expiry(now time.Time) (time.Time, error) {
	end, ok, err := c.time(claimExpireAt)
	switch {
	case err != nil:
		return time.Time{}, err
	case ok && end.Unix() == 0:
		return time.Time{}, nil
	case !ok:
		if end, ok, err = c.time(claimExp); err != nil || !ok {
			return time.Time{}, err
		}
	}
	if limit := now.Add(maxTTL); end.After(limit) {
		end = limit
	}
	return end, nil
}

// current returns an error unless now lies within the token's times, its grant's end among them (RFC 7519 sections 4.1.4 and 4.1.5).
func (c *claims) current(end, now time.Time) error {
	exp, ok, err := c.time(claimExp)
	if err != nil {
		return err
	}
	if ok && !exp.After(now) || !end.IsZero() && !end.After(now) {
		return errOver
	}
	nbf, ok, err := c.time(claimNbf)
	if err == nil && ok && nbf.After(now) {
		err = errEarly
	}
	return err
}

// maxAhead is how far an issuer's clock may be ahead of ours. A token of later, were it believed, could not be revoked with all of its
// user's.
const maxAhead = time.Minute

// Identity is what tokens of both kinds say of themselves.
type Identity struct {
	User   string    // sub, "" for anonymous
	ID     string    // jti
	Issued time.Time // iat; the zero time if the issuer does not say, or names one more than a minute ahead
	Expiry time.Time // when what the token grants ends; the zero time if never
}

func (c *claims) identity(now time.Time) (id Identity, err error) {
	if id.User, err = c.text(claimSub); err != nil {
		return id, err
	}
	if id.ID, err = c.text(claimJti); err != nil {
		return id, err
	}
	if id.Issued, _, err = c.time(claimIat); err != nil {
		return id, err
	}
	if id.Issued.Sub(now) > maxAhead {
		id.Issued = time.Time{}
	}
	id.Expiry, err = c.expiry(now)
	return id, err
}
