package admission

import (
	"sync"
	"time"

	"github.com/seed4ac54ce5/edge/internal/slab"
)

// record is what is known of one name. It is in use while it has conns or its bucket is not full.
type record struct {
	key   uint64
	full  int64 // its bucket
	count uint32
	next  uint32 // in its chain, or in the slab's list of free records
}

// Link lends the slab its field.
func (r *record) Link() *uint32 { return &r.next }

// idle reports whether r is in use, and only for what it owes. Free records are zero.
func (r *record) idle() bool { return r.count == 0 && r.full > 0 }

// spent reports whether an r without conns owes nothing any more.
func (r *record) spent(now int64) bool { return r.full <= now }

const (
	chunkShift = 7  // a shard grows by 128 records
	swept      = 2  // records looked at for each that is added: old ones go faster than new ones come
	searched   = 16 // records looked at for one to evict when a shard is full
)

// shard is the part of a table that one lock guards. Records hang in chains from heads, of which there are at least
// as many, a power of two.
type shard struct {
	mu      sync.Mutex
	limit   int
	records slab.Slab[record, *record]
	heads   []uint32
	made    uint32   // the largest index so far
	hand    uint32   // the record that was looked at last
	_       [32]byte // fills two cache lines
}

func (s *shard) init(limit int) {
	s.limit = limit
	s.records = slab.New[record](chunkShift)
	s.heads = make([]uint32, 1)
}

func (s *shard) live() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.records.Live()
}

// admit is table.admit. With record 0 and no reason there was no room to count it.
func (s *shard) admit(key uint64, most int, p pace, now int64) (i uint32, tooMany bool, wait time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if i = s.find(key); i == 0 {
		i = s.add(key, now)
	}
	if i == 0 {
		return 0, false, 0
	}
	r := s.records.At(i)
	if most > 0 && int(r.count) >= most {
		return 0, true, 0
	}
	full, wait := p.take(r.full, now)
	if wait > 0 {
		return 0, false, wait
	}
	r.full = full
	r.count++
	return i, false, 0
}

// release is table.release.
func (s *shard) release(i uint32, now int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if i == 0 || i > s.made || s.records.At(i).count == 0 {
		panic("admission: a ticket was given back that was not out")
	}
	r := s.records.At(i)
	r.count--
	if r.count == 0 && r.spent(now) {
		s.remove(i)
	}
}

// head returns the chain of key. Its low bits chose the shard.
func (s *shard) head(key uint64) *uint32 {
	return &s.heads[key>>shardBits&uint64(len(s.heads)-1)]
}

// find returns the record of key, 0 if it has none.
func (s *shard) find(key uint64) uint32 {
	i := *s.head(key)
	for i != 0 && s.records.At(i).key != key {
		i = s.records.At(i).next
	}
	return i
}

// add returns a new record for key, 0 if there is no room.
func (s *shard) add(key uint64, now int64) uint32 {
	for range swept {
		if i := s.advance(); i != 0 && s.records.At(i).idle() && s.records.At(i).spent(now) {
			s.remove(i)
		}
	}
	if s.records.Live() >= s.limit && !s.evict() {
		return 0
	}
	if s.records.Live() >= len(s.heads) {
		s.rehash(2 * len(s.heads))
	}
	i := s.records.Alloc()
	s.made = max(s.made, i)
	*s.records.At(i) = record{key: key}
	s.hang(i)
	return i
}

// hang puts record i at the front of its chain.
func (s *shard) hang(i uint32) {
	r := s.records.At(i)
	head := s.head(r.key)
	r.next, *head = *head, i
}

// remove frees record i.
func (s *shard) remove(i uint32) {
	r := s.records.At(i)
	link := s.head(r.key)
	for *link != i {
		link = &s.records.At(*link).next
	}
	*link = r.next
	*r = record{}
	s.records.Free(i)
}

// rehash hangs all records from n heads.
func (s *shard) rehash(n int) {
	old := s.heads
	s.heads = make([]uint32, n)
	for _, i := range old {
		for i != 0 {
			next := s.records.At(i).next
			s.hang(i)
			i = next
		}
	}
}

// advance moves the hand to the next record, free or not, and returns it; 0 if there never was one.
func (s *shard) advance() uint32 {
	if s.made == 0 {
		return 0
	}
	s.hand = s.hand%s.made + 1
	return s.hand
}

// evict frees, of the next records without conns, the one that is soonest spent. What it owed is forgiven: that is the
// price of a bound, and nobody pays it who has conns.
func (s *shard) evict() bool {
	var victim uint32
	for range searched {
		i := s.advance()
		if s.records.At(i).idle() && (victim == 0 || s.records.At(i).full < s.records.At(victim).full) {
			victim = i
		}
	}
	if victim == 0 {
		return false
	}
	s.remove(victim)
	return true
}
