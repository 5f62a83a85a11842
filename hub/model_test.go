package hub

import (
	"bytes"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/seed4ac54ce5/edge/internal/testutil"
)

var seedFlag = flag.Uint64("hub.seed", 0, "seed of the random operations; 0 takes a new one each time")

// world runs random operations on a hub and on a plain model of it, all on one goroutine.
type world struct {
	t       *testing.T
	rng     *rand.Rand
	hub     *Hub
	clock   *clock
	loops   []*worldLoop
	rooms   []*modelRoom
	named   map[string]*modelRoom
	options []Options // by namespace
	limit   int64
	evicted uint64
	seen    *sightings
	clients uint64          // that ever were
	epochs  map[uint64]bool // all that ever were
	pubs    map[*Publication]struct{}
	kept    []keptWire
	depth   int // of operations made from within Deliver
	time    time.Duration
}

// sightings is how often what the test must not miss has happened, in all worlds.
type sightings struct{ gaps, evictions, blinks, lapses, exits int }

type worldLoop struct {
	*Local
	w     *world
	box   mailbox
	conns []*modelConn // by slot
}

// modelConn is a conn with, for each of its rooms, the index in the log of the publication that it must receive next.
// When it is cut off, it becomes that of another client.
type modelConn struct {
	loop *worldLoop
	m    Member
	id   uint64
	user string
	subs Subs
	next map[*modelRoom]int
	told map[*modelRoom]bool // of a gap before that one, but stayed
}

type keptWire struct {
	wire []byte
	text string
}

func newWorld(t *testing.T, seed uint64, seen *sightings) *world {
	const loops, slots, rooms, namespaces = 3, 120, 40, 4
	w := &world{
		t: t, rng: rand.New(rand.NewPCG(seed, 1)), hub: New(), options: make([]Options, namespaces),
		seen: seen, named: make(map[string]*modelRoom), epochs: make(map[uint64]bool), pubs: make(map[*Publication]struct{}),
	}
	w.clock = fakeTime(w.hub)
	for i := range rooms {
		r := &modelRoom{name: "room" + strconv.Itoa(i), ns: Namespace(i % namespaces)}
		w.rooms = append(w.rooms, r)
		w.named[r.name] = r
	}
	for range loops {
		l := &worldLoop{w: w}
		l.Local = w.hub.AddLoop(&l.box, l)
		l.batch = 400
		l.now = w.loopTime
		for slot := range uint32(slots) {
			c := &modelConn{
				loop: l, m: NewMember(slot, Form(slot%3)), next: make(map[*modelRoom]int), told: make(map[*modelRoom]bool),
			}
			w.introduce(c)
			l.conns = append(l.conns, c)
		}
		w.loops = append(w.loops, l)
	}
	return w
}

// introduce makes c the conn of a new client, of one of few users or of nobody in particular.
func (w *world) introduce(c *modelConn) {
	w.clients++
	c.id, c.user = w.clients, "annannann"[:w.rng.IntN(10)]
}

// Join writes "form|room:" and what a modelPub shows, with a semicolon, for each publication.
func (l *worldLoop) Join(dst []byte, pubs []*Publication, form Form) []byte {
	if len(pubs) == 1 {
		return modelWire(pubs[0], form)
	}
	for _, p := range pubs {
		dst = append(dst, modelWire(p, form)...)
	}
	return dst
}

func modelWire(p *Publication, form Form) []byte {
	return p.Wire(form, func(dst []byte, p *Publication) []byte {
		return fmt.Appendf(dst, "%d|%s:%v;", form, p.Room,
			modelPub{kind: p.Kind, sender: p.Sender, info: string(p.Info), data: string(p.Data), pos: p.Position})
	})
}

func (l *worldLoop) Deliver(m Member, wire []byte, pubs []*Publication) bool {
	w, c := l.w, l.conns[m.Slot()]
	text := wire
	for _, p := range pubs {
		var one []byte
		one, wire, _ = bytes.Cut(wire, []byte(";"))
		if own := modelWire(p, m.Form()); string(one) != string(own[:len(own)-1]) {
			w.t.Fatalf("wire has %q where it should carry %q", one, own)
		}
		c.receive(w.t, one)
	}
	if len(wire) > 0 {
		w.t.Fatalf("wire has %q besides its publications", wire)
	}
	w.meddle(c)
	if w.rng.IntN(50) != 0 {
		return false
	}
	w.kept = append(w.kept, keptWire{text, string(text)})
	return true
}

// meddle does now and then what a server may do while it serves c.
func (w *world) meddle(c *modelConn) {
	if w.depth == 0 && w.rng.IntN(20) == 0 {
		w.depth++
		w.reenter(c)
		w.depth--
	}
}

// receive checks that one publication is the next that c must get.
func (c *modelConn) receive(t *testing.T, one []byte) {
	form, rest, _ := bytes.Cut(one, []byte("|"))
	room, text, _ := bytes.Cut(rest, []byte(":"))
	if string(form) != strconv.Itoa(int(c.m.Form())) {
		t.Fatalf("form %d received %q", c.m.Form(), one)
	}
	r := c.in(room)
	if r == nil {
		t.Fatalf("slot %d received %q, in a room that it is not in", c.m.Slot(), one)
	}
	next := c.next[r]
	if next == len(r.log) || r.log[next].text != string(text) {
		t.Fatalf("slot %d received %q; want number %d of %d", c.m.Slot(), one, next, len(r.log))
	}
	if r.gapAt(c.loop, next) && !c.told[r] {
		t.Fatalf("slot %d received %q and was not told of the gap before it", c.m.Slot(), one)
	}
	c.next[r]++
	delete(c.told, r)
}

// Gap has the conn leave the room, but for some that stay.
func (l *worldLoop) Gap(m Member, room []byte) {
	w, c := l.w, l.conns[m.Slot()]
	w.seen.gaps++
	r := c.in(room)
	if r == nil || c.told[r] || c.next[r] == len(r.log) || !r.gapAt(l, c.next[r]) {
		w.t.Fatalf("slot %d was told of a gap in %q; there is none", m.Slot(), room)
	}
	c.told[r] = true
	if w.rng.IntN(4) != 0 {
		w.unsubscribe(c, r)
	}
	w.meddle(c)
}

// in returns the room of that name if c is in it.
func (c *modelConn) in(room []byte) *modelRoom {
	r := c.loop.w.named[string(room)]
	if _, member := c.next[r]; !member {
		return nil
	}
	return r
}

// reenter does what a server may do while it writes to c.
func (w *world) reenter(c *modelConn) {
	other := w.anyConn(c.loop)
	switch w.rng.IntN(9) {
	case 0:
		w.leaveAll(c)
	case 1:
		w.leaveAll(other)
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
	case 8:
		w.presence(w.anyRoom())
	}
}

// loopTime is what the loops' clock shows: a little later with each look at it.
func (w *world) loopTime() time.Duration {
	w.time += time.Duration(w.rng.IntN(100))
	return w.time
}

func (w *world) anyConn(l *worldLoop) *modelConn { return l.conns[w.rng.IntN(len(l.conns))] }
func (w *world) anyLoop() *worldLoop             { return w.loops[w.rng.IntN(len(w.loops))] }

// anyRoom prefers the first rooms: they grow hot, the last stay small.
func (w *world) anyRoom() *modelRoom {
	return w.rooms[w.rng.IntN(1+w.rng.IntN(1+w.rng.IntN(len(w.rooms))))]
}

func (w *world) step() {
	l := w.anyLoop()
	switch n := w.rng.IntN(1000); {
	case n < 250:
		w.subscribe(w.anyConn(l), w.anyRoom())
	case n < 350:
		w.unsubscribe(w.anyConn(l), w.anyRoom())
	case n < 360:
		w.leaveAll(w.anyConn(l))
	case n < 530:
		w.publish(w.anyRoom())
	case n < 550:
		w.presence(w.anyRoom())
	case n < 600:
		w.history(w.anyRoom())
	case n < 620:
		w.ack(w.anyRoom())
	case n < 625:
		w.removeHistory(w.anyRoom())
	case n < 627:
		w.reload(Namespace(w.rng.IntN(len(w.options))))
	case n < 640:
		w.wait()
	case n < 642:
		w.setLimit()
	case n < 820:
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
	req := w.request(c, r)
	got, err := c.loop.Subscribe(c.m, &c.subs, r.ns, []byte(r.name), req)
	if member {
		if err != ErrSubscribed {
			w.t.Fatalf("second Subscribe(%q) = %v", r.name, err)
		}
		return
	}
	remembers := w.use(r)
	w.learn(r)
	w.checkJoined(r, req, got)
	refused := req != nil && req.Must && req.Recover && !got.Recovered
	if refused != (err == ErrUnrecovered) || err != nil && !refused {
		w.t.Fatalf("Subscribe(%q, %+v) = %v", r.name, req, err)
	}
	r.exists = r.exists || remembers || !refused
	if !refused {
		r.enter(c)
		w.attend(r, req)
	}
}

// request returns what c may ask for when it subscribes: often near what the room has. Without one it is not present.
func (w *world) request(c *modelConn, r *modelRoom) *Request {
	if w.rng.IntN(8) == 0 {
		return nil
	}
	return &Request{
		As:      Attendee{c.id, []byte(c.user), bytes.Repeat([]byte("i"), w.rng.IntN(40))},
		Recover: w.rng.IntN(3) > 0,
		Since:   w.anyPosition(r),
		Limit:   w.rng.IntN(8),
		Cache:   w.rng.IntN(6) == 0,
		Must:    w.rng.IntN(6) == 0,
	}
}

// anyPosition returns one about where r's history is, now and then of an epoch that is not r's.
func (w *world) anyPosition(r *modelRoom) Position {
	pos := Position{r.offset - min(r.offset, uint64(w.rng.IntN(12))) + uint64(w.rng.IntN(2)), r.epoch}
	switch w.rng.IntN(10) {
	case 0:
		pos.Epoch = 0
	case 1:
		pos.Epoch = r.epoch + 1
	case 2:
		pos.Offset = w.rng.Uint64()
	}
	return pos
}

func (w *world) unsubscribe(c *modelConn, r *modelRoom) {
	_, member := c.next[r]
	if got := c.loop.Unsubscribe(&c.subs, []byte(r.name)); got != member {
		w.t.Fatalf("Unsubscribe(%q) = %v; want %v", r.name, got, member)
	}
	if member {
		w.leave(c, r, false)
	}
}

// leaveAll cuts c off.
func (w *world) leaveAll(c *modelConn) {
	w.clock.advance(time.Microsecond) // so that no two that linger in a room have left it at the same time
	c.loop.LeaveAll(&c.subs)
	for r := range c.next {
		w.leave(c, r, true)
	}
	w.introduce(c)
}

func (w *world) publish(r *modelRoom) {
	o := PublishOptions{SkipHistory: w.rng.IntN(10) == 0}
	if w.rng.IntN(4) == 0 {
		o.IdempotencyKey = strconv.AppendInt(nil, w.rng.Int64N(20), 10)
	}
	if w.rng.IntN(8) == 0 {
		o.Version = r.version + uint64(w.rng.IntN(4))
		o.VersionEpoch = []byte{'a' + byte(w.rng.IntN(10)/9)}
	}
	p := w.publication()
	post := modelPub{kind: p.Kind, sender: p.Sender, info: string(p.Info), data: string(p.Data)}
	w.clock.advance(time.Microsecond) // so that no two publications are of the same time
	post.size = int64(entryHeader + len(p.Data) + len(p.Info) + len(p.Tags) + len(p.Key) + len(o.IdempotencyKey) + len(o.VersionEpoch) + pastOverhead)
	got, err := w.hub.Publish(r.ns, []byte(r.name), p, o)
	want := w.published(r, post, o)
	if err != nil || got.Suppressed != want.Suppressed || got.Position != want.Position {
		w.t.Fatalf("Publish(%q, %+v) = %v, %v; want %v", r.name, o, got, err, want)
	}
}

func (w *world) publication() *Publication {
	p := NewPublication()
	w.pubs[p] = struct{}{}
	p.Data = strconv.AppendUint(p.Data, w.rng.Uint64(), 36)
	if w.rng.IntN(10) == 0 {
		p.Data = append(p.Data, bytes.Repeat([]byte("x"), w.rng.IntN(1000))...)
	}
	p.Info = append(p.Info, "by"[:w.rng.IntN(3)]...)
	p.Sender = w.rng.Uint64N(9)
	if w.rng.IntN(4) == 0 {
		p.Tags = p.Tags.Append([]byte("tag"), p.Data[:1])
		p.Key = append(p.Key, "key"...)
	}
	if w.rng.IntN(20) == 0 {
		p.Kind = PubJoin
	}
	return p
}

func (w *world) history(r *modelRoom) {
	req := HistoryRequest{Limit: w.rng.IntN(10) - 2, Reverse: w.rng.IntN(2) == 0}
	if w.rng.IntN(2) == 0 {
		since := w.anyPosition(r)
		req.Since = &since
	}
	pos, got, err := w.hub.History(r.ns, []byte(r.name), req)
	if r.exists || w.options[r.ns].remembers() {
		r.exists = true
		w.use(r)
	}
	w.learn(r)
	w.checkHistory(r, req, pos, got, err)
}

// presence asks for some or all of those in r.
func (w *world) presence(r *modelRoom) {
	limit := len(r.places)
	if w.rng.IntN(2) == 0 {
		limit = w.rng.IntN(limit+3) - 1
	}
	w.checkPresence(r, limit)
}

func (w *world) ack(r *modelRoom) {
	consumer, p := strconv.Itoa(w.rng.IntN(5)), w.anyPosition(r)
	err := w.hub.Ack([]byte(r.name), []byte(consumer), p)
	if r.exists {
		w.use(r)
	}
	w.learn(r)
	if want := r.ack(consumer, p); err != want {
		w.t.Fatalf("Ack(%q, %v) = %v; want %v", r.name, p, err, want)
	}
	got, ok := w.hub.Acked([]byte(r.name), []byte(consumer))
	if want, known := r.acked[consumer]; ok != known || ok && got != (Position{want, r.epoch}) {
		w.t.Fatalf("Acked(%q) = %v, %v; want %d, %v", r.name, got, ok, want, known)
	}
}

func (w *world) removeHistory(r *modelRoom) {
	w.hub.RemoveHistory([]byte(r.name))
	if r.exists {
		w.use(r)
		r.past = nil
	}
	w.learn(r)
}

// reload changes the options of a namespace.
func (w *world) reload(ns Namespace) {
	o := Options{
		Kind:        Kind(w.rng.IntN(4)),
		HistorySize: w.rng.IntN(12),
		HistoryTTL:  time.Duration(w.rng.IntN(60)) * time.Second,
		MetaTTL:     time.Duration(w.rng.IntN(3)) * 20 * time.Second,
		BatchDelay:  time.Duration(max(0, w.rng.IntN(2000)-1000)),

		Presence:      w.rng.IntN(4) > 0,
		JoinLeave:     w.rng.IntN(2) == 0,
		PresenceGrace: time.Duration(max(0, w.rng.IntN(60)-20)) * time.Second,
	}
	w.options[ns] = o
	w.hub.SetOptions(ns, o)
}

// wait lets time pass, and most times ticks.
func (w *world) wait() {
	w.clock.advance(time.Duration(w.rng.Int64N(int64(time.Second) << w.rng.IntN(8))))
	if w.rng.IntN(4) > 0 {
		w.tick()
	}
}

func (w *world) tick() {
	w.hub.Tick(w.clock.at)
	for _, r := range w.rooms {
		r.tick(w.clock.at)
		w.lapse(r)
	}
}

func (w *world) setLimit() {
	w.limit = 0
	if w.rng.IntN(2) == 0 {
		w.limit = w.rng.Int64N(8000)
	}
	w.hub.Limit(w.limit)
	w.fit()
}

// settle handles and delivers until nothing is left on any loop: a delivery may publish to all of them.
func (w *world) settle() {
	for more := true; more; {
		more = false
		for _, l := range w.loops {
			l.handle(len(l.box.events))
			l.Fanout(time.Millisecond)
		}
		for _, l := range w.loops {
			_, rests := l.Next()
			more = more || rests || len(l.box.events) > 0
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
		r.trim()
	}
	for _, l := range w.loops {
		for _, c := range l.conns {
			for r := range c.next {
				c.next[r] = 0
			}
		}
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
	w.checkUsage()
	w.checkRooms()
}

func (w *world) checkUsage() {
	bytes, publications := w.usage()
	b, p, e := w.hub.MemoryStats()
	if b != bytes || p != publications || e != w.evicted {
		w.t.Fatalf("MemoryStats = %d bytes, %d publications, %d evicted; want %d, %d, %d", b, p, e, bytes, publications, w.evicted)
	}
}

// checkRooms fails if a room is there that should be forgotten, or not as it should be.
func (w *world) checkRooms() {
	var rooms, memories, places int
	for _, r := range w.rooms {
		w.checkPresence(r, len(r.places))
		if r.exists {
			rooms++
		}
		if r.memory {
			memories++
		}
		places += len(r.places)
	}
	for i := range w.hub.shards {
		s := &w.hub.shards[i]
		rooms -= s.rooms.Live()
		memories -= s.memories.Live()
		places -= s.presences.all.Live()
	}
	if rooms != 0 || memories != 0 || places != 0 {
		w.t.Fatalf("the hub lacks %d rooms, %d memories, %d presences", rooms, memories, places)
	}
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
	for i := c.subs.head; i != 0; i = c.loop.subs.At(i).next() {
		checkSeats(t, c.loop.Local, c.loop.rosters.At(c.loop.subs.At(i).roster))
	}
}

func (c *modelConn) rooms() (rooms []*modelRoom) {
	for r := range c.next {
		rooms = append(rooms, r)
	}
	return rooms
}

// checkGone fails if anything is left after all conns have closed and all that was remembered is too old.
func (w *world) checkGone() {
	var loops []*loop
	for _, l := range w.loops {
		for _, c := range l.conns {
			w.leaveAll(c)
		}
	}
	w.settle()
	for range 3 {
		w.clock.advance(defaultMetaTTL)
		w.tick()
	}
	for _, l := range w.loops {
		loops = append(loops, &loop{Local: l.Local, box: l.box})
	}
	checkEmpty(w.t, w.hub, loops...)
	for i := range w.hub.shards {
		checkNobody(w.t, &w.hub.shards[i].presences)
	}
	for p := range w.pubs {
		if n := p.refs.Load(); n != 0 {
			w.t.Fatalf("a publication still has %d references", n)
		}
	}
}

// modelOps is the number of random operations, over all seeds. EDGE_MODEL_OPS in the environment asks for another one.
func modelOps(t *testing.T) int {
	if s := os.Getenv("EDGE_MODEL_OPS"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil {
			t.Fatalf("EDGE_MODEL_OPS=%s: %v", s, err)
		}
		return n
	}
	if testutil.Race || testing.Short() {
		return 40_000
	}
	return 400_000
}

// TestRandomOperations runs the hub against the model. A failure is repeated by -hub.seed.
func TestRandomOperations(t *testing.T) {
	seed := *seedFlag
	if seed == 0 {
		seed = rand.Uint64()
	}
	const worlds = 4
	var seen sightings
	steps := modelOps(t) / worlds
	for i := range uint64(worlds) {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Logf("seed: -hub.seed=%d", seed+i)
			w := newWorld(t, seed+i, &seen)
			for n := range steps {
				w.step()
				if n%1000 == 999 {
					w.settle()
					w.check()
				}
			}
			w.checkGone()
			seen.evictions += int(w.evicted)
		})
	}
	if min(seen.gaps, seen.evictions, seen.blinks, seen.lapses, seen.exits) == 0 {
		t.Errorf("seen %+v; want some of each", seen)
	}
}
