package slab

import "testing"

type entry struct {
	value uint32
	next  uint32
}

func (e *entry) Link() *uint32 { return &e.next }

func TestSlabRecordsStayAndReturn(t *testing.T) {
	s := New[entry](2)
	kept := make(map[uint32]*entry)
	for n := range uint32(100) {
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
	if s.Live() != 100 || len(s.chunks) != chunks {
		t.Errorf("Live = %d in %d chunks; want 100 in %d", s.Live(), len(s.chunks), chunks)
	}
}

func TestSlabEndsWithItsIndex(t *testing.T) {
	s := New[entry](2)
	s.Alloc()
	s.unused = 0 // as after the last index
	defer func() {
		if recover() == nil {
			t.Error("Alloc went on after the last index")
		}
	}()
	s.Alloc()
}
