package server

import (
	"fmt"
	"testing"
	"time"

	"github.com/seed4ac54ce5/edge/auth"
	"github.com/seed4ac54ce5/edge/protocol"
)

// remembering is an application that attaches a meta to its clients, and hands what it gets to see of it later to the test.
func remembering(nonBlocking bool) (h Handler, metas chan string) {
	metas = make(chan string, 8)
	see := func(c Client) { metas <- string(c.Meta) }
	return Handler{
		NonBlocking: nonBlocking,
		Connect:     func(r *ConnectRequest) (ConnectReply, error) { return ConnectReply{Meta: r.Data}, nil },
		Subscribe:   func(c Client, _ *SubscribeRequest) (SubscribeReply, error) { see(c); return SubscribeReply{}, nil },
		Publish:     func(c Client, _ *PublishRequest) (PublishReply, error) { see(c); return PublishReply{}, nil },
		RPC: func(c Client, _ *RPCRequest) ([]byte, error) {
			see(c)
			clear(c.Meta) // it is the function's own
			return nil, nil
		},
		Message:    func(c Client, _ []byte) error { see(c); return nil },
		Disconnect: func(c Client, _ Disconnect) { see(c) },
	}, metas
}

// What the application attaches to a client it gets back with all that the client does, and the client does not get to see it.
func TestMeta(t *testing.T) {
	inBothWays(t, func(t *testing.T, nonBlocking bool) {
		h, metas := remembering(nonBlocking)
		n := openApp(t, h)
		c := n.open(pathWebSocket)
		defer c.close()
		c.say(`{"id":1,"connect":{"data":{"plan":"gold"}}}`)
		if got, _ := c.nextText(); got != connected {
			t.Errorf("the client was told %s", got)
		}
		c.say(rpc(2, "1") + "\n" + subscribe(3, "a") + "\n" + publish(4, "b", "1") + "\n" + `{"send":{"data":5}}`)
		c.send(closing(1000, ""))
		for range 5 {
			if got := <-metas; got != `{"plan":"gold"}` {
				t.Errorf("the application got back %s", got)
			}
		}
	})
}

// A token's meta is the application's too. Where no function would get to see it, it takes no memory.
func TestMetaOfAToken(t *testing.T) {
	h, metas := remembering(false)
	for _, r := range []struct {
		handler Handler
		kept    int
	}{{h, 1}, {Handler{}, 0}} {
		n := openKeyed(t, func(c *Config) { c.Handler = r.handler })
		c, reply := n.enter(tokenOf(t, auth.ConnectClaims{Identity: user("ann", time.Hour), Meta: []byte("[1]")}))
		if reply == "close 3500" {
			t.Fatal(reply)
		}
		if err := n.onLoops(t.Context(), func(l *loop) {
			if got := len(l.attachments); got != r.kept {
				t.Errorf("%d attachments; want %d", got, r.kept)
			}
		}); err != nil {
			t.Fatal(err)
		}
		c.send(closing(1000, ""))
		c.rest()
		c.close()
	}
	if got := <-metas; got != "[1]" {
		t.Errorf("the application got %s", got)
	}
}

// A client's next token says what it may do from then on, and what the application gets to see.
func TestNextTokenTakesThePlaceOfTheFirst(t *testing.T) {
	caps, err := auth.ParseCapabilities(`[{"channels":["a"],"allow":["sub"]}]`)
	if err != nil {
		t.Fatal(err)
	}
	metas := make(chan string, 8)
	n := openKeyed(t, func(c *Config) {
		c.Handler.RPC = func(c Client, _ *RPCRequest) ([]byte, error) { metas <- string(c.Meta); return nil, nil }
	})
	first := auth.ConnectClaims{Identity: user("ann", time.Hour), Meta: []byte("1"), Capabilities: caps}
	c, _ := n.enter(tokenOf(t, first))
	defer c.close()
	refresh := fmt.Sprintf(`{"id":4,"refresh":{"token":%q}}`, tokenOf(t, auth.ConnectClaims{Identity: user("ann", time.Hour), Meta: []byte("2")}))
	c.say(subscribe(2, "a") + "\n" + unsubscribe(3, "a") + "\n" + rpc(3, "1"))
	c.say(refresh + "\n" + subscribe(5, "a") + "\n" + rpc(6, "1"))
	got := c.hear(6, 0, false).replies
	if got[0] != subscribed(2) || got[4] != failed(5, protocol.ErrPermissionDenied) {
		t.Errorf("subscribed with the first token, and without: %q", got)
	}
	if first, next := <-metas, <-metas; first != "1" || next != "2" {
		t.Errorf("the application saw %s, then %s", first, next)
	}
}

// The application's name of an encoding is the protocol's.
func TestEncodingIsTold(t *testing.T) {
	h, connects, clients := seeing(false)
	n := openApp(t, h)
	c := n.open(pathWebSocket + "?format=protobuf")
	defer c.close()
	c.send(masked(0x82, "\x04\x08\x01\x22\x00")) // id 1, connect
	if got := (<-connects).Protocol; got != "protobuf" {
		t.Errorf("the client connects in %s", got)
	}
	c.next()
	c.send(closing(1000, ""))
	if got := (<-clients).Protocol; got != "protobuf" {
		t.Errorf("the client left in %s", got)
	}
}

// The application is told where a client really comes from, not of the balancer in between.
func TestAddressBehindABalancer(t *testing.T) {
	h, connects, _ := seeing(false)
	n := behindBalancer(t, func(c *Config) { c.Handler = h })
	c := n.dial()
	defer c.close()
	c.send(append(from("203.0.113.7:5000"), request(pathWebSocket)...))
	c.readHead()
	c.say(hello)
	if got := (<-connects).Address.String(); got != "203.0.113.7:5000" {
		t.Errorf("the client comes from %s", got)
	}
}

// A client that the application has let in, but that is one too many of its user, the application hears of as of all others.
func TestEndOfOneTooMany(t *testing.T) {
	h, _, clients := seeing(false)
	n := openNode(t, func(c *Config) { c.Handler, c.Limits.UserConnections = h, 1 })
	first, _ := n.connect(pathWebSocket)
	defer first.close()
	c := n.open(pathWebSocket)
	defer c.close()
	c.say(hello)
	if got := c.next(); got != "close 3504" {
		t.Errorf("got %s; want close 3504", got)
	}
	if got := <-clients; got.User != "bob" {
		t.Errorf("the application hears of the end of %q", got.User)
	}
}
