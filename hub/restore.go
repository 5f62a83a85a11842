package hub

import "fmt"

// Restore makes the room in namespace ns as a [Store] has kept it: entries are those of its last publications, oldest
// first, up to offset. Idempotency keys and the version are those of the entries. It is called before serving, once for
// each room; the hub keeps the entries. A room that is to have no stored history any more is taken out of the store at the
// next Tick. Errors name the room; they wrap [ErrEntry] where the entries are at fault, and leave no room behind.
func (h *Hub) Restore(ns Namespace, room []byte, epoch, offset uint64, entries [][]byte) error {
	if epoch == 0 {
		return fmt.Errorf("hub: room %q: no epoch", room)
	}
	list, err := parseEntries(offset, entries)
	if err != nil {
		return fmt.Errorf("room %q: %w", room, err)
	}
	hash := h.hash(room)
	if !h.shard(hash).restore(hash, ns, room, Position{offset, epoch}, list) {
		return fmt.Errorf("hub: room %q is there already", room)
	}
	h.fit()
	return nil
}

// parseEntries returns the publications of the entries, the last of which must be at offset.
func parseEntries(offset uint64, entries [][]byte) ([]*Past, error) {
	if uint64(len(entries)) > offset {
		return nil, fmt.Errorf("%w: %d entries up to offset %d", ErrEntry, len(entries), offset)
	}
	list := make([]*Past, 0, len(entries))
	first := offset - uint64(len(entries)) + 1
	for i, entry := range entries {
		p, err := parsePast(entry)
		if err != nil {
			return nil, fmt.Errorf("%w: at offset %d", err, first+uint64(i))
		}
		if p.Offset() != first+uint64(i) {
			return nil, fmt.Errorf("%w: offset %d instead of %d", ErrEntry, p.Offset(), first+uint64(i))
		}
		list = append(list, p)
	}
	return list, nil
}

func (s *shard) restore(hash uint64, ns Namespace, name []byte, pos Position, list []*Past) bool {
	s.mu.Lock()
	defer s.unlock()
	if s.find(hash, name) != 0 {
		return false
	}
	i := s.create(hash, name, ns)
	r, m := s.rooms.At(i), s.remember(i)
	m.pos = Position{pos.Offset - uint64(len(list)), pos.Epoch}
	m.from = m.pos.Offset + 1
	m.stored = true
	for _, p := range list {
		s.relive(m, p)
	}
	now := s.hub.now().UnixNano()
	s.adopt(r, m)
	m.used = now
	s.schedule(r, m, now)
	return true
}

// relive is commit for a publication of an earlier life of the process.
func (s *shard) relive(m *memory, p *Past) {
	m.pos.Offset++
	at := p.Time() * 1e6
	m.count(p)
	s.keep(m, p, at)
	if key := p.text(textIdempotencyKey); key != nil {
		m.own().keys.add(&keyed{string(key), at, m.pos, nil})
	}
}
