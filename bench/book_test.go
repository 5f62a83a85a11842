package bench

import (
	"math/rand/v2"
	"testing"
)

// step is something that happens in a room of one member.
type step func(b *roomBook, m *membership, l *Ledger)

func sent(n int) step {
	return func(b *roomBook, _ *membership, _ *Ledger) {
		b.number += uint32(n)
		b.unanswered += uint32(n)
	}
}

func answered(n int) step {
	return func(b *roomBook, _ *membership, _ *Ledger) { b.unanswered -= uint32(n) }
}

func came(numbers ...uint32) step {
	return func(b *roomBook, m *membership, l *Ledger) {
		for _, n := range numbers {
			l.arrive(b, m, n)
		}
	}
}

var (
	joins   step = func(b *roomBook, m *membership, _ *Ledger) { m.join(b) }
	stands  step = func(b *roomBook, m *membership, _ *Ledger) { m.stand(b) }
	refused step = func(b *roomBook, _ *membership, _ *Ledger) { b.refuse() }
	doubted step = func(b *roomBook, _ *membership, _ *Ledger) { b.doubt() }
)

// The rules that stand above roomBook. All that has been sent is due at the end of each row, unless cut says that the
// member was cut off.
func TestBooks(t *testing.T) {
	for _, row := range []struct {
		name  string
		steps []step
		cut   bool
		want  Ledger
	}{
		{"all comes", []step{joins, stands, sent(3), came(1, 2, 3), answered(3)}, false, Ledger{Expected: 3, Received: 3}},
		{"what was before the subscribe is not due", []step{sent(2), answered(2), joins, stands, sent(1), came(3)}, false, Ledger{Expected: 1, Received: 1}},
		{"nor may it come", []step{sent(2), answered(2), joins, came(2), stands}, false, Ledger{Misrouted: 1}},
		{"meanwhile it may come", []step{joins, sent(3), came(2, 3), stands, sent(1), came(4)}, false, Ledger{Expected: 3, Received: 3}},
		{"or not", []step{joins, sent(3), stands, sent(1), came(4)}, false, Ledger{Expected: 1, Received: 1}},
		{"but then without a gap", []step{joins, sent(3), came(1, 3), stands}, false, Ledger{Expected: 3, Received: 2, Missing: 1}},
		{"after the reply it is due", []step{joins, stands, sent(3), came(2, 3)}, false, Ledger{Expected: 3, Received: 2, Missing: 1}},
		{"also the last", []step{joins, stands, sent(3), came(1, 2)}, false, Ledger{Expected: 3, Received: 2, Missing: 1}},
		{"not to one that was cut off", []step{joins, stands, sent(3), came(1, 2)}, true, Ledger{Expected: 2, Received: 2}},
		{"to whom what lies between is due", []step{joins, stands, sent(3), came(1, 3)}, true, Ledger{Expected: 3, Received: 2, Missing: 1}},
		{"twice", []step{joins, stands, sent(2), came(1, 2, 2)}, false, Ledger{Expected: 2, Received: 2, Duplicated: 1}},
		{"in the wrong order", []step{joins, stands, sent(3), came(1, 3, 2)}, false, Ledger{Expected: 3, Received: 3, Reordered: 1}},
		{"the first two in the wrong order", []step{joins, stands, sent(2), came(2, 1)}, false, Ledger{Expected: 2, Received: 2, Reordered: 1}},
		{"what nobody sent", []step{joins, stands, sent(1), came(1, 2)}, false, Ledger{Expected: 1, Received: 1, Damaged: 1}},
		{"what was refused is not due", []step{joins, stands, sent(3), answered(1), refused, answered(1), came(1, 3)}, false, Ledger{Expected: 2, Received: 2}},
		{"what is in doubt is not due", []step{joins, stands, sent(3), answered(1), doubted, sent(1), came(1, 4)}, false, Ledger{Expected: 2, Received: 2}},
		{"unless it is seen", []step{joins, stands, sent(3), answered(1), doubted, came(1, 2)}, false, Ledger{Expected: 2, Received: 2}},
		{"at any place", []step{joins, stands, sent(3), answered(1), doubted, sent(1), came(1, 4, 2, 3)}, false, Ledger{Expected: 4, Received: 4}},
		{"what lies before one that was seen was made", []step{joins, stands, sent(3), came(2), doubted}, false, Ledger{Expected: 2, Received: 1, Missing: 1}},
		{"what was in doubt may come after a later subscribe", []step{sent(2), doubted, joins, came(1), stands, sent(1), came(3)}, false, Ledger{Expected: 2, Received: 2}},
	} {
		t.Run(row.name, func(t *testing.T) {
			var b roomBook
			var m membership
			var l Ledger
			for _, s := range row.steps {
				s(&b, &m, &l)
			}
			until := b.number
			if row.cut {
				until = 0
			}
			if m.until = until; !row.cut && m.reached(&b) != (m.owed(&b, until) == 0) {
				t.Errorf("reached = %v with %d owed", m.reached(&b), m.owed(&b, until))
			}
			l.settleMember(&b, &m, until)
			if l.close(); l != row.want {
				t.Errorf("ledger = %+v; want %+v", l, row.want)
			}
		})
	}
}

// Whatever comes between a command and its effect at an honest server, the books hold nothing against it; and if one
// delivery that is due is left out, they miss just that.
func TestBooksHoldNothingAgainstHonestServers(t *testing.T) {
	seed := rand.Uint64()
	rng := rand.New(rand.NewPCG(seed, 1))
	for round := range 2000 {
		s := newRoomModel(rng)
		for range 60 {
			s.step()
		}
		s.finish()
		l := s.ledger
		l.close()
		want := Ledger{Expected: l.Received, Received: l.Received}
		if s.dropped {
			want.Expected++
			want.Missing = 1
		}
		if l != want {
			t.Fatalf("seed %d, round %d: ledger %+v; want %+v", seed, round, l, want)
		}
	}
}

// roomModel is a server with one room, which takes commands late, and its members, who hear late.
type roomModel struct {
	rng     *rand.Rand
	book    roomBook
	ledger  Ledger
	wire    []uint32 // publications on their way to the server
	order   []uint32 // as it has taken them, but not yet answered
	members []*modelMember
	drops   bool // one delivery is to be left out
	dropped bool
}

// modelMember is a member; its inbox has numbers, and 0 for the reply to its subscribe.
type modelMember struct {
	membership
	asked, in, gone bool
	stays           bool // it has missed one: at the end the loss is certain
	inbox           []uint32
}

func newRoomModel(rng *rand.Rand) *roomModel {
	s := &roomModel{rng: rng, drops: rng.IntN(2) == 0}
	for range 1 + rng.IntN(4) {
		s.members = append(s.members, new(modelMember))
	}
	return s
}

func (s *roomModel) step() {
	m := s.members[s.rng.IntN(len(s.members))]
	switch s.rng.IntN(7) {
	case 0:
		if !m.asked {
			m.asked = true
			m.join(&s.book)
		}
	case 1:
		if m.asked && !m.in {
			m.in = true
			m.inbox = append(m.inbox, 0)
		}
	case 2:
		s.book.number++
		s.book.unanswered++
		s.wire = append(s.wire, s.book.number)
	case 3:
		s.take()
	case 4:
		s.answer()
	case 5:
		s.hear(m)
	case 6:
		if m.stood && s.rng.IntN(20) == 0 {
			s.cut(m)
		}
	}
}

// take has the server take the next publication.
func (s *roomModel) take() {
	if len(s.wire) == 0 {
		return
	}
	n := s.wire[0]
	s.wire, s.order = s.wire[1:], append(s.order, n)
	for _, m := range s.members {
		if !m.in || m.gone {
			continue
		}
		// Nothing is certain of what an early one has not seen: only what is due can be missed.
		if s.drops && !s.dropped && m.stood && n > m.from && s.rng.IntN(10) == 0 {
			s.dropped, m.stays = true, true
			continue
		}
		m.inbox = append(m.inbox, n)
	}
}

func (s *roomModel) answer() {
	if len(s.order) > 0 {
		s.order = s.order[1:]
		s.book.unanswered--
	}
}

func (s *roomModel) hear(m *modelMember) {
	if m.gone || len(m.inbox) == 0 {
		return
	}
	n := m.inbox[0]
	if m.inbox = m.inbox[1:]; n == 0 {
		m.stand(&s.book)
		return
	}
	s.ledger.arrive(&s.book, &m.membership, n)
}

// cut ends a member at once.
func (s *roomModel) cut(m *modelMember) {
	if !m.gone && !m.stays {
		m.gone = true
		s.ledger.settleMember(&s.book, &m.membership, 0)
	}
}

// finish lets all come that is under way.
func (s *roomModel) finish() {
	for len(s.wire) > 0 {
		s.take()
	}
	for len(s.order) > 0 {
		s.answer()
	}
	for _, m := range s.members {
		for len(m.inbox) > 0 && !m.gone {
			s.hear(m)
		}
		if !m.gone {
			s.ledger.settleMember(&s.book, &m.membership, s.book.number)
		}
	}
}
