package slab

import "math/bits"

// Table is a [Slab] whose records are found by a hash: those with the same low bits hang in one chain. It grows by one
// chain for each record more (linear hashing: Litwin, VLDB 1980), so that no insertion ever moves more than one chain.
// It does not shrink. The zero value is empty.
type Table[T any, P Hashed[T]] struct {
	Slab[T, P]
	heads Slab[head, *head] // of chain n at n+1
	n     uint32            // chains
}

// Hashed is a record that hangs in a chain: by the field that is lent to the free list while it is free.
type Hashed[T any] interface {
	Record[T]
	// Hash returns the hash of what the record is found by. It does not change while the record is in the table.
	Hash() uint32
}

// head is the first record of a chain.
type head uint32

func (h *head) Link() *uint32 { return (*uint32)(h) }

// First returns the first record that may have this hash, 0 if there is none; the next one is in its link.
func (t *Table[T, P]) First(hash uint32) uint32 {
	if t.n == 0 {
		return 0
	}
	return *t.chain(hash).Link()
}

// Bytes returns how much memory the records and the chains take.
func (t *Table[T, P]) Bytes() int { return t.Slab.Bytes() + t.heads.Bytes() }

// Insert hangs up record i, which has its hash.
func (t *Table[T, P]) Insert(i uint32) {
	if t.Live() > int(t.n) {
		t.split()
	}
	t.hang(i)
}

// Remove takes record i out of its chain and frees it.
func (t *Table[T, P]) Remove(i uint32) {
	r := P(t.At(i))
	at := t.chain(r.Hash()).Link()
	for *at != i {
		at = P(t.At(*at)).Link()
	}
	*at = *r.Link()
	t.Free(i)
}

// chain returns where the chain of a hash begins.
func (t *Table[T, P]) chain(hash uint32) *head {
	half := uint32(1) << (bits.Len32(t.n) - 1) // at most n, and more than half of it
	c := hash & (half<<1 - 1)
	if c >= t.n {
		c -= half // not split yet
	}
	return t.heads.At(c + 1)
}

func (t *Table[T, P]) hang(i uint32) {
	r := P(t.At(i))
	first := t.chain(r.Hash()).Link()
	*r.Link(), *first = *first, i
}

// split makes a new chain, of those records of the chain that it was one with till now whose hash belongs here.
func (t *Table[T, P]) split() {
	added := t.heads.Alloc()
	*t.heads.At(added) = 0
	t.n++
	if t.n == 1 {
		return
	}
	sibling := t.n - 1 - 1<<(bits.Len32(t.n-1)-1)
	first := t.heads.At(sibling + 1).Link()
	i := *first
	*first = 0
	for i != 0 {
		next := *P(t.At(i)).Link()
		t.hang(i)
		i = next
	}
}
