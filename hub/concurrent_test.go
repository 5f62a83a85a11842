package hub

import (
	"encoding/binary"
	"math/rand/v2"
	"sync"
	"testing"
	"time"
)

// sleeper is an inbox whose loop may sleep, as a real one does: the first post to a sleeping loop asks for a wake.
type sleeper struct {
	mu       sync.Mutex // guards all below
	events   []Event
	sleeping bool
	closed   bool
	wake     chan struct{}
}

func (b *sleeper) Post(ev Event) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.events = append(b.events, ev)
	asleep := b.sleeping
	b.sleeping = false
	return asleep
}

func (b *sleeper) Wake() { b.wake <- struct{}{} }

// take returns what has been posted. With nothing there it sleeps, if it may, until there is, or until the inbox is closed.
func (b *sleeper) take(maySleep bool) (events []Event, closed bool) {
	b.mu.Lock()
	if len(b.events) == 0 && !b.closed && maySleep {
		b.sleeping = true
		b.mu.Unlock()
		<-b.wake
		b.mu.Lock()
	}
	defer b.mu.Unlock()
	events, b.events = b.events, nil
	return events, b.closed
}

func (b *sleeper) close() {
	b.mu.Lock()
	b.closed = true
	asleep := b.sleeping
	b.sleeping = false
	b.mu.Unlock()
	if asleep {
		b.Wake()
	}
}

// seen is one publication as its position names it.
type seen struct {
	room string
	pos  Position
}

// runner is a loop on its own goroutine, with conns that come and go.
type runner struct {
	*Local
	t     *testing.T
	rng   *rand.Rand
	box   sleeper
	rooms []string
	conns []runnerConn
	order map[seen]uint64 // what stood at each position
}

// runnerConn is in at most one room, so that what it receives needs no name.
type runnerConn struct {
	subs Subs
	room string
	last Position
}

// Join writes 24 bytes for each publication: offset, epoch, and the publisher's number for it.
func (r *runner) Join(dst []byte, pubs []*Publication, form Form) []byte {
	if len(pubs) == 1 {
		return pubs[0].Wire(form, encodePosition)
	}
	for _, p := range pubs {
		dst = append(dst, p.Wire(form, encodePosition)...)
	}
	return dst
}

func encodePosition(dst []byte, p *Publication) []byte {
	dst = binary.LittleEndian.AppendUint64(dst, p.Position.Offset)
	dst = binary.LittleEndian.AppendUint64(dst, p.Position.Epoch)
	return append(dst, p.Data...)
}

func (r *runner) Deliver(m Member, wire []byte) bool {
	c := &r.conns[m.Slot()]
	for ; len(wire) > 0; wire = wire[24:] {
		pos := Position{binary.LittleEndian.Uint64(wire), binary.LittleEndian.Uint64(wire[8:])}
		if want := (Position{c.last.Offset + 1, c.last.Epoch}); pos != want {
			r.t.Errorf("%s: received %v after %v", c.room, pos, c.last)
		}
		c.last = pos
		number := binary.LittleEndian.Uint64(wire[16:])
		if before, ok := r.order[seen{c.room, pos}]; ok && before != number {
			r.t.Errorf("%s: two publications at %v", c.room, pos)
		}
		r.order[seen{c.room, pos}] = number
	}
	if r.rng.IntN(100) == 0 {
		r.move(&r.conns[r.rng.IntN(len(r.conns))])
	}
	return false
}

// move takes c out of its room, and into another one every other time.
func (r *runner) move(c *runnerConn) {
	r.LeaveAll(&c.subs)
	c.room = ""
	if r.rng.IntN(2) == 0 {
		r.enter(c, r.rooms[r.rng.IntN(len(r.rooms))])
	}
}

func (r *runner) enter(c *runnerConn, room string) {
	slot := uint32(0)
	for &r.conns[slot] != c {
		slot++
	}
	pos, err := r.Subscribe(NewMember(slot, 0), &c.subs, []byte(room))
	if err != nil {
		r.t.Errorf("Subscribe(%q) = %v", room, err)
	}
	c.room, c.last = room, pos
}

// run is the loop: it ends when its inbox is closed and all is delivered.
func (r *runner) run() {
	for i := range r.conns {
		r.enter(&r.conns[i], r.rooms[i%len(r.rooms)])
	}
	more := false
	for {
		events, closed := r.box.take(!more)
		for _, ev := range events {
			r.Handle(ev)
		}
		more = r.Fanout(20 * time.Microsecond)
		if closed && !more && len(events) == 0 {
			return
		}
		if !closed {
			r.move(&r.conns[r.rng.IntN(len(r.conns))])
		}
	}
}

// TestOrderIsTheSameForAll has loops and publishers run at once: each subscriber sees its room's publications from its
// position on without a gap or a duplicate, and all see the same ones.
func TestOrderIsTheSameForAll(t *testing.T) {
	const loops, publishers, each, conns = 4, 8, 3000, 100
	h := New()
	rooms := []string{"a", "b", "c"}
	var runners []*runner
	for i := range uint64(loops) {
		r := &runner{t: t, rng: rand.New(rand.NewPCG(i, 2)), rooms: rooms, conns: make([]runnerConn, conns), order: make(map[seen]uint64)}
		r.box.wake = make(chan struct{}, 1)
		r.Local = h.AddLoop(&r.box, r)
		runners = append(runners, r)
	}
	var running, publishing sync.WaitGroup
	for _, r := range runners {
		running.Go(r.run)
	}
	for i := range uint64(publishers) {
		publishing.Go(func() { publishNumbers(h, rooms, i, each) })
	}
	publishing.Wait()
	for _, r := range runners {
		r.box.close()
	}
	running.Wait()
	checkSameOrder(t, runners)
}

// publishNumbers publishes n different numbers, spread over the rooms.
func publishNumbers(h *Hub, rooms []string, publisher uint64, n int) {
	rng := rand.New(rand.NewPCG(publisher, 3))
	for i := range uint64(n) {
		p := NewPublication()
		p.Data = binary.LittleEndian.AppendUint64(p.Data, publisher<<32|i)
		h.Publish([]byte(rooms[rng.IntN(len(rooms))]), p)
	}
}

func checkSameOrder(t *testing.T, runners []*runner) {
	order := make(map[seen]uint64)
	delivered := 0
	for _, r := range runners {
		delivered += len(r.order)
		for at, number := range r.order {
			if before, ok := order[at]; ok && before != number {
				t.Errorf("%s: two loops saw different publications at %v", at.room, at.pos)
			}
			order[at] = number
		}
		for i := range r.conns {
			if c := &r.conns[i]; c.room != "" {
				checkUpToDate(t, r, c)
			}
		}
	}
	if delivered == 0 {
		t.Error("nothing was delivered")
	}
}

// checkUpToDate compares c's last publication with the position that a newcomer gets.
func checkUpToDate(t *testing.T, r *runner, c *runnerConn) {
	t.Helper()
	var newcomer Subs
	pos, err := r.Subscribe(NewMember(0, 0), &newcomer, []byte(c.room))
	if err != nil || pos != c.last {
		t.Errorf("%s: a member has received up to %v; the room is at %v (%v)", c.room, c.last, pos, err)
	}
	r.LeaveAll(&newcomer)
}
