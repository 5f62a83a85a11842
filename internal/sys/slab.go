package sys

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// slabShift gives the records of one chunk, a power of two.
const (
	slabShift = 12
	slabMask  = 1<<slabShift - 1
)

// Slab is a growing array of T in memory of its own: chunks never move, the garbage collector
// neither scans nor counts them, and a page costs nothing before it is touched. T must hold no Go
// pointer. One goroutine owns a Slab.
type Slab[T any] struct {
	chunks []unsafe.Pointer
	maps   [][]byte
}

// Len returns how many records there is room for: [Slab.At] takes indices below it.
func (s *Slab[T]) Len() int { return len(s.chunks) << slabShift }

// At returns record i. The pointer is good until [Slab.Free].
func (s *Slab[T]) At(i uint32) *T {
	var t T
	return (*T)(unsafe.Add(s.chunks[i>>slabShift], uintptr(i&slabMask)*unsafe.Sizeof(t)))
}

// Grow adds one chunk of zeroed records.
func (s *Slab[T]) Grow() error {
	var t T
	m, err := unix.Mmap(-1, 0, int(unsafe.Sizeof(t))<<slabShift, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		return fmt.Errorf("sys: slab of %d bytes: mmap: %w", unsafe.Sizeof(t)<<slabShift, err)
	}
	s.maps = append(s.maps, m)
	s.chunks = append(s.chunks, unsafe.Pointer(unsafe.SliceData(m)))
	return nil
}

// Free gives the memory back: every pointer that At returned is void.
func (s *Slab[T]) Free() {
	for _, m := range s.maps {
		_ = unix.Munmap(m) // fails only for a range that is not mapped
	}
	s.chunks, s.maps = nil, nil
}
