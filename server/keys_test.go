package server

import (
	"crypto/ed25519"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/seed4ac54ce5/edge/auth"
	"github.com/seed4ac54ce5/edge/internal/testutil"
)

// A personal room is one's own: an id that names others in it has none.
func TestPersonalRooms(t *testing.T) {
	for _, r := range []struct {
		room       PersonalRoom
		user, want string
	}{
		{PersonalRoom{}, "ann", ""},
		{PersonalRoom{Enabled: true}, "ann", "#ann"},
		{PersonalRoom{Enabled: true, Namespace: "own"}, "ann", "own:#ann"},
		{PersonalRoom{Enabled: true}, "", ""},
		{PersonalRoom{Enabled: true}, "ann#bob", ""},
		{PersonalRoom{Enabled: true}, "ann,bob", ""},
	} {
		if got := r.room.of(r.user); got != r.want {
			t.Errorf("%+v of %q = %q; want %q", r.room, r.user, got, r.want)
		}
	}
}

// The keys of an issuer are there before the first client, and stay when the rest of the configuration changes, even if the
// endpoint is down.
func TestReloadKeepsKeysOfIssuers(t *testing.T) {
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	issuer := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"k","x":%q}]}`, base64.RawURLEncoding.EncodeToString(public))
	}))
	defer issuer.Close()
	access := func(more string) Access {
		return Access{Tokens: auth.Config{JWKS: []auth.JWKS{{Endpoint: issuer.URL + more, AllowHTTP: true}}}}
	}
	n := openNode(t, func(c *Config) { c.Development, c.Access = false, access("") })
	fetched := func(result string) {
		t.Helper()
		none := fmt.Sprintf("edge_jwks_fetches_total{result=%q} 0\n", result)
		testutil.Eventually(t, patience, func() bool {
			_, metrics := n.get("/metrics")
			return !strings.Contains(metrics, none)
		}, "keys were asked for: "+result)
	}
	unsigned := jwt.NewWithClaims(jwt.SigningMethodEdDSA, jwt.MapClaims{"sub": "ann"})
	unsigned.Header["kid"] = "k"
	token, err := unsigned.SignedString(private)
	if err != nil {
		t.Fatal(err)
	}
	enter := func(want string) {
		t.Helper()
		c, reply := n.enter(token)
		defer c.close()
		if !strings.Contains(reply, want) {
			t.Errorf("connect is answered %s; want %s", reply, want)
		}
	}
	fetched("ok")
	issuer.Close()
	changed := access("")
	changed.NoAnonymousTokens = true
	if err := n.SetAccess(changed); err != nil {
		t.Fatal(err)
	}
	enter(`"client":`)
	if err := n.SetAccess(access("/elsewhere")); err != nil {
		t.Fatal(err)
	}
	fetched("failed")
	enter(`"code":100`)
}

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
