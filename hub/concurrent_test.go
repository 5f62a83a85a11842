package hub

import (
	"encoding/binary"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/seed4ac54ce5/edge/internal/testutil"
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
	t         *testing.T
	rng       *rand.Rand
	box       sleeper
	rooms     []string
	complete  bool // the rooms forget nothing: every recovery must succeed
	conns     []runnerConn
	order     map[seen]uint64 // what stood at each position
	recovered int             // publications
	lost      int             // recoveries that did not succeed
}

// runnerConn is in at most one room, so that what it receives needs no name.
type runnerConn struct {
	subs Subs
	room string
	last map[string]Position // of what it has received in each room
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

func (r *runner) Deliver(m Member, wire []byte, _ []*Publication) bool {
	c := &r.conns[m.Slot()]
	for ; len(wire) > 0; wire = wire[24:] {
		pos := Position{binary.LittleEndian.Uint64(wire), binary.LittleEndian.Uint64(wire[8:])}
		r.receive(c, pos, wire[16:])
	}
	if r.rng.IntN(100) == 0 {
		r.move(&r.conns[r.rng.IntN(len(r.conns))])
	}
	return false
}

// receive checks that a publication is the one after the last that c has received.
func (r *runner) receive(c *runnerConn, pos Position, data []byte) {
	last := c.last[c.room]
	if want := (Position{last.Offset + 1, last.Epoch}); pos != want {
		r.t.Errorf("%s: received %v after %v", c.room, pos, last)
	}
	c.last[c.room] = pos
	number := binary.LittleEndian.Uint64(data)
	if before, ok := r.order[seen{c.room, pos}]; ok && before != number {
		r.t.Errorf("%s: two publications at %v", c.room, pos)
	}
	r.order[seen{c.room, pos}] = number
}

func (r *runner) Gap(_ Member, room []byte) {
	r.t.Errorf("gap in %s", room)
}

// move takes c out of its room, and into another one, or the same, every other time.
func (r *runner) move(c *runnerConn) {
	r.LeaveAll(&c.subs)
	c.room = ""
	if r.rng.IntN(2) == 0 {
		r.enter(c, r.rooms[r.rng.IntN(len(r.rooms))])
	}
}

// enter has c go on in a room where it was before.
func (r *runner) enter(c *runnerConn, room string) {
	slot := uint32(0)
	for &r.conns[slot] != c {
		slot++
	}
	since, again := c.last[room]
	joined, err := r.Subscribe(NewMember(slot, 0), &c.subs, 0, []byte(room), &Request{Recover: again, Since: since, Limit: 1 << 30})
	if err != nil || !joined.Positioned {
		r.t.Errorf("Subscribe(%q) = %+v, %v", room, joined, err)
	}
	c.room = room
	if again && !joined.Recovered {
		r.lost++
	}
	if !joined.Recovered {
		c.last[room] = joined.Position
	}
	r.recovered += len(joined.Past)
	for _, p := range joined.Past {
		r.receive(c, Position{p.Offset(), joined.Position.Epoch}, p.Data())
	}
	if c.last[room] != joined.Position {
		r.t.Errorf("%s: recovered from %v up to %v; the room is at %v", room, since, c.last[room], joined.Position)
	}
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

// ledger is what publishers were told.
type ledger struct {
	mu       sync.Mutex      // guards all below
	accepted map[seen]uint64 // the numbers of those that were published
	refused  int
}

func (b *ledger) note(room string, number uint64, result Result, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err != nil {
		b.refused++
		return
	}
	b.accepted[seen{room, result.Position}] = number
}

// TestOrderIsTheSameForAll has loops and publishers run at once: each subscriber sees its room's publications from its
// position on without a gap or a duplicate, whether it recovers them or receives them live, all see the same ones, and
// these are the ones that publishers were told of.
func TestOrderIsTheSameForAll(t *testing.T) {
	for name, row := range map[string]struct {
		options Options
		stored  bool
	}{
		"memory":         {Options{HistorySize: 1 << 20, HistoryTTL: time.Hour}, false},
		"short history":  {Options{HistorySize: 64, HistoryTTL: time.Hour}, false},
		"store":          {Options{HistorySize: 1 << 20, HistoryTTL: time.Hour, Stored: true}, true},
		"store, durable": {Options{HistorySize: 64, HistoryTTL: time.Hour, Stored: true, Kind: Durable}, true},
	} {
		t.Run(name, func(t *testing.T) { runAtOnce(t, row.options, row.stored) })
	}
}

func runAtOnce(t *testing.T, o Options, stored bool) {
	const loops, publishers, conns = 4, 8, 40
	each := 3000
	if testutil.Race || testing.Short() {
		each = 600
	}
	h := New()
	h.SetOptions(0, o)
	rooms := []string{"a", "b", "c"}
	var runners []*runner
	for i := range uint64(loops) {
		r := &runner{
			t: t, rng: rand.New(rand.NewPCG(i, 2)), rooms: rooms, complete: o.HistorySize > publishers*each,
			conns: make([]runnerConn, conns), order: make(map[seen]uint64),
		}
		for i := range r.conns {
			r.conns[i].last = make(map[string]Position)
		}
		r.box.wake = make(chan struct{}, 1)
		r.Local = h.AddLoop(&r.box, r)
		runners = append(runners, r)
	}
	store := newFakeStore(100)
	var storing, running, publishing sync.WaitGroup
	if stored {
		h.SetStore(store)
		storing.Go(func() { store.run(rand.New(rand.NewPCG(1, 4))) })
	}
	for _, r := range runners {
		running.Go(r.run)
	}
	book := &ledger{accepted: make(map[seen]uint64)}
	for i := range uint64(publishers) {
		publishing.Go(func() { publishNumbers(h, book, rooms, i, each) })
	}
	publishing.Wait()
	store.close()
	storing.Wait()
	for _, r := range runners {
		r.box.close()
	}
	running.Wait()
	checkSameOrder(t, h, runners, book)
	if stored {
		checkStored(t, h, store, rooms)
	}
}

// publishNumbers publishes n different numbers, spread over the rooms.
func publishNumbers(h *Hub, book *ledger, rooms []string, publisher uint64, n int) {
	rng := rand.New(rand.NewPCG(publisher, 3))
	for i := range uint64(n) {
		room, number := rooms[rng.IntN(len(rooms))], publisher<<32|i
		p := NewPublication()
		p.Data = binary.LittleEndian.AppendUint64(p.Data, number)
		done := func(result Result, err error) { book.note(room, number, result, err) }
		result, err := h.Publish(0, []byte(room), p, PublishOptions{Done: done})
		if err != ErrStoring {
			done(result, err)
		}
		if err != nil {
			runtime.Gosched() // for the store
		}
		if rng.IntN(64) == 0 {
			h.Tick(time.Now())
			runtime.Gosched()
		}
	}
}

func checkSameOrder(t *testing.T, h *Hub, runners []*runner, book *ledger) {
	recovered, lost := 0, 0
	for _, r := range runners {
		recovered += r.recovered
		lost += r.lost
		for at, number := range r.order {
			if told, ok := book.accepted[at]; !ok || told != number {
				t.Errorf("%s: a loop saw number %x at %v; its publisher was told %x, %v", at.room, number, at.pos, told, ok)
			}
		}
		for i := range r.conns {
			if c := &r.conns[i]; c.room != "" {
				checkUpToDate(t, r, c)
			}
		}
	}
	t.Logf("%d accepted, %d refused, %d recovered, %d recoveries failed", len(book.accepted), book.refused, recovered, lost)
	if len(book.accepted) == 0 || runners[0].complete && (recovered == 0 || lost > 0) {
		t.Errorf("%d accepted, %d recovered, %d recoveries failed", len(book.accepted), recovered, lost)
	}
	checkOffsets(t, h, runners[0].rooms, book)
}

// checkOffsets fails if not every offset of a room up to its position has been given to one publisher.
func checkOffsets(t *testing.T, h *Hub, rooms []string, book *ledger) {
	total := 0
	for _, room := range rooms {
		pos, _ := h.Position([]byte(room))
		total += int(pos.Offset)
		for offset := uint64(1); offset <= pos.Offset; offset++ {
			if _, ok := book.accepted[seen{room, Position{offset, pos.Epoch}}]; !ok {
				t.Errorf("%s: no publisher was told of offset %d of %d", room, offset, pos.Offset)
			}
		}
	}
	if total != len(book.accepted) {
		t.Errorf("publishers were told of %d positions; the rooms have %d", len(book.accepted), total)
	}
}

// checkUpToDate compares c's last publication with the position that a newcomer gets.
func checkUpToDate(t *testing.T, r *runner, c *runnerConn) {
	t.Helper()
	var newcomer Subs
	joined, err := r.Subscribe(NewMember(0, 0), &newcomer, 0, []byte(c.room), nil)
	if err != nil || joined.Position != c.last[c.room] {
		t.Errorf("%s: a member has received up to %v; the room is at %v (%v)", c.room, c.last[c.room], joined.Position, err)
	}
	r.LeaveAll(&newcomer)
}

// checkStored compares hub and store once the store has been told all.
func checkStored(t *testing.T, h *Hub, store *fakeStore, rooms []string) {
	h.Tick(time.Now().Add(time.Second))
	store.settle(len(store.queue), nil)
	for _, room := range rooms {
		store.check(t, h, 0, room)
	}
}
