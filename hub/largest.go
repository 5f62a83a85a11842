package hub

import (
	"cmp"
	"slices"
)

// Crowd is a room and how many members it has.
type Crowd struct {
	Room    string
	Members int
}

// Largest returns the n rooms with the most members, the largest first, and of equal ones in the order of their names. It looks
// at every room, and takes each shard's lock for a few microseconds at a time. Any goroutine may call it.
func (h *Hub) Largest(n int) []Crowd {
	l := largest{n: n}
	for i := range h.shards {
		for from := uint32(1); from != 0 && n > 0; {
			from = h.shards[i].largest(&l, from)
		}
	}
	l.trim()
	return l.rooms
}

// largest collects the n largest of many rooms.
type largest struct {
	n     int
	rooms []Crowd // up to 2n, those that may be among the largest
	least int     // members that a room must have to be one of them
}

// largest offers the rooms with members among the next records from one on to l. It returns where to go on, 0 at the end.
func (s *shard) largest(l *largest, from uint32) (next uint32) {
	s.mu.Lock()
	defer s.unlock()
	end := min(from+roomSlice, s.rooms.End())
	for i := from; i < end; i++ {
		if r := s.rooms.At(i); r.branches != 0 { // one that is free again has none
			if members := s.membersOf(r); members >= l.least {
				l.add(string(s.nameOf(r)), members)
			}
		}
	}
	if end == s.rooms.End() {
		return 0
	}
	return end
}

func (l *largest) add(room string, members int) {
	l.rooms = append(l.rooms, Crowd{room, members})
	if len(l.rooms) == 2*l.n {
		l.trim()
		l.least = l.rooms[l.n-1].Members
	}
}

// trim sorts the rooms and drops those that are too many.
func (l *largest) trim() {
	slices.SortFunc(l.rooms, func(a, b Crowd) int {
		return cmp.Or(cmp.Compare(b.Members, a.Members), cmp.Compare(a.Room, b.Room))
	})
	l.rooms = l.rooms[:min(l.n, len(l.rooms))]
}
