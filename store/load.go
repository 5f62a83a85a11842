package store

import (
	"bytes"
	"log/slog"

	"go.etcd.io/bbolt"
)

// loader reads all histories of one read transaction.
type loader struct {
	each    func(room []byte, epoch, offset uint64, entries [][]byte) error
	entries *bbolt.Cursor

	damagedRooms int    // left out: their position is not known
	lostEntries  uint64 // damaged, not there, or older in their room than one of those
}

// load hands over every room of tx that is whole, in no particular order.
func (l *loader) load(tx *bbolt.Tx) error {
	rooms, entries := tx.Bucket(roomsBucket), tx.Bucket(entriesBucket)
	if rooms == nil || entries == nil {
		return errNoBuckets
	}
	l.entries = entries.Cursor()
	return rooms.ForEach(l.room)
}

func (l *loader) room(key, value []byte) error {
	name, named := roomName(key)
	state, ok := parseRoomState(key, value)
	if !named || !ok {
		l.damagedRooms++
		return nil
	}
	return l.each(bytes.Clone(name), state.epoch, state.offset, l.history(key, state))
}

// history returns copies of the room's entries up to its offset, oldest first: the longest run without a hole.
func (l *loader) history(room []byte, state roomState) [][]byte {
	var run [][]byte
	next := state.from // the offset that run goes on with
	for key, value := l.entries.Seek(appendEntryKey(nil, room, state.from)); ; key, value = l.entries.Next() {
		offset, ok := entryOffset(key, room)
		if !ok {
			break
		}
		data, ok := unseal(key, value)
		if !ok {
			continue // a hole
		}
		if offset != next {
			run = nil
		}
		run, next = append(run, append([]byte{}, data...)), offset+1
	}
	if next != state.offset+1 {
		run = nil
	}
	l.lostEntries += state.length() - uint64(len(run))
	return run
}

// report logs what had to be left out.
func (l *loader) report(log *slog.Logger, path string) {
	if l.damagedRooms > 0 || l.lostEntries > 0 {
		log.Error("store: parts of the histories are damaged and left out", "file", path,
			"rooms", l.damagedRooms, "entries", l.lostEntries)
	}
}
