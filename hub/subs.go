package hub

import (
	"errors"
	"iter"
)

// ErrSubscribed says that the conn is in the room already; nothing has changed.
var ErrSubscribed = errors.New("hub: already subscribed")

// ErrUnrecovered says that publications are missing which the subscriber must have; nothing has changed.
var ErrUnrecovered = errors.New("hub: unrecovered")

// Form is the index, 0 to 31, of a way to put publications on the wire. Its meaning is the server's.
type Form uint8

// Forms is the number of forms.
const Forms = 1 << formBits

// Member is who is delivered to on a loop.
//
//	31  27 26                   0
//	[form ][ conn slot           ]
type Member uint32

const (
	formBits = 5
	slotBits = 32 - formBits
)

// NewMember returns the member for the conn in slot, below 1<<27, which receives the given form.
func NewMember(slot uint32, form Form) Member {
	return Member(uint32(form)<<slotBits | slot)
}

// Slot returns the slot of the member's conn.
func (m Member) Slot() uint32 { return uint32(m) & (1<<slotBits - 1) }

// Form returns the form in which the member receives.
func (m Member) Form() Form { return Form(m >> slotBits) }

// Subs is the subscriptions of one conn. It lives in the conn's session, without pointers; its zero value is empty. Only
// the conn's loop uses it, and before the conn's slot becomes free it must be emptied by [Local.LeaveAll].
type Subs struct {
	head uint32 // newest record
	n    uint32
}

// Len returns the number of rooms.
func (s *Subs) Len() int { return int(s.n) }

// sub is one subscription, linked to the others of its conn.
type sub struct {
	roster uint32
	pos    uint32 // in the roster's seats, or arriving, or gone
	link   uint32
	member Member
	entry  uint32 // in the shard's presences, 0 for none
}

// A sub's link is the next subscription of its conn, and what its subscriber keeps with it.
//
//	31 30 29                     0
//	[flags][ record of the next  ]
const nextBits = 32 - flagBits

// flagBits is how many bits of [Request.Flags] are kept.
const flagBits = 2

func newLink(next uint32, flags uint8) uint32 { return uint32(flags)<<nextBits | next }

func (s *sub) next() uint32 { return s.link & (1<<nextBits - 1) }

func (s *sub) flags() uint8 { return uint8(s.link >> nextBits) }

// Link returns the field that the free list runs through.
func (s *sub) Link() *uint32 { return &s.link }

// noRequest is what a subscriber asks for that asks for nothing. Nobody changes it.
var noRequest Request

// A subscription has no seat until its join marker arrives. One that has left before that is gone: its record stays
// until the marker, which names it, has passed.
const (
	arriving = ^uint32(0)
	gone     = arriving - 1
)

// Subscribe puts m, whose subscriptions are s, into the room and returns where it stands; r says what it wants to begin
// with, nil for nothing. m receives exactly the publications after that position, from the first Fanout on that follows
// the join marker's Handle: an answer that must precede them is written before. A room that is not there comes to be, in
// namespace ns. The caller checks the limit of rooms, by s.Len. The errors are ErrSubscribed and, with Must, ErrUnrecovered.
func (l *Local) Subscribe(m Member, s *Subs, ns Namespace, room []byte, r *Request) (Joined, error) {
	hash := l.hub.hash(room)
	if i, _ := l.find(s, hash, room); i != 0 {
		return Joined{}, ErrSubscribed
	}
	if r == nil {
		r = &noRequest
	}
	i, spare := l.subs.Alloc(), l.rosters.Alloc()
	shard := hash >> (64 - shardBits)
	at := l.hub.shards[shard].join(hash, room, l, joining{ns, i, spare, r})
	if at.refused {
		l.subs.Free(i)
		l.rosters.Free(spare)
		return at.Joined, ErrUnrecovered
	}
	if at.roster == spare {
		*l.rosters.At(spare) = roster{room: uint32(shard)<<roomIndexBits | at.room, last: at.Position}
		if l.hub.optionsOf(ns).Ordered {
			l.rosters.At(spare).backlog = inSeries
		}
	} else {
		l.rosters.Free(spare)
	}
	*l.subs.At(i) = sub{roster: at.roster, pos: arriving, link: newLink(s.head, r.Flags), member: m, entry: at.entry}
	s.head = i
	s.n++
	at.asleep.wake(l.hub.locals)
	return at.Joined, nil
}

// Unsubscribe takes the conn out of the room and reports whether it was in. Nothing is delivered to it from this room
// any more, not even what has been published before.
func (l *Local) Unsubscribe(s *Subs, room []byte) bool {
	i, before := l.find(s, l.hub.hash(room), room)
	if i == 0 {
		return false
	}
	next := l.subs.At(i).next()
	if before == 0 {
		s.head = next
	} else {
		b := l.subs.At(before)
		b.link = newLink(next, b.flags())
	}
	s.n--
	l.leave(i, false)
	return true
}

// Subscribed reports whether the conn is in the room.
func (l *Local) Subscribed(s *Subs, room []byte) bool {
	i, _ := l.find(s, l.hub.hash(room), room)
	return i != 0
}

// Flags returns the [Request.Flags] of the conn's subscription to the room; ok is false if it has none.
func (l *Local) Flags(s *Subs, room []byte) (flags uint8, ok bool) {
	i, _ := l.find(s, l.hub.hash(room), room)
	if i == 0 {
		return 0, false
	}
	return l.subs.At(i).flags(), true
}

// LeaveAll takes the conn, which is cut off, out of all its rooms.
func (l *Local) LeaveAll(s *Subs) {
	for i := s.head; i != 0; {
		next := l.subs.At(i).next()
		l.leave(i, true)
		i = next
	}
	*s = Subs{}
}

// Rooms yields the names of the conn's rooms, newest first. The conn must not leave or enter rooms meanwhile.
func (l *Local) Rooms(s *Subs) iter.Seq[string] {
	return func(yield func(string) bool) {
		for i := s.head; i != 0; i = l.subs.At(i).next() {
			shard, room := l.roomOf(l.rosters.At(l.subs.At(i).roster))
			if !yield(shard.name(room)) {
				return
			}
		}
	}
}

// find returns the conn's record for the room and the one before it in its list, 0 for none. The lock is held only to
// learn which roster is the room's; the list is compared by that.
func (l *Local) find(s *Subs, hash uint64, room []byte) (i, before uint32) {
	if s.n == 0 {
		return 0, 0
	}
	id := l.hub.shard(hash).roster(hash, room, l.id)
	if id == 0 {
		return 0, 0
	}
	for i = s.head; i != 0; before, i = i, l.subs.At(i).next() {
		if l.subs.At(i).roster == id {
			return i, before
		}
	}
	return 0, 0
}

// leave ends subscription i, which is out of its conn's list. When it was the room's last on this loop, a marker makes
// the roster free after every event that names it.
func (l *Local) leave(i uint32, cut bool) {
	s := l.subs.At(i)
	id := s.roster
	r := l.rosters.At(id)
	shard, room := l.roomOf(r)
	q := leaving{room: room, entry: s.entry, cut: cut}
	if s.pos == arriving {
		s.pos = gone
	} else {
		l.vacate(r, s.pos)
		l.subs.Free(i)
	}
	if shard.leave(&q, l.id) && l.in.Post(Event{kind: emptied, roster: id}) {
		q.asleep.add(l.id)
	}
	q.asleep.wake(l.hub.locals)
}

// arrive gives subscription i its seat: its join marker has come. It reports false for one that has left before.
func (l *Local) arrive(i uint32) bool {
	s := l.subs.At(i)
	if s.pos == gone {
		l.subs.Free(i)
		return false
	}
	s.pos = l.sit(l.rosters.At(s.roster), seat{s.member, i})
	return true
}

// roomOf returns where r's room is. The room stays as long as this loop has a member in it.
func (l *Local) roomOf(r *roster) (*shard, uint32) {
	return &l.hub.shards[r.room>>roomIndexBits], r.room & maxRoomIndex
}
