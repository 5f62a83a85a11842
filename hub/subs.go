package hub

import (
	"errors"
	"iter"
)

// ErrSubscribed says that the conn is in the room already; nothing has changed.
var ErrSubscribed = errors.New("hub: already subscribed")

// Form is the index, 0 to 15, of a way to put publications on the wire. Its meaning is the server's.
type Form uint8

// Forms is the number of forms.
const Forms = 1 << formBits

// Member is who is delivered to on a loop.
//
//	31  28 27                   0
//	[form ][ conn slot           ]
type Member uint32

const (
	formBits = 4
	slotBits = 32 - formBits
)

// NewMember returns the member for the conn in slot, below 1<<28, which receives the given form.
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
	pos    uint32 // in the roster's seats, or joining, or gone
	next   uint32
	member Member
}

func (s *sub) Link() *uint32 { return &s.next }

// A subscription has no seat until its join marker arrives. One that has left before that is gone: its record stays
// until the marker, which names it, has passed.
const (
	joining = ^uint32(0)
	gone    = joining - 1
)

// Subscribe puts m, whose subscriptions are s, into the room and returns the room's position. m receives exactly the
// publications after it, from the first Fanout on that follows the join marker's Handle: an answer that must precede
// them is written before. The caller checks the limit of rooms, by s.Len. The only error is ErrSubscribed.
func (l *Local) Subscribe(m Member, s *Subs, room []byte) (Position, error) {
	hash := l.hub.hash(room)
	if i, _ := l.find(s, hash, room); i != 0 {
		return Position{}, ErrSubscribed
	}
	i, spare := l.subs.Alloc(), l.rosters.Alloc()
	shard := hash >> (64 - shardBits)
	at := l.hub.shards[shard].join(hash, room, l, i, spare)
	if at.roster == spare {
		*l.rosters.At(spare) = roster{room: uint32(shard)<<roomIndexBits | at.room}
	} else {
		l.rosters.Free(spare)
	}
	*l.subs.At(i) = sub{roster: at.roster, pos: joining, next: s.head, member: m}
	s.head = i
	s.n++
	if at.wake {
		l.in.Wake()
	}
	return at.pos, nil
}

// Unsubscribe takes the conn out of the room and reports whether it was in. Nothing is delivered to it from this room
// any more, not even what has been published before.
func (l *Local) Unsubscribe(s *Subs, room []byte) bool {
	i, before := l.find(s, l.hub.hash(room), room)
	if i == 0 {
		return false
	}
	next := l.subs.At(i).next
	if before == 0 {
		s.head = next
	} else {
		l.subs.At(before).next = next
	}
	s.n--
	l.leave(i)
	return true
}

// Subscribed reports whether the conn is in the room.
func (l *Local) Subscribed(s *Subs, room []byte) bool {
	i, _ := l.find(s, l.hub.hash(room), room)
	return i != 0
}

// LeaveAll takes the conn out of all its rooms.
func (l *Local) LeaveAll(s *Subs) {
	for i := s.head; i != 0; {
		next := l.subs.At(i).next
		l.leave(i)
		i = next
	}
	*s = Subs{}
}

// Rooms yields the names of the conn's rooms, newest first. The conn must not leave or enter rooms meanwhile.
func (l *Local) Rooms(s *Subs) iter.Seq[string] {
	return func(yield func(string) bool) {
		for i := s.head; i != 0; i = l.subs.At(i).next {
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
	for i = s.head; i != 0; before, i = i, l.subs.At(i).next {
		if l.subs.At(i).roster == id {
			return i, before
		}
	}
	return 0, 0
}

// leave ends subscription i, which is out of its conn's list. When it was the room's last on this loop, a marker makes
// the roster free after every event that names it.
func (l *Local) leave(i uint32) {
	s := l.subs.At(i)
	id := s.roster
	r := l.rosters.At(id)
	if s.pos == joining {
		s.pos = gone
	} else {
		l.vacate(r, s.pos)
		l.subs.Free(i)
	}
	shard, room := l.roomOf(r)
	if shard.leave(room, l.id) && l.in.Post(Event{kind: emptied, roster: id}) {
		l.in.Wake()
	}
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
