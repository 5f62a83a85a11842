package sys

import (
	"errors"
	"runtime"
	"testing"
	"time"

	"github.com/seed4ac54ce5/edge/internal/testutil"
	"golang.org/x/sys/unix"
)

func TestArenaHoldsRecords(t *testing.T) {
	a := NewArena()
	defer runtime.KeepAlive(a)
	var all [][]record
	for i := range uint32(3) {
		s := MakeSlice[record](a, 1000)
		if len(s) != 1000 || s[0] != (record{}) || s[999] != (record{}) {
			t.Fatalf("slice %d has %d records, from %v to %v; want 1000 zeroed ones", i, len(s), s[0], s[len(s)-1])
		}
		for j := range s {
			s[j] = record{a: uint64(j), c: i}
		}
		all = append(all, s)
	}
	runtime.GC()
	for i, s := range all {
		for j := range s {
			if want := (record{a: uint64(j), c: uint32(i)}); s[j] != want {
				t.Fatalf("record %d of slice %d = %v; want %v", j, i, s[j], want)
			}
		}
	}
}

func TestArenaGivesMemoryBack(t *testing.T) {
	a := NewArena()
	s := MakeSlice[byte](a, 1<<20)
	if err := unix.Madvise(s, unix.MADV_NORMAL); err != nil {
		t.Fatalf("advice on an arena's slice: %v", err)
	}
	runtime.KeepAlive(a)
	testutil.Eventually(t, 2*time.Minute, func() bool {
		runtime.GC()
		return errors.Is(unix.Madvise(s, unix.MADV_NORMAL), unix.ENOMEM)
	}, "the memory of an arena that nobody can reach is given back")
}

// What cannot be mapped comes from the heap.
func TestArenaWithoutMappings(t *testing.T) {
	a := NewArena()
	if s := MakeSlice[record](a, 0); s == nil || len(s) != 0 || len(a.maps.all) != 0 { // the kernel refuses to map nothing
		t.Errorf("MakeSlice = %v in %d mappings; want an empty slice in none", s, len(a.maps.all))
	}
}
