package hub

import "iter"

// roomSlice is how many records of rooms are looked at under a shard's lock at a time.
const roomSlice = 64

// audience is a room's name and how many members it has.
type audience struct {
	name    string
	members int
}

// Rooms yields the name of each room with members, and how many those are. Any goroutine may call it. It takes each shard's
// lock for a few microseconds at a time and holds none while it yields: a room that comes or goes meanwhile may be left out, or
// be named twice.
func (h *Hub) Rooms() iter.Seq2[string, int] {
	return func(yield func(string, int) bool) {
		var some []audience
		for i := range h.shards {
			for from := uint32(1); from != 0; {
				some, from = h.shards[i].audiences(some[:0], from)
				for _, a := range some {
					if !yield(a.name, a.members) {
						return
					}
				}
			}
		}
	}
}

// audiences appends the rooms with members among the next records from one on. It returns where to go on, 0 at the end.
func (s *shard) audiences(dst []audience, from uint32) (all []audience, next uint32) {
	s.mu.Lock()
	defer s.unlock()
	end := min(from+roomSlice, s.rooms.End())
	var name []byte
	for i := from; i < end; i++ {
		if r := s.rooms.At(i); r.branches != 0 { // one that is free again has none
			name = s.names.Append(name[:0], r.name)
			dst = append(dst, audience{string(name), s.membersOf(r)})
		}
	}
	if end == s.rooms.End() {
		end = 0
	}
	return dst, end
}

// membersOf returns how many members r has, on all loops.
func (s *shard) membersOf(r *room) (n int) {
	for i := r.branches; i != 0; {
		b := s.branches.At(i)
		n += int(b.members)
		i = b.next
	}
	return n
}
