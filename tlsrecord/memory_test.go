package tlsrecord

import (
	"crypto/tls"
	"runtime"
	"testing"

	"github.com/seed4ac54ce5/edge/internal/testutil"
)

// inUse returns the bytes of live heap and of goroutine stacks.
func inUse() (heap, stacks int64) {
	runtime.GC()
	runtime.GC() // what sync.Pool keeps goes in the second
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc), int64(m.StackInuse)
}

// TestIdleMemory prints what an established conn keeps, and holds it to a bound.
func TestIdleMemory(t *testing.T) {
	if testutil.Race {
		t.Skip("the race detector pads memory")
	}
	const conns = 300
	s, ca := plainServer(t)
	for _, row := range []struct {
		name    string
		version uint16
		record  int // bytes of plaintext that each has received
		most    int64
	}{
		{"TLS 1.2", tls.VersionTLS12, 100, 4600},
		{"TLS 1.3", tls.VersionTLS13, 100, 5800},
		{"TLS 1.3 after a record of 4 KiB", tls.VersionTLS13, 4 << 10, 11 << 10},
		{"TLS 1.3 after a record of 16 KiB", tls.VersionTLS13, 16 << 10, 26 << 10},
	} {
		cfg := &tls.Config{
			RootCAs: ca.pool(), ServerName: "edge.test", MaxVersion: row.version, DynamicRecordSizingDisabled: true,
		}
		all := make([]*Conn, conns)
		before, _ := inUse()
		for i := range all {
			p := newPair(t, s, cfg)
			if _, _, _, err := p.conn.Open(nil, p.send(t, make([]byte, row.record))); err != nil {
				t.Fatal(err)
			}
			if _, err := p.conn.Seal(nil, make([]byte, row.record)); err != nil {
				t.Fatal(err)
			}
			all[i] = p.conn
		}
		after, _ := inUse()
		runtime.KeepAlive(all)
		got := (after - before) / conns
		t.Logf("%s: %d bytes", row.name, got)
		if got > row.most {
			t.Errorf("%s: an idle conn keeps %d bytes; want at most %d", row.name, got, row.most)
		}
	}
}

// TestHandshakeMemory prints what a conn costs before its ClientHello is there and while it waits for the client.
func TestHandshakeMemory(t *testing.T) {
	if testutil.Race {
		t.Skip("the race detector pads memory")
	}
	const conns = 300
	ca := newAuthority(t, "ca")
	s := newServer(t, Config{Certificates: []KeyPair{ca.pair(t, "edge.test")}, MaxHandshakes: conns})
	hello := helloBytes(t, &tls.Config{ServerName: "edge.test"})
	all := make([]*Conn, conns)

	heap, stacks := inUse()
	for i := range all {
		all[i] = s.NewConn()
		if _, _, err := all[i].Feed(hello[:len(hello)-1]); err != nil {
			t.Fatal(err)
		}
	}
	heap2, _ := inUse()
	for i := range all {
		all[i].Close()
		all[i] = begin(t, s, hello)
	}
	heap3, stacks3 := inUse()
	waiting, parked := (heap2-heap)/conns, (heap3-heap+stacks3-stacks)/conns
	t.Logf("before the ClientHello %d bytes, in the handshake %d: heap %d, stack %d",
		waiting, parked, (heap3-heap)/conns, (stacks3-stacks)/conns)
	if waiting > 200 || parked > 40<<10 {
		t.Errorf("before the ClientHello %d bytes, in the handshake %d; want at most 200 and 40 KiB", waiting, parked)
	}
	for _, c := range all {
		c.Close()
	}
	testutil.Eventually(t, patience, func() bool { return s.Handshakes() == 0 }, "all handshakes are given up")
}
