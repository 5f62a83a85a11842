package hub

// slab keeps records of type T and names each by a 32-bit index. It grows by whole chunks, which never move: a
// pointer to a record is good until the record is freed. The free list runs through the records themselves. Index 0
// is no record. With a T that has no pointers the garbage collector has nothing to walk.
type slab[T any, P record[T]] struct {
	chunks [][]T
	shift  uint8  // a chunk has 1<<shift records
	vacant uint32 // first freed record, 0 for none
	unused uint32 // first record that was never handed out, 0 before the first
	live   int
}

// record is a T that lends the slab a field for its free list while it is free.
type record[T any] interface {
	*T
	link() *uint32
}

// alloc returns the index of a record whose contents are whatever they were: the caller sets them.
func (s *slab[T, P]) alloc() uint32 {
	s.live++
	if i := s.vacant; i != 0 {
		s.vacant = *P(s.at(i)).link()
		return i
	}
	return s.extend()
}

// extend hands out the next record that never was, from a new chunk when the last is used up.
func (s *slab[T, P]) extend() uint32 {
	if s.unused&(1<<s.shift-1) == 0 {
		if s.unused == 0 && len(s.chunks) > 0 {
			panic("hub: slab is full")
		}
		s.chunks = append(s.chunks, make([]T, 1<<s.shift))
	}
	i := max(s.unused, 1)
	s.unused = i + 1
	return i
}

func (s *slab[T, P]) at(i uint32) *T {
	return &s.chunks[i>>(s.shift&31)][i&(1<<(s.shift&31)-1)]
}

func (s *slab[T, P]) free(i uint32) {
	*P(s.at(i)).link() = s.vacant
	s.vacant = i
	s.live--
}
