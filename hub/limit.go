package hub

import (
	"sync"
	"sync/atomic"
)

// refreshAtOnce bounds the appointments that are set anew under one hold of a shard's lock.
const refreshAtOnce = 64

// usage is what the histories of all rooms take.
type usage struct {
	fitting sync.Mutex // held by the one that makes room; taken before a shard's lock

	// Any goroutine (atomic).
	limit        atomic.Int64  // of bytes; 0 for none
	bytes        atomic.Int64  // of publications in histories
	publications atomic.Int64  // in histories
	histories    atomic.Int64  // rooms with at least one
	evicted      atomic.Uint64 // rooms that have lost their history to the limit
	cursors      atomic.Uint64 // consumers forgotten
}

func (u *usage) over() bool {
	limit := u.limit.Load()
	return limit > 0 && u.bytes.Load() > limit
}

// Limit sets how many bytes the histories of all rooms may take together, 0 for as many as they like. Beyond it the room
// whose newest publication is the oldest loses its history, but not its position. The last room with a history loses only
// as much as it must. Any goroutine may call it at any time.
func (h *Hub) Limit(bytes int64) {
	h.usage.limit.Store(bytes)
	h.fit()
}

// MemoryStats returns the bytes and the number of the publications in all histories, and how many rooms have lost theirs
// to the limit.
func (h *Hub) MemoryStats() (bytes, publications int64, evictedRooms uint64) {
	return h.usage.bytes.Load(), h.usage.publications.Load(), h.usage.evicted.Load()
}

// fit drops histories until they are within the limit. It locks one shard at a time.
func (h *Hub) fit() {
	if !h.usage.over() {
		return
	}
	h.usage.fitting.Lock()
	defer h.usage.fitting.Unlock()
	for h.usage.over() {
		s := h.eldest()
		if s == nil {
			return
		}
		s.evict()
	}
}

// eldest returns the shard that is the first to look for the oldest history in, nil if there are no histories.
func (h *Hub) eldest() (eldest *shard) {
	at := int64(never)
	for i := range h.shards {
		if next := h.shards[i].eldest.next.Load(); next < at {
			at, eldest = next, &h.shards[i]
		}
	}
	return eldest
}

// evict drops the shard's oldest history. If it turns out to be younger than it seemed, nothing is dropped: that of another
// shard may be older.
func (s *shard) evict() {
	s.mu.Lock()
	defer s.unlock()
	m, at := s.eldest.first()
	if m != nil && m.newest == at {
		s.drop(m)
		return
	}
	for n := 0; n < refreshAtOnce && m != nil && m.newest != at; n++ {
		s.eldest.set(m, m.newest)
		m, at = s.eldest.first()
	}
}

// drop takes from the history of m what the limit demands: all of it, if others are left.
func (s *shard) drop(m *memory) {
	r := s.rooms.At(m.room)
	if s.hub.usage.histories.Load() > 1 {
		s.hub.usage.evicted.Add(1)
		s.cut(m, m.pos.Offset+1)
	}
	for m.past.n > 0 && s.hub.usage.over() {
		s.cut(m, m.from+1)
	}
	m.owe(theCut)
	s.schedule(r, m, s.hub.now().UnixNano())
}
