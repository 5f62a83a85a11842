package tlsrecord

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"testing"
)

// BenchmarkHandshake times the server's half of one. The client's half is not counted, and runs in between.
func BenchmarkHandshake(b *testing.B) {
	s, ca := plainServer(b)
	for _, row := range []struct {
		name   string
		cfg    *tls.Config
		resume bool
	}{
		{"TLS 1.2", &tls.Config{MaxVersion: tls.VersionTLS12}, false},
		{"TLS 1.2 resumed", &tls.Config{MaxVersion: tls.VersionTLS12}, true},
		{"TLS 1.3 X25519", &tls.Config{CurvePreferences: []tls.CurveID{tls.X25519}}, false},
		{"TLS 1.3 hybrid", &tls.Config{}, false},
		{"TLS 1.3 hybrid resumed", &tls.Config{}, true},
	} {
		b.Run(row.name, func(b *testing.B) {
			cfg := row.cfg.Clone()
			cfg.RootCAs, cfg.ServerName = ca.pool(), "edge.test"
			if row.resume {
				cfg.ClientSessionCache = tls.NewLRUClientSessionCache(1)
				p := newPair(b, s, cfg)
				p.answer(b)
			}
			b.ReportAllocs()
			b.StopTimer()
			for range b.N {
				handshakeTimed(b, s, cfg)
			}
		})
	}
}

// answer lets the client read once, and so the ticket.
func (p *pair) answer(t testing.TB) {
	t.Helper()
	out, err := p.conn.Seal(nil, []byte("x"))
	p.wire.in = append(p.wire.in, out...)
	if err == nil {
		_, err = p.client.Read(make([]byte, 1))
	}
	if err != nil {
		t.Fatal(err)
	}
}

// handshakeTimed shakes hands with the timer running for the server only.
func handshakeTimed(b *testing.B, s *Server, cfg *tls.Config) {
	c := s.NewConn()
	other := &Conn{server: new(Server), hs: new(handshake), stage: stageHandshake}
	other.tls = tls.Client(&other.wire, cfg)
	for other.hs != nil {
		other.Step()
		in := other.Flush(nil)
		b.StartTimer()
		for len(in) > 0 && !c.Established() {
			used, _, err := c.Feed(in)
			if c.Step(); err != nil || used == 0 || c.Err() != nil {
				b.Fatal(err, c.Err())
			}
			in = in[used:]
		}
		other.wire.in = append(other.wire.in, c.Flush(nil)...)
		b.StopTimer()
	}
	if other.err != nil || !c.Established() {
		b.Fatal(other.err, c.Err())
	}
	p := pair{c, other.tls, &other.wire}
	if cfg.ClientSessionCache != nil {
		p.answer(b)
		if !c.State().DidResume {
			b.Fatal("not resumed")
		}
	}
}

// BenchmarkEcho opens a record and seals another: what a loop does for a message and its answer. The client's
// half runs in between, untimed, a batch at a time.
func BenchmarkEcho(b *testing.B) {
	s, ca := plainServer(b)
	for _, version := range versions {
		for _, size := range []int{64, 1 << 10, 16 << 10} {
			b.Run(fmt.Sprintf("%s/%d", version.name, size), func(b *testing.B) {
				p := newPair(b, s, &tls.Config{
					RootCAs: ca.pool(), ServerName: "edge.test", MaxVersion: version.id, DynamicRecordSizingDisabled: true,
				})
				text := make([]byte, size)
				plain, out := make([]byte, 0, 32<<10), make([]byte, 0, 32<<10)
				batch := make([][]byte, 256)
				b.SetBytes(int64(size))
				b.ReportAllocs()
				for i := range b.N {
					if i%len(batch) == 0 {
						b.StopTimer()
						for k := range batch {
							batch[k] = p.send(b, text)
						}
						b.StartTimer()
					}
					var err error
					if plain, _, _, err = p.conn.Open(plain[:0], batch[i%len(batch)]); err == nil {
						out, err = p.conn.Seal(out[:0], plain)
					}
					if err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// BenchmarkEchoSocket is the same exchange over loopback, system calls and the client included: driven by slices,
// and by crypto/tls on a net.Conn with a goroutine of its own.
func BenchmarkEchoSocket(b *testing.B) {
	s, ca := plainServer(b)
	for _, size := range []int{64, 1 << 10, 16 << 10} {
		for name, open := range map[string]func() net.Conn{
			"slices":  func() net.Conn { c, _ := serve(b, s, 32<<10); return c },
			"netconn": func() net.Conn { return serveBlocking(b, s) },
		} {
			b.Run(fmt.Sprintf("%d/%s", size, name), func(b *testing.B) {
				c := tls.Client(open(), &tls.Config{RootCAs: ca.pool(), ServerName: "edge.test", DynamicRecordSizingDisabled: true})
				text := make([]byte, size)
				b.SetBytes(int64(size))
				b.ReportAllocs()
				for b.Loop() {
					if _, err := c.Write(text); err != nil {
						b.Fatal(err)
					}
					if _, err := io.ReadFull(c, text); err != nil {
						b.Fatal(err)
					}
				}
				_ = c.Close()
			})
		}
	}
}

// serveBlocking echoes with crypto/tls on a socket.
func serveBlocking(b *testing.B, s *Server) net.Conn {
	client, sock := socketPair(b)
	c := tls.Server(sock, s.settings.Load().tls)
	go func() {
		defer func() { _ = c.Close() }()
		buf := make([]byte, 32<<10)
		for {
			n, err := c.Read(buf)
			if err == nil {
				_, err = c.Write(buf[:n])
			}
			if err != nil {
				return
			}
		}
	}()
	return client
}
