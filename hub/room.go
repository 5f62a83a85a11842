package hub

import (
	"bytes"
	"math/rand/v2"
)

// room is what all loops share about one room. It exists while it has members, and holds no pointer.
type room struct {
	offset   uint64 // of the last publication
	epoch    uint64
	hash     uint64
	name     uint32 // first cell
	size     uint32 // length of the name
	branches uint32 // first branch: never 0 outside the lock
	next     uint32 // another room of the same hash
}

func (r *room) link() *uint32 { return &r.next }

func (r *room) position() Position { return Position{r.offset, r.epoch} }

// branch says that a room has members on a loop, and which roster there names them.
type branch struct {
	roster  uint32
	members uint32
	next    uint32
	loop    uint8
}

func (b *branch) link() *uint32 { return &b.next }

// cell is a piece of a room's name. A name is stored once, in as many cells as it needs.
type cell struct {
	next uint32
	text [28]byte
}

func (c *cell) link() *uint32 { return &c.next }

// find returns the room of that name, 0 if there is none.
func (s *shard) find(hash uint64, name []byte) uint32 {
	i := s.byHash[hash]
	for i != 0 && !s.named(s.rooms.at(i), name) {
		i = s.rooms.at(i).next
	}
	return i
}

// create makes a room without branches, in a new epoch.
func (s *shard) create(hash uint64, name []byte) uint32 {
	i := s.rooms.alloc()
	if i > maxRoomIndex {
		panic("hub: too many rooms in a shard")
	}
	*s.rooms.at(i) = room{
		epoch: rand.Uint64(),
		hash:  hash,
		name:  s.store(name),
		size:  uint32(len(name)),
		next:  s.byHash[hash],
	}
	s.byHash[hash] = i
	return i
}

// forget frees room i, which has no branches left.
func (s *shard) forget(i uint32) {
	r := s.rooms.at(i)
	s.unchain(i, r)
	for c := r.name; c != 0; {
		next := s.cells.at(c).next
		s.cells.free(c)
		c = next
	}
	s.rooms.free(i)
}

// unchain takes room i out of the list of the rooms that have its hash.
func (s *shard) unchain(i uint32, r *room) {
	first := s.byHash[r.hash]
	switch {
	case first != i:
		for s.rooms.at(first).next != i {
			first = s.rooms.at(first).next
		}
		s.rooms.at(first).next = r.next
	case r.next != 0:
		s.byHash[r.hash] = r.next
	default:
		delete(s.byHash, r.hash)
	}
}

// branch returns the index of r's branch on a loop, 0 if it has none.
func (s *shard) branch(r *room, loop uint8) uint32 {
	i := r.branches
	for i != 0 && s.branches.at(i).loop != loop {
		i = s.branches.at(i).next
	}
	return i
}

// prune frees branch i of r.
func (s *shard) prune(r *room, i uint32) {
	at := &r.branches
	for *at != i {
		at = &s.branches.at(*at).next
	}
	*at = s.branches.at(i).next
	s.branches.free(i)
}

// store copies name into cells and returns the first, 0 for the empty name.
func (s *shard) store(name []byte) (first uint32) {
	at := &first
	for len(name) > 0 {
		*at = s.cells.alloc()
		c := s.cells.at(*at)
		name = name[copy(c.text[:], name):]
		at = &c.next
	}
	*at = 0
	return first
}

func (s *shard) named(r *room, name []byte) bool {
	if int(r.size) != len(name) {
		return false
	}
	for i := r.name; i != 0; {
		c := s.cells.at(i)
		n := min(len(name), len(c.text))
		if !bytes.Equal(c.text[:n], name[:n]) {
			return false
		}
		name, i = name[n:], c.next
	}
	return true
}

// appendName appends r's name to b.
func (s *shard) appendName(b []byte, r *room) []byte {
	left := int(r.size)
	for i := r.name; i != 0; {
		c := s.cells.at(i)
		n := min(left, len(c.text))
		b = append(b, c.text[:n]...)
		left, i = left-n, c.next
	}
	return b
}
