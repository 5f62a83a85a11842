package hub

import "container/list"

// maxCursors is how many consumers of a room are known at most.
const maxCursors = 4096

// cursors is how far the consumers of a room have acknowledged.
type cursors struct {
	byName map[string]*list.Element
	order  list.List // of cursor, least recently acknowledged first
}

type cursor struct {
	consumer string
	offset   uint64
}

// Ack notes that the consumer has done with all publications of the room up to p. One acknowledged before stays so. Of
// more than 4096 consumers of a room the least recent are forgotten. The errors are ErrNoHistory, ErrEpoch and ErrOffset.
func (h *Hub) Ack(room, consumer []byte, p Position) error {
	hash := h.hash(room)
	return h.shard(hash).ack(hash, room, consumer, p, h.now().UnixNano())
}

// Acked returns the highest position that the consumer has acknowledged in the room; false if it has none.
func (h *Hub) Acked(room, consumer []byte) (Position, bool) {
	hash := h.hash(room)
	return h.shard(hash).acked(hash, room, consumer)
}

// ForgottenCursors returns how many consumers have been forgotten because their room had too many.
func (h *Hub) ForgottenCursors() uint64 { return h.usage.cursors.Load() }

func (s *shard) ack(hash uint64, name, consumer []byte, p Position, now int64) error {
	s.mu.Lock()
	defer s.unlock()
	i := s.find(hash, name)
	if i == 0 {
		return ErrNoHistory
	}
	r, m := s.rooms.At(i), s.recall(i, now)
	if m == nil {
		return ErrNoHistory
	}
	s.schedule(r, m, now)
	switch {
	case m.pos.Epoch == 0:
		return ErrNoHistory
	case p.Epoch != m.pos.Epoch:
		return ErrEpoch
	case p.Offset > m.pos.Offset:
		return ErrOffset
	}
	if m.extra().cursors == nil {
		m.own().cursors = &cursors{byName: make(map[string]*list.Element)}
	}
	if m.extra().cursors.move(consumer, p.Offset) {
		s.hub.usage.cursors.Add(1)
	}
	return nil
}

func (s *shard) acked(hash uint64, name, consumer []byte) (Position, bool) {
	s.mu.Lock()
	defer s.unlock()
	i := s.find(hash, name)
	if i == 0 {
		return Position{}, false
	}
	r := s.rooms.At(i)
	m := s.memory(r)
	if m == nil || m.extra().cursors == nil {
		return Position{}, false
	}
	offset, ok := m.extra().cursors.find(consumer)
	if !ok {
		return Position{}, false
	}
	return Position{offset, m.pos.Epoch}, true
}

func (c *cursors) find(consumer []byte) (offset uint64, ok bool) {
	e := c.byName[string(consumer)]
	if e == nil {
		return 0, false
	}
	return e.Value.(*cursor).offset, true
}

// move sets the consumer's cursor to offset, unless it is there or beyond. It reports whether another one had to go.
func (c *cursors) move(consumer []byte, offset uint64) (forgotten bool) {
	if e := c.byName[string(consumer)]; e != nil {
		at := e.Value.(*cursor)
		at.offset = max(at.offset, offset)
		c.order.MoveToBack(e)
		return false
	}
	if forgotten = len(c.byName) == maxCursors; forgotten {
		oldest := c.order.Remove(c.order.Front()).(*cursor)
		delete(c.byName, oldest.consumer)
	}
	name := string(consumer)
	c.byName[name] = c.order.PushBack(&cursor{name, offset})
	return forgotten
}
