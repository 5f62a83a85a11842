package tlsrecord

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/seed4ac54ce5/edge/internal/testutil"
)

// The keys of RFC 8448 section 3.
func TestDeriveKeys(t *testing.T) {
	for _, row := range []struct{ name, secret, key, iv string }{
		{"server handshake", "b67b7d690cc16c4e75e54213cb2d37b4e9c912bcded9105d42befd59d391ad38",
			"3fce516009c21727d0f2e4e86ee403bc", "5d313eb2671276ee13000b30"},
		{"client application", "9e40646ce79a7f9dc05af8889bce6552875afa0b06df0087f792ebb7c17504a5",
			"17422dda596ed5d9acd890e3c63f5051", "5b78923dee08579033e523d9"},
		{"server application", "a11af9f05531f856ad47116b45a950328204b4f44bfb6b3a4b4f1f3fcb631643",
			"9f02283b6c9c07efc26bb9f2ac92e356", "cf782b88dd83549aadf1e984"},
	} {
		secret, _ := hex.DecodeString(row.secret)
		k, err := deriveKeys(tls.TLS_AES_128_GCM_SHA256, secret, 3)
		if err != nil || hex.EncodeToString(k.Key) != row.key || hex.EncodeToString(k.IV) != row.iv || k.Seq != 3 {
			t.Errorf("%s: key %x, IV %x, number %d, %v; want %s, %s, 3", row.name, k.Key, k.IV, k.Seq, err, row.key, row.iv)
		}
	}
	if _, err := deriveKeys(tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, make([]byte, sha256.Size), 0); err == nil {
		t.Error("there are keys for a suite of TLS 1.2")
	}
}

// A kernel does the records of an exported conn: the loop sees plaintext, and records of other types with their type.
type kernel struct{ tx, rx *testutil.Records }

var errRekeyed = errors.New("the peer has changed its keys")

// handOver gives the records to the kernel, if it is time and it can be done.
func (r *reactor) handOver() {
	if !r.export || r.got < r.after || len(r.held) > 0 || len(r.out) > 0 {
		return
	}
	tx, rx, ok := r.conn.Export()
	if !ok {
		return
	}
	r.kernel = new(kernel)
	for _, side := range []struct {
		keys Keys
		to   **testutil.Records
	}{{tx, &r.kernel.tx}, {rx, &r.kernel.rx}} {
		var err error
		if *side.to, err = testutil.NewRecords(testutil.RecordKeys(side.keys)); err != nil {
			panic(err)
		}
	}
}

// received echoes data and ends at the first other record.
func (k *kernel) received(r *reactor) error {
	for {
		record := testutil.NextRecord(r.held)
		if record == nil {
			return nil
		}
		kind, b, err := k.rx.Open(record)
		r.held = r.held[len(record):]
		switch {
		case err != nil:
			return err
		case kind == testutil.RecordData:
			r.got += len(b)
			_, err = r.sock.Write(k.tx.Seal(nil, testutil.RecordData, b))
		case kind == testutil.RecordAlert && b[1] == 0:
			_, _ = r.sock.Write(k.tx.Seal(nil, testutil.RecordAlert, []byte{1, 0}))
			err = io.EOF
		case kind == testutil.RecordAlert:
			err = fmt.Errorf("alert %d", b[1])
		case kind == testutil.RecordHandshake:
			_, _ = r.sock.Write(k.tx.Seal(nil, testutil.RecordAlert, []byte{2, 80})) // internal_error
			err = errRekeyed
		}
		if err != nil {
			return err
		}
	}
}

func exportServer(t testing.TB) (*Server, *authority) {
	t.Helper()
	ca := newAuthority(t, "ca")
	return newServer(t, Config{
		Certificates: []KeyPair{ca.pair(t, "edge.test")}, ClientCerts: ClientCertsOptional, ClientCA: ca.file, Export: true,
	}), ca
}

// serveExported accepts a client whose records change hands once after bytes have been echoed.
func serveExported(t testing.TB, s *Server, cut, after int) (net.Conn, *reactor) {
	t.Helper()
	return serveWith(t, &reactor{conn: s.NewConn(), cut: cut, export: true, after: after})
}

// sizes are about the borders of records.
var sizes = []int{1, 2, 100, 1369, 4096, 16<<10 - 1, 16 << 10, 16<<10 + 1, 50_000, 200_000}

// The records of a conn go on with somebody else at once after the handshake, or later, whatever the pieces in which they come,
// with tickets and certificates of clients and without.
func TestExport(t *testing.T) {
	s, ca := exportServer(t)
	mine := ca.issue(t, "client", time.Now().Add(time.Hour))
	for _, cut := range []int{1, 7, 1000, 32 << 10} {
		for _, after := range []int{0, 1, 5000} {
			for _, certs := range [][]tls.Certificate{nil, {mine}} {
				for _, tickets := range []bool{true, false} {
					t.Run(fmt.Sprintf("%d/%d/%d/%v", cut, after, len(certs), tickets), func(t *testing.T) {
						sock, r := serveExported(t, s, cut, after)
						c := tls.Client(sock, &tls.Config{
							RootCAs: ca.pool(), ServerName: "edge.test", Certificates: certs, SessionTicketsDisabled: !tickets,
						})
						for _, size := range sizes {
							checkEcho(t, c, bytes.Repeat([]byte{byte(size)}, size))
						}
						if err := c.CloseWrite(); err != nil {
							t.Error(err)
						}
						if n, err := c.Read(make([]byte, 1)); err != io.EOF {
							t.Errorf("after close_notify the client reads %d bytes, %v; want EOF", n, err)
						}
						if err := r.result(t); err != io.EOF {
							t.Errorf("the conn ended with %v; want EOF", err)
						}
						if r.kernel == nil {
							t.Error("the records have not changed hands")
						}
					})
				}
			}
		}
	}
}

// A ticket that was made on a conn whose records changed hands is taken, and so do those of the conn that it resumes.
func TestExportResumes(t *testing.T) {
	ca := newAuthority(t, "ca")
	for name, tickets := range map[string]string{"own keys": "", "shared keys": keyFile(t, "1", "2")} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t, Config{Certificates: []KeyPair{ca.pair(t, "edge.test")}, TicketKeys: tickets, Export: true})
			cfg := &tls.Config{RootCAs: ca.pool(), ServerName: "edge.test", ClientSessionCache: tls.NewLRUClientSessionCache(1)}
			for i := range 4 {
				sock, r := serveExported(t, s, 32<<10, 0)
				c := tls.Client(sock, cfg)
				checkEcho(t, c, []byte("data and the ticket"))
				if got := c.ConnectionState().DidResume; got != (i > 0) {
					t.Errorf("conn %d: resumed %v", i, got)
				}
				_ = c.Close()
				if err := r.result(t); err != io.EOF || r.kernel == nil {
					t.Errorf("conn %d: %v, changed hands %v", i, err, r.kernel != nil)
				}
			}
		})
	}
}

// Nothing is exported of a conn with TLS 1.2, after a KeyUpdate, and of one whose server was not told to.
func TestNoExport(t *testing.T) {
	told, ca := exportServer(t)
	plain := newServer(t, Config{Certificates: []KeyPair{ca.pair(t, "edge.test")}})
	for name, row := range map[string]struct {
		server  *Server
		version uint16
	}{"TLS 1.2": {told, tls.VersionTLS12}, "not told to": {plain, tls.VersionTLS13}} {
		t.Run(name, func(t *testing.T) {
			sock, r := serveExported(t, row.server, 32<<10, 0)
			c := tls.Client(sock, &tls.Config{RootCAs: ca.pool(), ServerName: "edge.test", MaxVersion: row.version})
			checkEcho(t, c, []byte("data"))
			_ = c.Close()
			if err := r.result(t); err != io.EOF || r.kernel != nil || r.conn.wire.secrets != nil {
				t.Errorf("%v, changed hands %v, secrets kept %v", err, r.kernel != nil, r.conn.wire.secrets != nil)
			}
		})
	}
	t.Run("KeyUpdate", func(t *testing.T) {
		sock, r := serveExported(t, told, 32<<10, 2)
		f, c := newForger(t, sock, &tls.Config{RootCAs: ca.pool(), ServerName: "edge.test"})
		f.send(f.keyUpdate(), f.record(typeData, []byte("data")))
		got := make([]byte, 4)
		if _, err := io.ReadFull(c, got); err != nil || string(got) != "data" {
			t.Fatalf("echo after a KeyUpdate = %q, %v", got, err)
		}
		f.send(f.record(testutil.RecordAlert, []byte{1, 0}))
		if err := r.result(t); err != io.EOF || r.kernel != nil {
			t.Errorf("%v, changed hands %v", err, r.kernel != nil)
		}
	})
	t.Run("given up", func(t *testing.T) {
		p := newPair(t, told, &tls.Config{RootCAs: ca.pool(), ServerName: "edge.test"})
		if _, _, ok := p.conn.Export(); !ok {
			t.Error("nothing is exported of a conn at rest")
		}
		p.conn.Keep()
		if _, _, ok := p.conn.Export(); ok {
			t.Error("something is exported after Keep")
		}
	})
}

// Nothing is exported while a part of what has come, or what has to be sent, would be lost.
func TestExportOnlyAtRest(t *testing.T) {
	s, ca := exportServer(t)
	p := newPair(t, s, &tls.Config{RootCAs: ca.pool(), ServerName: "edge.test"})
	p.conn.wire.in = p.send(t, []byte("early"))
	if _, _, ok := p.conn.Export(); ok {
		t.Error("exported before Open has taken what came behind the handshake")
	}
	if plain, _, _, err := p.conn.Open(nil, nil); string(plain) != "early" || err != nil {
		t.Fatalf("Open = %q, %v", plain, err)
	}
	p.conn.wire.out = []byte("answer")
	if _, _, ok := p.conn.Export(); ok {
		t.Error("exported before Flush")
	}
	p.conn.Flush(nil)
	_, rx, ok := p.conn.Export()
	if !ok || rx.Seq != 1 {
		t.Errorf("Export = %v, next record to receive %d; want 1", ok, rx.Seq)
	}
}

// After the records have changed hands, a KeyUpdate and an alert of the client show as records of their types, and the client
// hears why its conn ends.
func TestRecordsAfterExport(t *testing.T) {
	s, ca := exportServer(t)
	for name, row := range map[string]struct {
		send func(f *forger) []byte
		want string
		hear string
	}{
		"KeyUpdate": {(*forger).keyUpdate, errRekeyed.Error(), "remote error: tls: internal error"},
		"alert":     {func(f *forger) []byte { return f.record(testutil.RecordAlert, []byte{2, 90}) }, "alert 90", "EOF"},
	} {
		t.Run(name, func(t *testing.T) {
			sock, r := serveExported(t, s, 32<<10, 0)
			f, c := newForger(t, sock, &tls.Config{RootCAs: ca.pool(), ServerName: "edge.test"})
			f.send(f.record(typeData, []byte("data")))
			got := make([]byte, 4)
			if _, err := io.ReadFull(c, got); err != nil || string(got) != "data" {
				t.Fatalf("echo = %q, %v", got, err)
			}
			f.send(row.send(f))
			if err := r.result(t); err == nil || err.Error() != row.want || r.kernel == nil {
				t.Errorf("the conn ended with %v; want %s", err, row.want)
			}
			if _, err := c.Read(got); err == nil || err.Error() != row.hear {
				t.Errorf("the client reads %v; want %s", err, row.hear)
			}
		})
	}
}

// All suites of TLS 1.3, which crypto/tls lets no client choose: OpenSSL does.
func TestExportSuites(t *testing.T) {
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip(err)
	}
	s, ca := exportServer(t)
	for name, suite := range map[string]uint16{
		"TLS_AES_128_GCM_SHA256": tls.TLS_AES_128_GCM_SHA256, "TLS_AES_256_GCM_SHA384": tls.TLS_AES_256_GCM_SHA384,
		"TLS_CHACHA20_POLY1305_SHA256": tls.TLS_CHACHA20_POLY1305_SHA256,
	} {
		t.Run(name, func(t *testing.T) {
			ln, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = ln.Close() }()
			client := exec.Command(openssl, "s_client", "-connect", ln.Addr().String(), "-ciphersuites", name, "-tls1_3",
				"-quiet", "-CAfile", ca.file, "-servername", "edge.test", "-verify_return_error")
			in, _ := client.StdinPipe()
			out, _ := client.StdoutPipe()
			if err := client.Start(); err != nil {
				t.Fatal(err)
			}
			defer func() { _ = client.Process.Kill(); _ = client.Wait() }()
			sock, err := ln.Accept()
			if err != nil {
				t.Fatal(err)
			}
			_ = sock.SetDeadline(time.Now().Add(patience))
			r := &reactor{conn: s.NewConn(), sock: sock, cut: 32 << 10, export: true, done: make(chan struct{})}
			go func() { r.err = r.run(); r.conn.Close(); _ = sock.Close(); close(r.done) }()
			text := strings.Repeat("0123456789\n", 5000)
			go func() { _, _ = io.WriteString(in, text) }()
			got := make([]byte, len(text))
			if _, err := io.ReadFull(out, got); err != nil || string(got) != text {
				t.Fatalf("echo of %d bytes: %v", len(text), err)
			}
			if err := in.Close(); err != nil {
				t.Error(err)
			}
			_ = client.Process.Kill()
			_ = r.result(t)
			if r.kernel == nil || r.conn.State().CipherSuite != suite {
				t.Errorf("changed hands %v, suite %#x; want %#x", r.kernel != nil, r.conn.State().CipherSuite, suite)
			}
		})
	}
}

// The secrets go nowhere but into memory: with exports on, no file appears where the process may write.
func TestSecretsStayInMemory(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("SSLKEYLOGFILE", filepath.Join(dir, "keys"))
	s, ca := exportServer(t)
	newPair(t, s, &tls.Config{RootCAs: ca.pool(), ServerName: "edge.test"})
	if files, err := os.ReadDir(dir); err != nil || len(files) != 0 {
		t.Errorf("%v, %v; want no file", files, err)
	}
}

// What is no key log is refused, and other secrets are not kept.
func TestSecretsWrite(t *testing.T) {
	for line, good := range map[string]bool{
		"SERVER_TRAFFIC_SECRET_0 00 0102\n":         true,
		"SERVER_HANDSHAKE_TRAFFIC_SECRET 00 0102\n": true,
		"CLIENT_TRAFFIC_SECRET_0 00\n":              false,
		"CLIENT_TRAFFIC_SECRET_0 00 xx\n":           false,
	} {
		s := new(secrets)
		if _, err := s.Write([]byte(line)); (err == nil) != good {
			t.Errorf("Write(%q) = %v", line, err)
		}
		if s.client != nil || (s.server != nil) != strings.HasPrefix(line, "SERVER_TRAFFIC") {
			t.Errorf("after %q: client %x, server %x", line, s.client, s.server)
		}
	}
}
