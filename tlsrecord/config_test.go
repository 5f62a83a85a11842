package tlsrecord

import (
	"crypto/tls"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// visit shakes hands with s, reads an echo, so that tickets arrive, and returns what was settled.
func visit(t testing.TB, s *Server, cfg *tls.Config) (tls.ConnectionState, error) {
	t.Helper()
	sock, _ := serve(t, s, 32<<10)
	c := tls.Client(sock, cfg)
	defer func() { _ = c.Close() }()
	err := c.Handshake()
	if err == nil { // in TLS 1.3 the server's refusal comes after the client has finished
		_, err = c.Write([]byte("x"))
	}
	if err == nil {
		_, err = c.Read(make([]byte, 1))
	}
	return c.ConnectionState(), err
}

func TestNamesChooseCertificates(t *testing.T) {
	ca := newAuthority(t, "ca")
	s := newServer(t, Config{Certificates: []KeyPair{ca.pair(t, "one.test"), ca.pair(t, "two.test"), ca.pair(t, "*.three.test")}})
	for name, want := range map[string]string{
		"one.test": "one.test", "two.test": "two.test", "a.three.test": "*.three.test", "": "one.test", "who.test": "one.test",
	} {
		got, err := visit(t, s, &tls.Config{InsecureSkipVerify: true, ServerName: name})
		if err != nil || got.PeerCertificates[0].Subject.CommonName != want {
			t.Errorf("for the name %q: %v, %v; want %s", name, got.PeerCertificates, err, want)
		}
	}
}

func TestVersions(t *testing.T) {
	ca := newAuthority(t, "ca")
	cfg := Config{Certificates: []KeyPair{ca.pair(t, "edge.test")}}
	for _, row := range []struct {
		least, client uint16
		ok            bool
	}{
		{0, tls.VersionTLS11, false},
		{0, tls.VersionTLS12, true},
		{0, tls.VersionTLS13, true},
		{tls.VersionTLS13, tls.VersionTLS12, false},
		{tls.VersionTLS13, tls.VersionTLS13, true},
	} {
		cfg.MinVersion = row.least
		got, err := visit(t, newServer(t, cfg), &tls.Config{
			RootCAs: ca.pool(), ServerName: "edge.test", MinVersion: tls.VersionTLS10, MaxVersion: row.client,
		})
		if (err == nil) != row.ok || row.ok && got.Version != row.client {
			t.Errorf("least %x, client %x: %x, %v; want success %v", row.least, row.client, got.Version, err, row.ok)
		}
	}
	weak := &tls.Config{
		RootCAs: ca.pool(), ServerName: "edge.test", MaxVersion: tls.VersionTLS12,
		CipherSuites: []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA},
	}
	if _, err := visit(t, newServer(t, Config{Certificates: cfg.Certificates}), weak); err == nil {
		t.Error("a client with CBC only is let in")
	}
}

// A bad file changes nothing, and the error names it.
func TestReloadKeepsWhatIsGood(t *testing.T) {
	ca := newAuthority(t, "ca")
	good := Config{Certificates: []KeyPair{ca.pair(t, "edge.test")}}
	s := newServer(t, good)
	pair, other := good.Certificates[0], ca.pair(t, "other.test")
	missing := filepath.Join(t.TempDir(), "missing")
	garbage := writeFile(t, "garbage")
	short := writeFile(t, "0123\n")
	for name, row := range map[string]struct {
		cfg  Config
		want string
	}{
		"no certificate": {Config{}, "no certificate"},
		"missing":        {Config{Certificates: []KeyPair{{missing, pair.Key}}}, missing},
		"other's key":    {Config{Certificates: []KeyPair{pair, {other.Cert, pair.Key}}}, other.Cert},
		"no PEM":         {Config{Certificates: []KeyPair{{garbage, pair.Key}}}, garbage},
		"no CA":          {Config{Certificates: good.Certificates, ClientCerts: ClientCertsRequired}, "client CA"},
		"empty CA":       {Config{Certificates: good.Certificates, ClientCerts: ClientCertsRequired, ClientCA: garbage}, garbage},
		"short key":      {Config{Certificates: good.Certificates, TicketKeys: short}, "line 1"},
		"no ticket key":  {Config{Certificates: good.Certificates, TicketKeys: keyFile(t)}, "0 keys"},
		"no ticket file": {Config{Certificates: good.Certificates, TicketKeys: missing}, missing},
	} {
		t.Run(name, func(t *testing.T) {
			if err := s.Reload(row.cfg); err == nil || !strings.Contains(err.Error(), row.want) {
				t.Errorf("Reload = %v; want an error about %s", err, row.want)
			}
			if _, err := visit(t, s, &tls.Config{RootCAs: ca.pool(), ServerName: "edge.test"}); err != nil {
				t.Errorf("after it: %v", err)
			}
			if _, err := NewServer(row.cfg); err == nil {
				t.Error("NewServer takes it")
			}
		})
	}
}

// Certificates change under a stream of handshakes: each client sees the old one or the new one, and a conn that
// stands keeps standing.
func TestReloadUnderHandshakes(t *testing.T) {
	ca := newAuthority(t, "ca")
	pairs := [2]KeyPair{ca.pair(t, "edge.test"), ca.pair(t, "edge.test")}
	s := newServer(t, Config{Certificates: pairs[:1]})
	client := &tls.Config{RootCAs: ca.pool(), ServerName: "edge.test"}
	sock, _ := serve(t, s, 32<<10)
	standing := tls.Client(sock, client)
	checkEcho(t, standing, []byte("before"))

	const least = 10 // reloads
	stop := make(chan struct{})
	var reloads atomic.Int64
	var reloader, clients sync.WaitGroup
	reloader.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				if err := s.Reload(Config{Certificates: pairs[reloads.Add(1)%2:][:1]}); err != nil {
					t.Error(err)
				}
			}
		}
	})
	for range 3 {
		clients.Go(func() {
			for n := 0; n < 10 || reloads.Load() < least; n++ {
				if _, err := visit(t, s, client); err != nil {
					t.Error(err)
				}
			}
		})
	}
	clients.Wait()
	close(stop)
	reloader.Wait()
	checkEcho(t, standing, []byte("after"))
}

// N05: mutual TLS.
func TestN05ClientCertificates(t *testing.T) {
	ca, foreign := newAuthority(t, "ca"), newAuthority(t, "foreign")
	look := newAuthority(t, "ca") // another key under the same name
	cfg := Config{Certificates: []KeyPair{ca.pair(t, "edge.test")}, ClientCA: ca.file}
	hour := time.Now().Add(time.Hour)
	for _, row := range []struct {
		name               string
		cert               tls.Certificate
		optional, required string // labels
	}{
		{"good", ca.issue(t, "good", hour), "", ""},
		{"none", tls.Certificate{}, "", "protocol"},
		{"expired", ca.issue(t, "late", time.Now().Add(-time.Minute)), "certificate", "certificate"},
		{"wrong CA", foreign.issue(t, "foreign", hour), "certificate", "certificate"},
		{"wrong CA of the right name", look.issue(t, "look-alike", hour), "certificate", "certificate"},
		{"tricky name", foreign.issue(t, "good\r\nCN=ca\x00", hour), "certificate", "certificate"},
	} {
		for _, version := range versions {
			for mode, want := range map[ClientCerts]string{
				ClientCertsNone: "", ClientCertsOptional: row.optional, ClientCertsRequired: row.required,
			} {
				t.Run(row.name+"/"+version.name, func(t *testing.T) {
					cfg.ClientCerts = mode
					sock, r := serve(t, newServer(t, cfg), 32<<10)
					c := tls.Client(sock, showing(ca, row.cert, version.id))
					if _, err := c.Write([]byte("x")); err == nil {
						_, _ = c.Read(make([]byte, 1))
					}
					_ = c.Close()
					r.checkLabel(t, want)
					if (want == "") != (r.got == 1) {
						t.Errorf("mode %d: %d bytes arrived", mode, r.got)
					}
				})
			}
		}
	}
}

// showing configures a client that shows cert, whoever is asked for, if it has one.
func showing(ca *authority, cert tls.Certificate, version uint16) *tls.Config {
	return &tls.Config{
		RootCAs: ca.pool(), ServerName: "edge.test", MaxVersion: version,
		ClientSessionCache: tls.NewLRUClientSessionCache(4),
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			return &cert, nil
		},
	}
}

// checkResumed visits s and fails the test unless the session is resumed, or not, as wanted.
func checkResumed(t *testing.T, s *Server, cfg *tls.Config, want bool, when string) {
	t.Helper()
	got, err := visit(t, s, cfg)
	if err != nil || got.DidResume != want {
		t.Errorf("%s: resumed %v, %v; want %v", when, got.DidResume, err, want)
	}
}

func TestTicketKeys(t *testing.T) {
	ca := newAuthority(t, "ca")
	cfg := Config{Certificates: []KeyPair{ca.pair(t, "edge.test")}}
	node := func(keys string) *Server {
		cfg.TicketKeys = keys
		return newServer(t, cfg)
	}
	first, second, reload := node(keyFile(t, "1")), node(keyFile(t, "2", "1")), node(keyFile(t, "3"))
	alone := node("")
	for _, version := range versions {
		t.Run(version.name, func(t *testing.T) {
			client := &tls.Config{
				RootCAs: ca.pool(), ServerName: "edge.test", MaxVersion: version.id,
				ClientSessionCache: tls.NewLRUClientSessionCache(1),
			}
			checkResumed(t, first, client, false, "first visit")
			checkResumed(t, first, client, true, "same node")
			checkResumed(t, second, client, true, "a node that still knows the key")
			if version.id == tls.VersionTLS13 { // TLS 1.2 keeps the ticket that it has resumed with
				checkResumed(t, first, client, false, "a node that does not know the new key")
			}
			checkResumed(t, reload, client, false, "a node with other keys")
			checkResumed(t, alone, client, false, "a node with keys of its own")
			checkResumed(t, alone, client, true, "the same node")
		})
	}
}

// N05: after the authorities have changed no session goes on that they would not have let begin.
func TestN05ResumptionChecksAuthorities(t *testing.T) {
	ca, next := newAuthority(t, "ca"), newAuthority(t, "next")
	cfg := Config{
		Certificates: []KeyPair{ca.pair(t, "edge.test")}, TicketKeys: keyFile(t, "1"),
		ClientCerts: ClientCertsRequired, ClientCA: ca.file,
	}
	mine := ca.issue(t, "client", time.Now().Add(time.Hour))
	for _, version := range versions {
		t.Run(version.name, func(t *testing.T) {
			s := newServer(t, cfg)
			client := showing(ca, mine, version.id)
			checkResumed(t, s, client, false, "first visit")
			checkResumed(t, s, client, true, "second visit")

			both := cfg
			both.ClientCA = writeFile(t, read(t, ca.file)+read(t, next.file))
			reload(t, s, both)
			checkResumed(t, s, client, false, "with one authority more")
			checkResumed(t, s, client, true, "and again")

			changed := cfg
			changed.ClientCA = next.file
			reload(t, s, changed)
			if got, err := visit(t, s, client); err == nil {
				t.Errorf("with another authority: no error, resumed %v", got.DidResume)
			}

			open := cfg
			open.ClientCerts, open.ClientCA = ClientCertsNone, ""
			reload(t, s, open)
			checkResumed(t, s, client, false, "with none")
			checkResumed(t, s, client, true, "and again")
			reload(t, s, cfg)
			checkResumed(t, s, client, false, "with the first again, after a session without a certificate")
		})
	}
}

func reload(t *testing.T, s *Server, cfg Config) {
	t.Helper()
	if err := s.Reload(cfg); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
