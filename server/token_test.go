package server

import (
	"crypto/ed25519"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/seed4ac54ce5/edge/auth"
	"github.com/seed4ac54ce5/edge/metrics"
)

var signer = auth.Signer{Secret: "a secret of 32 bytes, which is the least"}

// openKeyed opens a node that takes tokens, of signer if change does not say otherwise, and keeps its clients out of rooms
// without one.
func openKeyed(t *testing.T, change func(c *Config)) *node {
	t.Helper()
	return openNode(t, func(c *Config) {
		c.Development = false
		c.Access.Tokens.HMACSecret = signer.Secret
		c.ExpiredCloseDelay, c.ExpiredSubCloseDelay = time.Millisecond, time.Millisecond
		if change != nil {
			change(c)
		}
	})
}

// tokenOf returns a connection token.
func tokenOf(t testing.TB, k auth.ConnectClaims) string {
	t.Helper()
	token, err := signer.Connect(k)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// subTokenOf returns a subscription token.
func subTokenOf(t testing.TB, k auth.SubscribeClaims) string {
	t.Helper()
	token, err := signer.Subscribe(k)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func user(name string, expiry time.Duration) auth.Identity {
	id := auth.Identity{User: name}
	if expiry != 0 {
		id.Expiry = time.Now().Add(expiry)
	}
	return id
}

// endsSoon is a user whose token ends while a test waits for it, but not before the test has connected with it: times in tokens
// are whole seconds, with the rest cut off.
func endsSoon(name string) auth.Identity { return user(name, 3*time.Second) }

// join returns the command that connects with a token.
func join(token string) string { return fmt.Sprintf(`{"id":1,"connect":{"token":%q}}`, token) }

// enter opens a session with a token and returns the reply.
func (n *node) enter(token string) (*client, string) {
	c := n.open(pathWebSocket)
	c.say(join(token))
	reply, _ := c.nextText()
	return c, reply
}

func TestConnectWithToken(t *testing.T) {
	n := openKeyed(t, func(c *Config) {
		c.Rooms.Namespaces = []Namespace{{Name: "news"}}
		c.Access.Personal = PersonalRoom{Enabled: true}
		c.Access.NoAnonymousTokens = true
	})
	forged := auth.Signer{Secret: strings.Repeat("another secret", 3)}
	wrong, err := forged.Connect(auth.ConnectClaims{Identity: user("ann", 0)})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range []struct {
		what, token, want string
		reject            metrics.Rejection
	}{
		{"one that never expires", tokenOf(t, auth.ConnectClaims{Identity: user("ann", 0)}), `{"id":1,"connect":{"client":"ID","version":"edge","subs":{"#ann":{}}}}`, none},
		{"one that expires", tokenOf(t, auth.ConnectClaims{Identity: user("ann", time.Hour)}), `{"id":1,"connect":{"client":"ID","version":"edge","expires":true,"ttl":3600,"subs":{"#ann":{}}}}`, none},
		{"subscriptions", tokenOf(t, auth.ConnectClaims{Identity: user("ann", 0), Subs: []auth.Sub{{Channel: "news:all", Data: []byte(`"hi"`)}}}), `{"id":1,"connect":{"client":"ID","version":"edge","subs":{"news:all":{"data":"hi"},"#ann":{}}}}`, none},
		{"A05 A11 one that another has signed", wrong, "close 3500", metrics.RejectToken},
		{"A12 dots", strings.Repeat(".", 5000), "close 3500", metrics.RejectToken},
		{"A10 one that has expired", tokenOf(t, auth.ConnectClaims{Identity: user("ann", -time.Minute)}), `{"id":1,"error":{"code":109,"message":"token expired"}}`, metrics.RejectToken},
		{"an unknown namespace", tokenOf(t, auth.ConnectClaims{Identity: user("ann", 0), Subs: []auth.Sub{{Channel: "olds:all"}}}), `{"id":1,"error":{"code":102,"message":"unknown channel"}}`, metrics.RejectToken},
		{"A18 nobody's", tokenOf(t, auth.ConnectClaims{}), "close 3507", metrics.RejectToken},
		{"a subscription token", subTokenOf(t, auth.SubscribeClaims{Identity: user("ann", 0), Sub: auth.Sub{Channel: "a"}}), "close 3500", metrics.RejectToken},
		{"none", "", "close 3501", metrics.RejectNoToken},
	} {
		moved := n.rejections(func() {
			c := n.open(pathWebSocket)
			defer c.close()
			c.say(join(r.token))
			if got, _ := c.nextText(); got != r.want {
				t.Errorf("%s: %s; want %s", r.what, got, r.want)
			}
		})
		checkMoved(t, moved, r.reject, 1)
	}
	n.checkNeighbour()
}

// A token under a public key is checked at the worker pool; what stands behind it waits.
func TestTokenOfAPublicKey(t *testing.T) {
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	n := openKeyed(t, func(c *Config) {
		c.Access.Tokens = auth.Config{Ed25519PublicKey: string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))}
	})
	sign := func(claims jwt.MapClaims) string {
		token, err := jwt.NewWithClaims(jwt.SigningMethodEdDSA, claims).SignedString(private)
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	c := n.open(pathWebSocket)
	defer c.close()
	c.say(join(sign(jwt.MapClaims{"sub": "ann"})) + "\n" + fmt.Sprintf(`{"id":2,"subscribe":{"channel":"$a","token":%q}}`, sign(jwt.MapClaims{"sub": "ann", "channel": "$a"})))
	if got := c.hear(2, 0, false).replies; fmt.Sprint(got) != fmt.Sprint([]string{connected, subscribed(2)}) {
		t.Errorf("tokens of a public key: %q", got)
	}
	confused, reply := n.enter(tokenOf(t, auth.ConnectClaims{Identity: user("ann", 0)}))
	defer confused.close()
	if reply != "close 3500" {
		t.Errorf("A06 an HMAC where there is a public key: %s", reply)
	}
}

// A session ends when what its token grants has, unless a new one comes in time.
func TestSessionExpires(t *testing.T) {
	t.Parallel()
	sessions := make(map[time.Duration]*client)
	for _, pings := range []time.Duration{-1, time.Hour} {
		n := openKeyed(t, func(c *Config) { c.PingInterval = pings })
		c, _ := n.enter(tokenOf(t, auth.ConnectClaims{Identity: endsSoon("ann")}))
		defer c.close()
		sessions[pings] = c
	}
	for pings, c := range sessions {
		if got := c.next(); got != "close 3005" {
			t.Errorf("pings every %v: a session whose token has expired got %s; want close 3005", pings, got)
		}
	}
}

func TestRefresh(t *testing.T) {
	t.Parallel()
	n := openKeyed(t, func(c *Config) { c.ExpiredCloseDelay = 2 * time.Second })
	refresh := func(token string) string { return fmt.Sprintf(`{"id":2,"refresh":{"token":%q}}`, token) }
	var stay []func()
	for _, r := range []struct{ what, token, want string }{
		{"for an hour", tokenOf(t, auth.ConnectClaims{Identity: user("ann", time.Hour)}), `{"id":2,"refresh":{"client":"ID","version":"edge","expires":true,"ttl":3600}}`},
		{"for ever", tokenOf(t, auth.ConnectClaims{Identity: user("ann", 0)}), `{"id":2,"refresh":{"client":"ID","version":"edge"}}`},
		{"another user's", tokenOf(t, auth.ConnectClaims{Identity: user("bob", 0)}), "close 3500"},
		{"an expired one", tokenOf(t, auth.ConnectClaims{Identity: user("ann", -time.Minute)}), "close 3005"},
		{"none", "", bad},
	} {
		began := time.Now()
		c, _ := n.enter(tokenOf(t, auth.ConnectClaims{Identity: endsSoon("ann")}))
		defer c.close()
		c.say(refresh(r.token))
		if got, _ := c.nextText(); got != r.want {
			t.Errorf("a refresh with %s: %s; want %s", r.what, got, r.want)
		}
		if !strings.HasPrefix(r.want, "{") {
			continue
		}
		stay = append(stay, func() {
			c.staysOpen(7*time.Second - time.Since(began)) // the first token, a second of the loop's clock, the delay
			c.say(unsubscribe(3, "a"))
			if got, _ := c.nextText(); got != unsubscribed(3) {
				t.Errorf("after a refresh with %s: %s", r.what, got)
			}
		})
	}
	for _, check := range stay {
		check()
	}
}

// A session does not go on with other rooms than its token gives: its client begins anew, and gets them.
func TestRefreshKeepsToTheRooms(t *testing.T) {
	n := openKeyed(t, nil)
	token := func(rooms ...string) string {
		k := auth.ConnectClaims{Identity: user("ann", time.Hour)}
		for _, room := range rooms {
			k.Subs = append(k.Subs, auth.Sub{Channel: room})
		}
		return tokenOf(t, k)
	}
	const goesOn, anew = `{"id":2,"refresh":{"client":"ID","version":"edge","expires":true,"ttl":3600}}`, "close 3010"
	for _, r := range []struct {
		was, now []string
		want     string
	}{
		{nil, nil, goesOn},
		{[]string{"a", "b"}, []string{"b", "a"}, goesOn},
		{[]string{"a", "b"}, []string{"a"}, anew},
		{[]string{"a"}, nil, anew},
		{nil, []string{"a"}, anew},
		{[]string{"a"}, []string{"b"}, anew},
	} {
		c, _ := n.enter(token(r.was...))
		c.say(fmt.Sprintf(`{"id":2,"refresh":{"token":%q}}`, token(r.now...)))
		if got, _ := c.nextText(); got != r.want {
			t.Errorf("a refresh from %q to %q: %s; want %s", r.was, r.now, got, r.want)
		}
		c.close()
	}
	n.checkNeighbour()
}

// A subscription token lets its own client, and nobody else, into a room that is closed.
func TestSubscribeWithToken(t *testing.T) {
	n := openKeyed(t, func(c *Config) { c.ExpiredSubCloseDelay = time.Hour })
	own := func(room string, k auth.SubscribeClaims) string {
		k.Channel = room
		return fmt.Sprintf(`{"id":2,"subscribe":{"channel":"$a","token":%q}}`, subTokenOf(t, k))
	}
	for _, r := range []struct{ what, send, want string }{
		{"one's own", own("$a", auth.SubscribeClaims{Identity: user("ann", 0)}), subscribed(2)},
		{"one that expires", own("$a", auth.SubscribeClaims{Identity: user("ann", time.Minute), Sub: auth.Sub{Data: []byte("7")}}), `{"id":2,"subscribe":{"expires":true,"ttl":60,"data":7}}`},
		{"another room's", own("$b", auth.SubscribeClaims{Identity: user("ann", 0)}), "close 3500"},
		{"another user's", own("$a", auth.SubscribeClaims{Identity: user("bob", 0)}), "close 3500"},
		{"another client's", own("$a", auth.SubscribeClaims{Identity: user("ann", 0), Client: "somebody"}), "close 3500"},
		{"an expired one", own("$a", auth.SubscribeClaims{Identity: user("ann", -time.Minute)}), `{"id":2,"error":{"code":109,"message":"token expired"}}`},
		{"no token of anybody", `{"id":2,"subscribe":{"channel":"$a","token":"x"}}`, `{"id":2,"error":{"code":103,"message":"permission denied"}}`},
		{"none", subscribe(2, "$a"), `{"id":2,"error":{"code":103,"message":"permission denied"}}`},
	} {
		c, _ := n.enter(tokenOf(t, auth.ConnectClaims{Identity: user("ann", 0)}))
		c.say(r.send)
		if got, _ := c.nextText(); got != r.want {
			t.Errorf("subscribing with %s: %s; want %s", r.what, got, r.want)
		}
		c.close()
	}
	n.checkNeighbour()
}

func TestSubscriptionExpires(t *testing.T) {
	t.Parallel()
	n := openKeyed(t, nil)
	token := func(room string, d time.Duration) string {
		return subTokenOf(t, auth.SubscribeClaims{Identity: user("ann", d), Sub: auth.Sub{Channel: room}})
	}
	c, _ := n.enter(tokenOf(t, auth.ConnectClaims{Identity: user("ann", 0)}))
	defer c.close()
	for i, room := range []string{"ends", "goes on", "for ever"} {
		c.say(fmt.Sprintf(`{"id":%d,"subscribe":{"channel":%q,"token":%q}}`, i+2, room, token(room, 5*time.Second)))
		c.nextText()
	}
	c.say(fmt.Sprintf(`{"id":5,"sub_refresh":{"channel":"goes on","token":%q}}`, token("goes on", time.Hour)))
	if got, _ := c.nextText(); got != `{"id":5,"sub_refresh":{"expires":true,"ttl":3600}}` {
		t.Errorf("sub_refresh: %s", got)
	}
	c.say(fmt.Sprintf(`{"id":6,"sub_refresh":{"channel":"for ever","token":%q}}`, token("for ever", 0)))
	if got, _ := c.nextText(); got != `{"id":6,"sub_refresh":{}}` {
		t.Errorf("sub_refresh: %s", got)
	}
	if got, _ := c.nextText(); got != `{"push":{"channel":"ends","unsubscribe":{"code":2501,"reason":"subscription expired"}}}` {
		t.Errorf("a subscription whose token has expired: %s", got)
	}
	c.staysOpen(time.Second)
	for _, r := range []struct{ what, token, want string }{
		{"no room of its own", "", `{"id":7,"error":{"code":103,"message":"permission denied"}}`},
		{"no token", "", `{"id":7,"error":{"code":107,"message":"bad request"}}`},
		{"an expired one", token("goes on", -time.Minute), `{"id":7,"error":{"code":109,"message":"token expired"}}`},
		{"another room's", token("ends", 0), "close 3500"},
	} {
		room := "goes on"
		if r.what == "no room of its own" {
			room = "ends"
		}
		c.say(fmt.Sprintf(`{"id":7,"sub_refresh":{"channel":%q,"token":%q}}`, room, r.token))
		if got, _ := c.nextText(); got != r.want {
			t.Errorf("a sub_refresh with %s: %s; want %s", r.what, got, r.want)
		}
	}
}

// What a token grants beyond a room's options.
func TestCapabilities(t *testing.T) {
	n := openKeyed(t, func(c *Config) {
		c.Rooms.WithoutNamespace = RoomOptions{Presence: true, HistorySize: 10, HistoryTTL: time.Minute}
	})
	caps, err := auth.ParseCapabilities(`[{"channels":["a","$b"],"allow":["sub","pub"]},{"channels":["a"],"allow":["prs","hst"]}]`)
	if err != nil {
		t.Fatal(err)
	}
	c, _ := n.enter(tokenOf(t, auth.ConnectClaims{Identity: user("ann", 0), Capabilities: caps}))
	defer c.close()
	for _, r := range []struct{ room, command, want string }{
		{"a", "subscribe", "ok"}, {"$b", "subscribe", "ok"}, {"c", "subscribe", "103"},
		{"a", "publish", "ok"}, {"$b", "publish", "ok"}, {"c", "publish", "103"},
		{"a", "presence", "ok"}, {"$b", "presence", "103"},
		{"a", "history", "ok"}, {"$b", "history", "103"},
	} {
		data := map[string]string{"publish": `,"data":1`}[r.command]
		c.say(fmt.Sprintf(`{"id":2,%q:{"channel":%q%s}}`, r.command, r.room, data))
		got, code := c.hear(1, 0, false).replies[0], "ok"
		if _, rest, failed := strings.Cut(got, `"code":`); failed {
			code = rest[:3]
		}
		if code != r.want {
			t.Errorf("%s in %s: %s; want %s", r.command, r.room, got, r.want)
		}
	}
}

// Pages need the right origin. Programs, which send none, have nothing that a page could borrow: those without a token are
// anonymous.
func TestOrigins(t *testing.T) {
	n := openKeyed(t, func(c *Config) {
		c.Access.Anonymous, c.Access.Origins = true, []string{"https://app.example.com", "https://*.example.org"}
	})
	token := tokenOf(t, auth.ConnectClaims{Identity: user("ann", 0)})
	for _, r := range []struct{ origin, token, want string }{
		{"", token, connected},
		{"", "", connected},
		{"https://app.example.com", "", connected},
		{"https://APP.example.com:443", "", connected},
		{"https://a.example.org", "", connected},
		{"http://app.example.com", "", "403"},
		{"https://app.example.com:8443", "", "403"},
		{"https://app.example.com.evil.net", token, "403"},
		{"https://evil-app.example.com", token, "403"},
		{"https://example.org", token, "403"},
		{"https://app.example.com@evil.net", token, "403"},
		{"null", token, "403"},
		{"http://localhost:8000", token, "403"},
	} {
		c := n.dial()
		fields := []string{}
		if r.origin != "" {
			fields = append(fields, "Origin: "+r.origin)
		}
		c.send([]byte(request(pathWebSocket, fields...)))
		got := strings.Fields(c.readHead())[1]
		if got == "101" {
			c.say(join(r.token))
			got, _ = c.nextText()
		}
		if got != r.want {
			t.Errorf("A01 A02 A03 origin %q, token %t: %s; want %s", r.origin, r.token != "", got, r.want)
		}
		c.close()
	}
	n.checkNeighbour()
}
