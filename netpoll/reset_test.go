package netpoll

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"syscall"
	"testing"
)

// accepted dials a conn of st's first loop and returns both ends.
func (st *stage) accepted() (ConnID, net.Conn) {
	st.t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		st.t.Fatal(err)
	}
	defer ln.Close()
	to, err := ParseTarget(ln.Addr().String())
	if err != nil {
		st.t.Fatal(err)
	}
	id := st.dialFrom(to, netip.Addr{}, nothing)
	peer, err := ln.Accept()
	if err != nil {
		st.t.Fatal(err)
	}
	st.t.Cleanup(func() { peer.Close() })
	await(st.t, st.opened, "Opened")
	return id, peer
}

func TestResetByUs(t *testing.T) {
	st := open(t, Config{Addresses: []string{}}, script{})
	id, peer := st.accepted()
	st.on(id, func(l *Loop, c *Conn) { l.Reset(c); l.Reset(c) })
	st.wantClosed(id, ClosedLocally)
	if _, err := io.ReadAll(peer); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the peer reads %v; want a reset", err)
	}
}
