package tlsrecord

import (
	"bytes"
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"fmt"
	"os"
	"slices"
	"strings"
)

const (
	ticketKey     = 32 // bytes
	maxTicketKeys = 16 // each may cost a try at a ticket
)

func (cfg Config) loadTickets(t *tls.Config) error {
	if cfg.TicketKeys == "" {
		return nil
	}
	keys, err := loadTicketKeys(cfg.TicketKeys)
	if err != nil {
		return fmt.Errorf("ticket keys: %w", err)
	}
	trust, err := cfg.trust()
	if err != nil {
		return fmt.Errorf("client CA: %w", err)
	}
	for i := range keys {
		if keys[i], err = bindKey(keys[i], trust); err != nil {
			return fmt.Errorf("ticket keys: %w", err)
		}
	}
	t.SetSessionTicketKeys(keys)
	return nil
}

// loadTicketKeys reads keys of 32 bytes in hex, one in a line; lines that are empty or begin with # do not
// count. The first encrypts new tickets, all decrypt. To rotate, add the new key as the second, give the
// file to all nodes, then move it to the front and do so again. Whoever has a key can read the sessions of TLS 1.2
// that it resumes, so keys are secrets that do not live long: a day, say.
func loadTicketKeys(path string) (keys [][ticketKey]byte, err error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	for number, line := range strings.Split(string(text), "\n") {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		key, err := hex.DecodeString(line)
		if err != nil || len(key) != ticketKey {
			return nil, fmt.Errorf("%s, line %d: want %d hex digits", path, number+1, 2*ticketKey)
		}
		keys = append(keys, [ticketKey]byte(key))
	}
	if len(keys) == 0 || len(keys) > maxTicketKeys {
		return nil, fmt.Errorf("%s: %d keys in it; want 1 to %d", path, len(keys), maxTicketKeys)
	}
	return keys, nil
}

// bindKey makes of a key in the file one that is good for one trust only: a session whose client was let in by
// other authorities, or by none, cannot be resumed, on whatever node, and is begun anew.
func bindKey(key [ticketKey]byte, trust string) (bound [ticketKey]byte, err error) {
	b, err := hkdf.Key(sha256.New, key[:], nil, trust, ticketKey)
	if err != nil {
		return bound, err
	}
	return [ticketKey]byte(b), nil
}

// trust names what decides on client certificates: the same text on two nodes means that they let in the same clients.
func (cfg Config) trust() (string, error) {
	if cfg.ClientCerts == ClientCertsNone {
		return "edge session ticket", nil
	}
	authorities, err := readCertificates(cfg.ClientCA)
	if err != nil {
		return "", err
	}
	var sums [][]byte
	for _, authority := range authorities {
		sum := sha256.Sum256(authority.Raw)
		sums = append(sums, sum[:])
	}
	slices.SortFunc(sums, bytes.Compare)
	return fmt.Sprintf("edge session ticket, client certificates %d %x", cfg.ClientCerts, sums), nil
}
