package server

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed4ac54ce5/edge/auth"
	"github.com/seed4ac54ce5/edge/protocol"
)

// issued is user with the id of a token, and when it was issued.
func issued(name, id string, ago time.Duration) auth.Identity {
	return auth.Identity{User: name, ID: id, Issued: time.Now().Add(-ago), Expiry: time.Now().Add(time.Hour)}
}

// A13: whose tokens are revoked is out at once, and does not come back with them, nor into a room; others notice nothing.
func TestA13RevokedUser(t *testing.T) {
	n := openKeyed(t, func(c *Config) { c.Loops = 2 })
	old := tokenOf(t, auth.ConnectClaims{Identity: issued("ann", "", time.Minute)})
	undated := tokenOf(t, auth.ConnectClaims{Identity: user("ann", time.Hour)})
	renewed := tokenOf(t, auth.ConnectClaims{Identity: issued("ann", "", -time.Minute)})
	var out []*client
	for _, token := range []string{old, old, undated} {
		c, _ := n.enter(token)
		defer c.close()
		out = append(out, c)
	}
	bob, _ := n.enter(tokenOf(t, auth.ConnectClaims{Identity: issued("bob", "", time.Minute)}))
	defer bob.close()
	n.checkCall("revoke", fmt.Sprintf(`{"user":"ann","issued_before":%d}`, time.Now().Unix()+30), fine)
	for i, c := range out {
		if got := c.next(); got != "close 3014" {
			t.Errorf("session %d got %s; want close 3014", i, got)
		}
	}
	for _, r := range []struct{ what, token, want string }{
		{"the old token", old, "close 3500"},
		{"one that has just been issued, but too early", tokenOf(t, auth.ConnectClaims{Identity: issued("ann", "", -20*time.Second)}), `{"id":1,"error":{"code":109,"message":"token expired"}}`},
		{"one that does not say when it was issued", undated, "close 3500"},
		{"one of a time to come", tokenOf(t, auth.ConnectClaims{Identity: issued("ann", "", -time.Hour)}), "close 3500"},
		{"a new one", renewed, `{"id":1,"connect":{"client":"ID","version":"edge","expires":true,"ttl":3600}}`},
	} {
		c, got := n.enter(r.token)
		defer c.close()
		if got != r.want {
			t.Errorf("coming back with %s: %s; want %s", r.what, got, r.want)
		}
		if r.token != renewed {
			continue
		}
		sub := subTokenOf(t, auth.SubscribeClaims{Identity: issued("ann", "", time.Minute), Sub: auth.Sub{Channel: "$a"}})
		c.say(fmt.Sprintf(`{"id":2,"subscribe":{"channel":"$a","token":%q}}`, sub))
		if got, _ := c.nextText(); got != "close 3500" {
			t.Errorf("subscribing with an old token: %s; want close 3500", got)
		}
	}
	bob.say(unsubscribe(2, "a"))
	if got, _ := bob.nextText(); got != unsubscribed(2) {
		t.Errorf("another user got %s", got)
	}
	n.checkNeighbour()
}

// A13: a token that is revoked by its id ends the sessions that have it now: one that was refreshed since has another.
func TestA13RevokedToken(t *testing.T) {
	n := openKeyed(t, func(c *Config) { c.Loops = 2 })
	token := func(id string) string {
		return tokenOf(t, auth.ConnectClaims{Identity: issued("ann", id, time.Minute)})
	}
	nobodys := tokenOf(t, auth.ConnectClaims{Identity: issued("", "t1", time.Minute)})
	var out []*client
	for _, token := range []string{token("t1"), nobodys} {
		c, _ := n.enter(token)
		defer c.close()
		out = append(out, c)
	}
	refresh := func(c *client, token string) {
		t.Helper()
		c.say(fmt.Sprintf(`{"id":2,"refresh":{"token":%q}}`, token))
		if got, _ := c.nextText(); got != `{"id":2,"refresh":{"client":"ID","version":"edge","expires":true,"ttl":3600}}` {
			t.Errorf("refresh: %s", got)
		}
	}
	into, _ := n.enter(token("t0"))
	defer into.close()
	refresh(into, token("t1"))
	out = append(out, into)
	stays, _ := n.enter(token("t1"))
	defer stays.close()
	refresh(stays, token("t2"))
	if err := n.Revoke(t.Context(), Revocation{TokenID: "t1", ExpireAt: time.Now().Add(time.Hour)}); err != nil {
		t.Fatal(err)
	}
	for i, c := range out {
		if got := c.next(); got != "close 3014" {
			t.Errorf("session %d got %s; want close 3014", i, got)
		}
	}
	if c, got := n.enter(token("t1")); got != "close 3500" {
		t.Errorf("coming back: %s; want close 3500", got)
	} else {
		c.close()
	}
	stays.say(fmt.Sprintf(`{"id":3,"refresh":{"token":%q}}`, token("t1")))
	if got, _ := stays.nextText(); got != "close 3500" {
		t.Errorf("a refresh with it: %s; want close 3500", got)
	}
}

// A13: a subscription token that is revoked by its id ends the subscriptions that stand on it now, and nothing else.
func TestA13RevokedSubscription(t *testing.T) {
	n := openKeyed(t, func(c *Config) { c.Loops = 2 })
	token := func(room, id string) string {
		return subTokenOf(t, auth.SubscribeClaims{Identity: issued("ann", id, time.Minute), Sub: auth.Sub{Channel: room}})
	}
	c, _ := n.enter(tokenOf(t, auth.ConnectClaims{
		Identity: issued("ann", "", time.Minute), Subs: []auth.Sub{{Channel: "#served"}},
	}))
	defer c.close()
	say := func(command, want string) {
		t.Helper()
		c.say(command)
		if got, _ := c.nextText(); got != want {
			t.Errorf("%s: %s; want %s", command, got, want)
		}
	}
	enter := func(room, id string) {
		t.Helper()
		say(fmt.Sprintf(`{"id":2,"subscribe":{"channel":%q,"token":%q}}`, room, token(room, id)), `{"id":2,"subscribe":{"expires":true,"ttl":3600}}`)
	}
	refresh := func(room, id string) {
		t.Helper()
		say(fmt.Sprintf(`{"id":3,"sub_refresh":{"channel":%q,"token":%q}}`, room, token(room, id)), `{"id":3,"sub_refresh":{"expires":true,"ttl":3600}}`)
	}
	revoke := func(id string) {
		t.Helper()
		if err := n.Revoke(t.Context(), Revocation{TokenID: id}); err != nil {
			t.Fatal(err)
		}
	}
	ended := func(rooms ...string) { // in one frame
		t.Helper()
		var want []string
		for _, room := range rooms {
			want = append(want, fmt.Sprintf(`{"push":{"channel":%q,"unsubscribe":{"code":2502,"reason":"state invalidated"}}}`, room))
		}
		if got, _ := c.nextText(); got != strings.Join(want, "\n") {
			t.Errorf("got %s; want %s", got, want)
		}
	}
	for _, s := range []struct{ room, id string }{{"$a", "s1"}, {"$b", "s1"}, {"$c", "s2"}, {"$d", ""}, {"$e", "s1"}, {"$f", "s0"}, {"$g", "s1"}} {
		enter(s.room, s.id)
	}
	refresh("$e", "s2")
	refresh("$f", "s1")
	say(unsubscribe(4, "$g"), unsubscribed(4))
	revoke("s1")
	ended("$a", "$b", "$f")
	say(fmt.Sprintf(`{"id":5,"subscribe":{"channel":"$a","token":%q}}`, token("$a", "s3")), `{"id":5,"subscribe":{"expires":true,"ttl":3600}}`)
	revoke("s1")
	revoke("s0")
	revoke("s2")
	ended("$c", "$e")
	refresh("#served", "s4")
	revoke("s4")
	if got := c.next(); got != "close 3014" {
		t.Errorf("got %s; want close 3014", got)
	}
	if err := n.onLoops(t.Context(), func(l *loop) {
		if len(l.subTokens) > 0 {
			t.Errorf("a loop still knows %d conns with subscription tokens", len(l.subTokens))
		}
	}); err != nil {
		t.Error(err)
	}
	n.checkNeighbour()
}

// A13: whoever is on the way in while its token is revoked does not stay.
func TestA13RevokedOnTheWayIn(t *testing.T) {
	n := openKeyed(t, func(c *Config) { c.Loops = 2 })
	for round := range 5 {
		id := fmt.Sprint("token", round)
		token := tokenOf(t, auth.ConnectClaims{Identity: issued("ann", id, time.Minute)})
		var clients []*client
		for range 20 {
			c := n.open(pathWebSocket)
			defer c.close()
			clients = append(clients, c)
		}
		var coming sync.WaitGroup
		for _, c := range clients {
			coming.Go(func() { c.say(join(token)) })
		}
		if err := n.Revoke(t.Context(), Revocation{TokenID: id}); err != nil {
			t.Fatal(err)
		}
		coming.Wait()
		for _, c := range clients {
			got, let := c.nextText()
			if let {
				got = c.next()
			}
			if got != "close 3014" && (let || got != "close 3500") {
				t.Errorf("a client with a revoked token got %s", got)
			}
		}
	}
}

// Revocations are bounded, and those that do not fit are refused aloud.
func TestRevocationsAreBounded(t *testing.T) {
	n := openKeyed(t, nil)
	n.revoked = auth.NewRevoked(2)
	if err := n.onLoops(t.Context(), func(*loop) {}); err != nil { // they have seen it
		t.Fatal(err)
	}
	c, _ := n.enter(tokenOf(t, auth.ConnectClaims{Identity: issued("cleo", "c", 0)}))
	defer c.close()
	n.checkCall("revoke", `{"user":"ann","jti":"a"}`, fine)
	n.checkCall("revoke", `{"user":"cleo"}`, apiError(protocol.ErrLimitExceeded))
	n.checkCall("revoke", `{"jti":"c"}`, apiError(protocol.ErrLimitExceeded))
	n.checkCall("revoke", `{"user":"ann"}`, fine)
	n.checkCall("revoke", `{}`, apiError(protocol.ErrBadRequest))
	c.say(unsubscribe(2, "a"))
	if got, _ := c.nextText(); got != unsubscribed(2) {
		t.Errorf("a client whose token could not be revoked got %s", got)
	}
}

// An entry lasts as long as its tokens, or a year.
func TestRevocationsEnd(t *testing.T) {
	n := openKeyed(t, nil)
	now := time.Now()
	for _, r := range []Revocation{
		{User: "ann"}, {User: "bob", ExpireAt: now.Add(time.Hour)}, {User: "cleo", ExpireAt: now.Add(-time.Hour)},
	} {
		if err := n.listRevoked(&r, now); err != nil {
			t.Fatal(err)
		}
	}
	for _, r := range []struct {
		user string
		in   time.Duration
		want bool
	}{
		{"ann", 0, true}, {"ann", 365 * 24 * time.Hour, true}, {"ann", 367 * 24 * time.Hour, false},
		{"bob", 59 * time.Minute, true}, {"bob", 61 * time.Minute, false},
		{"cleo", 0, false},
	} {
		if got := n.revoked.Has(&auth.Identity{User: r.user}, now.Add(r.in)); got != r.want {
			t.Errorf("a token of %s is revoked after %v: %t", r.user, r.in, got)
		}
	}
	n.Close()
	if err := n.Revoke(t.Context(), Revocation{User: "ann", TokenID: "a"}); !errors.Is(err, ErrClosed) {
		t.Errorf("Revoke at a closed node: %v; want ErrClosed", err)
	}
}
