package hook

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strconv"
	"strings"
	"time"
)

// SignatureHeader carries the signature of a request.
const SignatureHeader = "X-Edge-Signature"

// ErrSignature is what a backend answers 401 to: the request is not from the node, was changed, or is too old.
var ErrSignature = errors.New("hook: no valid signature")

// Sign returns the value of [SignatureHeader] for a body that is sent at a time:
//
//	t=<Unix seconds>,v1=<hex of HMAC-SHA256(secret, t "." body)>
//
// with another v1 for each further secret.
func Sign(body []byte, at time.Time, secrets ...string) string {
	t := strconv.FormatInt(at.Unix(), 10)
	var b strings.Builder
	b.WriteString("t=" + t)
	for _, secret := range secrets {
		b.WriteString(",v1=" + hex.EncodeToString(mac(secret, t, body)))
	}
	return b.String()
}

// Verify is the check that belongs into a backend: header is the value of [SignatureHeader], and one of its signatures
// is of these bytes with secret, at most tolerance away from now. Otherwise the error is ErrSignature.
func Verify(header string, body []byte, secret string, now time.Time, tolerance time.Duration) error {
	t, signatures := parseSignature(header)
	sec, err := strconv.ParseInt(t, 10, 64)
	if err != nil || now.Sub(time.Unix(sec, 0)).Abs() > tolerance {
		return ErrSignature
	}
	want := mac(secret, t, body)
	for _, s := range signatures {
		if got, err := hex.DecodeString(s); err == nil && hmac.Equal(got, want) {
			return nil
		}
	}
	return ErrSignature
}

// parseSignature returns the values of t and of each v1. Fields of other names are for versions to come.
func parseSignature(header string) (t string, signatures []string) {
	for field := range strings.SplitSeq(header, ",") {
		switch name, value, _ := strings.Cut(field, "="); name {
		case "t":
			t = value
		case "v1":
			signatures = append(signatures, value)
		}
	}
	return t, signatures
}

func mac(secret, t string, body []byte) []byte {
	h := hmac.New(sha256.New, []byte(secret))
	h.Write([]byte(t + "."))
	h.Write(body)
	return h.Sum(nil)
}
