package hub

import (
	"fmt"
	"os"
	"runtime/debug"
	"sync"
	"sync/atomic"

	"github.com/seed4ac54ce5/edge/internal/slab"
)

// A roster names its room by the shard in the top 8 bits and the room's index in the shard below.
const (
	roomIndexBits = 32 - shardBits
	maxRoomIndex  = 1<<roomIndexBits - 1
)

// shard owns the rooms whose hash begins with its number. What it has for a room without memory holds no pointer.
type shard struct {
	mu       sync.Mutex // guards all below: the rooms' order and memory, and which loops have members
	hub      *Hub
	rooms    slab.Table[room, *room]
	branches slab.Slab[branch, *branch]
	names    slab.Texts
	memories slab.Slab[memory, *memory]
	due      agenda // memories, by when something of theirs is due
	eldest   agenda // those with a history, by their newest publication

	presences presences
	parting   atomic.Int64 // when the next grace is over; read without the lock
	info      []byte       // scratch space of depart and overdue

	lively  int // rooms with members
	members int // subscriptions, over all rooms

	_ [64]byte // neighbours are locked by other CPUs
}

func (s *shard) init(h *Hub) {
	s.hub = h
	s.due.init(dueAgenda)
	s.eldest.init(eldestAgenda)
	s.presences = newPresences()
	s.parting.Store(never)
}

// place is where a new subscriber stands, in the hub's records too.
type place struct {
	Joined
	room    uint32
	roster  uint32
	entry   uint32 // in the presences
	asleep  loopSet
	refused bool
}

// joining is one call of Subscribe: the member's record is sub. If it is the room's first one on the loop, the room's
// roster there is spare.
type joining struct {
	ns         Namespace
	sub, spare uint32
	request    *Request
}

// join counts one more member of the room on l, posts its join marker, and returns what the member is to begin with.
func (s *shard) join(hash uint64, name []byte, l *Local, q joining) place {
	now := s.hub.now().UnixNano()
	s.mu.Lock()
	defer s.unlock()
	i := s.find(hash, name)
	if i == 0 {
		i = s.create(hash, name, q.ns)
	}
	r := s.rooms.At(i)
	at := place{room: i}
	if m := s.recall(i, now); m != nil {
		at.Joined = m.welcome(q.request)
		s.schedule(r, m, now)
	}
	if q.request.Must && q.request.Recover && !at.Recovered {
		at.refused = true
		if r.branches == 0 {
			s.abandon(i)
		}
		return at
	}
	wake := false
	if at.roster, wake = s.enter(r, l, q); wake {
		at.asleep.add(l.id)
	}
	at.entry = s.attend(i, &q.request.As, &at.asleep)
	return at
}

// enter counts one more member of r on l and posts its join marker.
func (s *shard) enter(r *room, l *Local, q joining) (roster uint32, wake bool) {
	if r.branches == 0 {
		s.lively++
	}
	j := s.branch(r, l.id)
	if j == 0 {
		j = s.branches.Alloc()
		*s.branches.At(j) = branch{roster: q.spare, loop: l.id, next: r.branches}
		r.branches = j
	}
	b := s.branches.At(j)
	b.members++
	s.members++
	return b.roster, l.in.Post(Event{kind: joined, roster: b.roster, sub: q.sub})
}

// leaving is one call of Unsubscribe, or of LeaveAll for one room: the member is cut off.
type leaving struct {
	room, entry uint32
	cut         bool
	asleep      loopSet // loops to be woken
}

// leave counts one member of a room on a loop less. It reports whether that was the last one there: then no event
// that is posted from now on names its roster. A room without members on any loop is forgotten, unless it remembers.
func (s *shard) leave(q *leaving, loop uint8) (last bool) {
	now := s.hub.now().UnixNano()
	s.mu.Lock()
	defer s.unlock()
	s.members--
	r := s.rooms.At(q.room)
	j := s.branch(r, loop)
	b := s.branches.At(j)
	b.members--
	last = b.members == 0
	if last {
		s.prune(r, j)
	}
	s.depart(q.room, q.entry, q.cut, now, &q.asleep)
	if r.branches == 0 {
		s.lively--
		s.abandon(q.room)
	}
	return last
}

// abandon is what happens to room i when its last member has left.
func (s *shard) abandon(i uint32) {
	r := s.rooms.At(i)
	m := s.memory(r)
	switch {
	case m != nil:
	case r.empty():
		s.forget(i)
		return
	default:
		return
	}
	now := s.hub.now().UnixNano()
	m.used = max(m.used, now)
	s.schedule(r, m, now)
}

// roster returns the roster that the room has on a loop, 0 if it has no members there.
func (s *shard) roster(hash uint64, name []byte, loop uint8) uint32 {
	s.mu.Lock()
	defer s.unlock()
	i := s.find(hash, name)
	if i == 0 {
		return 0
	}
	j := s.branch(s.rooms.At(i), loop)
	if j == 0 {
		return 0
	}
	return s.branches.At(j).roster
}

// name returns the name of room i, which the caller has a member in.
func (s *shard) name(i uint32) string {
	s.mu.Lock()
	defer s.unlock()
	return string(s.nameOf(s.rooms.At(i)))
}

func (s *shard) count() (rooms, subscriptions int) {
	s.mu.Lock()
	defer s.unlock()
	return s.lively, s.members
}

// unlock is deferred by whoever locks. A panic under the lock must not reach a recover further up, which would leave
// the shard locked for ever: it ends the process here.
func (s *shard) unlock() {
	if v := recover(); v != nil {
		fmt.Fprintf(os.Stderr, "hub: panic under a shard's lock: %v\n\n%s", v, debug.Stack())
		os.Exit(2)
	}
	s.mu.Unlock()
}
