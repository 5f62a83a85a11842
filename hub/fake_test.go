package hub

import (
	"fmt"
	"testing"
	"time"
)

// mailbox is an inbox for tests that run everything on one goroutine.
type mailbox struct {
	events []Event
	asleep bool
	woken  int
}

func (b *mailbox) Post(ev Event) bool {
	b.events = append(b.events, ev)
	return b.asleep
}

func (b *mailbox) Wake() {
	b.woken++
	b.asleep = false
}

// loop is a Local for tests: its rosters, its mailbox, and what was delivered.
type loop struct {
	*Local
	box  mailbox
	got  map[uint32]string                       // by slot: all bytes delivered, in order
	then func(m Member, wire []byte) (kept bool) // what Deliver does besides, if anything
	gaps []uint32                                // slots that Gap was called for
	gap  func(m Member, room []byte)             // what Gap does besides, if anything
}

func newLoop(h *Hub) *loop {
	l := &loop{got: make(map[uint32]string)}
	l.Local = h.AddLoop(&l.box, l)
	return l
}

// Join puts publications on the wire as "data;" each, with the form's digit before it unless it is 0.
func (l *loop) Join(dst []byte, pubs []*Publication, form Form) []byte {
	return joinPlain(dst, pubs, form)
}

func (l *loop) Deliver(m Member, wire []byte, _ []*Publication) bool {
	l.got[m.Slot()] += string(wire)
	return l.then != nil && l.then(m, wire)
}

func (l *loop) Gap(m Member, room []byte) {
	l.gaps = append(l.gaps, m.Slot())
	if l.gap != nil {
		l.gap(m, room)
	}
}

func joinPlain(dst []byte, pubs []*Publication, form Form) []byte {
	encode := encodePlain
	if form != 0 {
		encode = func(dst []byte, p *Publication) []byte {
			return encodePlain(append(dst, '0'+byte(form)), p)
		}
	}
	if len(pubs) == 1 {
		return pubs[0].Wire(form, encode)
	}
	for _, p := range pubs {
		dst = append(dst, p.Wire(form, encode)...)
	}
	return dst
}

func encodePlain(dst []byte, p *Publication) []byte {
	switch p.Kind {
	case PubJoin:
		return fmt.Appendf(dst, "+%d:%s;", p.Sender, p.Info)
	case PubLeave:
		return fmt.Appendf(dst, "-%d:%s;", p.Sender, p.Info)
	}
	return append(append(dst, p.Data...), ';')
}

// handle takes n events out of the mailbox.
func (l *loop) handle(n int) {
	for range n {
		ev := l.box.events[0]
		l.box.events = l.box.events[1:]
		l.Handle(ev)
	}
}

// settle handles and delivers until nothing is left.
func (l *loop) settle() {
	for more := true; more || len(l.box.events) > 0; {
		l.handle(len(l.box.events))
		more = l.Fanout(time.Second)
	}
}

// stopClock makes each Fanout end after one stride.
func (l *loop) stopClock() {
	l.now = func() time.Duration { return 0 }
}

func (l *loop) subscribe(t testing.TB, slot uint32, s *Subs, room string) Position {
	t.Helper()
	return l.recover(t, slot, s, room, nil).Position
}

// recover subscribes with a request.
func (l *loop) recover(t testing.TB, slot uint32, s *Subs, room string, r *Request) Joined {
	t.Helper()
	joined, err := l.Subscribe(NewMember(slot, 0), s, 0, []byte(room), r)
	if err != nil {
		t.Fatalf("Subscribe(%d, %q) = %v", slot, room, err)
	}
	return joined
}

// publication returns a publication of data.
func publication(data string) *Publication {
	p := NewPublication()
	p.Data = append(p.Data, data...)
	return p
}

// publish publishes in a room of namespace 0 and ignores errors, as where there is no store there are none.
func publish(h *Hub, room, data string) Position {
	result, _ := h.Publish(0, []byte(room), publication(data), PublishOptions{})
	return result.Position
}

func mustPublish(t testing.TB, h *Hub, ns Namespace, room []byte, p *Publication) {
	if _, err := h.Publish(ns, room, p, PublishOptions{}); err != nil {
		t.Fatalf("Publish(%q) = %v", room, err)
	}
}

// clock is a time that a test moves.
type clock struct{ at time.Time }

// fakeTime has h take its time from a clock.
func fakeTime(h *Hub) *clock {
	c := &clock{time.Unix(1_000_000, 0)}
	h.now = func() time.Time { return c.at }
	return c
}

func (c *clock) advance(d time.Duration) { c.at = c.at.Add(d) }

// checkEmpty fails if the loops or the hub still hold anything.
func checkEmpty(t testing.TB, h *Hub, loops ...*loop) {
	t.Helper()
	for i, l := range loops {
		got := [...]int{l.subs.Live(), l.rosters.Live(), l.tables.Live(), l.opened, l.Stats.Waiting, len(l.box.events)}
		if got != [6]int{} {
			t.Errorf("loop %d still has subs, rosters, tables, backlogs, waiting, events = %v", i, got)
		}
	}
	for i := range h.shards {
		s := &h.shards[i]
		got := [...]int{s.rooms.Live(), s.branches.Live(), s.names.Live(), s.lively, s.members,
			s.memories.Live(), len(s.due.items), len(s.eldest.items), s.presences.all.Live()}
		if got != [9]int{} {
			t.Errorf("shard %d still has rooms, branches, cells, lively rooms, members, memories, due, histories, presences = %v", i, got)
		}
	}
	if bytes, publications, _ := h.MemoryStats(); bytes != 0 || publications != 0 || h.usage.histories.Load() != 0 {
		t.Errorf("%d bytes in %d publications of %d histories left", bytes, publications, h.usage.histories.Load())
	}
}
