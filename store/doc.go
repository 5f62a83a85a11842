// Package store keeps the histories of rooms in one file, so that they outlive the process: positions and
// publications go in through [Store.Put], and come back through [Store.Load] after a restart.
//
//	s, err := store.Open(store.Config{Path: "/var/lib/edge/rooms.db"})
//	err = s.Load(func(room []byte, epoch, offset uint64, entries [][]byte) error { ... })
//	queued := s.Put(&hub.Record{Room: room, Epoch: epoch, Offset: 1, From: 1, Entry: data, Done: acknowledge})
//	err = s.Close()
//
// # Promises
//
// A record is done once it is as safe as the [Policy] says:
//
//	always    it survives a power cut: its transaction was synced to the disk
//	interval  it survives the end of the process, kill -9 too: its transaction was handed to the kernel. The
//	          file is synced every SyncInterval; a crash of the machine takes what came after the last sync
//
// What a transaction has, it has as a whole. A position is never given out twice in one epoch: when the file
// may have lost one (the machine crashed under interval, the newest transaction is damaged, a failing disk
// refused it), every room that it may concern goes on in a new epoch, and the log says so. Entries carry a checksum:
// what Load returns was put, in that room and at that offset, without a hole up to the room's position. The file may grow
// to 64 GiB less a little; then it counts as full.
//
// Beside the file may stand: .checkpoint, where the last sync of policy interval is; .lost, the note that positions were
// lost; .damaged-<unix time>, a file of which nothing was whole. The store never deletes that last one.
//
// # Goroutines
//
// [Open] starts one, the writer: it owns the file, makes one transaction of all that is queued, and calls Done.
package store
