package sys

import (
	"runtime"
	"testing"
)

// record is of a size that is no power of two.
type record struct {
	a, b uint64
	c    uint32
}

// Chunks are zeroed, stay where they are, and are no objects of the garbage collector's.
func TestSlab(t *testing.T) {
	const chunks = 5
	var s Slab[record]
	if s.Len() != 0 {
		t.Errorf("Len() = %d of an empty slab", s.Len())
	}
	var at []*record
	for range chunks {
		first := uint32(s.Len())
		if err := s.Grow(); err != nil {
			t.Fatal(err)
		}
		for i := first; int(i) < s.Len(); i++ {
			r := s.At(i)
			if *r != (record{}) {
				t.Fatalf("record %d = %v; want zero", i, *r)
			}
			*r = record{a: uint64(i), b: ^uint64(i), c: i}
			at = append(at, r)
		}
	}
	runtime.GC()
	for i, want := range at {
		n := uint32(i)
		if got := s.At(n); got != want || *got != (record{uint64(n), ^uint64(n), n}) {
			t.Fatalf("record %d = %v at %p; want it as it was at %p", i, *got, got, want)
		}
	}
	s.Free()
	if s.Len() != 0 {
		t.Errorf("Len() = %d after Free", s.Len())
	}
	if err := s.Grow(); err != nil || *s.At(0) != (record{}) {
		t.Errorf("a slab that was freed does not begin anew: %v", err)
	}
	s.Free()
	s.Free()
}
