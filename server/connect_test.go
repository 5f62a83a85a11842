package server

import (
	"testing"

	"github.com/seed4ac54ce5/edge/metrics"
	"github.com/seed4ac54ce5/edge/protocol"
)

// Every connect command counts once, as ok only if a session has come of it.
func TestConnectsAreCounted(t *testing.T) {
	n := openNode(t, func(c *Config) {
		c.Limits.UserConnections = 1
		c.RoomLimit = 1
		c.Handler.Headers = []string{"Cookie"}
		c.Handler.Connect = func(r *ConnectRequest) (ConnectReply, error) {
			switch string(r.Token) {
			case "rooms":
				return ConnectReply{Subs: []Subscription{{Room: "a"}, {Room: "b"}}}, nil
			case "data":
				return ConnectReply{Data: []byte("\xff")}, nil
			case "data of a room":
				return ConnectReply{Subs: []Subscription{{Room: "a", Data: []byte("\xff")}}}, nil
			case "nobody":
				return ConnectReply{}, protocol.DisconnectInvalidToken
			}
			return ConnectReply{User: "ann"}, nil
		}
	})
	ok := uint64(0)
	for i, r := range []struct{ token, want string }{
		{"", "close 3507"},
		{"ann", `{"id":1,"connect":{"client":"ID","version":"edge"}}`},
		{"ann", "close 3504"},
		{"rooms", "close 3505"},
		{"data", "close 3506"},
		{"data of a room", "close 3506"},
		{"nobody", "close 3500"},
	} {
		c := n.open(pathWebSocket)
		defer c.close()
		c.say(join(r.token))
		got, let := c.nextText()
		if got != r.want {
			t.Errorf("connect %q: %s; want %s", r.token, got, r.want)
		}
		if let {
			ok++
		}
		if sum, refused := n.counts().Connects, uint64(i+1)-ok; sum[metrics.ConnectOK] != ok || sum[metrics.ConnectRefused] != refused {
			t.Errorf("after connect %q: %d ok, %d refused; want %d, %d", r.token, sum[metrics.ConnectOK], sum[metrics.ConnectRefused], ok, refused)
		}
	}
}
