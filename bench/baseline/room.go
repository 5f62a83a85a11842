package main

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed4ac54ce5/edge/internal/sys"
)

// house is what the threads share.
type house struct {
	threads []*thread     // set before any runs
	batch   time.Duration // how long publications are gathered
	ping    time.Duration // between two pings to a member, 0 for none
	private bool          // each thread has a descriptor table of its own
	open    chan struct{} // closed when all listen

	mu    sync.RWMutex // guards rooms
	rooms map[string]*room
}

// room is a named audience: a plain array of descriptors for each thread.
type room struct {
	rosters []roster // by thread
}

// roster is the part of a room that one thread serves.
type roster struct {
	fds     []int32 // its thread only
	waiting []byte  // its thread only: frames to be sent together
	members atomic.Int32
	_       [8]byte // the next thread's is on another cache line
}

// delivery is when a room's waiting frames are to be sent.
type delivery struct {
	room *room
	at   time.Time
}

// parcel is a publication on its way to another thread's members.
type parcel struct {
	room *room
	push []byte
}

// mailbox is where other threads leave parcels.
type mailbox struct {
	mu      sync.Mutex // guards parcels
	parcels []parcel
	bell    int // eventfd
}

// room returns the room called name, new if need be.
func (h *house) room(name []byte) *room {
	h.mu.RLock()
	r := h.rooms[string(name)]
	h.mu.RUnlock()
	if r != nil {
		return r
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if r = h.rooms[string(name)]; r == nil {
		r = &room{rosters: make([]roster, len(h.threads))}
		h.rooms[string(name)] = r
	}
	return r
}

// join makes fd a member of the room called name, and of that room only.
func (t *thread) join(fd int, p *peer, name []byte) {
	t.leave(p)
	r := t.house.room(name)
	here := &r.rosters[t.id]
	p.room, p.place = r, uint32(len(here.fds))
	here.fds = append(here.fds, int32(fd))
	here.members.Add(1)
}

// leave takes p out of its room; the last member takes its place.
func (t *thread) leave(p *peer) {
	if p.room == nil {
		return
	}
	here := &p.room.rosters[t.id]
	last := len(here.fds) - 1
	here.fds[p.place] = here.fds[last]
	t.peers[here.fds[last]].place = p.place
	here.fds = here.fds[:last]
	here.members.Add(-1)
	p.room = nil
}

// publish sends push, a frame, to every member of r.
func (t *thread) publish(r *room, push []byte) {
	var copied []byte // for other threads, as push is used again
	for i := range r.rosters {
		switch {
		case i == t.id:
			t.deliver(r, push)
		case r.rosters[i].members.Load() > 0:
			if copied == nil {
				copied = append(copied, push...)
			}
			t.house.threads[i].mail.put(parcel{r, copied})
		}
	}
}

// deliver sends push to the members that t serves, or has it wait for what else the interval brings.
func (t *thread) deliver(r *room, push []byte) {
	here := &r.rosters[t.id]
	if t.house.batch == 0 {
		here.send(push)
		return
	}
	if len(here.waiting) == 0 {
		t.due = append(t.due, delivery{r, time.Now().Add(t.house.batch)})
	}
	here.waiting = append(here.waiting, push...)
}

func (r *roster) send(b []byte) {
	for _, fd := range r.fds {
		send(int(fd), b)
	}
}

// deliverDue sends what has waited for its interval, and returns how many milliseconds the next has left, -1 if none
// waits. Deliveries fall due in the order in which they began to wait.
func (t *thread) deliverDue() (ms int) {
	for len(t.due) > 0 {
		if left := time.Until(t.due[0].at); left > 0 {
			return int((left + time.Millisecond - 1) / time.Millisecond)
		}
		here := &t.due[0].room.rosters[t.id]
		here.send(here.waiting)
		here.waiting = here.waiting[:0]
		t.due = t.due[1:]
	}
	return -1
}

func (m *mailbox) put(p parcel) {
	m.mu.Lock()
	m.parcels = append(m.parcels, p)
	first := len(m.parcels) == 1
	m.mu.Unlock()
	if first {
		sys.Wake(m.bell)
	}
}

func (t *thread) deliverMail() {
	t.mail.mu.Lock()
	parcels := t.mail.parcels
	t.mail.parcels = nil
	t.mail.mu.Unlock()
	for _, p := range parcels {
		t.deliver(p.room, p.push)
	}
}
