// Package slab keeps many small records and short texts without a heap object for each: a record is an index, and
// the garbage collector has nothing to walk. Nothing here is safe for concurrent use; the owner of a slab guards it.
package slab
