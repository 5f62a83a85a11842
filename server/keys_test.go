package server

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/seed4ac54ce5/edge/auth"
)

// keySets is an endpoint that tells of each request, and answers when it is let go.
func keySets(t *testing.T) (asked chan string, release chan struct{}, at string) {
	asked, release = make(chan string, 8), make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		asked <- r.URL.Path
		select {
		case <-release:
		case <-r.Context().Done():
		}
	}))
	t.Cleanup(s.Close)
	return asked, release, s.URL
}

// Key sets are fetched at the start and when they are new, before any token, and nobody waits for them: neither who changes the
// node nor who closes it.
func TestKeySetsAreWarmed(t *testing.T) {
	asked, release, at := keySets(t)
	from := func(path string) auth.Config {
		return auth.Config{JWKS: []auth.JWKS{{Endpoint: at + path, AllowHTTP: true}}}
	}
	n := openNode(t, func(c *Config) { c.Access.Tokens = from("/first") })
	wait := func(want string) {
		t.Helper()
		select {
		case got := <-asked:
			if got != want {
				t.Errorf("%s is fetched; want %s", got, want)
			}
		case <-time.After(patience):
			t.Fatalf("%s is not fetched", want)
		}
	}
	wait("/first")
	subscriptions := from("/third")
	for _, change := range []struct {
		access Access
		want   string
	}{
		{Access{Tokens: from("/second")}, "/second"},
		{Access{Tokens: auth.Config{HMACSecret: signer.Secret}, Subscriptions: &subscriptions}, "/third"},
	} {
		if err := n.SetAccess(change.access); err != nil { // while the endpoint answers nobody
			t.Fatal(err)
		}
		wait(change.want)
	}
	close(release)
	n.checkNeighbour()
}

// A node that closes while an endpoint does not answer does not wait for it, and fetches nothing any more.
func TestCloseEndsTheWarming(t *testing.T) {
	asked, _, at := keySets(t)
	access := Access{Tokens: auth.Config{JWKS: []auth.JWKS{{Endpoint: at + "/keys", AllowHTTP: true}}}}
	n := openNode(t, func(c *Config) { c.Access = access })
	<-asked
	n.neighbour.close()
	n.Close()
	if err := n.SetAccess(access); err != nil {
		t.Fatal(err)
	}
	select {
	case path := <-asked:
		t.Errorf("%s is fetched by a node that has closed", path)
	default:
	}
}
