package tlsrecord

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"encoding/binary"
	"encoding/hex"
	"net"
	"strings"
	"testing"
)

// A forger sends, on a connection that a real client has established with AES-128-GCM and SHA-256, records that
// the client would not.
type forger struct {
	t       testing.TB
	sock    net.Conn
	version uint16
	secret  []byte // TLS 1.3: the client's traffic secret
	key     []byte
	iv      []byte
	seq     uint64
}

// A sniffer keeps the first bytes that a client reads.
type sniffer struct {
	net.Conn
	head []byte
}

func (s *sniffer) Read(p []byte) (int, error) {
	n, err := s.Conn.Read(p)
	s.head = append(s.head, p[:min(n, max(0, 64-len(s.head)))]...)
	return n, err
}

// newForger lets a client shake hands over sock and takes its keys.
func newForger(t testing.TB, sock net.Conn, cfg *tls.Config) (*forger, *tls.Conn) {
	t.Helper()
	var log bytes.Buffer
	cfg.KeyLogWriter = &log
	cfg.CipherSuites = []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256}
	seen := &sniffer{Conn: sock}
	c := tls.Client(seen, cfg)
	if err := c.Handshake(); err != nil {
		t.Fatal(err)
	}
	f := &forger{t: t, sock: sock, version: c.ConnectionState().Version}
	if f.version == tls.VersionTLS13 {
		_, f.secret = logged(t, log.String(), "CLIENT_TRAFFIC_SECRET_0")
		f.rekey()
	} else {
		const serverRandom = recordHeader + messageHeader + 2
		f.keys12(log.String(), seen.head[serverRandom:][:32])
	}
	return f, c
}

// logged returns the client's random and the secret in the line of a key log that begins with label.
func logged(t testing.TB, log, label string) (random, secret []byte) {
	t.Helper()
	for line := range strings.Lines(log) {
		if words := strings.Fields(line); len(words) == 3 && words[0] == label {
			random, _ = hex.DecodeString(words[1])
			secret, _ = hex.DecodeString(words[2])
			return random, secret
		}
	}
	t.Fatalf("no %s in the key log", label)
	return nil, nil
}

// expand is HKDF-Expand-Label without context (RFC 8446 section 7.1).
func (f *forger) expand(label string, n int) []byte {
	label = "tls13 " + label
	info := append([]byte{byte(n >> 8), byte(n), byte(len(label))}, label...)
	out, err := hkdf.Expand(sha256.New, f.secret, string(append(info, 0)), n)
	if err != nil {
		f.t.Fatal(err)
	}
	return out
}

func (f *forger) rekey() { f.key, f.iv, f.seq = f.expand("key", 16), f.expand("iv", 12), 0 }

// keys12 derives the client's keys (RFC 5246 section 6.3). Its Finished was number 0.
func (f *forger) keys12(log string, serverRandom []byte) {
	clientRandom, master := logged(f.t, log, "CLIENT_RANDOM")
	seed := append([]byte("key expansion"), append(serverRandom, clientRandom...)...)
	mac := func(b []byte) []byte {
		h := hmac.New(sha256.New, master)
		h.Write(b)
		return h.Sum(nil)
	}
	a := mac(seed)
	block := mac(append(a, seed...))
	block = append(block, mac(append(mac(a), seed...))...)
	f.key, f.iv, f.seq = block[:16], block[32:36], 1
}

// record returns a protected record of the given type.
func (f *forger) record(kind byte, payload []byte) []byte {
	block, err := aes.NewCipher(f.key)
	if err != nil {
		f.t.Fatal(err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		f.t.Fatal(err)
	}
	seq := binary.BigEndian.AppendUint64(nil, f.seq)
	f.seq++
	if f.version == tls.VersionTLS13 {
		n := len(payload) + 1 + aead.Overhead()
		header := []byte{23, 3, 3, byte(n >> 8), byte(n)}
		nonce := bytes.Clone(f.iv)
		for i := range seq {
			nonce[4+i] ^= seq[i]
		}
		return aead.Seal(header, nonce, append(bytes.Clone(payload), kind), header)
	}
	n := len(seq) + len(payload) + aead.Overhead()
	header := append([]byte{kind, 3, 3, byte(n >> 8), byte(n)}, seq...)
	about := append(bytes.Clone(seq), kind, 3, 3, byte(len(payload)>>8), byte(len(payload)))
	return aead.Seal(header, append(bytes.Clone(f.iv), seq...), payload, about)
}

// keyUpdate returns a KeyUpdate, which asks for one in return, and goes on with the next keys.
func (f *forger) keyUpdate() []byte {
	b := f.record(typeHandshake, []byte{24, 0, 0, 1, 1})
	f.secret = f.expand("traffic upd", sha256.Size)
	f.rekey()
	return b
}

// send writes records to the server, which may have gone.
func (f *forger) send(records ...[]byte) {
	for _, b := range records {
		if _, err := f.sock.Write(b); err != nil {
			return
		}
	}
}
