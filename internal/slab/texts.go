package slab

import "bytes"

// cell is a piece of a text.
type cell struct {
	next uint32
	text [12]byte
}

// Link returns the field that the free list runs through.
func (c *cell) Link() *uint32 { return &c.next }

// Texts keeps short texts, each stored once, in as many cells of 12 bytes as it needs. The zero value is empty.
type Texts struct {
	cells Slab[cell, *cell]
}

// Live returns how many cells are in use.
func (t *Texts) Live() int { return t.cells.Live() }

// Bytes returns how much memory the cells take that have been handed out so far.
func (t *Texts) Bytes() int { return t.cells.Bytes() }

// Text is a text in a [Texts]. Its zero value is the empty text, which needs no cell.
type Text struct {
	first uint32 // cell
	size  uint32 // bytes
}

// Len returns the length of x in bytes.
func (x Text) Len() int { return int(x.size) }

// Put stores a copy of b.
func (t *Texts) Put(b []byte) Text {
	x := Text{size: uint32(len(b))}
	at := &x.first
	for len(b) > 0 {
		*at = t.cells.Alloc()
		c := t.cells.At(*at)
		b = b[copy(c.text[:], b):]
		at = &c.next
	}
	*at = 0
	return x
}

// Free takes the cells of x back.
func (t *Texts) Free(x Text) {
	for i := x.first; i != 0; {
		next := t.cells.At(i).next
		t.cells.Free(i)
		i = next
	}
}

// Equal reports whether x is b.
func (t *Texts) Equal(x Text, b []byte) bool {
	if x.Len() != len(b) {
		return false
	}
	for i := x.first; i != 0; {
		c := t.cells.At(i)
		n := min(len(b), len(c.text))
		if !bytes.Equal(c.text[:n], b[:n]) {
			return false
		}
		b, i = b[n:], c.next
	}
	return true
}

// Append appends x to dst.
func (t *Texts) Append(dst []byte, x Text) []byte {
	left := x.Len()
	for i := x.first; i != 0; {
		c := t.cells.At(i)
		n := min(left, len(c.text))
		dst = append(dst, c.text[:n]...)
		left, i = left-n, c.next
	}
	return dst
}
