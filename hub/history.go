package hub

import (
	"errors"
	"math"
)

var (
	// ErrNoHistory says that the room has no history, and so no positions.
	ErrNoHistory = errors.New("hub: room has no history")
	// ErrEpoch says that a position is of another epoch than the room's.
	ErrEpoch = errors.New("hub: position of another epoch")
	// ErrOffset says that a position is beyond the room's last publication.
	ErrOffset = errors.New("hub: position beyond the newest")
)

// defaultRecovery is how many publications a subscribe recovers at most.
const defaultRecovery = 300

// Request is how a subscribe wants to begin. The zero value wants only what comes.
type Request struct {
	Recover bool     // wants what came after Since
	Since   Position // epoch 0 is any
	Limit   int      // of publications to recover; 0 or less is 300
	Bytes   int      // the most that they may take together; 0 is no bound
	Cache   bool     // with Recover: wants the newest publication alone, however many were missed
	Must    bool     // with Recover: does not want to subscribe if something is missing
	Flags   uint8    // two bits, kept with the subscription, for whoever subscribes
	As      Attendee // who is present while the subscription lasts, in a room that keeps presence
}

// Joined is where a new subscriber stands.
type Joined struct {
	Position   Position // of the room; the subscriber receives what comes after it
	Positioned bool     // the room has a history; otherwise all else is zero
	Recovered  bool     // recovery was asked for, and nothing is missing
	Past       []*Past  // what was recovered, oldest first; in a room of kind Latest the newest publication
}

// HistoryRequest says which part of a history is wanted.
type HistoryRequest struct {
	Since   *Position // nil for one end; epoch 0 is any
	Limit   int       // 0 for none, the position alone; below 0 for all
	Bytes   int       // the most that they may take together, but for the first; 0 is no bound
	Reverse bool      // offsets below Since, newest first, instead of those above it, oldest first
}

// History returns the room's position and the part of its history that is asked for. It counts as a use of the room,
// which comes to be in namespace ns if it is not there. The errors are ErrNoHistory and ErrEpoch.
func (h *Hub) History(ns Namespace, room []byte, req HistoryRequest) (Position, []*Past, error) {
	hash := h.hash(room)
	return h.shard(hash).history(hash, ns, room, &req, h.now().UnixNano())
}

// Position returns the room's position. It is false if there is no such room, or the room has no history.
func (h *Hub) Position(room []byte) (Position, bool) {
	hash := h.hash(room)
	return h.shard(hash).position(hash, room)
}

// RemoveHistory drops what the room remembers. It keeps its epoch and goes on counting.
func (h *Hub) RemoveHistory(room []byte) {
	hash := h.hash(room)
	h.shard(hash).removeHistory(hash, room, h.now().UnixNano())
}

func (s *shard) history(hash uint64, ns Namespace, name []byte, req *HistoryRequest, now int64) (Position, []*Past, error) {
	s.mu.Lock()
	defer s.unlock()
	i := s.find(hash, name)
	if i == 0 {
		if !s.hub.optionsOf(ns).remembers() {
			return Position{}, nil, ErrNoHistory
		}
		i = s.create(hash, name, ns)
	}
	r, m := s.rooms.At(i), s.recall(i, now)
	if m == nil {
		return Position{}, nil, ErrNoHistory
	}
	s.schedule(r, m, now)
	switch {
	case m.pos.Epoch == 0:
		return Position{}, nil, ErrNoHistory
	case req.Since != nil && !m.lives(req.Since.Epoch):
		return m.pos, nil, ErrEpoch
	}
	return m.pos, m.page(req), nil
}

func (s *shard) position(hash uint64, name []byte) (Position, bool) {
	s.mu.Lock()
	defer s.unlock()
	i := s.find(hash, name)
	if i == 0 {
		return Position{}, false
	}
	m := s.memory(s.rooms.At(i))
	if m == nil {
		return Position{}, false
	}
	return m.pos, m.pos.Epoch != 0
}

func (s *shard) removeHistory(hash uint64, name []byte, now int64) {
	s.mu.Lock()
	defer s.unlock()
	i := s.find(hash, name)
	if i == 0 {
		return
	}
	r, m := s.rooms.At(i), s.recall(i, now)
	if m == nil {
		return
	}
	if m.pos.Epoch != 0 {
		s.cut(m, m.pos.Offset+uint64(len(m.extra().pending))+1)
		m.owe(theCut)
		s.pay(r, m)
	}
	s.schedule(r, m, now)
}

// page returns the part of the history that req asks for: nothing to who names a position that the room has not come to.
func (m *memory) page(req *HistoryRequest) []*Past {
	if req.Since != nil && req.Since.Offset > m.pos.Offset+1 {
		return nil
	}
	first, end := 0, m.past.n
	limit := req.Limit
	if limit < 0 || limit > end {
		limit = end
	}
	if req.Reverse {
		if req.Since != nil {
			end = m.before(req.Since.Offset)
		}
		return within(m.past.reversed(max(end-limit, first), end), req.Bytes)
	}
	if req.Since != nil {
		first = m.through(req.Since.Offset)
	}
	return within(m.past.list(first, min(first+limit, end)), req.Bytes)
}

// before returns how many publications of the history are before offset.
func (m *memory) before(offset uint64) int {
	if offset <= m.from {
		return 0
	}
	return int(min(offset-m.from, uint64(m.past.n)))
}

// through returns how many publications of the history are at offset or before it.
func (m *memory) through(offset uint64) int {
	if offset == math.MaxUint64 {
		return m.past.n
	}
	return m.before(offset + 1)
}

// welcome returns where a subscriber stands who asks for q.
func (m *memory) welcome(q *Request) Joined {
	if m.pos.Epoch == 0 {
		return Joined{}
	}
	j := Joined{Position: m.pos, Positioned: true}
	current := m.lives(q.Since.Epoch) && q.Since.Offset == m.pos.Offset
	switch {
	case q.Recover && current:
		j.Recovered = true
	case q.Recover && (q.Cache || m.options.Kind == Latest):
		j.Past = m.past.newest()
		j.Recovered = len(j.Past) > 0
	case q.Recover:
		j.Past, j.Recovered = m.missed(q)
	}
	if m.options.Kind == Latest && !(q.Recover && current) {
		j.Past = m.past.newest()
	}
	return j
}

// missed returns the publications after q.Since, and whether none is missing and they are within the limit.
func (m *memory) missed(q *Request) ([]*Past, bool) {
	since, limit := q.Since.Offset, q.Limit
	if limit <= 0 {
		limit = defaultRecovery
	}
	if !m.lives(q.Since.Epoch) || since >= m.pos.Offset || since+1 < m.from || m.pos.Offset-since > uint64(limit) {
		return nil, false
	}
	list := m.past.list(m.through(since), m.past.n)
	if len(within(list, q.Bytes)) < len(list) {
		return nil, false
	}
	return list, true
}

// within returns the first of list that take at most so many bytes together, and the very first in any case.
func within(list []*Past, bytes int) []*Past {
	if bytes <= 0 {
		return list
	}
	for i, p := range list {
		if bytes -= int(p.size()); bytes < 0 && i > 0 {
			return list[:i]
		}
	}
	return list
}

// lives reports whether epoch, where 0 is any, is the one the room is in.
func (m *memory) lives(epoch uint64) bool { return epoch == 0 || epoch == m.pos.Epoch }
