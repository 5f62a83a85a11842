package tlsrecord

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
)

// Config says who a server is and whom it lets in. Files are PEM.
type Config struct {
	// Certificates are tried in their order for the name that a client asks for; the first one also
	// answers clients that ask for none or for one that nobody has.
	Certificates []KeyPair

	// MinVersion is tls.VersionTLS12, which 0 means too, or tls.VersionTLS13.
	MinVersion uint16

	// ClientCerts says whether clients show certificates, and ClientCA names the file with those that may sign them.
	ClientCerts ClientCerts
	ClientCA    string

	// TicketKeys names the file with the keys of session tickets, for nodes behind one address that shall
	// resume each other's sessions: see loadTicketKeys. Without it tickets are good until the next reload
	// and on this node only.
	TicketKeys string

	// MaxHandshakes bounds the handshakes under way, 0 for DefaultMaxHandshakes. Beyond it a conn is refused
	// before any cryptography.
	MaxHandshakes int

	// Export lets conns of TLS 1.3 be handed to somebody else who does their records: see [Conn.Export]. The keys
	// stay in the memory of the process.
	Export bool
}

// KeyPair names the files of a certificate with its chain, and of its private key.
type KeyPair struct{ Cert, Key string }

// ClientCerts says whether a client has to show a certificate.
type ClientCerts uint8

// What is asked of clients. One that is shown must be good in either case.
const (
	ClientCertsNone ClientCerts = iota
	ClientCertsOptional
	ClientCertsRequired
)

// DefaultMaxHandshakes are worth about 100 MiB when all of them wait for their peers, and 20,000 a second of peers that answer
// within 200 ms. A lower one would let fewer silent peers keep everybody out: how many handshakes the CPUs can do in time is for
// the pool to say, which refuses to begin what would wait too long.
const DefaultMaxHandshakes = 4096

// protocols are what a client that asks with ALPN must know one of (RFC 7301): WebSocket goes over HTTP/1.1.
var protocols = []string{"http/1.1"}

// suites12 are those of TLS 1.2 that have both forward secrecy and authenticated encryption (RFC 9325 section 4.2).
var suites12 = []uint16{
	tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
	tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
	tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
	tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
	tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
	tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
}

// load reads the files.
func (cfg Config) load() (*settings, error) {
	t := &tls.Config{
		MinVersion:   max(cfg.MinVersion, tls.VersionTLS12),
		CipherSuites: suites12,
		NextProtos:   protocols,
	}
	for _, load := range []func(*tls.Config) error{cfg.loadCertificates, cfg.loadClientCA, cfg.loadTickets} {
		if err := load(t); err != nil {
			return nil, fmt.Errorf("tls: %w", err)
		}
	}
	if cfg.Export {
		export(t)
	}
	most := int64(cfg.MaxHandshakes)
	if most == 0 {
		most = DefaultMaxHandshakes
	}
	return &settings{tls: t, maxHandshakes: most}, nil
}

func (cfg Config) loadCertificates(t *tls.Config) error {
	if len(cfg.Certificates) == 0 {
		return errors.New("no certificate is configured")
	}
	for _, pair := range cfg.Certificates {
		cert, err := tls.LoadX509KeyPair(pair.Cert, pair.Key)
		if err != nil {
			return fmt.Errorf("certificate %s with key %s: %w", pair.Cert, pair.Key, err)
		}
		t.Certificates = append(t.Certificates, cert)
	}
	return nil
}

func (cfg Config) loadClientCA(t *tls.Config) error {
	t.ClientAuth = [...]tls.ClientAuthType{
		tls.NoClientCert, tls.VerifyClientCertIfGiven, tls.RequireAndVerifyClientCert,
	}[cfg.ClientCerts]
	if cfg.ClientCerts == ClientCertsNone {
		return nil
	}
	authorities, err := readCertificates(cfg.ClientCA)
	if err != nil {
		return fmt.Errorf("client CA: %w", err)
	}
	t.ClientCAs = x509.NewCertPool()
	for _, authority := range authorities {
		t.ClientCAs.AddCert(authority)
	}
	return nil
}

// readCertificates returns the certificates in the file at path, of which there must be one at least.
func readCertificates(path string) (all []*x509.Certificate, err error) {
	rest, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	for {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			continue
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		all = append(all, cert)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%s: no certificate in it", path)
	}
	return all, nil
}
