package auth

import (
	"crypto"
	"crypto/hmac"
	"hash"
	"sync"
)

// macs are HMACs (RFC 2104) of one secret that wait for their next message. A new one costs four blocks and half a KiB of
// garbage, one that has been used neither. Any goroutine.
type macs struct{ sha256, sha384, sha512 sync.Pool }

// mac is one of them, with room for its sum.
type mac struct {
	hash.Hash
	sum []byte
}

// of returns the pool for a hash; nil for one that no algorithm has.
func (m *macs) of(h crypto.Hash) *sync.Pool {
	switch h {
	case crypto.SHA256:
		return &m.sha256
	case crypto.SHA384:
		return &m.sha384
	case crypto.SHA512:
		return &m.sha512
	}
	return nil
}

// match reports whether signature is message's under secret, which must be the same in all calls, in a time that does not tell
// where they differ.
func (m *macs) match(h crypto.Hash, secret, message, signature []byte) bool {
	pool := m.of(h)
	if pool == nil {
		return false
	}
	x, ok := pool.Get().(*mac)
	if !ok {
		x = &mac{Hash: hmac.New(h.New, secret)}
	}
	defer pool.Put(x)
	x.Reset()
	_, _ = x.Write(message) // a hash takes everything
	x.sum = x.Sum(x.sum[:0])
	return hmac.Equal(signature, x.sum)
}
