package sys

import (
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Arena is memory outside of the Go heap: the garbage collector neither scans nor counts it, so that it is not
// doubled by the room that a collector needs, and a page costs nothing before it is touched. It is given back some
// time after the Arena has become unreachable. One goroutine at a time may use it.
type Arena struct{ maps *mappings }

type mappings struct{ all [][]byte }

// NewArena returns an empty Arena.
func NewArena() *Arena {
	a := &Arena{new(mappings)}
	runtime.AddCleanup(a, (*mappings).free, a.maps)
	return a
}

// MakeSlice returns n zeroed records in a. T must hold no Go pointer, and the slice must not outlive a. When the kernel
// has no mapping left, it is an ordinary slice.
func MakeSlice[T any](a *Arena, n int) []T {
	var t T
	m, err := unix.Mmap(-1, 0, int(unsafe.Sizeof(t))*n, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		return make([]T, n)
	}
	a.maps.all = append(a.maps.all, m)
	return unsafe.Slice((*T)(unsafe.Pointer(unsafe.SliceData(m))), n)
}

func (m *mappings) free() {
	for _, b := range m.all {
		_ = unix.Munmap(b) // fails only for a range that is not mapped
	}
}
