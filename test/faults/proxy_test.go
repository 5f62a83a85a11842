//go:build faults

package faults

import (
	"io"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/seed4ac54ce5/edge/proxyproto"
	"github.com/seed4ac54ce5/edge/test/faultproxy"
)

// R47: a balancer dies: its connections end, what it has half begun is dropped at the deadline, and clients come back
// through the next one.
func TestR47BalancerDies(t *testing.T) {
	const size = 100
	n := start(t, launch{
		config: "development: true\nlisten: {proxy_protocol: {enabled: true, trusted: [127.0.0.0/8]}}\n",
		args:   []string{"--loops=2"},
	})
	local := n.address
	balancer := faultproxy.Start(t, n.address.String(), faultproxy.Header(func(client netip.AddrPort) []byte {
		return proxyproto.AppendV2(nil, &proxyproto.Header{Source: client, Destination: local}, true)
	}))
	front := *n
	front.address = addressOf(t, balancer.Addr())
	g := gather(&front, size, "room")
	var took time.Duration
	for _, part := range []string{"", "PROXY TCP4 192.0.2.1", "\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c\xc0"} {
		conn, err := net.Dial("tcp", n.address.String())
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close() }()
		began := time.Now()
		if _, err := io.WriteString(conn, part); err != nil {
			t.Fatal(err)
		}
		if err := conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(conn); len(got) > 0 || isTimeout(err) {
			t.Errorf("half a header %q is answered with %q, %v; want an end", part, got, err)
		}
		took = max(took, time.Since(began))
	}
	balancer.Refuse()
	balancer.CutAll()
	g.wait()
	n.awaitSessions(0)
	balancer.Forward()
	again := gather(&front, size, "room")
	if got := again.standing(); got != size {
		t.Errorf("%d of %d are back", got, size)
	}
	t.Logf("headers that do not become whole dropped after %v; %d sessions gone with the balancer and back through the next", took.Round(100*time.Millisecond), size)
}
