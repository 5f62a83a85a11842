package hub

import (
	"bytes"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/seed4ac54ce5/edge/internal/testutil"
)

var seedFlag = flag.Uint64("hub.seed", 0, "seed of the random operations; 0 takes a new one each time")

// world runs random operations on a hub and on a plain model of it, all on one goroutine.
type world struct {
	t     *testing.T
	rng   *rand.Rand
	hub   *Hub
	loops []*worldLoop
	rooms []*modelRoom
	pubs  map[*Publication]struct{}
	kept  []keptWire
	depth int // of operations made from within Deliver
}

// modelRoom is a room as a list: what was published in it while it had members.
type modelRoom struct {
	name    string
	log     []string
	members int
	epoch   uint64
	offset  uint64
}

type worldLoop struct {
	*Local
	w     *world
	box   mailbox
	conns []*modelConn // by slot
}

// modelConn is a conn with, for each of its rooms, the index in the log of the publication that it must receive next.
type modelConn struct {
	loop *worldLoop
	m    Member
	subs Subs
	next map[*modelRoom]int
}

type keptWire struct {
	wire []byte
	text string
}

func newWorld(t *testing.T, seed uint64) *world {
	const loops, slots, rooms = 3, 120, 40
	w := &world{t: t, rng: rand.New(rand.NewPCG(seed, 1)), hub: New(), pubs: make(map[*Publication]struct{})}
	for i := range rooms {
		w.rooms = append(w.rooms, &modelRoom{name: "room" + strconv.Itoa(i)})
	}
	for range loops {
		l := &worldLoop{w: w}
		l.Local = w.hub.AddLoop(&l.box, l)
		l.batch = 400
		l.now = func() time.Duration { return time.Duration(w.rng.IntN(100)) }
		for slot := range uint32(slots) {
			l.conns = append(l.conns, &modelConn{l, NewMember(slot, Form(slot%3)), Subs{}, make(map[*modelRoom]int)})
		}
		w.loops = append(w.loops, l)
	}
	return w
}

// Join writes "form|room:data;" for each publication.
func (l *worldLoop) Join(dst []byte, pubs []*Publication, form Form) []byte {
	encode := func(dst []byte, p *Publication) []byte {
		dst = append(strconv.AppendUint(dst, uint64(form), 10), '|')
		return append(append(append(append(dst, p.Room...), ':'), p.Data...), ';')
	}
	if len(pubs) == 1 {
		return pubs[0].Wire(form, encode)
	}
	for _, p := range pubs {
		dst = append(dst, p.Wire(form, encode)...)
	}
	return dst
}

func (l *worldLoop) Deliver(m Member, wire []byte) bool {
	w, c := l.w, l.conns[m.Slot()]
	text := wire
	for len(wire) > 0 {
		var one []byte
		one, wire, _ = bytes.Cut(wire, []byte(";"))
		c.receive(w.t, one)
	}
	if w.depth == 0 && w.rng.IntN(20) == 0 {
		w.depth++
		w.reenter(c)
		w.depth--
	}
	if w.rng.IntN(50) != 0 {
		return false
	}
	w.kept = append(w.kept, keptWire{text, string(text)})
	return true
}

// receive checks that one publication is the next that c must get.
func (c *modelConn) receive(t *testing.T, one []byte) {
	form, rest, _ := bytes.Cut(one, []byte("|"))
	room, data, _ := bytes.Cut(rest, []byte(":"))
	if string(form) != strconv.Itoa(int(c.m.Form())) {
		t.Fatalf("form %d received %q", c.m.Form(), one)
	}
	for r, next := range c.next {
		if r.name == string(room) {
			if next == len(r.log) || r.log[next] != string(data) {
				t.Fatalf("slot %d received %q; want number %d of %d", c.m.Slot(), one, next, len(r.log))
			}
			c.next[r]++
			return
		}
	}
	t.Fatalf("slot %d received %q, in a room that it is not in", c.m.Slot(), one)
}

// reenter does what a server may do while it writes to c.
func (w *world) reenter(c *modelConn) {
	other := w.anyConn(c.loop)
	switch w.rng.IntN(8) {
	case 0:
		c.leaveAll()
	case 1:
		other.leaveAll()
	case 2:
		w.unsubscribe(c, w.anyRoom())
	case 3, 4:
		w.unsubscribe(other, w.anyRoom())
	case 5:
		w.subscribe(c, w.anyRoom())
	case 6:
		w.subscribe(other, w.anyRoom())
	case 7:
		w.publish(w.anyRoom())
	}
}

func (w *world) anyConn(l *worldLoop) *modelConn { return l.conns[w.rng.IntN(len(l.conns))] }
func (w *world) anyLoop() *worldLoop             { return w.loops[w.rng.IntN(len(w.loops))] }

// anyRoom prefers the first rooms: they grow hot, the last stay small.
func (w *world) anyRoom() *modelRoom {
	return w.rooms[w.rng.IntN(1+w.rng.IntN(1+w.rng.IntN(len(w.rooms))))]
}

func (w *world) step() {
	l := w.anyLoop()
	switch n := w.rng.IntN(100); {
	case n < 30:
		w.subscribe(w.anyConn(l), w.anyRoom())
	case n < 40:
		w.unsubscribe(w.anyConn(l), w.anyRoom())
	case n < 41:
		w.anyConn(l).leaveAll()
	case n < 60:
		w.publish(w.anyRoom())
	case n < 80:
		l.handle(w.rng.IntN(1 + len(l.box.events)))
	default:
		l.Fanout(time.Duration(w.rng.IntN(200)))
	}
}

func (l *worldLoop) handle(n int) {
	for range n {
		ev := l.box.events[0]
		l.box.events = l.box.events[1:]
		l.Handle(ev)
	}
}

func (w *world) subscribe(c *modelConn, r *modelRoom) {
	_, member := c.next[r]
	if got := c.loop.Subscribed(&c.subs, []byte(r.name)); got != member {
		w.t.Fatalf("Subscribed(%q) = %v; want %v", r.name, got, member)
	}
	pos, err := c.loop.Subscribe(c.m, &c.subs, []byte(r.name))
	if member {
		if err != ErrSubscribed {
			w.t.Fatalf("second Subscribe(%q) = %v", r.name, err)
		}
		return
	}
	if r.members == 0 {
		r.epoch, r.offset = pos.Epoch, 0
	}
	if want := (Position{r.offset, r.epoch}); err != nil || pos != want {
		w.t.Fatalf("Subscribe(%q) = %v, %v; want %v", r.name, pos, err, want)
	}
	r.members++
	c.next[r] = len(r.log)
}

func (w *world) unsubscribe(c *modelConn, r *modelRoom) {
	_, member := c.next[r]
	if got := c.loop.Unsubscribe(&c.subs, []byte(r.name)); got != member {
		w.t.Fatalf("Unsubscribe(%q) = %v; want %v", r.name, got, member)
	}
	if member {
		r.members--
		delete(c.next, r)
	}
}

func (c *modelConn) leaveAll() {
	c.loop.LeaveAll(&c.subs)
	for r := range c.next {
		r.members--
	}
	clear(c.next)
}

func (w *world) publish(r *modelRoom) {
	p := NewPublication()
	w.pubs[p] = struct{}{}
	data := strconv.Itoa(len(r.log)) + "."
	if w.rng.IntN(10) == 0 {
		data += string(bytes.Repeat([]byte("x"), w.rng.IntN(1000)))
	}
	p.Data = append(p.Data, data...)
	want := Position{}
	if r.members > 0 {
		r.offset++
		r.log = append(r.log, data)
		want = Position{r.offset, r.epoch}
	}
	if pos := w.hub.Publish([]byte(r.name), p); pos != want {
		w.t.Fatalf("Publish(%q) = %v; want %v", r.name, pos, want)
	}
}

// settle handles and delivers until nothing is left on any loop: a delivery may publish to all of them.
func (w *world) settle() {
	for more := true; more; {
		more = false
		for _, l := range w.loops {
			l.handle(len(l.box.events))
			more = l.Fanout(time.Millisecond) || more
		}
		for _, l := range w.loops {
			more = more || len(l.box.events) > 0
		}
	}
}

// check compares the settled hub with the model.
func (w *world) check() {
	subscriptions, rooms := 0, 0
	for _, l := range w.loops {
		for _, c := range l.conns {
			c.check(w.t)
			subscriptions += len(c.next)
		}
	}
	for _, r := range w.rooms {
		rooms += min(r.members, 1)
	}
	if r, s := w.hub.Count(); r != rooms || s != subscriptions {
		w.t.Fatalf("Count = %d, %d; want %d rooms, %d subscriptions", r, s, rooms, subscriptions)
	}
	for _, k := range w.kept {
		if string(k.wire) != k.text {
			w.t.Fatalf("bytes that a conn kept turned from %q into %q", k.text, k.wire)
		}
	}
	w.kept = nil
}

func (c *modelConn) check(t *testing.T) {
	if c.subs.Len() != len(c.next) {
		t.Fatalf("Len = %d; want %d", c.subs.Len(), len(c.next))
	}
	for r, next := range c.next {
		if next != len(r.log) {
			t.Fatalf("slot %d received %d of %q; want %d", c.m.Slot(), next, r.name, len(r.log))
		}
	}
	for name := range c.loop.Rooms(&c.subs) {
		if !slices.ContainsFunc(c.rooms(), func(r *modelRoom) bool { return r.name == name }) {
			t.Fatalf("Rooms yields %q, which slot %d is not in", name, c.m.Slot())
		}
	}
	for i := c.subs.head; i != 0; i = c.loop.subs.At(i).next {
		checkSeats(t, c.loop.Local, c.loop.rosters.At(c.loop.subs.At(i).roster))
	}
}

func (c *modelConn) rooms() (rooms []*modelRoom) {
	for r := range c.next {
		rooms = append(rooms, r)
	}
	return rooms
}

// checkGone fails if anything is left after all conns have closed.
func (w *world) checkGone() {
	var loops []*loop
	for _, l := range w.loops {
		for _, c := range l.conns {
			c.leaveAll()
		}
	}
	w.settle()
	for _, l := range w.loops {
		loops = append(loops, &loop{Local: l.Local, box: l.box})
	}
	checkEmpty(w.t, w.hub, loops...)
	for p := range w.pubs {
		if n := p.refs.Load(); n != 0 {
			w.t.Fatalf("a publication still has %d references", n)
		}
	}
}

// TestRandomOperations runs the hub against the model. A failure is repeated by -hub.seed.
func TestRandomOperations(t *testing.T) {
	seed := *seedFlag
	if seed == 0 {
		seed = rand.Uint64()
	}
	steps := 100_000
	if testutil.Race || testing.Short() {
		steps = 10_000
	}
	for i := range uint64(4) {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			defer func() {
				if t.Failed() {
					t.Logf("seed: -hub.seed=%d", seed+i)
				}
			}()
			w := newWorld(t, seed+i)
			for n := range steps {
				w.step()
				if n%1000 == 999 {
					w.settle()
					w.check()
				}
			}
			w.checkGone()
		})
	}
}
