package server

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
)

// permutation is a Feistel network under a key that this process alone knows, of numbers in two halves of at most 64 bits. The
// mask of a half is that of the ids that are made with it.
type permutation struct{ block cipher.Block }

const rounds = 8

// scratch is a block for the cipher, kept by each loop so that none is allocated.
type scratch [aes.BlockSize]byte

// newPermutation returns one under a fresh key.
func newPermutation() permutation {
	var key [16]byte
	_, _ = rand.Read(key[:]) // never fails
	block, err := aes.NewCipher(key[:])
	if err != nil {
		panic(err) // the key has a size that AES knows
	}
	return permutation{block}
}

// round is the round function of the network.
func (p permutation) round(tmp *scratch, number byte, right, mask uint64) uint64 {
	binary.LittleEndian.PutUint64(tmp[:8], right)
	clear(tmp[8:])
	tmp[8] = number
	p.block.Encrypt(tmp[:], tmp[:])
	return binary.LittleEndian.Uint64(tmp[:8]) & mask
}

// mix returns what left and right become.
func (p permutation) mix(tmp *scratch, left, right, mask uint64) (uint64, uint64) {
	for i := range byte(rounds) {
		left, right = right, left^p.round(tmp, i, right, mask)
	}
	return left, right
}

// unmix returns what has become left and right.
func (p permutation) unmix(tmp *scratch, left, right, mask uint64) (uint64, uint64) {
	for i := range byte(rounds) {
		left, right = right^p.round(tmp, rounds-1-i, left, mask), left
	}
	return left, right
}
