package hub

import (
	"bytes"
	"hash/maphash"
	"time"

	"github.com/seed4ac54ce5/edge/internal/slab"
)

// presences is who is present in the rooms of one shard, whose lock guards it. A client that has left may linger for
// a grace period, in which another client of its user can take its place, so that a short cut is neither a leave nor
// a join. Until then it is listed and counted like the others. Times are nanoseconds of one clock, the caller's. No
// record holds a pointer.
type presences struct {
	all      slab.Slab[presence, *presence]
	persons  slab.Table[person, *person]
	texts    slab.Texts
	seed     maphash.Seed
	partings []parting // binary heap, the next due at 1; 0 is unused
	scratch  []byte    // one text, for read and put
}

// attendance is a room's share in the presences of its shard. Its zero value is a room where nobody is present. The
// caller keeps it, and the number that it gave to the room, until it is empty.
type attendance struct {
	newest  uint32 // presence
	clients uint32
	users   uint32
}

// presence is one client in one room.
type presence struct {
	id      uint64
	text    slab.Text // the user's name, then the info
	person  uint32    // 0 while the record is free
	older   uint32    // in the room
	newer   uint32
	before  uint32 // in a ring of the person's
	after   uint32
	parting uint32 // position in the heap; 0 while the client is there
}

func (c *presence) Link() *uint32 { return &c.older }

// person is one user in one room, with at least one presence there. The user's name is not kept here but at the front
// of each presence's text.
type person struct {
	room      uint32
	size      uint32 // of the user's name in bytes
	here      uint32 // first of a ring of presences
	lingering uint32 // first of a ring of those who have left, in the order of leaving
	hash      uint32
	next      uint32 // in the table
}

func (w *person) Link() *uint32 { return &w.next }

func (w *person) Hash() uint32 { return w.hash }

// parting is when a presence that lingers is over.
type parting struct {
	at       int64
	presence uint32
}

func newPresences() presences {
	return presences{
		seed:     maphash.MakeSeed(),
		partings: make([]parting, 1),
	}
}

// enter makes client id of user present in a, the attendance of room, and returns the presence's index, which is good
// until leave. The client takes the place of the one of its user that has lingered longest; if there is none, it gets
// a new place and announce says that a join push is due. The empty user is nobody in particular and takes no place. A
// client enters once: nothing here compares ids.
func (p *presences) enter(a *attendance, room uint32, id uint64, user, info []byte) (i uint32, announce bool) {
	hash := p.hash(room, user)
	who := p.find(hash, room, user)
	if who == 0 {
		who = p.introduce(hash, room, user)
		a.users++
	} else if i = p.persons.At(who).lingering; i != 0 {
		p.replace(i, id, user, info)
		return i, false
	}
	return p.add(a, who, id, user, info), true
}

// leave ends the presence of the client that entered as i. With a grace, and a user that is not empty, it lingers from
// now on and nothing is due. Otherwise it is gone: announce says that a leave push is due, with the info that is
// appended to dst. It panics if i is not the index of a client that is there.
func (p *presences) leave(a *attendance, i uint32, grace time.Duration, now int64, dst []byte) (info []byte, id uint64, announce bool) {
	c := p.all.At(i)
	if c.person == 0 || c.parting != 0 {
		panic("hub: a client leaves where it is not present")
	}
	id = c.id
	if grace > 0 && p.persons.At(c.person).size > 0 {
		p.linger(i, now+int64(grace))
		return dst, id, false
	}
	return append(dst, p.remove(a, i)...), id, true
}

// expired removes the presence that has lingered beyond its grace the longest, and appends its info to dst: a leave
// push is due. It reports false when there is none. find returns the attendance of a room; it must not call p.
func (p *presences) expired(now int64, find func(room uint32) *attendance, dst []byte) (room uint32, id uint64, info []byte, ok bool) {
	if len(p.partings) == 1 || p.partings[1].at > now {
		return 0, 0, dst, false
	}
	i := p.partings[1].presence
	c := p.all.At(i)
	id, room = c.id, p.persons.At(c.person).room
	return room, id, append(dst, p.remove(find(room), i)...), true
}

// nextParting returns when the next grace is over, or never.
func (p *presences) nextParting() int64 {
	if len(p.partings) == 1 {
		return never
	}
	return p.partings[1].at
}

// list calls each for the clients in a, at most limit, newest place first. The slices are good until each returns,
// which must not call p.
func (p *presences) list(a *attendance, limit int, each func(id uint64, user, info []byte)) {
	for i := a.newest; i != 0 && limit > 0; limit-- {
		c := p.all.At(i)
		user, info := p.read(c)
		each(c.id, user, info)
		i = c.older
	}
}

// stats returns the number of clients in a, and of users, each counted once; the empty user is one of them.
func (a *attendance) stats() (clients, users int) { return int(a.clients), int(a.users) }

// empty reports whether nobody is present in a, nor lingers.
func (a *attendance) empty() bool { return a.clients == 0 }

// add gives who, a person in a, one more presence at the front of the room.
func (p *presences) add(a *attendance, who uint32, id uint64, user, info []byte) uint32 {
	i := p.all.Alloc()
	*p.all.At(i) = presence{id: id, text: p.put(user, info), person: who, older: a.newest}
	if a.newest != 0 {
		p.all.At(a.newest).newer = i
	}
	a.newest = i
	a.clients++
	p.enring(i)
	return i
}

// amend gives presence i another info.
func (p *presences) amend(i uint32, info []byte) {
	c := p.all.At(i)
	user, _ := p.read(c)
	old := c.text
	c.text = p.put(user, info)
	p.texts.Free(old)
}

// linger keeps presence i, whose client has left, until the time at.
func (p *presences) linger(i uint32, at int64) {
	p.unring(i)
	p.wait(i, at)
	p.enring(i)
}

// replace gives presence i, which lingers, to another client of its user.
func (p *presences) replace(i uint32, id uint64, user, info []byte) {
	p.unring(i)
	p.unwait(i)
	p.enring(i)
	c := p.all.At(i)
	p.texts.Free(c.text)
	c.id, c.text = id, p.put(user, info)
}

// remove frees presence i, and its person if that was the last one. The info is good until the next put or read.
func (p *presences) remove(a *attendance, i uint32) (info []byte) {
	c := p.all.At(i)
	_, info = p.read(c)
	p.unring(i)
	if c.parting != 0 {
		p.unwait(i)
	}
	if w := p.persons.At(c.person); w.here == 0 && w.lingering == 0 {
		p.persons.Remove(c.person)
		a.users--
	}
	p.unlist(a, c)
	p.texts.Free(c.text)
	c.person = 0
	p.all.Free(i)
	return info
}

// unlist takes c out of the list of its room.
func (p *presences) unlist(a *attendance, c *presence) {
	if c.newer == 0 {
		a.newest = c.older
	} else {
		p.all.At(c.newer).older = c.older
	}
	if c.older != 0 {
		p.all.At(c.older).newer = c.newer
	}
	a.clients--
}

// put stores the text of a presence.
func (p *presences) put(user, info []byte) slab.Text {
	p.scratch = append(append(p.scratch[:0], user...), info...)
	return p.texts.Put(p.scratch)
}

// read returns the two parts of c's text, which are good until the next put or read.
func (p *presences) read(c *presence) (user, info []byte) {
	p.scratch = p.texts.Append(p.scratch[:0], c.text)
	n := p.persons.At(c.person).size
	return p.scratch[:n:n], p.scratch[n:]
}

// hash spreads the rooms of one user evenly, and its users at random.
func (p *presences) hash(room uint32, user []byte) uint32 {
	const golden = 0x9e3779b9
	return uint32(maphash.Bytes(p.seed, user)) + room*golden
}

// find returns the person that user is in room, 0 if there is none.
func (p *presences) find(hash, room uint32, user []byte) uint32 {
	i := p.persons.First(hash)
	for i != 0 && !p.is(i, room, user) {
		i = p.persons.At(i).next
	}
	return i
}

func (p *presences) is(i, room uint32, user []byte) bool {
	w := p.persons.At(i)
	if w.room != room {
		return false
	}
	name, _ := p.read(p.all.At(max(w.here, w.lingering))) // at least one is a presence, and any will do
	return bytes.Equal(name, user)
}

// introduce makes a person, who must get a presence at once.
func (p *presences) introduce(hash, room uint32, user []byte) uint32 {
	i := p.persons.Alloc()
	*p.persons.At(i) = person{room: room, size: uint32(len(user)), hash: hash}
	p.persons.Insert(i)
	return i
}

// ring returns where the ring begins that c belongs to, by whether it lingers.
func (p *presences) ring(c *presence) *uint32 {
	w := p.persons.At(c.person)
	if c.parting != 0 {
		return &w.lingering
	}
	return &w.here
}

// enring puts presence i at the end of its ring.
func (p *presences) enring(i uint32) {
	c := p.all.At(i)
	ring := p.ring(c)
	if *ring == 0 {
		*ring, c.before, c.after = i, i, i
		return
	}
	first := p.all.At(*ring)
	c.before, c.after = first.before, *ring
	p.all.At(first.before).after = i
	first.before = i
}

// unring takes presence i out of its ring.
func (p *presences) unring(i uint32) {
	c := p.all.At(i)
	ring := p.ring(c)
	if c.after == i {
		*ring = 0
		return
	}
	p.all.At(c.before).after = c.after
	p.all.At(c.after).before = c.before
	if *ring == i {
		*ring = c.after
	}
}

// wait puts presence i into the heap.
func (p *presences) wait(i uint32, at int64) {
	p.partings = append(p.partings, parting{})
	p.rise(len(p.partings)-1, parting{at, i})
}

// unwait takes presence i out of the heap. The last parting fills the hole, and finds its place from there.
func (p *presences) unwait(i uint32) {
	c := p.all.At(i)
	hole, last := int(c.parting), len(p.partings)-1
	c.parting = 0
	x := p.partings[last]
	p.partings = p.partings[:last]
	switch {
	case hole == last:
	case hole > 1 && x.at < p.partings[hole/2].at:
		p.rise(hole, x)
	default:
		p.sink(hole, x)
	}
}

// rise puts x at k or above, after what is due no later.
func (p *presences) rise(k int, x parting) {
	for ; k > 1 && x.at < p.partings[k/2].at; k /= 2 {
		p.set(k, p.partings[k/2])
	}
	p.set(k, x)
}

// sink puts x at k or below, before what is due no earlier.
func (p *presences) sink(k int, x parting) {
	for child := 2 * k; child < len(p.partings); child = 2 * k {
		if child+1 < len(p.partings) && p.partings[child+1].at < p.partings[child].at {
			child++
		}
		if x.at <= p.partings[child].at {
			break
		}
		p.set(k, p.partings[child])
		k = child
	}
	p.set(k, x)
}

func (p *presences) set(k int, x parting) {
	p.partings[k] = x
	p.all.At(x.presence).parting = uint32(k)
}
