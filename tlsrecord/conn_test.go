package tlsrecord

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"testing"

	"github.com/seed4ac54ce5/edge/internal/testutil"
)

// forge returns a forger on an established connection with a server of its own.
func forge(t testing.TB, version uint16) (*forger, *tls.Conn, *reactor) {
	t.Helper()
	s, ca := plainServer(t)
	sock, r := serve(t, s, 32<<10)
	f, c := newForger(t, sock, &tls.Config{RootCAs: ca.pool(), ServerName: "edge.test", MaxVersion: version})
	return f, c, r
}

// Whatever else these tests say, a forged record is a good one.
func TestForgedRecordIsGood(t *testing.T) {
	for _, version := range versions {
		t.Run(version.name, func(t *testing.T) {
			f, c, _ := forge(t, version.id)
			f.send(f.record(23, []byte("forged")))
			got := make([]byte, 6)
			if _, err := io.ReadFull(c, got); err != nil || string(got) != "forged" {
				t.Errorf("echo of a forged record = %q, %v", got, err)
			}
		})
	}
}

func TestN03KeyUpdates(t *testing.T) {
	t.Run("a few", func(t *testing.T) {
		f, c, _ := forge(t, tls.VersionTLS13)
		for range 3 {
			f.send(f.keyUpdate(), f.record(23, []byte("data")))
			got := make([]byte, 4)
			if _, err := io.ReadFull(c, got); err != nil || string(got) != "data" {
				t.Fatalf("echo after a KeyUpdate = %q, %v", got, err)
			}
		}
	})
	t.Run("many in one record", func(t *testing.T) {
		f, _, r := forge(t, tls.VersionTLS13)
		f.send(f.record(typeHandshake, bytes.Repeat([]byte{24, 0, 0, 1, 0}, 100)))
		r.checkLabel(t, "protocol")
	})
	t.Run("endless", func(t *testing.T) {
		f, _, r := forge(t, tls.VersionTLS13)
		for range 100 {
			f.send(f.keyUpdate())
		}
		r.checkLabel(t, "protocol")
	})
	t.Run("endless with a byte between", func(t *testing.T) {
		f, c, r := forge(t, tls.VersionTLS13)
		go func() { _, _ = io.Copy(io.Discard, c) }()
		for range 100 {
			f.send(f.keyUpdate(), f.record(23, []byte("x")))
		}
		r.checkLabel(t, "flood")
		if r.got > maxBarren {
			t.Errorf("%d updates were taken; want at most %d", r.got, maxBarren)
		}
	})
}

func TestBarrenRecordsAreForgiven(t *testing.T) {
	f, c, r := forge(t, tls.VersionTLS13)
	go func() { _, _ = io.Copy(io.Discard, c) }()
	data := make([]byte, maxPlaintext)
	for range 3 {
		for range maxBarren / 2 {
			f.send(f.record(23, nil))
		}
		for range forgiveBarren / maxPlaintext {
			f.send(f.record(23, data))
		}
	}
	f.send(f.record(21, []byte{1, 0}))
	r.checkLabel(t, "")
}

func TestRecordsThatEndAConn(t *testing.T) {
	const both = 0
	for name, row := range map[string]struct {
		version uint16
		kind    byte
		payload []byte
		label   string
	}{
		"close_notify":       {both, 21, []byte{1, 0}, ""},
		"fatal alert":        {both, 21, []byte{2, 80}, "peer_alert"},
		"short alert":        {both, 21, []byte{2}, "protocol"},
		"renegotiation":      {tls.VersionTLS12, typeHandshake, []byte{1, 0, 0, 0}, "protocol"},
		"second ClientHello": {tls.VersionTLS13, typeHandshake, []byte{1, 0, 0, 0}, "protocol"},
		"Finished":           {both, typeHandshake, []byte{20, 0, 0, 0}, "protocol"},
		"client's ticket":    {tls.VersionTLS13, typeHandshake, []byte{4, 0, 0, 0}, "protocol"},
		"ChangeCipherSpec":   {tls.VersionTLS12, 20, []byte{1}, "protocol"},
		"heartbeat":          {tls.VersionTLS13, 24, []byte{1}, "protocol"},
	} {
		for _, version := range versions {
			if row.version != both && row.version != version.id {
				continue
			}
			t.Run(name+"/"+version.name, func(t *testing.T) {
				f, c, r := forge(t, version.id)
				f.send(f.record(row.kind, row.payload))
				r.checkLabel(t, row.label)
				if _, err := c.Read(make([]byte, 1)); err == nil {
					t.Error("the client reads data")
				}
			})
		}
	}
}

func TestBadRecords(t *testing.T) {
	for name, row := range map[string]struct {
		spoil func(b []byte) []byte
		label string
	}{
		"changed":   {func(b []byte) []byte { b[len(b)-1] ^= 1; return b }, "protocol"},
		"plain":     {func([]byte) []byte { return []byte("\x17\x03\x03\x00\x02hi") }, "protocol"},
		"too large": {func([]byte) []byte { return []byte("\x17\x03\x03\xff\xff") }, "record"},
		"oversized": {func([]byte) []byte { return append([]byte{23, 3, 3, 0x48, 0x00}, make([]byte, 0x4800)...) }, "protocol"},
		"heartbeat": {func([]byte) []byte { return []byte("\x18\x03\x03\x00\x01\x01") }, "record"},
		"not TLS":   {func([]byte) []byte { return []byte("GET / HTTP/1.1\r\n") }, "record"},
		"version":   {func(b []byte) []byte { b[2] = 9; return b }, "protocol"},
	} {
		for _, version := range versions {
			t.Run(name+"/"+version.name, func(t *testing.T) {
				f, _, r := forge(t, version.id)
				f.send(row.spoil(f.record(23, []byte("data"))))
				r.checkLabel(t, row.label)
			})
		}
	}
}

// A record that was sent twice is refused.
func TestReplay(t *testing.T) {
	f, c, r := forge(t, tls.VersionTLS13)
	go func() { _, _ = io.Copy(io.Discard, c) }()
	b := f.record(23, []byte("once"))
	f.send(b, b)
	r.checkLabel(t, "protocol")
	if r.got != 4 {
		t.Errorf("%d bytes arrived; want 4", r.got)
	}
}

// pair is an established conn and its client, joined by hand: what one has written is the other's to read.
type pair struct {
	conn   *Conn
	client *tls.Conn
	wire   *wire // the client's
}

// newPair shakes hands without a socket; each side's coroutine is set aside while the other works.
func newPair(t testing.TB, s *Server, cfg *tls.Config) *pair {
	t.Helper()
	p := &pair{conn: s.NewConn(), wire: new(wire)}
	other := &Conn{server: new(Server), hs: new(handshake), stage: stageHandshake}
	other.tls = tls.Client(&other.wire, cfg)
	for other.hs != nil {
		if other.Step(); other.err != nil {
			t.Fatal(other.err)
		}
		p.feed(t, other.Flush(nil))
		other.wire.in = append(other.wire.in, p.conn.Flush(nil)...)
	}
	if !p.conn.Established() {
		t.Fatalf("not established: %v", p.conn.Err())
	}
	p.client, p.wire = other.tls, &other.wire
	return p
}

func (p *pair) feed(t testing.TB, b []byte) {
	t.Helper()
	for len(b) > 0 && !p.conn.Established() {
		used, _, err := p.conn.Feed(b)
		if err != nil || used == 0 {
			t.Fatalf("Feed(%x) = %d, %v", b, used, err)
		}
		if p.conn.Step(); p.conn.Err() != nil {
			t.Fatal(p.conn.Err())
		}
		b = b[used:]
	}
}

// send lets the client write text and returns its records.
func (p *pair) send(t testing.TB, text []byte) []byte {
	t.Helper()
	p.wire.out = nil
	if _, err := p.client.Write(text); err != nil {
		t.Fatal(err)
	}
	return p.wire.out
}

// Data in the segment that ends the handshake is not lost, and is there without another byte.
func TestDataBehindTheHandshake(t *testing.T) {
	s, ca := plainServer(t)
	c := s.NewConn()
	defer c.Close()
	other := &Conn{server: new(Server), hs: new(handshake), stage: stageHandshake}
	other.tls = tls.Client(&other.wire, &tls.Config{RootCAs: ca.pool(), ServerName: "edge.test"})
	for other.Step(); other.hs != nil; other.Step() {
		if _, _, err := c.Feed(other.Flush(nil)); err != nil {
			t.Fatal(err)
		}
		c.Step()
		other.wire.in = append(other.wire.in, c.Flush(nil)...)
	}
	_, _ = other.tls.Write([]byte("early, "))
	_, _ = other.tls.Write([]byte("bird"))
	if _, _, err := c.Feed(other.Flush(nil)); err != nil {
		t.Fatal(err)
	}
	c.Step()
	for _, want := range []string{"early, bird", ""} {
		if plain, used, need, err := c.Open(nil, nil); string(plain) != want || used != 0 || need != recordHeader || err != nil {
			t.Errorf("Open(nothing) = %q, %d, %d, %v; want %q", plain, used, need, err, want)
		}
	}
}

// Each direction ends by itself: after the peer's close_notify we may still send, and after ours hear.
func TestHalfClose(t *testing.T) {
	s, ca := plainServer(t)
	for _, version := range versions {
		t.Run(version.name, func(t *testing.T) {
			cfg := &tls.Config{RootCAs: ca.pool(), ServerName: "edge.test", MaxVersion: version.id}
			p := newPair(t, s, cfg)
			records := p.send(t, []byte("last words"))
			_ = p.client.CloseWrite()
			records = append(p.wire.out, records[len(records):]...)
			plain, _, _, err := p.conn.Open(nil, records)
			if string(plain) != "last words" || err != io.EOF || p.conn.Established() {
				t.Errorf("Open = %q, %v; want the last words and EOF", plain, err)
			}
			p.wire.in, err = p.conn.Seal(nil, []byte("heard"))
			p.wire.in = p.conn.CloseWrite(p.wire.in)
			if got, _ := io.ReadAll(p.client); string(got) != "heard" || err != nil {
				t.Errorf("the client reads %q, %v; want heard", got, err)
			}
			if _, err := p.conn.Seal(nil, []byte("more")); err == nil {
				t.Error("Seal after close_notify works")
			}

			p = newPair(t, s, cfg)
			p.conn.CloseWrite(nil)
			if plain, _, _, err := p.conn.Open(nil, p.send(t, []byte("answer"))); string(plain) != "answer" || err != nil {
				t.Errorf("Open after our close_notify = %q, %v; want the answer", plain, err)
			}
			if out := p.conn.CloseWrite([]byte("x")); string(out) != "x" {
				t.Errorf("a second CloseWrite appends %x", out[1:])
			}
		})
	}
}

// What Seal and Open append goes behind what is there, and Open leaves its input alone.
func TestAppend(t *testing.T) {
	s, ca := plainServer(t)
	p := newPair(t, s, &tls.Config{RootCAs: ca.pool(), ServerName: "edge.test"})
	records := p.send(t, []byte("text"))
	kept := bytes.Clone(records)
	plain, used, need, err := p.conn.Open([]byte("some "), append(records, 23, 3, 3, 1, 0))
	if string(plain) != "some text" || used != len(kept) || need != recordHeader+256 || err != nil {
		t.Errorf("Open = %q, %d, %d, %v", plain, used, need, err)
	}
	if !bytes.Equal(records, kept) {
		t.Error("Open has changed its input")
	}
	out, err := p.conn.Seal([]byte("head"), []byte("answer"))
	if err != nil || string(out[:4]) != "head" || len(out) != 4+22+6 {
		t.Errorf("Seal = %x, %v", out, err)
	}
}

// A panic in crypto/tls, or of ours on its behalf, is this conn's end and nobody else's.
func TestPanicInRecord(t *testing.T) {
	s, ca := plainServer(t)
	p := newPair(t, s, &tls.Config{RootCAs: ca.pool(), ServerName: "edge.test"})
	records := p.send(t, []byte("text"))
	p.conn.tls = nil
	_, _, _, err := p.conn.Open(nil, records)
	var bug *PanicError
	if !errors.As(err, &bug) || len(bug.Stack) == 0 || Label(p.conn.Err()) != "panic" {
		t.Errorf("Open that panics = %v; want a PanicError with its stack", err)
	}
	if _, err := p.conn.Seal(nil, []byte("x")); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Seal after it = %v; want ErrClosed", err)
	}
}

// The loop's work for a small message costs what crypto/tls allocates to read it, and nothing to write it.
func TestAllocations(t *testing.T) {
	if testutil.Race {
		t.Skip("the race detector makes sync.Pool forget things on purpose")
	}
	s, ca := plainServer(t)
	for _, version := range versions {
		p := newPair(t, s, &tls.Config{RootCAs: ca.pool(), ServerName: "edge.test", MaxVersion: version.id})
		text, dst := make([]byte, 100), make([]byte, 0, 4<<10)
		if got := testing.AllocsPerRun(100, func() { _, _ = p.conn.Seal(dst, text) }); got > 0 {
			t.Errorf("%s: Seal allocates %v times; want 0", version.name, got)
		}
		var records [][]byte
		for range 110 {
			records = append(records, p.send(t, text))
		}
		next := 0
		if got := testing.AllocsPerRun(100, func() { _, _, _, _ = p.conn.Open(dst, records[next]); next++ }); got > 1 {
			t.Errorf("%s: Open allocates %v times; want 1 at most", version.name, got)
		}
		if p.conn.Err() != nil {
			t.Error(p.conn.Err())
		}
	}
}
