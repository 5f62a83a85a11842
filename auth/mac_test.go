package auth

import (
	"bytes"
	"crypto/hmac"
	"strings"
	"sync"
	"testing"

	"github.com/golang-jwt/jwt/v5"
)

// An HMAC that is used again says what a new one says, for each algorithm, whatever came before, on several goroutines at once.
func TestMACsAgainstNewOnes(t *testing.T) {
	var m macs
	secret := []byte(testSecret)
	check := func() {
		for _, name := range []string{"HS256", "HS384", "HS512"} {
			h := algorithms[name].method.(*jwt.SigningMethodHMAC).Hash
			for size := range 300 {
				message := bytes.Repeat([]byte{'m'}, size)
				x := hmac.New(h.New, secret)
				x.Write(message)
				sum := x.Sum(nil)
				if !m.match(h, secret, message, sum) {
					t.Errorf("%s of %d bytes: a good signature is refused", name, size)
				}
				sum[size%len(sum)] ^= 1
				if m.match(h, secret, message, sum) || m.match(h, secret, message, sum[:len(sum)-1]) || m.match(h, secret, message, nil) {
					t.Errorf("%s of %d bytes: a bad signature is accepted", name, size)
				}
			}
		}
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(check)
	}
	wg.Wait()
}

// What is known of a usual header is what it says.
func TestUsualHeaders(t *testing.T) {
	if len(usual) != 3*len(algorithms) {
		t.Errorf("%d usual headers; want 3 for each of %d algorithms", len(usual), len(algorithms))
	}
	for header, want := range usual {
		got := token{header: []byte(header)}
		if err := got.readUnusual(); err != nil || got.algorithm != want || got.kid != "" {
			t.Errorf("%s says %v, kid %q, %v; want %v", header, got.algorithm, got.kid, err, want)
		}
		if read := (token{header: []byte(header)}); read.readHeader() != nil || read.algorithm != want {
			t.Errorf("%s is read as %v; want %v", header, read.algorithm, want)
		}
		if other := (token{header: []byte(strings.ToUpper(header))}); other.readHeader() == nil {
			t.Errorf("%s is accepted", other.header)
		}
	}
}
