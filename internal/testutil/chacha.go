package testutil

import (
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"math/big"
	"math/bits"
	"slices"
)

// chachaPoly is ChaCha20-Poly1305 (RFC 8439) with its key, slow and for tests: the standard library keeps its own to crypto/tls.
type chachaPoly [32]byte

func (chachaPoly) NonceSize() int { return 12 }
func (chachaPoly) Overhead() int  { return 16 }

// Seal implements [crypto/cipher.AEAD].
func (k chachaPoly) Seal(dst, nonce, plain, about []byte) []byte {
	text := k.xor(nonce, plain)
	return append(append(dst, text...), k.tag(nonce, text, about)...)
}

// Open implements [crypto/cipher.AEAD].
func (k chachaPoly) Open(dst, nonce, text, about []byte) ([]byte, error) {
	if len(text) < k.Overhead() {
		return nil, errors.New("no room for a tag")
	}
	text, tag := text[:len(text)-k.Overhead()], text[len(text)-k.Overhead():]
	if subtle.ConstantTimeCompare(tag, k.tag(nonce, text, about)) == 0 {
		return nil, errors.New("a tag that does not fit")
	}
	return append(dst, k.xor(nonce, text)...), nil
}

// xor is section 2.4, from block 1 on.
func (k chachaPoly) xor(nonce, b []byte) []byte {
	out := slices.Clone(b)
	for i := range out {
		if i%64 == 0 {
			stream := k.block(nonce, uint32(1+i/64))
			subtle.XORBytes(out[i:], b[i:min(i+64, len(b))], stream[:])
		}
	}
	return out
}

// block is section 2.3.
func (k chachaPoly) block(nonce []byte, counter uint32) (out [64]byte) {
	s := [16]uint32{0x61707865, 0x3320646e, 0x79622d32, 0x6b206574}
	for i := range 8 {
		s[4+i] = binary.LittleEndian.Uint32(k[4*i:])
	}
	s[12] = counter
	for i := range 3 {
		s[13+i] = binary.LittleEndian.Uint32(nonce[4*i:])
	}
	w := s
	for range 10 {
		for i := range 4 {
			quarter(&w, i, 4+i, 8+i, 12+i)
		}
		for i := range 4 {
			quarter(&w, i, 4+(i+1)%4, 8+(i+2)%4, 12+(i+3)%4)
		}
	}
	for i := range w {
		binary.LittleEndian.PutUint32(out[4*i:], w[i]+s[i])
	}
	return out
}

// quarter is section 2.1.
func quarter(w *[16]uint32, a, b, c, d int) {
	for _, by := range [2][2]int{{16, 12}, {8, 7}} {
		w[a] += w[b]
		w[d] = bits.RotateLeft32(w[d]^w[a], by[0])
		w[c] += w[d]
		w[b] = bits.RotateLeft32(w[b]^w[c], by[1])
	}
}

// tag is section 2.8, with the sum of section 2.5.
func (k chachaPoly) tag(nonce, text, about []byte) []byte {
	var b []byte
	for _, part := range [][]byte{about, text} {
		b = append(b, part...)
		b = append(b, make([]byte, (16-len(part)%16)%16)...)
	}
	b = binary.LittleEndian.AppendUint64(b, uint64(len(about)))
	b = binary.LittleEndian.AppendUint64(b, uint64(len(text)))

	once := k.block(nonce, 0)
	clamp, _ := new(big.Int).SetString("0ffffffc0ffffffc0ffffffc0fffffff", 16)
	r := little(once[:16])
	r.And(r, clamp)
	prime := new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 130), big.NewInt(5))
	sum := new(big.Int)
	for piece := range slices.Chunk(b, 16) {
		sum.Add(sum, little(append(slices.Clone(piece), 1)))
		sum.Mul(sum, r)
		sum.Mod(sum, prime)
	}
	sum.Add(sum, little(once[16:32]))
	out := make([]byte, 32)
	sum.FillBytes(out)
	slices.Reverse(out)
	return out[:16]
}

// little is the number whose first byte is its lowest.
func little(b []byte) *big.Int {
	b = slices.Clone(b)
	slices.Reverse(b)
	return new(big.Int).SetBytes(b)
}
