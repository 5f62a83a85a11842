package server

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"
)

// What tokens and applications give in base64 never breaks the messages of clients that speak JSON: nobody shows others what is
// none, and who would get it itself is closed.
func TestBytesThatAreNoJSON(t *testing.T) {
	n := openKeyed(t, func(c *Config) {
		c.Handler.RPC = func(Client, *RPCRequest) ([]byte, error) { return []byte("\x01}"), nil }
	})
	bytes := base64.StdEncoding.EncodeToString([]byte("1},\"x\":{\x01"))
	token := func(claims jwt.MapClaims) string {
		claims["sub"] = "ann"
		text, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte(signer.Secret))
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	plain := join(token(jwt.MapClaims{}))
	subscribe := func(claim string) string {
		return fmt.Sprintf(`{"id":2,"subscribe":{"channel":"$a","token":%q}}`, token(jwt.MapClaims{"channel": "$a", claim: bytes}))
	}
	for _, r := range []struct {
		what string
		send []string
		want string
	}{
		{"info of a connection", []string{join(token(jwt.MapClaims{"b64info": bytes}))}, "close 3500"},
		{"info of a first room", []string{join(token(jwt.MapClaims{"subs": jwt.MapClaims{"a": jwt.MapClaims{"b64info": bytes}}}))}, "close 3500"},
		{"data of a first room", []string{join(token(jwt.MapClaims{"subs": jwt.MapClaims{"a": jwt.MapClaims{"b64data": bytes}}}))}, "close 3506"},
		{"info of a room", []string{plain, subscribe("b64info")}, `{"id":2,"error":{"code":103,"message":"permission denied"}}`},
		{"data of a room", []string{plain, subscribe("b64data")}, "close 3506"},
		{"an answer", []string{plain, `{"id":2,"rpc":{"method":"m"}}`}, "close 3506"},
	} {
		c := n.open(pathWebSocket)
		var got string
		for _, send := range r.send {
			c.say(send)
			got, _ = c.nextText()
		}
		if got != r.want {
			t.Errorf("%s: %s; want %s", r.what, got, r.want)
		}
		c.close()
	}
	c, _ := n.enter(token(jwt.MapClaims{}))
	defer c.close()
	if err := n.Subscribe(t.Context(), Target{User: "ann"}, Subscription{Room: "a", Data: []byte(strings.Repeat("}", 3))}); err != nil {
		t.Errorf("Subscribe = %v", err)
	}
	if got, _ := c.nextText(); got != "close 3506" {
		t.Errorf("data of a room by the API: %s; want close 3506", got)
	}
	n.checkNeighbour()
}
