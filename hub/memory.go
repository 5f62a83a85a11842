package hub

import (
	"math/rand/v2"
	"time"
)

// memory is what a room keeps beyond its members. A room with a history has one from the first use on, another one while
// it knows idempotency keys.
//
// The history is exactly the publications from offset from up to that of pos. While pending ones come that were
// published before the history was removed, from is beyond them.
type memory struct {
	room    uint32   // in the shard
	options *Options // those of the last use
	pos     Position // of the last publication; zero while the room has no history
	past    ring
	from    uint64
	newest  int64  // when the newest publication was remembered
	used    int64  // when the room was last used
	more    *extra // nil for most rooms
	failing bool   // a pending publication has failed: so do all behind it
	stored  bool   // the store knows the room
	owes    debt

	places [agendas]uint32 // in the shard's agendas, counted from 1; 0 where it has no appointment
}

// extra is what the memory of few rooms has.
type extra struct {
	keys    window
	version version    // of the last publication
	cursors *cursors   // nil before the first
	pending []*pending // with the store, in the order of their offsets
}

// nothingMore is the extra of rooms that have none. It is only read.
var nothingMore extra

// extra returns what there is, to be read.
func (m *memory) extra() *extra {
	if m.more == nil {
		return &nothingMore
	}
	return m.more
}

// own returns what there is, to be changed.
func (m *memory) own() *extra {
	if m.more == nil {
		m.more = new(extra)
	}
	return m.more
}

// The agendas of a shard.
const (
	dueAgenda = iota
	eldestAgenda
	agendas
)

// debt is what a store is still to be told about a room.
type debt uint8

const (
	nothing debt = iota
	theCut       // where the history begins and ends
	theEnd       // that the room is no more
)

// Link returns the field that the free list runs through.
func (m *memory) Link() *uint32 { return &m.room }

// memory returns what r remembers, nil if nothing.
func (s *shard) memory(r *room) *memory {
	if r.memory == 0 {
		return nil
	}
	return s.memories.At(r.memory)
}

// remember gives room i a memory.
func (s *shard) remember(i uint32) *memory {
	r := s.rooms.At(i)
	r.memory = s.memories.Alloc()
	m := s.memories.At(r.memory)
	*m = memory{room: i, options: s.hub.optionsOf(r.ns), from: 1}
	return m
}

// amnesia takes the memory of r, which has no publications, away.
func (s *shard) amnesia(r *room) {
	m := s.memory(r)
	s.due.set(m, never)
	*m = memory{}
	s.memories.Free(r.memory)
	r.memory = 0
}

// recall returns the memory of room i, brought up to now and to the present options, for a use of the room. A room that
// is to have one gets it; nil means that it has none.
func (s *shard) recall(i uint32, now int64) *memory {
	r := s.rooms.At(i)
	m := s.memory(r)
	if m == nil {
		if !s.hub.optionsOf(r.ns).remembers() {
			return nil
		}
		m = s.remember(i)
	}
	s.adopt(r, m)
	s.age(m, now)
	m.used = max(m.used, now)
	return m
}

// adopt has r follow the present options of its namespace. While publications are with the store it keeps to those under
// which they went there.
func (s *shard) adopt(r *room, m *memory) {
	if len(m.extra().pending) > 0 {
		return
	}
	m.options = s.hub.optionsOf(r.ns)
	remembers := m.options.remembers()
	if m.stored && !(remembers && m.options.Stored) {
		m.owes, m.stored = theEnd, false
	}
	switch {
	case remembers && m.pos.Epoch == 0:
		m.pos, m.from = Position{Epoch: NewEpoch()}, 1
	case !remembers && m.pos.Epoch != 0:
		s.cut(m, m.pos.Offset+1)
		m.pos = Position{}
		if m.more != nil {
			m.more.version, m.more.cursors = version{}, nil
		}
	}
}

// NewEpoch returns a name for a life of a room: 48 random bits, not all 0. What names one to clients has room for no more.
func NewEpoch() uint64 { return 1 + rand.Uint64N(1<<48-1) }

// age forgets what is too old.
func (s *shard) age(m *memory, now int64) {
	if m.past.n > 0 && now >= m.newest+int64(m.options.HistoryTTL) {
		s.cut(m, m.pos.Offset+1)
		m.owe(theCut)
	}
	m.extra().keys.expire(now)
}

// keep appends p, which is at the new position, to the history.
func (s *shard) keep(m *memory, p *Past, now int64) {
	if m.pos.Offset < m.from {
		return
	}
	m.past.push(p)
	m.newest = max(m.newest, now)
	if m.past.n == 1 {
		s.hub.usage.histories.Add(1)
		s.eldest.set(m, m.newest)
	}
	s.hub.usage.bytes.Add(p.size())
	s.hub.usage.publications.Add(1)
	if size := uint64(m.options.HistorySize); m.pos.Offset >= m.from+size {
		s.cut(m, m.pos.Offset+1-size)
	}
}

// cut drops the publications before offset from.
func (s *shard) cut(m *memory, from uint64) {
	if from <= m.from {
		return
	}
	n, bytes := m.past.n, m.past.bytes
	if from-m.from >= uint64(n) {
		m.past = ring{}
	} else {
		for range from - m.from {
			m.past.shift()
		}
	}
	m.from = from
	s.hub.usage.bytes.Add(m.past.bytes - bytes)
	s.hub.usage.publications.Add(int64(m.past.n - n))
	if n > 0 && m.past.n == 0 {
		s.hub.usage.histories.Add(-1)
		s.eldest.set(m, never)
	}
}

// owe notes what the store must learn, unless it does not know the room or is to learn more than that.
func (m *memory) owe(d debt) {
	if m.stored {
		m.owes = max(m.owes, d)
	}
}

// busy reports whether m holds anything for whose sake it is kept.
func (m *memory) busy() bool {
	return m.past.n > 0 || !m.extra().keys.empty() || len(m.extra().pending) > 0 || m.owes != nothing
}

// expires returns when the position of a room with memory m is to be forgotten, which nobody is in.
func (m *memory) expires() int64 {
	if m.pos.Epoch == 0 {
		return m.used
	}
	return m.used + int64(m.options.metaTTL())
}

// deadline returns when m must be looked at next.
func (m *memory) deadline(r *room, now int64) int64 {
	at := m.extra().keys.deadline()
	if m.past.n > 0 {
		at = min(at, m.newest+int64(m.options.HistoryTTL))
	}
	if m.owes != nothing {
		at = min(at, now+int64(time.Millisecond))
	}
	if !m.busy() && (r.empty() || m.pos.Epoch == 0) {
		at = min(at, m.expires())
	}
	return at
}

// schedule makes sure that m is looked at in time. A deadline that has moved on is found out when the earlier one comes.
func (s *shard) schedule(r *room, m *memory, now int64) {
	if at := m.deadline(r, now); at < s.due.when(m) {
		s.due.set(m, at)
	}
}
