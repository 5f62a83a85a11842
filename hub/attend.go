package hub

import (
	"bytes"
	"time"
)

// Attendee is somebody who is present in a room.
type Attendee struct {
	ID   uint64 // of the client, unique and not 0
	User []byte // whose client it is; may be empty
	Info []byte // what others are told, opaque here
}

// Presence returns those who are present in a room, newest first, at most limit of them. Any goroutine may call it.
func (h *Hub) Presence(room []byte, limit int) (all []Attendee) {
	hash := h.hash(room)
	h.shard(hash).present(hash, room, func(p *presences, a *attendance) {
		p.list(a, limit, func(id uint64, user, info []byte) {
			all = append(all, Attendee{id, bytes.Clone(user), bytes.Clone(info)})
		})
	})
	return all
}

// PresenceStats returns how many clients are present in a room, and of how many different users. Any goroutine may
// call it.
func (h *Hub) PresenceStats(room []byte) (clients, users int) {
	hash := h.hash(room)
	h.shard(hash).present(hash, room, func(_ *presences, a *attendance) { clients, users = a.stats() })
	return clients, users
}

// present calls f with who is present in the room, if it keeps presence.
func (s *shard) present(hash uint64, name []byte, f func(*presences, *attendance)) {
	s.mu.Lock()
	defer s.unlock()
	i := s.find(hash, name)
	if i == 0 {
		return
	}
	if r := s.rooms.At(i); s.hub.optionsOf(r.ns).Presence {
		f(&s.presences, &r.attendance)
	}
}

// attend makes a new member of room i present there, and tells the room. It returns the index that depart takes, 0
// where there is nothing to depart from.
func (s *shard) attend(i uint32, as *Attendee, asleep *loopSet) (entry uint32) {
	r := s.rooms.At(i)
	o := s.hub.optionsOf(r.ns)
	if as.ID == 0 || !o.Presence {
		return 0
	}
	entry, announce := s.presences.enter(&r.attendance, i, as.ID, as.User, as.Info)
	s.lingers()
	if announce && o.JoinLeave {
		s.announce(r, PubJoin, as.ID, as.Info, asleep)
	}
	return entry
}

// depart ends what attend began. Somebody who was cut off may be back within the room's grace, and counts as present
// until then.
func (s *shard) depart(i, entry uint32, cut bool, now int64, asleep *loopSet) {
	if entry == 0 {
		return
	}
	r := s.rooms.At(i)
	var grace time.Duration
	if cut {
		grace = s.hub.optionsOf(r.ns).PresenceGrace
	}
	info, id, announce := s.presences.leave(&r.attendance, entry, grace, now, s.info[:0])
	s.info = info
	s.lingers()
	if announce {
		s.announceLeave(r, id, info, asleep)
	}
}

// overdue ends the presence of one whose grace is over. It reports false when there is none.
func (s *shard) overdue(now int64, asleep *loopSet) bool {
	s.mu.Lock()
	defer s.unlock()
	i, id, info, ok := s.presences.expired(now, func(i uint32) *attendance { return &s.rooms.At(i).attendance }, s.info[:0])
	s.info = info
	s.lingers()
	if !ok {
		return false
	}
	r := s.rooms.At(i)
	s.announceLeave(r, id, info, asleep)
	if r.empty() {
		s.abandon(i)
	}
	return true
}

// Amend changes what rooms tell of a conn that is present in them: info returns what it is to be in a room, good until the
// next call. Those who are there do not hear of the change by itself.
func (l *Local) Amend(s *Subs, info func(room string) []byte) {
	for i := s.head; i != 0; i = l.subs.At(i).next() {
		sub := l.subs.At(i)
		if sub.entry == 0 {
			continue
		}
		shard, room := l.roomOf(l.rosters.At(sub.roster))
		shard.amend(sub.entry, info(shard.name(room)))
	}
}

func (s *shard) amend(entry uint32, info []byte) {
	s.mu.Lock()
	defer s.unlock()
	s.presences.amend(entry, info)
}

func (s *shard) announceLeave(r *room, id uint64, info []byte, asleep *loopSet) {
	if s.hub.optionsOf(r.ns).JoinLeave {
		s.announce(r, PubLeave, id, info, asleep)
	}
}

// announce posts that somebody has come or gone.
func (s *shard) announce(r *room, kind PubKind, id uint64, info []byte, asleep *loopSet) {
	if r.branches == 0 {
		return
	}
	pub := NewPublication()
	pub.Kind, pub.Sender = kind, id
	pub.Info = append(pub.Info, info...)
	pub.seal(r.ns, s.names.Append(pub.Room, r.name), s.hub.now(), s.hub.start)
	s.post(r, pub, asleep)
	pub.Release()
}

// lingers publishes when the next grace is over, for those who have not locked the shard.
func (s *shard) lingers() {
	if at := s.presences.nextParting(); at != s.parting.Load() {
		s.parting.Store(at)
	}
}
