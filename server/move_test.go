package server

import (
	"crypto/tls"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/seed4ac54ce5/edge/netpoll"
	"github.com/seed4ac54ce5/edge/tlsrecord"
)

// TestRequestsFindTheirLoop sends commands for streams of all loops over conns that come in on any loop, several requests on each:
// every command reaches its session, and what is known of the conns goes with them.
func TestRequestsFindTheirLoop(t *testing.T) {
	plain := func(n *node) *client { return n.dial() }
	for _, r := range []struct {
		name   string
		change func(c *Config)
		dial   func(n *node) *client
	}{
		{"tables of their own", func(c *Config) {}, plain},
		{"one table", func(c *Config) { c.PrivateTables = "off" }, plain},
		{"balancer", func(c *Config) { c.ProxyProtocol = ProxyProtocol{Enabled: true, Trusted: []string{"127.0.0.0/8"}} }, func(n *node) *client {
			c := n.dial()
			c.send([]byte("PROXY TCP4 192.0.2.1 192.0.2.2 1000 2000\r\n"))
			return c
		}},
		{"TLS", func(c *Config) {
			c.TLS = &tlsrecord.Config{Certificates: []tlsrecord.KeyPair{certificate(t, "one.test")}}
		}, func(n *node) *client {
			return n.dial().secure(tls.VersionTLS13)
		}},
	} {
		t.Run(r.name, func(t *testing.T) {
			n := openNodeAlone(t, func(c *Config) { c.Loops = 4; r.change(c) })
			shuttle(t, n, func() *client { return r.dial(n) })
			n.await("no ticket is left", func() bool { return n.admission.Connections() == 0 })
			moves := make(chan uint64, len(n.loops))
			n.onEach(func(l *loop) { moves <- l.net.Stats().Closed[netpoll.ClosedMoved] })
			sum := uint64(0)
			for range n.loops {
				sum += <-moves
			}
			if sum == 0 {
				t.Error("no conn has moved")
			}
		})
	}
}

// shuttle has many conns send commands to many streams, all at once.
func shuttle(t *testing.T, n *node, dial func() *client) {
	const streams, senders, rounds = 6, 6, 20
	var all []*listener
	for range streams {
		s := n.streamOn(dial(), httpStream(nil, hello)).begin()
		defer s.close()
		all = append(all, s)
	}
	var senderGroup sync.WaitGroup
	for i := range senders {
		senderGroup.Go(func() {
			c := dial()
			defer c.close()
			for r := range rounds {
				s := all[(i+r)%streams]
				if got := s.say(c, fmt.Sprintf(`{"id":%d,"rpc":{"method":"edge.none"}}`, 100+i*rounds+r)); got != http.StatusNoContent {
					t.Errorf("sender %d, round %d: %d", i, r, got)
					return
				}
			}
		})
	}
	senderGroup.Wait()
	seen := make(map[string]bool)
	for _, s := range all {
		for range senders * rounds / streams {
			answer := s.message()
			id, _, _ := strings.Cut(strings.TrimPrefix(answer, `{"id":`), ",")
			if seen[id] || !strings.Contains(answer, `"code":108`) {
				t.Errorf("answer %s", answer)
			}
			seen[id] = true
		}
	}
	if len(seen) != senders*rounds {
		t.Errorf("%d commands were answered; want %d", len(seen), senders*rounds)
	}
}
