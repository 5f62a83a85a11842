package tlsrecord

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"math/rand/v2"
	"testing"
)

func TestParseHello(t *testing.T) {
	const message = "\x01\x00\x00\x03abc"
	for _, row := range []struct {
		b       string
		n, need int
		err     error
	}{
		{"", 0, 5, nil},
		{"\x16", 0, 5, nil},
		{"\x16\x03\x01\x00", 0, 5, nil},
		{"\x16\x03\x01\x00\x07", 0, 12, nil},
		{"\x16\x03\x01\x00\x07" + message[:6], 0, 12, nil},
		{"\x16\x03\x01\x00\x07" + message, 12, 0, nil},
		{"\x16\x03\x01\x00\x07" + message + "\x14\x03", 12, 0, nil},
		{"\x16\x03\x01\x00\x02\x01\x00\x16\x03\x01\x00\x05\x00\x03abc", 17, 0, nil},
		{"\x16\x03\x01\x00\x02\x01\x00\x16\x03\x01\x00\x05\x00\x03ab", 0, 17, nil},
		{"\x16\x03\x01\x00\x07" + message[:6] + "\x16", 12, 0, nil},
		{"\x16\x03\x01\x00\x08" + message + "x", 0, 0, ErrHello},
		{"\x16\x03\x01\x00\x00", 0, 0, ErrHello},
		{"\x16\x03\x01\x40\x01", 0, 0, ErrHello},
		{"\x16\x03\x01\x00\x07\x02", 0, 0, ErrHello},
		{"\x16\x03\x01\x00\x07\x01\x00\x50\x00", 0, 0, ErrHello},
		{"\x16\x03\x01\x00\x07\x01\x01\x00\x00", 0, 0, ErrHello},
		{"\x16\x02", 0, 0, ErrNotTLS},
		{"G", 0, 0, ErrNotTLS},
		{"\x16\x03\x01\x00\x01\x01\x15", 0, 0, ErrNotTLS},
	} {
		n, need, err := parseHello([]byte(row.b))
		if n != row.n || need != row.need || err != row.err {
			t.Errorf("parseHello(% x) = %d, %d, %v; want %d, %d, %v", row.b, n, need, err, row.n, row.need, row.err)
		}
	}
}

// A ClientHello in ever more records ends at a limit, not at the peer's will.
func TestParseHelloIsBounded(t *testing.T) {
	for _, size := range []int{1, 100, 4 << 10} {
		b := []byte("\x16\x03\x01\x00\x04\x01\x00\x4f\xf0")
		records := 1
		for ; records < maxHelloRecords && len(b) <= maxHello; records++ {
			if _, _, err := parseHello(b); err != nil {
				t.Fatalf("parseHello of %d bytes in %d records = %v; want to wait", len(b), records, err)
			}
			b = append(b, 0x16, 3, 1, byte(size>>8), byte(size))
			b = append(b, make([]byte, size)...)
		}
		if _, _, err := parseHello(b); err != ErrHello {
			t.Errorf("parseHello of %d bytes in %d records = %v; want ErrHello", len(b), records, err)
		}
	}
}

func TestParseRecords(t *testing.T) {
	for _, row := range []struct {
		b          string
		used, need int
		err        error
	}{
		{"", 0, 5, nil},
		{"\x17\x03\x03\x00", 0, 5, nil},
		{"\x17\x03\x03\x00\x00", 5, 5, nil},
		{"\x17\x03\x03\x00\x02a", 0, 7, nil},
		{"\x17\x03\x03\x00\x01a\x17\x03\x03\x01\x00b", 6, 261, nil},
		{"\x17\x03\x03\x48\x00", 0, 5 + 0x4800, nil},
		{"\x17\x03\x03\x00\x01a\x17\x03\x03\x48\x01", 6, 0, ErrRecord},
		{"\x13\x03\x03\x00\x00", 0, 0, ErrRecord},
		{"\x18\x03\x03\x00\x00", 0, 0, ErrRecord},
		{"\x17\x02\x03\x00\x00", 0, 0, ErrRecord},
	} {
		used, need, err := parseRecords([]byte(row.b))
		if used != row.used || need != row.need || err != row.err {
			t.Errorf("parseRecords(% x) = %d, %d, %v; want %d, %d, %v", row.b, used, need, err, row.used, row.need, row.err)
		}
	}
}

// FuzzParseHello checks that what a prefix says is true of the whole: an error stays, what is needed is needed,
// and a ClientHello that is there is the same however it is cut into records.
func FuzzParseHello(f *testing.F) {
	f.Add([]byte("\x16\x03\x01\x00\x02\x01\x00\x16\x03\x01\x00\x05\x00\x03abc\x14"), 3)
	f.Add(helloBytes(f, &tls.Config{ServerName: "edge.test"}), 700)
	f.Fuzz(func(t *testing.T, b []byte, cut int) {
		n, need, err := parseHello(b)
		if err == nil && (n == 0) == (need <= len(b)) || n > len(b) {
			t.Fatalf("parseHello(% x) = %d, %d", b, n, need)
		}
		if cut = max(0, min(cut, len(b))); cut == len(b) {
			return
		}
		front, least, early := parseHello(b[:cut])
		if early != nil && early != err || front != 0 && front != n || front == 0 && early == nil && n != 0 && least > n {
			t.Fatalf("parseHello of %d of % x = %d, %d, %v; of all %d, %v", cut, b, front, least, early, n, err)
		}
		if n > 0 {
			again := appendCut(nil, b[:n])
			if m, _, err := parseHello(again); m != len(again) || err != nil || !bytes.Equal(message(again), message(b[:n])) {
				t.Fatalf("appendCut(% x) = % x", b[:n], again)
			}
		}
	})
}

// message joins what is in records.
func message(records []byte) (all []byte) {
	for len(records) > 0 {
		size, _ := recordSize(records)
		all = append(all, records[recordHeader:size]...)
		records = records[size:]
	}
	return all
}

// FuzzConn feeds bytes to a conn that is new, to one in a handshake or to one that is established: whatever they
// are, nothing panics or blocks, what is needed is really needed, and the places of handshakes come back.
func FuzzConn(f *testing.F) {
	s, ca := plainServer(f)
	cfg := &tls.Config{RootCAs: ca.pool(), ServerName: "edge.test"}
	for stage := range byte(stageOpen + 1) {
		f.Add(stage, helloBytes(f, cfg), 100)
		f.Add(stage, []byte("\x14\x03\x03\x00\x01\x01\x17\x03\x03\x00\x20"+string(make([]byte, 32))), 6)
		f.Add(stage, []byte("GET / HTTP/1.1\r\n\r\n"), 1)
	}
	f.Fuzz(func(t *testing.T, stage byte, b []byte, cut int) {
		checkBytes(t, connIn(t, s, cfg, stage), b, 1+max(0, min(cut, len(b))))
	})
}

// TestRandomBytes does the same with records that are random inside, from a seed that it prints.
func TestRandomBytes(t *testing.T) {
	seed := rand.Uint64()
	rng := rand.New(rand.NewPCG(seed, 0))
	t.Logf("seed %d", seed)
	s, ca := plainServer(t)
	cfg := &tls.Config{RootCAs: ca.pool(), ServerName: "edge.test"}
	for range 300 {
		var b []byte
		for range 1 + rng.IntN(8) {
			n := rng.IntN(80)
			b = append(b, byte(typeLowest+rng.IntN(4)), majorVersion, byte(1+rng.IntN(3)), 0, byte(n))
			for range n {
				b = append(b, byte(rng.Uint32())>>rng.IntN(8))
			}
		}
		checkBytes(t, connIn(t, s, cfg, byte(rng.IntN(stageOpen+1))), b, 1+rng.IntN(len(b)))
	}
}

// connIn returns a conn in the given stage.
func connIn(t *testing.T, s *Server, cfg *tls.Config, stage byte) *Conn {
	t.Helper()
	switch stage {
	case stageHandshake:
		return begin(t, s, helloBytes(t, cfg))
	case stageOpen:
		return newPair(t, s, cfg).conn
	default:
		return s.NewConn()
	}
}

// checkBytes fails the test if b, in pieces of cut bytes, makes c do anything wrong.
func checkBytes(t *testing.T, c *Conn, b []byte, cut int) {
	t.Helper()
	if err := feedAll(c, b, cut); err != nil {
		t.Fatal(err)
	}
	if Label(c.Err()) == "panic" {
		t.Fatalf("%x in pieces of %d: %v", b, cut, c.Err())
	}
	if c.turn.Store(turnClosed); c.hs != nil {
		c.abandon() // what Close does, but at once
	}
	if got := c.server.Handshakes(); got != 0 {
		t.Fatalf("%d handshakes are under way", got)
	}
}

// feedAll feeds b to c in pieces of cut bytes, and returns what c does wrong.
func feedAll(c *Conn, b []byte, cut int) error {
	var held []byte
	for len(b) > 0 && c.Err() == nil {
		n := min(cut, len(b))
		held, b = append(held, b[:n]...), b[n:]
		for used := -1; used != 0 && c.Err() == nil; held = held[used:] {
			var need int
			if c.Established() {
				_, used, need, _ = c.Open(nil, held)
			} else {
				used, need, _ = c.Feed(held)
			}
			if c.Err() == nil && used == 0 && need <= len(held) {
				return fmt.Errorf("of %x nothing is used, and %d bytes are needed", held, need)
			}
			if c.Ready() {
				c.Step()
			}
			c.Flush(nil)
		}
	}
	return nil
}
