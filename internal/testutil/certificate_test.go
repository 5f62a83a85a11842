package testutil

import (
	"crypto/tls"
	"testing"
)

// Servers take the pair, for the hosts that it names and no others.
func TestSelfSigned(t *testing.T) {
	cert, key := SelfSigned(t, "one", "one.test", "two.test")
	pair, err := tls.LoadX509KeyPair(SaveKeyPair(t, t.TempDir(), cert, key))
	if err != nil {
		t.Fatal(err)
	}
	for host, want := range map[string]bool{"one.test": true, "two.test": true, "one": false} {
		if err := pair.Leaf.VerifyHostname(host); (err == nil) != want {
			t.Errorf("VerifyHostname(%s) = %v; want it to be for that host: %v", host, err, want)
		}
	}
}
