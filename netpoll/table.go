package netpoll

import (
	"fmt"

	"github.com/seed4ac54ce5/edge/internal/sys"
)

// Table is a handler's own records beside the conns, one for each slot, in memory that the garbage
// collector does not see: T must hold no Go pointer. A record outlives its conn, so the handler
// resets it in [Handler.Opened]. Its zero value is empty.
type Table[T any] struct{ slab sys.Slab[T] }

// Reserve makes sure that slot has a record. It panics if the host has no memory left for one.
func (t *Table[T]) Reserve(slot uint32) *T {
	for int(slot) >= t.slab.Len() {
		if err := t.slab.Grow(); err != nil {
			panic(fmt.Sprintf("netpoll: table: %v", err))
		}
	}
	return t.slab.At(slot)
}

// At returns the record of a slot for which Reserve has been called.
func (t *Table[T]) At(slot uint32) *T { return t.slab.At(slot) }

// Free gives the memory back.
func (t *Table[T]) Free() { t.slab.Free() }
