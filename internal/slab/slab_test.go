package slab

import (
	"reflect"
	"testing"
)

type entry struct {
	value uint32
	next  uint32
}

func (e *entry) Link() *uint32 { return &e.next }

func TestSlabRecordsStayAndReturn(t *testing.T) {
	var s Slab[entry, *entry]
	const records = 20_000
	kept := make(map[uint32]*entry)
	for n := range uint32(records) {
		i := s.Alloc()
		if i == 0 || kept[i] != nil {
			t.Fatalf("Alloc = %d, which is no record or in use", i)
		}
		kept[i] = s.At(i)
		*kept[i] = entry{value: n}
	}
	for i, p := range kept {
		if s.At(i) != p {
			t.Fatalf("record %d has moved", i)
		}
	}
	freed := 0
	for i := range kept {
		if i%2 == 0 {
			s.Free(i)
			delete(kept, i)
			freed++
		}
	}
	chunks := len(s.chunks)
	for range freed {
		i := s.Alloc()
		if kept[i] != nil {
			t.Fatalf("Alloc = %d, which is in use", i)
		}
		kept[i] = s.At(i)
	}
	if s.Live() != records || len(s.chunks) != chunks || chunks < 2 {
		t.Errorf("Live = %d in %d chunks; want %d in %d, and more than one", s.Live(), len(s.chunks), records, chunks)
	}
}

func TestSlabEndsWithItsIndex(t *testing.T) {
	var s Slab[entry, *entry]
	s.Alloc()
	s.unused = 0 // as after the last index
	defer func() {
		if recover() == nil {
			t.Error("Alloc went on after the last index")
		}
	}()
	s.Alloc()
}

// What the garbage collector must see stays in its heap.
func TestHasPointers(t *testing.T) {
	for _, row := range []struct {
		of   reflect.Type
		want bool
	}{
		{reflect.TypeFor[entry](), false},
		{reflect.TypeFor[[3]struct{ f complex128 }](), false},
		{reflect.TypeFor[struct{ text Text }](), false},
		{reflect.TypeFor[uintptr](), false},
		{reflect.TypeFor[[2]string](), true},
		{reflect.TypeFor[struct {
			a int
			b struct{ s []byte }
		}](), true},
		{reflect.TypeFor[*int](), true},
		{reflect.TypeFor[map[int]int](), true},
		{reflect.TypeFor[func()](), true},
		{reflect.TypeFor[any](), true},
		{reflect.TypeFor[chan int](), true},
	} {
		if got := hasPointers(row.of); got != row.want {
			t.Errorf("hasPointers(%v) = %v; want %v", row.of, got, row.want)
		}
	}
}
