package server

import (
	"hash/maphash"
	"slices"

	"github.com/seed4ac54ce5/edge/hub"
)

// audience is the rooms that a client with an EventSource of its own has asked for. In a session it is what midway names.
type audience struct {
	rooms    []audienceRoom
	returned bool // it has said where it stood

	users int    // streams that share it; 0 for one's own
	key   uint64 // in audiences.shared
}

// audienceRoom is a room and how far its client has got there, zero if the room keeps no positions.
type audienceRoom struct {
	name string
	at   hub.Position
}

// sameRooms reports whether b is of the rooms of a, in their order.
func (a *audience) sameRooms(b *audience) bool {
	return slices.EqualFunc(a.rooms, b.rooms, func(x, y audienceRoom) bool { return x.name == y.name })
}

// audiences are those of a loop, by index; 0 is nobody's. Streams of the same rooms that stand nowhere there share one, which is
// never changed.
type audiences struct {
	table  []*audience
	free   []uint32
	shared map[uint64]*audience // by their rooms
	seed   maphash.Seed
}

// take returns an index for a.
func (all *audiences) take(a *audience) uint32 {
	a = all.share(a)
	if n := len(all.free); n > 0 {
		i := all.free[n-1]
		all.free = all.free[:n-1]
		all.table[i] = a
		return i
	}
	if len(all.table) == 0 {
		all.table = append(all.table, nil)
	}
	all.table = append(all.table, a)
	return uint32(len(all.table) - 1)
}

// share returns the one that streams like a share, or a, if it cannot be shared.
func (all *audiences) share(a *audience) *audience {
	if a.returned {
		return a
	}
	if all.shared == nil {
		all.shared, all.seed = make(map[uint64]*audience), maphash.MakeSeed()
	}
	var h maphash.Hash
	h.SetSeed(all.seed)
	for i := range a.rooms {
		_, _ = h.WriteString(a.rooms[i].name)
		_ = h.WriteByte(0)
	}
	key := h.Sum64()
	has := all.shared[key]
	switch {
	case has == nil:
		a.users, a.key = 1, key
		all.shared[key] = a
		return a
	case !has.sameRooms(a):
		return a
	}
	has.users++
	return has
}

// own returns index i's, which from now on is shared with nobody and may be changed.
func (all *audiences) own(i uint32) *audience {
	a := all.table[i]
	if a.users > 0 {
		all.leave(a)
		all.table[i] = &audience{rooms: slices.Clone(a.rooms), returned: a.returned}
	}
	return all.table[i]
}

// leave is the end of a stream's share of a.
func (all *audiences) leave(a *audience) {
	if a.users == 0 {
		return
	}
	if a.users--; a.users == 0 {
		delete(all.shared, a.key)
	}
}

// drop forgets index *i, if there is one.
func (all *audiences) drop(i *uint32) {
	if *i != 0 {
		all.leave(all.table[*i])
		all.table[*i] = nil
		all.free = append(all.free, *i)
		*i = 0
	}
}
