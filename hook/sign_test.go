package hook

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strings"
	"testing"
	"time"
)

// These were computed with another program:
//
//	printf '1700000000.{"client":"c1"}' | openssl dgst -sha256 -hmac 0123456789abcdef
const (
	signedBody = `{"client":"c1"}`
	signedNew  = "a877191f9bdce339d5d4de1cda5edc312c575cb1982008f95f50163694a9039f"
	signedOld  = "e41aae2c8318c03f2b89391e19f7a3b951c8f12539949a924c55829e3828b94e" // with oldSecret
	oldSecret  = "fedcba9876543210"
)

func TestSign(t *testing.T) {
	at := time.Unix(1_700_000_000, 999)
	if got, want := Sign([]byte(signedBody), at, secret), "t=1700000000,v1="+signedNew; got != want {
		t.Errorf("Sign = %s; want %s", got, want)
	}
	want := "t=1700000000,v1=" + signedNew + ",v1=" + signedOld
	if got := Sign([]byte(signedBody), at, secret, oldSecret); got != want {
		t.Errorf("Sign with two secrets = %s; want %s", got, want)
	}
}

func TestVerify(t *testing.T) {
	both := "t=1700000000,v1=" + signedNew + ",v1=" + signedOld
	for name, row := range map[string]struct {
		header, body, secret string
		age                  time.Duration
		want                 error
	}{
		"right":                {"t=1700000000,v1=" + signedNew, signedBody, secret, 0, nil},
		"upper case":           {"t=1700000000,v1=" + strings.ToUpper(signedNew), signedBody, secret, 0, nil},
		"one of two":           {both, signedBody, oldSecret, 0, nil},
		"another version":      {both + ",v2=x", signedBody, secret, 0, nil},
		"as old as may be":     {both, signedBody, secret, time.Minute, nil},
		"too old":              {both, signedBody, secret, time.Minute + time.Second, ErrSignature},
		"from the future":      {both, signedBody, secret, -time.Minute - time.Second, ErrSignature},
		"another body":         {both, signedBody + " ", secret, 0, ErrSignature},
		"another secret":       {both, signedBody, "0123456789abcdeg", 0, ErrSignature},
		"another time":         {strings.Replace(both, "t=1700000000", "t=1700000001", 1), signedBody, secret, 0, ErrSignature},
		"time written anew":    {strings.Replace(both, "t=1700000000", "t=+1700000000", 1), signedBody, secret, 0, ErrSignature},
		"no time":              {"v1=" + signedNew, signedBody, secret, 0, ErrSignature},
		"no signature":         {"t=1700000000", signedBody, secret, 0, ErrSignature},
		"half a signature":     {"t=1700000000,v1=" + signedNew[:32], signedBody, secret, 0, ErrSignature},
		"not hex":              {"t=1700000000,v1=zz", signedBody, secret, 0, ErrSignature},
		"nothing":              {"", signedBody, secret, 0, ErrSignature},
		"a time past counting": {"t=9223372036854775807,v1=" + signedNew, signedBody, secret, 0, ErrSignature},
	} {
		now := time.Unix(1_700_000_000, 0).Add(row.age)
		if err := Verify(row.header, []byte(row.body), row.secret, now, time.Minute); !errors.Is(err, row.want) {
			t.Errorf("%s: Verify(%s) = %v; want %v", name, row.header, err, row.want)
		}
	}
}

// What arrives is signed, with the time of the try, over the very bytes of the body.
func TestRequestsAreSigned(t *testing.T) {
	b, f := newBackend(t, status(503), says(`{"result":{}}`)), newFakeClock()
	f.advance(900 * time.Millisecond)
	h := newTestHooks(t, Config{Subscribe: Endpoint{URL: b.URL, Secret: secret, PreviousSecret: oldSecret}}, f)
	if err := subscribe(h); err != nil {
		t.Fatal(err)
	}
	f.advance(time.Second)
	if err := subscribe(h); err != nil {
		t.Fatal(err)
	}
	for i, stamp := range []string{"1700000000", "1700000000", "1700000001"} {
		r := b.requests()[i]
		want := "t=" + stamp
		for _, key := range []string{secret, oldSecret} {
			m := hmac.New(sha256.New, []byte(key))
			m.Write([]byte(stamp + "." + r.body))
			want += ",v1=" + hex.EncodeToString(m.Sum(nil))
		}
		if got := r.header.Get("X-Edge-Signature"); got != want {
			t.Errorf("signature of request %d is %s; want %s", i, got, want)
		}
	}
}

// After Rekey requests are signed with the new secrets, as long as there are any.
func TestRekey(t *testing.T) {
	b := newBackend(t, says(`{"result":{}}`))
	f := newFakeClock()
	h := newTestHooks(t, Config{Subscribe: Endpoint{URL: b.URL, Secret: secret}}, f)
	for i, secrets := range [][]string{{oldSecret, secret}, {oldSecret}, nil} {
		var c Config
		if len(secrets) > 0 {
			c.Subscribe.Secret = secrets[0]
		}
		if len(secrets) > 1 {
			c.Subscribe.PreviousSecret = secrets[1]
		}
		h.Rekey(c)
		if err := subscribe(h); err != nil {
			t.Fatal(err)
		}
		r, want := b.requests()[i], ""
		if len(secrets) > 0 {
			want = Sign([]byte(r.body), f.now(), secrets...)
		}
		if got := r.header.Get(SignatureHeader); got != want {
			t.Errorf("with %d secrets the signature is %q; want %q", len(secrets), got, want)
		}
	}
}

func TestUnsignedWithoutASecret(t *testing.T) {
	b := newBackend(t, says(`{"result":{}}`))
	if err := subscribe(newTestHooks(t, Config{Subscribe: Endpoint{URL: b.URL}}, nil)); err != nil {
		t.Fatal(err)
	}
	if got, ok := b.requests()[0].header["X-Edge-Signature"]; ok {
		t.Errorf("signature is %q; want none", got)
	}
}

// Whatever signs itself as valid is what Sign makes of the same time and body, and what Sign makes is valid for that body alone.
func FuzzVerify(f *testing.F) {
	f.Add("t=1700000000,v1="+signedNew, []byte(signedBody))
	f.Add("t=1700000000,v1="+signedNew+",v1=00,v2=x,t=1", []byte(signedBody))
	f.Add("t=,v1=", []byte{})
	now := time.Unix(1_700_000_000, 0)
	f.Fuzz(func(t *testing.T, header string, body []byte) {
		signed := Sign(body, now, "another", secret)
		if err := Verify(signed, body, secret, now.Add(time.Minute), time.Minute); err != nil {
			t.Fatalf("Verify(%q, %q) = %v", signed, body, err)
		}
		if Verify(signed, append(bytes.Clone(body), 0), secret, now, time.Minute) == nil {
			t.Fatalf("Verify(%q) = nil for another body than %q", signed, body)
		}
		if err := Verify(header, body, secret, now, time.Minute); err != nil {
			return
		}
		for off := -60; off <= 60; off++ {
			_, mac, _ := strings.Cut(Sign(body, now.Add(time.Duration(off)*time.Second), secret), "v1=")
			if strings.Contains(strings.ToLower(header), mac) {
				return
			}
		}
		t.Errorf("Verify(%q, %q) = nil", header, body)
	})
}
