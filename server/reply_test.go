package server

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed4ac54ce5/edge/auth"
)

// openPast opens a node whose rooms have a history, with an application.
func openPast(t *testing.T, h Handler) *node {
	return openNode(t, func(c *Config) {
		c.Handler = h
		c.Rooms.WithoutNamespace = RoomOptions{HistorySize: 10, HistoryTTL: time.Hour, ForcePositioning: true}
	})
}

// What the application says about a publication is how it is published.
func TestApplicationChoosesHowToPublish(t *testing.T) {
	replies := map[string]PublishReply{
		`"ephemeral"`: {PublishOptions: PublishOptions{Ephemeral: true}},
		`"tagged"`:    {PublishOptions: PublishOptions{Tags: map[string]string{"k": "v"}}},
		`"once"`:      {PublishOptions: PublishOptions{IdempotencyKey: "key"}},
		`"twice"`:     {PublishOptions: PublishOptions{IdempotencyKey: "key"}},
		`"new"`:       {PublishOptions: PublishOptions{Version: 2}},
		`"old"`:       {PublishOptions: PublishOptions{Version: 1}},
		`"other"`:     {Data: []byte(`"instead"`), PublishOptions: PublishOptions{Version: 1, VersionEpoch: "e"}},
	}
	inBothWays(t, func(t *testing.T, nonBlocking bool) {
		n := openPast(t, Handler{NonBlocking: nonBlocking, Publish: func(_ Client, r *PublishRequest) (PublishReply, error) {
			return replies[string(r.Data)], nil
		}})
		c, _ := n.connect(pathWebSocket)
		defer c.close()
		c.say(subscribe(2, "a"))
		c.next()
		sent := []string{"ephemeral", "tagged", "once", "twice", "new", "old", "other"}
		for i, word := range sent {
			c.say(publish(3+i, "a", fmt.Sprintf("%q", word)))
		}
		got := c.hear(len(sent), 5, false)
		for i := range sent {
			if got.replies[i] != published(3+i) {
				t.Errorf("%q is answered with %s", sent[i], got.replies[i])
			}
		}
		want := []string{`{"data":"ephemeral"}`, `{"data":"tagged","offset":1,"tags":{"k":"v"}}`, `{"data":"once","offset":2}`,
			`{"data":"new","offset":3}`, `{"data":"instead","offset":4}`}
		for i, push := range got.pushes {
			got.pushes[i] = strings.NewReplacer(`{"push":{"channel":"a","pub":`, "", `,"info":{"user":"","client":"ID"}`, "", `}}}`, "}").Replace(push)
		}
		if !slices.Equal(got.pushes, want) {
			t.Errorf("the room got %q; want %q", got.pushes, want)
		}
	})
}

// What the application says of a room's options holds for one subscription.
func TestApplicationOverrides(t *testing.T) {
	n := openPast(t, Handler{Subscribe: func(_ Client, r *SubscribeRequest) (SubscribeReply, error) {
		if r.Room == "off" {
			return SubscribeReply{Override: auth.Override{ForcePositioning: auth.Off}}, nil
		}
		return SubscribeReply{Override: auth.Override{ForceRecovery: auth.On}}, nil
	}})
	c, _ := n.connect(pathWebSocket)
	defer c.close()
	c.say(subscribe(2, "off") + "\n" + subscribe(3, "on"))
	got := c.hear(2, 0, false).replies
	if got[0] != subscribed(2) || !strings.Contains(got[1], `"recoverable":true`) || !strings.Contains(got[1], `"positioned":true`) {
		t.Errorf("subscribed: %q", got)
	}
}

// A subscription's token is checked by whoever has the key: the node, or else the application.
func TestWhoChecksASubscriptionToken(t *testing.T) {
	asked := make(chan string, 8)
	h := Handler{Subscribe: func(_ Client, r *SubscribeRequest) (SubscribeReply, error) {
		asked <- string(r.Token)
		return SubscribeReply{}, nil
	}}
	send := `{"id":2,"subscribe":{"channel":"$a","token":"x"}}`
	for _, r := range []struct {
		what   string
		access Access
		want   string
		asks   bool
	}{
		{"no keys", Access{}, subscribed(2), true},
		{"keys for connections alone", Access{Tokens: auth.Config{HMACSecret: signer.Secret}, Subscriptions: &auth.Config{}}, subscribed(2), true},
		{"keys", Access{Tokens: auth.Config{HMACSecret: signer.Secret}}, `{"id":2,"error":{"code":103,"message":"permission denied"}}`, false},
		{"keys for subscriptions alone", Access{Subscriptions: &auth.Config{HMACSecret: signer.Secret}}, `{"id":2,"error":{"code":103,"message":"permission denied"}}`, false},
	} {
		n := openNode(t, func(c *Config) { c.Handler, c.Access = h, r.access })
		c, _ := n.connect(pathWebSocket)
		c.say(send)
		if got, _ := c.nextText(); got != r.want {
			t.Errorf("%s: %s; want %s", r.what, got, r.want)
		}
		if got := len(asked) > 0; got != r.asks {
			t.Errorf("%s: the application is asked: %t", r.what, got)
		}
		if r.asks {
			if got := <-asked; got != "x" {
				t.Errorf("%s: it got the token %q", r.what, got)
			}
		}
		c.close()
	}
}
