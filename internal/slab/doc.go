// Package slab keeps many small records and short texts without a heap object for each: a record is an index. Records
// without pointers lie outside of the Go heap, where the garbage collector neither walks them nor holds as much memory
// again in reserve. Nothing here is safe for concurrent use; the owner of a slab guards it.
package slab
