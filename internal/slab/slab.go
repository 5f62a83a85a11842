package slab

import (
	"math/bits"
	"reflect"

	"github.com/seed4ac54ce5/edge/internal/sys"
)

// Slab keeps records of type T and names each by a 32-bit index. It grows by whole chunks, which never move: a
// pointer to a record is good until the record is freed, and while the Slab itself can be reached. The free list runs
// through the records themselves. Index 0 is no record. Records without pointers lie outside of the Go heap. The zero
// value is empty.
type Slab[T any, P Record[T]] struct {
	chunks [][]T
	arena  *sys.Arena // nil if the garbage collector must see the records
	live   int        // records in use
	vacant uint32     // first freed record, 0 for none
	unused uint32     // first record that was never handed out, 0 before the first
	shift  uint8      // a chunk has 1<<shift records
}

const (
	mapped = 64 << 10 // bytes of a chunk outside of the heap: of its pages, those that are not used cost nothing
	onHeap = 1 << 10  // and of one in it
)

// settle decides, before the first chunk, where the records lie.
func (s *Slab[T, P]) settle() {
	t := reflect.TypeFor[T]()
	if hasPointers(t) {
		s.shift = shiftOf(t, onHeap)
		return
	}
	s.shift = shiftOf(t, mapped)
	s.arena = sys.NewArena()
}

// shiftOf returns the log2 of how many records of type t a chunk of so many bytes has.
func shiftOf(t reflect.Type, bytes uintptr) uint8 {
	return uint8(bits.Len(uint(max(bytes/t.Size(), 1))) - 1)
}

// hasPointers reports whether a value of type t may hold a pointer.
func hasPointers(t reflect.Type) bool {
	switch k := t.Kind(); k {
	case reflect.Array:
		return hasPointers(t.Elem())
	case reflect.Struct:
		for i := range t.NumField() {
			if hasPointers(t.Field(i).Type) {
				return true
			}
		}
		return false
	default:
		return k > reflect.Complex128 // what comes before are numbers
	}
}

// Live returns how many records are in use.
func (s *Slab[T, P]) Live() int { return s.live }

// End returns the index behind all that have been handed out so far, those in use and those that are free again.
func (s *Slab[T, P]) End() uint32 { return max(s.unused, 1) }

// Bytes returns how much memory the records take that have been handed out so far.
func (s *Slab[T, P]) Bytes() int { return int(s.unused) * int(reflect.TypeFor[T]().Size()) }

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
	if len(s.chunks) == 0 {
		s.settle()
	}
	if s.unused&(1<<s.shift-1) == 0 {
		if s.unused == 0 && len(s.chunks) > 0 {
			panic("slab: full")
		}
		s.chunks = append(s.chunks, s.chunk())
	}
	i := max(s.unused, 1)
	s.unused = i + 1
	return i
}

// chunk makes the next chunk.
func (s *Slab[T, P]) chunk() []T {
	if s.arena == nil {
		return make([]T, 1<<s.shift)
	}
	return sys.MakeSlice[T](s.arena, 1<<s.shift)
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
