package server

import (
	"fmt"
	"strings"
	"sync"
	"testing"
)

// keeper is an application that keeps all that it is given.
type keeper struct {
	mu   sync.Mutex
	kept [][]byte
	as   []string
}

func (k *keeper) keep(all ...[]byte) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, b := range all {
		k.kept, k.as = append(k.kept, b), append(k.as, string(b))
	}
}

// What an application is given is its own for good: the memory of the message that it came in is used again for others, and
// under the race detector it is overwritten before that.
func TestX06ApplicationsOwnWhatTheyGet(t *testing.T) {
	for _, nonBlocking := range []bool{false, true} {
		for _, way := range []struct {
			what   string
			fields []string
			pack   func(text string) []byte
		}{
			{"in a frame", nil, func(text string) []byte { return masked(0x81, text) }},
			{"in fragments", nil, func(text string) []byte { return stream(masked(0x01, text[:5]), masked(0x80, text[5:])) }},
			{"compressed", []string{offerDeflate}, func(text string) []byte { return masked(0xc1, deflate(text)) }},
		} {
			var k keeper
			n := openNode(t, func(c *Config) { k.handle(&c.Handler); c.Handler.NonBlocking = nonBlocking })
			n.attack(fmt.Sprintf("X06 %s, non-blocking %t", way.what, nonBlocking), none, 0, func(t *testing.T) {
				for _, text := range []string{"first", strings.Repeat("other", 20)} {
					c := n.open(pathWebSocket, way.fields...)
					data := fmt.Sprintf("%q", text)
					for _, command := range []string{
						`{"id":1,"connect":{"token":` + data + `,"data":` + data + `,"name":` + data + `}}`,
						`{"id":2,"subscribe":{"channel":"room","data":` + data + `}}`,
						publish(3, "room", data), rpc(4, data),
					} {
						c.send(way.pack(command))
						c.hear(1, 0, false)
					}
					c.send(way.pack(`{"send":{"data":` + data + `}}` + "\n" + rpc(5, data)))
					c.hear(1, 0, false)
					c.close()
				}
			})
			k.check(t)
		}
	}
}

// handle makes k the application of a node.
func (k *keeper) handle(h *Handler) {
	h.Connect = func(r *ConnectRequest) (ConnectReply, error) {
		k.keep(r.Token, r.Data)
		return ConnectReply{User: "ann", Info: r.Data, Data: r.Data}, nil
	}
	h.Subscribe = func(c Client, r *SubscribeRequest) (SubscribeReply, error) {
		k.keep(r.Data, c.Info)
		return SubscribeReply{Info: r.Data, Data: r.Data}, nil
	}
	h.Publish = func(c Client, r *PublishRequest) (PublishReply, error) {
		k.keep(r.Data, c.Info)
		return PublishReply{}, nil
	}
	h.RPC = func(c Client, r *RPCRequest) ([]byte, error) {
		k.keep(r.Data, c.Info)
		return r.Data, nil
	}
	h.Message = func(_ Client, data []byte) error {
		k.keep(data)
		return nil
	}
}

// check looks at what was kept again.
func (k *keeper) check(t *testing.T) {
	t.Helper()
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.kept) != 2*(2+4*2+1) {
		t.Errorf("the application was given %d values", len(k.kept))
	}
	for i, b := range k.kept {
		if string(b) != k.as[i] {
			t.Errorf("what the application was given as %s has become %s", k.as[i], b)
		}
	}
}
