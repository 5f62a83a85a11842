package main

import (
	"bytes"
	"sync"
)

// client is everybody's id.
const client = "00000000-0000-4000-8000-000000000000"

// hall is the rooms of a server whose connections are of type M.
type hall[M comparable] struct {
	deliver func(members map[M]struct{}, push []byte) // set before use; push is only lent

	mu    sync.Mutex // guards rooms
	rooms map[string]*room[M]
}

// room is a named audience.
type room[M comparable] struct {
	mu      sync.RWMutex // guards members
	members map[M]struct{}
}

func newHall[M comparable](deliver func(members map[M]struct{}, push []byte)) *hall[M] {
	return &hall[M]{deliver: deliver, rooms: make(map[string]*room[M])}
}

// room returns the room called name, new if need be.
func (h *hall[M]) room(name []byte) *room[M] {
	h.mu.Lock()
	defer h.mu.Unlock()
	r := h.rooms[string(name)]
	if r == nil {
		r = &room[M]{members: make(map[M]struct{})}
		h.rooms[string(name)] = r
	}
	return r
}

func (r *room[M]) add(m M) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.members[m] = struct{}{}
}

// remove takes m out of r, which may be nil.
func (r *room[M]) remove(m M) {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.members, m)
}

// publish delivers push to all members. Who publishes to one room from one connection keeps its order.
func (h *hall[M]) publish(r *room[M], push []byte) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	h.deliver(r.members, push)
}

// place is what a connection knows of the rooms. Its zero value is in none.
type place[M comparable] struct{ room *room[M] }

// obey obeys the commands of one message from m, each a line, and appends the answers, each a line.
func (h *hall[M]) obey(m M, at *place[M], message, answers []byte) []byte {
	start := len(answers)
	for line := range bytes.SplitSeq(message, []byte{'\n'}) {
		id, rest := cutID(line)
		if len(id) == 0 {
			continue // a pong, {}
		}
		if len(answers) > start {
			answers = append(answers, '\n')
		}
		answers = append(append(answers, `{"id":`...), id...)
		answers = h.command(m, at, rest, answers)
	}
	return answers
}

// command obeys what stands behind a command's id and appends the rest of its answer.
func (h *hall[M]) command(m M, at *place[M], b, answers []byte) []byte {
	switch {
	case bytes.HasPrefix(b, []byte(`"publish"`)):
		h.publish(h.room(cut(b, `"channel":"`)), pushOf(b))
		return append(answers, `,"publish":{}}`...)
	case bytes.HasPrefix(b, []byte(`"subscribe"`)):
		at.room.remove(m)
		at.room = h.room(cut(b, `"channel":"`))
		at.room.add(m)
		return append(answers, `,"subscribe":{}}`...)
	case bytes.HasPrefix(b, []byte(`"connect"`)):
		return append(answers, `,"connect":{"client":"`+client+`","version":"peer"}}`...)
	}
	return append(answers, `,"error":{"code":108,"message":"not available"}}`...)
}

// cutID splits {"id":12,"publish":... into 12 and what follows the comma.
func cutID(line []byte) (id, rest []byte) {
	line, ok := bytes.CutPrefix(line, []byte(`{"id":`))
	if !ok {
		return nil, nil
	}
	id, rest, _ = bytes.Cut(line, []byte{','})
	return id, rest
}

// cut returns what stands in b between the opening and the next quote.
func cut(b []byte, opening string) []byte {
	_, b, _ = bytes.Cut(b, []byte(opening))
	text, _, _ := bytes.Cut(b, []byte{'"'})
	return text
}

// pushOf makes the message that brings a publication to the members.
func pushOf(publish []byte) []byte {
	_, data, _ := bytes.Cut(publish, []byte(`"data":`))
	return bytes.Join([][]byte{
		[]byte(`{"push":{"channel":"`), cut(publish, `"channel":"`),
		[]byte(`","pub":{"data":`), bytes.TrimSuffix(data, []byte(`}}`)),
		[]byte(`,"info":{"user":"","client":"` + client + `"}}}}`),
	}, nil)
}
