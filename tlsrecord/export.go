package tlsrecord

import (
	"bytes"
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/tls"
	"encoding/hex"
	"fmt"
	"hash"
	"slices"
)

// Keys protect one direction of a conn of TLS 1.3 from its next record on: the nonce of a record is its number, from the
// right, xor IV (RFC 8446 section 5.3).
type Keys struct {
	Suite uint16 // such as tls.TLS_AES_128_GCM_SHA256
	Key   []byte // 16 or 32 bytes
	IV    []byte // 12 bytes
	Seq   uint64 // the number of the next record
}

// typeData is the outer type of all that TLS 1.3 protects (RFC 8446 section 5.2).
const typeData = 23

// A ticket beyond this may take more than one record, and is not counted.
const maxCountedTicket = 8 << 10

// secrets are what crypto/tls tells about one handshake, as it would to a key log, and how far each direction has got since.
// They are kept in memory until Export or Keep.
type secrets struct {
	client, server []byte // traffic secrets, generation 0 (RFC 8446 section 7.1)
	opened, sealed uint64 // records under them
	lost           bool   // the keys may have changed, or the count may be wrong
}

// The lines of a key log that say what protects application data.
var (
	clientSecret = []byte("CLIENT_TRAFFIC_SECRET_0")
	serverSecret = []byte("SERVER_TRAFFIC_SECRET_0")
)

// Write takes one line of a key log: a label, the client's random and a secret, the last two in hex.
func (s *secrets) Write(line []byte) (int, error) {
	words := bytes.Fields(line)
	if len(words) != 3 {
		return 0, fmt.Errorf("tls: a line of %d words for a key log", len(words))
	}
	secret, err := hex.AppendDecode(nil, words[2])
	if err != nil {
		return 0, fmt.Errorf("tls: key log: %w", err)
	}
	switch {
	case bytes.Equal(words[0], clientSecret):
		s.client = secret
	case bytes.Equal(words[0], serverSecret):
		s.server = secret
	}
	return len(line), nil
}

// export makes t tell each conn of TLS 1.3 its secrets. Tickets are made with t's own keys and counted, as they are the first
// records under the keys of application data.
func export(t *tls.Config) {
	shared := t.Clone()
	t.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		w, ours := hello.Conn.(*wire)
		if !ours || !slices.Contains(hello.SupportedVersions, tls.VersionTLS13) {
			return nil, nil
		}
		s := new(secrets)
		own := shared.Clone()
		own.KeyLogWriter = s
		own.WrapSession = func(state tls.ConnectionState, session *tls.SessionState) ([]byte, error) {
			ticket, err := t.EncryptTicket(state, session)
			s.sealed++
			s.lost = s.lost || len(ticket) > maxCountedTicket
			return ticket, err
		}
		w.secrets = s
		return own, nil
	}
}

// Export returns what somebody else needs to do the conn's records from the next one on, in both directions: tx for those to
// send, rx for those to receive. Nothing may be on its way through the conn then: Open has used all that was read from the
// peer, and what Flush and Seal have appended has been sent. ok is false, and nothing has changed, without [Config.Export], with TLS
// 1.2, before Open and Flush have had all that is theirs, and once a record without data has come, which may have been a KeyUpdate. When somebody
// does the records with these keys, only Close may follow; if nobody does, the conn goes on. Loop.
func (c *Conn) Export() (tx, rx Keys, ok bool) {
	s := c.wire.secrets
	if s == nil || s.lost || !c.Established() || len(c.wire.in) > 0 || len(c.wire.out) > 0 {
		return tx, rx, false
	}
	suite := c.tls.ConnectionState().CipherSuite
	tx, err := deriveKeys(suite, s.server, s.sealed)
	if err == nil {
		rx, err = deriveKeys(suite, s.client, s.opened)
	}
	return tx, rx, err == nil
}

// Keep gives up what Export would need: the conn stays. Loop.
func (c *Conn) Keep() { c.wire.secrets = nil }

// settleSecrets forgets, at the end of a handshake, what cannot be exported.
func (c *Conn) settleSecrets() {
	if s := c.wire.secrets; s != nil && (s.client == nil || s.server == nil) {
		c.wire.secrets = nil // TLS 1.2
	}
}

// countOpened counts a record that crypto/tls has opened. One without data makes the keys uncertain.
func (s *secrets) countOpened(kind byte, barren bool) {
	if s != nil && kind == typeData { // change_cipher_spec is ignored and has no number (RFC 8446 section 5)
		s.opened++
		s.lost = s.lost || barren
	}
}

// countSealed counts the records in b, which crypto/tls has made since the handshake.
func (s *secrets) countSealed(b []byte) {
	for s != nil && len(b) > 0 {
		size, err := recordSize(b)
		if err != nil || size > len(b) {
			s.lost = true
			return
		}
		s.sealed++
		b = b[size:]
	}
}

// deriveKeys returns the keys that follow from a traffic secret (RFC 8446 section 7.3).
func deriveKeys(suite uint16, secret []byte, seq uint64) (k Keys, err error) {
	var size int
	sum := sha256.New
	switch suite {
	case tls.TLS_AES_128_GCM_SHA256:
		size = 16
	case tls.TLS_CHACHA20_POLY1305_SHA256:
		size = 32
	case tls.TLS_AES_256_GCM_SHA384:
		size, sum = 32, sha512.New384
	default:
		return k, fmt.Errorf("tls: no keys for suite %#x", suite)
	}
	k = Keys{Suite: suite, Seq: seq}
	if k.Key, err = expandLabel(sum, secret, "key", size); err == nil {
		k.IV, err = expandLabel(sum, secret, "iv", 12)
	}
	return k, err
}

// expandLabel is HKDF-Expand-Label without a context (RFC 8446 section 7.1).
func expandLabel(sum func() hash.Hash, secret []byte, label string, size int) ([]byte, error) {
	label = "tls13 " + label
	info := string([]byte{byte(size >> 8), byte(size), byte(len(label))}) + label + "\x00"
	return hkdf.Expand(sum, secret, info, size)
}
