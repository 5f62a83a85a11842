package hub

import "time"

// tendAtOnce bounds the rooms that are looked at under one hold of a shard's lock.
const tendAtOnce = 64

// Tick does what is due at now: histories and keys that are too old are dropped, rooms that nobody has used for long are
// forgotten, those who are not back within their grace have left, and the store is told what it had no room for. One
// goroutine calls it about four times a second. Where nothing is due it takes no lock.
func (h *Hub) Tick(now time.Time) {
	at := now.UnixNano()
	for i := range h.shards {
		s := &h.shards[i]
		for s.due.next.Load() <= at {
			s.tick(at)
		}
		for s.parting.Load() <= at {
			var asleep loopSet
			s.overdue(at, &asleep)
			asleep.wake(h.locals)
		}
	}
}

func (s *shard) tick(now int64) {
	s.mu.Lock()
	defer s.unlock()
	for range tendAtOnce {
		m, at := s.due.first()
		if at > now {
			return
		}
		s.tend(m, now)
	}
}

// tend does what is due for m, and forgets it, with its room if nobody is there, when nothing more will be.
func (s *shard) tend(m *memory, now int64) {
	r := s.rooms.At(m.room)
	s.age(m, now)
	s.pay(r, m)
	if !m.busy() && (r.empty() || m.pos.Epoch == 0) && m.expires() <= now {
		m.owe(theEnd)
		m.stored = false
		if s.pay(r, m) {
			s.end(m.room)
			return
		}
	}
	s.due.set(m, m.deadline(r, now))
}

// end takes the memory away from room i, and the room if nobody is there.
func (s *shard) end(i uint32) {
	r := s.rooms.At(i)
	s.amnesia(r)
	if r.empty() {
		s.forget(i)
	}
}
