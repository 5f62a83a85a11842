package sys

import (
	"net"
	"net/netip"
	"path/filepath"
	"syscall"
	"testing"
)

// Peer is what the Go runtime finds at the other end, on each kind of socket.
func TestPeer(t *testing.T) {
	for network, address := range map[string]string{"tcp4": "127.0.0.1:0", "tcp6": "[::1]:0", "unix": filepath.Join(t.TempDir(), "s")} {
		t.Run(network, func(t *testing.T) {
			l, err := net.Listen(network, address)
			if err != nil {
				t.Skip(err) // the host may have no IPv6
			}
			defer func() { _ = l.Close() }()
			client, err := net.Dial(network, l.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = client.Close() }()
			conn, err := l.Accept()
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = conn.Close() }()
			raw, err := conn.(syscall.Conn).SyscallConn()
			if err != nil {
				t.Fatal(err)
			}
			want := netip.AddrPort{}
			if network != "unix" {
				want = netip.MustParseAddrPort(client.LocalAddr().String())
			}
			if err := raw.Control(func(fd uintptr) {
				if got := Peer(int(fd)); got != want {
					t.Errorf("Peer = %v; want %v", got, want)
				}
			}); err != nil {
				t.Fatal(err)
			}
		})
	}
	if got := Peer(-1); got != (netip.AddrPort{}) {
		t.Errorf("Peer(-1) = %v", got)
	}
}
