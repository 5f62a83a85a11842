package hub

// SetStore has rooms whose options say so keep their history in store. It is called before serving.
func (h *Hub) SetStore(store Store) { h.store = store }

// pending is a publication that is with the store. It has an offset, the room does not: whoever subscribes or asks
// meanwhile gets a position before it.
type pending struct {
	shard   *shard
	memory  *memory
	pub     *Publication // carries one reference
	past    *Past
	version version               // of the room after it
	key     *keyed                // nil without one
	done    func(Result, error)   // may be nil
	repeats []func(Result, error) // of publishes that repeat its key
}

// storing reports whether the next publication of a room must be kept by the store first. Once one is on its way all go
// the same way.
func (s *shard) storing(m *memory) bool {
	return s.hub.store != nil && (m.options.Stored || len(m.extra().pending) > 0)
}

// put hands a publication to the store at the offset after those that are there.
func (s *shard) put(r *room, m *memory, p *publishing) (Result, error) {
	switch {
	case m.failing:
		return Result{}, ErrStoreFailed
	case !s.pay(r, m):
		return Result{}, ErrStoreFull
	}
	past, offset := p.draft(), m.pos.Offset+uint64(len(m.extra().pending))+1
	past.place(offset)
	q := &pending{
		shard: s, memory: m, pub: p.pub, past: past,
		version: m.lastVersion().after(past), done: p.o.Done,
	}
	record := &Record{
		Room:   s.nameOf(r),
		Epoch:  m.pos.Epoch,
		Offset: offset,
		From:   max(m.from, offset-min(offset, uint64(m.options.HistorySize))+1),
		Entry:  past.entry,
		Done:   q.settle,
	}
	if !s.hub.store.Put(record) {
		return Result{}, ErrStoreFull
	}
	p.pub.Retain()
	m.stored = true
	more := m.own()
	more.pending = append(more.pending, q)
	q.key = m.know(p, Position{}, q)
	return Result{}, ErrStoring
}

// settle is what the store calls when it has kept q, or could not.
func (q *pending) settle(err error) {
	h := q.shard.hub
	var asleep loopSet
	result, repeats, err := q.shard.settle(q, err, &asleep)
	asleep.wake(h.locals)
	if q.done != nil {
		q.done(result, err)
	}
	for _, done := range repeats {
		done(Result{result.Position, err == nil}, err)
	}
	q.pub.Release()
	h.fit()
}

// settle makes q the last publication of its room, or gives it up. It returns what its publisher is to be told, and who
// else is to be.
func (s *shard) settle(q *pending, err error, asleep *loopSet) (Result, []func(Result, error), error) {
	s.mu.Lock()
	defer s.unlock()
	m := q.memory
	r := s.rooms.At(m.room)
	if len(m.extra().pending) == 0 || m.extra().pending[0] != q {
		panic("hub: store is done with records in another order than theirs")
	}
	more := m.own()
	more.pending[0] = nil
	more.pending = more.pending[1:]
	now := s.hub.now().UnixNano()
	defer s.schedule(r, m, now)
	if err != nil || m.failing {
		s.fail(m, q, err == nil)
		return Result{}, q.repeats, ErrStoreFailed
	}
	s.commit(r, m, q.pub, q.past, now, asleep)
	if q.key != nil {
		q.key.pos, q.key.pending = m.pos, nil
	}
	return Result{Position: m.pos}, q.repeats, nil
}

// fail gives q up. One that the store has kept nevertheless, behind a hole, is to be cut off there.
func (s *shard) fail(m *memory, q *pending, kept bool) {
	if q.key != nil {
		m.extra().keys.remove(q.key)
		q.key.pending = nil
	}
	if kept {
		m.owe(theCut)
	}
	if m.failing = len(m.extra().pending) > 0; !m.failing {
		m.from = min(m.from, m.pos.Offset+1)
	}
}

// pay tells the store what m owes it. It reports false if the store does not take it now, or if it cannot be said
// while what has failed is not settled to its end.
func (s *shard) pay(r *room, m *memory) bool {
	if m.owes == nothing || s.hub.store == nil {
		m.owes = nothing
		return true
	}
	if m.failing {
		return false
	}
	record := &Record{
		Room:   s.nameOf(r),
		Epoch:  m.pos.Epoch,
		Offset: m.pos.Offset + uint64(len(m.extra().pending)),
		From:   m.from,
		Forget: m.owes == theEnd,
	}
	if !s.hub.store.Put(record) {
		return false
	}
	m.owes = nothing
	return true
}

// nameOf returns a copy of r's name.
func (s *shard) nameOf(r *room) []byte { return s.names.Append(nil, r.name) }
