package hub

import "testing"

func TestSlabRecordsStayAndReturn(t *testing.T) {
	s := slab[sub, *sub]{shift: 2}
	kept := make(map[uint32]*sub)
	for n := range uint32(100) {
		i := s.alloc()
		if i == 0 || kept[i] != nil {
			t.Fatalf("alloc = %d, which is no record or in use", i)
		}
		kept[i] = s.at(i)
		*kept[i] = sub{pos: n}
	}
	for i, p := range kept {
		if s.at(i) != p {
			t.Fatalf("record %d has moved", i)
		}
	}
	freed := 0
	for i := range kept {
		if i%2 == 0 {
			s.free(i)
			delete(kept, i)
			freed++
		}
	}
	chunks := len(s.chunks)
	for range freed {
		i := s.alloc()
		if kept[i] != nil {
			t.Fatalf("alloc = %d, which is in use", i)
		}
		kept[i] = s.at(i)
	}
	if s.live != 100 || len(s.chunks) != chunks {
		t.Errorf("live = %d in %d chunks; want 100 in %d", s.live, len(s.chunks), chunks)
	}
}

func TestSlabEndsWithItsIndex(t *testing.T) {
	s := slab[sub, *sub]{shift: 2}
	s.alloc()
	s.unused = 0 // as after the last index
	defer func() {
		if recover() == nil {
			t.Error("alloc went on after the last index")
		}
	}()
	s.alloc()
}
