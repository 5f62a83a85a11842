package hub

import "github.com/seed4ac54ce5/edge/internal/slab"

// room is what all loops share about one room. It exists while somebody is there or it remembers something, and
// holds no pointer.
type room struct {
	hash     uint64
	name     slab.Text
	branches uint32 // first branch, 0 if the room has no members
	attendance
	next   uint32 // in the table
	memory uint32 // 0 if it has none
	ns     Namespace
}

func (r *room) Link() *uint32 { return &r.next }

// Hash returns the bits that did not choose the shard.
func (r *room) Hash() uint32 { return uint32(r.hash) }

// empty reports whether nobody is in the room, nor lingers there.
func (r *room) empty() bool { return r.branches == 0 && r.attendance.empty() }

// branch says that a room has members on a loop, and which roster there names them.
type branch struct {
	roster  uint32
	members uint32
	next    uint32
	loop    uint8
}

func (b *branch) Link() *uint32 { return &b.next }

// find returns the room of that name, 0 if there is none.
func (s *shard) find(hash uint64, name []byte) uint32 {
	i := s.rooms.First(uint32(hash))
	for i != 0 && !s.names.Equal(s.rooms.At(i).name, name) {
		i = s.rooms.At(i).next
	}
	return i
}

// create makes a room without branches and without memory.
func (s *shard) create(hash uint64, name []byte, ns Namespace) uint32 {
	i := s.rooms.Alloc()
	if i > maxRoomIndex {
		panic("hub: too many rooms in a shard")
	}
	*s.rooms.At(i) = room{
		hash: hash,
		name: s.names.Put(name),
		ns:   ns,
	}
	s.rooms.Insert(i)
	return i
}

// forget frees room i, which has neither branches nor memory.
func (s *shard) forget(i uint32) {
	s.names.Free(s.rooms.At(i).name)
	s.rooms.Remove(i)
}

// branch returns the index of r's branch on a loop, 0 if it has none.
func (s *shard) branch(r *room, loop uint8) uint32 {
	i := r.branches
	for i != 0 && s.branches.At(i).loop != loop {
		i = s.branches.At(i).next
	}
	return i
}

// prune frees branch i of r.
func (s *shard) prune(r *room, i uint32) {
	at := &r.branches
	for *at != i {
		at = &s.branches.At(*at).next
	}
	*at = s.branches.At(i).next
	s.branches.Free(i)
}
