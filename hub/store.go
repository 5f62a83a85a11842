package hub

// Store keeps the histories of rooms beyond the life of the process.
type Store interface {
	// Put queues r and reports whether there was room for it; r and all it refers to belong to the store from then
	// on. It is called under a shard's lock: it must neither enter the kernel nor call the hub.
	Put(r *Record) bool
}

// Record is one change to a room on its way to a [Store]. Records of one room come in the order of its offsets.
type Record struct {
	Room   []byte
	Epoch  uint64 // of 48 bits, as NewEpoch makes them
	Offset uint64 // of the room's last publication once this record holds: Entry's own, if there is one
	From   uint64 // publications before this offset are out of the room's history
	Entry  []byte // the publication, opaque; nil if the record only cuts the history
	Forget bool   // the room is no more: everything about it goes

	// Done, if not nil, is called exactly once, from the store's goroutine and in the order of Put, when the
	// record is as safe as the store's policy promises, or when it could not be kept.
	Done func(err error)
}
