package store

import (
	"errors"
	"math"

	"go.etcd.io/bbolt"

	"github.com/seed4ac54ce5/edge/hub"
)

// fill is how full a page stays when it splits: keys of a room come in rising order.
const fill = 0.9

// errNoBuckets means that the file has lost its buckets since it was opened.
var errNoBuckets = errors.New("store: the file's buckets are gone")

// batch turns records into the changes of one transaction.
type batch struct {
	rooms, entries *bbolt.Bucket
	changed        map[string]*changedRoom // by name; written by flush
	key            []byte                  // scratch
}

// changedRoom is a room as the records so far leave it.
type changedRoom struct {
	key   []byte
	state roomState
	known bool // else the room is not, or no more
}

func newBatch(tx *bbolt.Tx) (*batch, error) {
	b := &batch{rooms: tx.Bucket(roomsBucket), entries: tx.Bucket(entriesBucket), changed: make(map[string]*changedRoom)}
	if b.rooms == nil || b.entries == nil {
		return nil, errNoBuckets
	}
	b.rooms.FillPercent, b.entries.FillPercent = fill, fill
	return b, nil
}

// room returns the room of that name as it is after the records so far.
func (b *batch) room(name []byte) *changedRoom {
	if r := b.changed[string(name)]; r != nil {
		return r
	}
	r := &changedRoom{key: roomKey(name)}
	r.state, r.known = parseRoomState(r.key, b.rooms.Get(r.key))
	b.changed[string(name)] = r
	return r
}

// put applies one record. A record that does not follow the one before, because that one could not be kept,
// leaves nothing in front of the hole.
func (b *batch) put(rec *hub.Record) error {
	r := b.room(rec.Room)
	if rec.Forget {
		r.known = false
		return b.cut(r, math.MaxUint64)
	}
	if !r.followedBy(rec) {
		if err := b.cut(r, math.MaxUint64); err != nil {
			return err
		}
		r.state.from = rec.Offset
		if rec.Entry == nil {
			r.state.from++
		}
	}
	if rec.From > r.state.from {
		if err := b.cut(r, rec.From); err != nil {
			return err
		}
		r.state.from = rec.From
	}
	r.known, r.state.epoch, r.state.offset = true, rec.Epoch, rec.Offset
	return b.add(r, rec)
}

// followedBy reports whether rec is the next change of the room after those in the file.
func (r *changedRoom) followedBy(rec *hub.Record) bool {
	next := r.state.offset
	if rec.Entry != nil {
		next++
	}
	return r.known && r.state.epoch == rec.Epoch && rec.Offset == next
}

// add writes rec's entry, if it has one that is still in the history.
func (b *batch) add(r *changedRoom, rec *hub.Record) error {
	if rec.Entry == nil || rec.Offset < r.state.from {
		return nil
	}
	b.key = appendEntryKey(b.key[:0], r.key, rec.Offset)
	return b.entries.Put(b.key, seal(b.key, rec.Entry))
}

// cut deletes the room's entries before offset from, oldest first. Each search begins behind the key deleted last,
// not at the pages that the deletions have emptied.
func (b *batch) cut(r *changedRoom, from uint64) error {
	c := b.entries.Cursor()
	b.key = append(b.key[:0], r.key...)
	for {
		key, _ := c.Seek(b.key)
		offset, ok := entryOffset(key, r.key)
		if !ok || offset >= from {
			return nil
		}
		if err := c.Delete(); err != nil {
			return err
		}
		b.key = appendEntryKey(b.key[:0], r.key, offset+1)
	}
}

// flush writes where the changed rooms are now.
func (b *batch) flush() error {
	for _, r := range b.changed {
		if err := b.write(r); err != nil {
			return err
		}
	}
	return nil
}

func (b *batch) write(r *changedRoom) error {
	if !r.known {
		return b.rooms.Delete(r.key)
	}
	return b.rooms.Put(r.key, r.state.seal(r.key))
}
