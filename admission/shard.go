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
	next  uint32 // in the table
}

// Link lends the slab its field.
func (r *record) Link() *uint32 { return &r.next }

// Hash returns bits of the key that did not choose the shard.
func (r *record) Hash() uint32 { return uint32(r.key >> shardBits) }

// idle reports whether r is in use, and only for what it owes. Free records are zero but for their link.
func (r *record) idle() bool { return r.count == 0 && r.full > 0 }

// spent reports whether an r without conns owes nothing any more.
func (r *record) spent(now int64) bool { return r.full <= now }

const (
	swept    = 2  // records looked at for each that is added: old ones go faster than new ones come
	searched = 16 // records looked at for one to evict when a shard is full
)

// shard is the part of a table that one lock guards.
type shard struct {
	mu      sync.Mutex
	limit   int
	records slab.Table[record, *record]
	hand    uint32 // the record that was looked at last

	_ [64]byte // neighbours are locked by other CPUs
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
	if i == 0 || i >= s.records.End() || s.records.At(i).count == 0 {
		panic("admission: a ticket was given back that was not out")
	}
	r := s.records.At(i)
	r.count--
	if r.count == 0 && r.spent(now) {
		s.remove(i)
	}
}

// find returns the record of key, 0 if it has none.
func (s *shard) find(key uint64) uint32 {
	i := s.records.First(uint32(key >> shardBits))
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
	i := s.records.Alloc()
	*s.records.At(i) = record{key: key}
	s.records.Insert(i)
	return i
}

// remove frees record i.
func (s *shard) remove(i uint32) {
	s.records.Remove(i)
	r := s.records.At(i)
	*r = record{next: r.next}
}

// advance moves the hand to the next record, free or not, and returns it; 0 if there never was one.
func (s *shard) advance() uint32 {
	last := s.records.End() - 1
	if last == 0 {
		return 0
	}
	s.hand = s.hand%last + 1
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
