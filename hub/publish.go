package hub

import "errors"

var (
	// ErrStoring says that the publication is with the store. What becomes of it is told to PublishOptions.Done.
	ErrStoring = errors.New("hub: publication is being stored")
	// ErrStoreFull says that the store takes nothing more at present: nothing has happened.
	ErrStoreFull = errors.New("hub: store is full")
	// ErrStoreFailed says that the store could not keep the publication: nobody has seen it or will.
	ErrStoreFailed = errors.New("hub: store failed")
)

// PublishOptions is how one publication is to be taken. The hub keeps none of its slices.
type PublishOptions struct {
	// IdempotencyKey, if not empty, makes a repeat within 5 minutes in the same room reach nobody.
	IdempotencyKey []byte
	// Version, if not 0, drops the publication unless it is above the room's last one of the same VersionEpoch. It is
	// ignored where nothing is remembered.
	Version      uint64
	VersionEpoch []byte
	// SkipHistory delivers without an offset, and nothing is remembered.
	SkipHistory bool
	// Done, if not nil, learns the outcome if and only if Publish returns ErrStoring, from the store's goroutine.
	Done func(Result, error)
}

// Result is what became of a publication.
type Result struct {
	Position   Position // zero where the room has no history
	Suppressed bool     // it repeated a key, whose first Position this is, or had an old version: it reached nobody
}

// publishing is one call of Publish.
type publishing struct {
	ns     Namespace
	pub    *Publication
	past   *Past // what is to be remembered of it; nil where that is nothing
	o      PublishOptions
	now    int64
	asleep loopSet // loops to be woken
}

// Publish orders pub in the room, remembers it if the room has a history, and posts it to each loop that has members
// there: the cost grows with loops, not with members. It copies room into pub and takes over the caller's reference, so
// the caller must not touch pub afterwards, whatever the result. Any goroutine may call it. A room that is not there
// comes to be, in namespace ns, if it has anything to remember.
//
// In a room whose history is stored, nothing is ordered or posted before the store keeps it: then the error is
// ErrStoring, and the outcome goes to o.Done. Other errors are ErrStoreFull and ErrStoreFailed.
func (h *Hub) Publish(ns Namespace, room []byte, pub *Publication, o PublishOptions) (Result, error) {
	now := h.now()
	pub.seal(ns, room, now, h.start)
	p := publishing{ns: ns, pub: pub, o: o, now: now.UnixNano()}
	if h.optionsOf(ns).remembers() && !p.fleeting() {
		p.past = newPast(pub, &p.o)
	}
	hash := h.hash(room)
	result, err := h.shard(hash).publish(hash, &p)
	p.asleep.wake(h.locals)
	pub.Release()
	h.fit()
	return result, err
}

// fleeting reports whether the publication is neither positioned nor remembered in any room.
func (p *publishing) fleeting() bool { return p.o.SkipHistory || p.pub.Kind != PubData }

func (s *shard) publish(hash uint64, p *publishing) (Result, error) {
	s.mu.Lock()
	defer s.unlock()
	i := s.find(hash, p.pub.Room)
	if i == 0 {
		if p.past == nil && len(p.o.IdempotencyKey) == 0 {
			return Result{}, nil
		}
		i = s.create(hash, p.pub.Room, p.ns)
	}
	r, m := s.rooms.At(i), s.recall(i, p.now)
	if m == nil {
		if len(p.o.IdempotencyKey) == 0 {
			s.post(r, p.pub, &p.asleep)
			return Result{}, nil
		}
		m = s.remember(i)
	}
	result, err := s.admit(r, m, p)
	s.schedule(r, m, p.now)
	return result, err
}

// admit publishes in a room with memory m, unless it has happened already.
func (s *shard) admit(r *room, m *memory, p *publishing) (Result, error) {
	if k := m.extra().keys.find(p.o.IdempotencyKey, p.now); k != nil {
		return k.repeat(p.o.Done)
	}
	switch {
	case m.pos.Epoch == 0 || p.fleeting():
		s.post(r, p.pub, &p.asleep)
		m.know(p, Position{}, nil)
		return Result{}, nil
	case m.lastVersion().covers(&p.o):
		return Result{m.pos, true}, nil
	case s.storing(m):
		return s.put(r, m, p)
	}
	s.commit(r, m, p.pub, p.draft(), p.now, &p.asleep)
	m.know(p, m.pos, nil)
	return Result{Position: m.pos}, nil
}

// draft returns what is to be remembered of the publication, which may have been unknown before the room was found.
func (p *publishing) draft() *Past {
	if p.past == nil {
		p.past = newPast(p.pub, &p.o)
	}
	return p.past
}

// commit gives pub the next offset in the room, remembers it and posts it.
func (s *shard) commit(r *room, m *memory, pub *Publication, past *Past, now int64, asleep *loopSet) {
	m.pos.Offset++
	pub.Position = m.pos
	past.place(m.pos.Offset)
	m.count(past)
	s.keep(m, past, now)
	s.post(r, pub, asleep)
}

// post hands pub to the room's loops; those that sleep are added to asleep.
func (s *shard) post(r *room, pub *Publication, asleep *loopSet) {
	pub.Namespace = r.ns
	for j := r.branches; j != 0; {
		b := s.branches.At(j)
		pub.Retain()
		if s.hub.locals[b.loop].in.Post(Event{kind: published, roster: b.roster, pub: pub}) {
			asleep.add(b.loop)
		}
		j = b.next
	}
}

// know remembers the key of a publish, if it has one, and where it stands or with which pending one it will.
func (m *memory) know(p *publishing, pos Position, q *pending) *keyed {
	if len(p.o.IdempotencyKey) == 0 {
		return nil
	}
	k := &keyed{string(p.o.IdempotencyKey), p.now, pos, q}
	m.own().keys.add(k)
	return k
}

// repeat answers a publish that has the key of k.
func (k *keyed) repeat(done func(Result, error)) (Result, error) {
	if k.pending == nil {
		return Result{k.pos, true}, nil
	}
	if done != nil {
		k.pending.repeats = append(k.pending.repeats, done)
	}
	return Result{}, ErrStoring
}

// version is how far a room is in what its publishers count.
type version struct {
	number uint64
	epoch  string
}

// covers reports whether a publish is of no version later than v.
func (v version) covers(o *PublishOptions) bool {
	return o.Version != 0 && o.Version <= v.number && string(o.VersionEpoch) == v.epoch
}

// after returns the version of the room once p is its last publication.
func (v version) after(p *Past) version {
	if p.version() == 0 {
		return v
	}
	epoch := p.text(textVersionEpoch)
	if string(epoch) == v.epoch {
		return version{p.version(), v.epoch}
	}
	return version{p.version(), string(epoch)}
}

// count makes the version of p the room's, if p has one.
func (m *memory) count(p *Past) {
	if p.version() != 0 {
		m.own().version = m.extra().version.after(p)
	}
}

// lastVersion returns the version of the room when all that is pending has been kept.
func (m *memory) lastVersion() version {
	if n := len(m.extra().pending); n > 0 {
		return m.extra().pending[n-1].version
	}
	return m.extra().version
}
