package admission

import (
	"hash/maphash"
	"sync"
	"sync/atomic"

	"github.com/seed4ac54ce5/edge/internal/slab"
)

// tally counts the conns of many users, each under a key of 64 bits as in a table. It has no buckets: a user who has
// left is forgotten at once. Any goroutine may use it.
type tally struct {
	seed      maphash.Seed
	limit     int           // users in a shard
	uncounted atomic.Uint64 // admitted though there was no room to count them
	shards    [shards]tallyShard
}

// tallyShard is the part of a tally that one lock guards.
type tallyShard struct {
	mu    sync.Mutex
	users slab.Table[user, *user]

	_ [64]byte // neighbours are locked by other CPUs
}

// user is one who has conns.
type user struct {
	key   uint64
	conns uint32 // 0 in a free record
	next  uint32 // in the table
}

// Link lends the slab its field.
func (u *user) Link() *uint32 { return &u.next }

// Hash returns bits of the key that did not choose the shard.
func (u *user) Hash() uint32 { return uint32(u.key >> shardBits) }

// newTally returns a tally for at most size users at a time, rounded up to a multiple of the shards.
func newTally(size int) *tally {
	return &tally{seed: maphash.MakeSeed(), limit: min((size+shards-1)/shards, maxShard)}
}

// key returns the key of a user.
func (t *tally) key(name string) uint64 { return maphash.String(t.seed, name) }

// admit counts one more for key, unless it has most already.
func (t *tally) admit(key uint64, most int) (ticket Ticket, tooMany bool) {
	n := key % shards
	i, tooMany := t.shards[n].admit(key, most, t.limit)
	if i == 0 {
		if !tooMany {
			t.uncounted.Add(1)
		}
		return 0, tooMany
	}
	return Ticket(i<<shardBits | uint32(n)), false
}

// admit is tally.admit. Without a record and not too many there was no room to count it.
func (s *tallyShard) admit(key uint64, most, limit int) (i uint32, tooMany bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i = s.users.First(uint32(key >> shardBits))
	for i != 0 && s.users.At(i).key != key {
		i = s.users.At(i).next
	}
	switch {
	case i == 0 && s.users.Live() >= limit:
		return 0, false
	case i == 0:
		i = s.users.Alloc()
		*s.users.At(i) = user{key: key}
		s.users.Insert(i)
	case int(s.users.At(i).conns) >= most:
		return 0, true
	}
	s.users.At(i).conns++
	return i, false
}

// release counts one less. Tickets that are not out are a broken invariant.
func (t *tally) release(ticket Ticket) {
	if ticket == 0 {
		return
	}
	s, i := &t.shards[ticket%shards], uint32(ticket>>shardBits)
	s.mu.Lock()
	defer s.mu.Unlock()
	if i == 0 || i >= s.users.End() || s.users.At(i).conns == 0 {
		panic("admission: a user's ticket was given back that was not out")
	}
	if s.users.At(i).conns--; s.users.At(i).conns == 0 {
		s.users.Remove(i)
	}
}

// live returns how many users have conns.
func (t *tally) live() (n int) {
	for i := range t.shards {
		s := &t.shards[i]
		s.mu.Lock()
		n += s.users.Live()
		s.mu.Unlock()
	}
	return n
}
