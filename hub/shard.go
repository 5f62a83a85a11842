package hub

import (
	"fmt"
	"os"
	"runtime/debug"
	"sync"

	"github.com/seed4ac54ce5/edge/internal/slab"
)

// A roster names its room by the shard in the top 8 bits and the room's index in the shard below.
const (
	roomIndexBits = 32 - shardBits
	maxRoomIndex  = 1<<roomIndexBits - 1
)

// shardChunk is the log2 of a shard's chunks: small, since each of 256 shards has its own.
const shardChunk = 4

// shard owns the rooms whose hash begins with its number. Nothing in it but the map and the chunk tables is a
// pointer. The map is keyed by hash, and rooms of equal hash are chained, so that names need not be Go strings.
type shard struct {
	mu       sync.Mutex // guards all below: the order of the rooms and which loops have members
	byHash   map[uint64]uint32
	rooms    slab.Slab[room, *room]
	branches slab.Slab[branch, *branch]
	names    slab.Texts
	members  int // subscriptions, over all rooms

	_ [64]byte // neighbours are locked by other CPUs
}

func (s *shard) init() {
	s.byHash = make(map[uint64]uint32)
	s.rooms = slab.New[room](shardChunk)
	s.branches = slab.New[branch](shardChunk)
	s.names = slab.NewTexts(shardChunk)
}

// publish orders pub in its room and posts it to the room's loops; those that sleep are added to asleep.
func (s *shard) publish(hash uint64, pub *Publication, locals []*Local, asleep *loopSet) Position {
	s.mu.Lock()
	defer s.unlock()
	i := s.find(hash, pub.Room)
	if i == 0 {
		return Position{}
	}
	r := s.rooms.At(i)
	r.offset++
	pub.Position = r.position()
	for j := r.branches; j != 0; {
		b := s.branches.At(j)
		pub.retain()
		if locals[b.loop].in.Post(Event{kind: published, roster: b.roster, pub: pub}) {
			asleep.add(b.loop)
		}
		j = b.next
	}
	return r.position()
}

// place is where a new subscriber stands.
type place struct {
	pos    Position
	room   uint32
	roster uint32
	wake   bool
}

// join counts one more member of the room on l and posts the join marker for its record sub. If this is the room's
// first member on the loop, the room's roster there is spare.
func (s *shard) join(hash uint64, name []byte, l *Local, sub, spare uint32) place {
	s.mu.Lock()
	defer s.unlock()
	i := s.find(hash, name)
	if i == 0 {
		i = s.create(hash, name)
	}
	r := s.rooms.At(i)
	j := s.branch(r, l.id)
	if j == 0 {
		j = s.branches.Alloc()
		*s.branches.At(j) = branch{roster: spare, loop: l.id, next: r.branches}
		r.branches = j
	}
	b := s.branches.At(j)
	b.members++
	s.members++
	wake := l.in.Post(Event{kind: joined, roster: b.roster, sub: sub})
	return place{r.position(), i, b.roster, wake}
}

// leave counts one member of room i on a loop less. It reports whether that was the last one there: then no event
// that is posted from now on names its roster. A room without members on any loop is forgotten.
func (s *shard) leave(i uint32, loop uint8) (last bool) {
	s.mu.Lock()
	defer s.unlock()
	s.members--
	r := s.rooms.At(i)
	j := s.branch(r, loop)
	b := s.branches.At(j)
	b.members--
	if b.members > 0 {
		return false
	}
	s.prune(r, j)
	if r.branches == 0 {
		s.forget(i)
	}
	return true
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
	return string(s.names.Append(nil, s.rooms.At(i).name))
}

func (s *shard) count() (rooms, subscriptions int) {
	s.mu.Lock()
	defer s.unlock()
	return s.rooms.Live(), s.members
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
