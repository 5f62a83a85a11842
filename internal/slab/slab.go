package slab

// Slab keeps records of type T and names each by a 32-bit index. It grows by whole chunks, which never move: a
// pointer to a record is good until the record is freed. The free list runs through the records themselves. Index 0
// is no record. With a T that has no pointers the garbage collector has nothing to walk.
type Slab[T any, P Record[T]] struct {
	chunks [][]T
	shift  uint8  // a chunk has 1<<shift records
	vacant uint32 // first freed record, 0 for none
	unused uint32 // first record that was never handed out, 0 before the first
	live   int    // records in use
}

// New returns a slab that grows by 1<<shift records at a time.
func New[T any, P Record[T]](shift uint8) Slab[T, P] { return Slab[T, P]{shift: shift} }

// Live returns how many records are in use.
func (s *Slab[T, P]) Live() int { return s.live }

// End returns the index behind all that have been handed out so far, those in use and those that are free again.
func (s *Slab[T, P]) End() uint32 { return max(s.unused, 1) }

// Record is a T that lends the slab a field for its free list while it is free.
type Record[T any] interface {
	*T
	// Link returns that field.
	Link() *uint32
}

// Alloc returns the index of a record whose contents are whatever they were: the caller sets them.
func (s *Slab[T, P]) Alloc() uint32 {
	s.live++
	if i := s.vacant; i != 0 {
		s.vacant = *P(s.At(i)).Link()
		return i
	}
	return s.extend()
}

// extend hands out the next record that never was, from a new chunk when the last is used up.
func (s *Slab[T, P]) extend() uint32 {
	if s.unused&(1<<s.shift-1) == 0 {
		if s.unused == 0 && len(s.chunks) > 0 {
			panic("slab: full")
		}
		s.chunks = append(s.chunks, make([]T, 1<<s.shift))
	}
	i := max(s.unused, 1)
	s.unused = i + 1
	return i
}

// At returns record i.
func (s *Slab[T, P]) At(i uint32) *T {
	return &s.chunks[i>>(s.shift&31)][i&(1<<(s.shift&31)-1)]
}

// Free takes record i back.
func (s *Slab[T, P]) Free(i uint32) {
	*P(s.At(i)).Link() = s.vacant
	s.vacant = i
	s.live--
}
