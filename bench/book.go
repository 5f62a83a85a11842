package bench

import "slices"

// The books of a mix say what is due to whom although members come and go and rooms have no position that is told. All
// members of a room are on one loop, so that what was sent before what is known. The rules, which claim only what is
// certain:
//
//   - The publications of a room are numbered from 1. While one is not answered the next leaves on the same connection,
//     so that the server takes them in the order of their numbers.
//   - A member's first due number is the first it sees, or the first sent after it had the reply to its subscribe,
//     whichever is lower: what is sent after the reply comes after the subscribe.
//   - What was answered before the subscribe was sent must not come: it is misrouted.
//   - From there on every number is due, each once and in order, up to the last it sees.
//   - A member that is to leave takes down what has been sent by then, stays until that has come, or for as long as
//     patience lasts, and only then closes: all of it is due.
//   - To a member that is cut off, by us or by the server, nothing is due but what lies before the last it saw: what
//     was answered when we hear of its end may have been made after it. What else it may have missed is counted apart.
//   - A publication that was refused is due to nobody, and neither is one whose connection ended before the answer came,
//     unless somebody had seen that or a later one by then. Who gets it all the same gets it, at any place in the order.
type roomBook struct {
	number     uint32   // of the last publication sent
	unanswered uint32   // how many of the last ones have no answer yet
	speaker    uint32   // connection that sent those
	top        uint32   // the highest number that a member has seen
	holes      []uint32 // numbers that are due to nobody, ascending
}

// answered returns the highest number up to which all have an answer.
func (b *roomBook) answered() uint32 { return b.number - b.unanswered }

// refuse enters that the oldest number without an answer is due to nobody.
func (b *roomBook) refuse() {
	b.holes = append(b.holes, b.answered()+1)
	b.unanswered--
}

// doubt enters that those without an answer will have none. The server took them in their order, so that what lies
// before one that was seen was made.
func (b *roomBook) doubt() (doubtful uint32) {
	for n := max(b.answered(), b.top) + 1; n <= b.number; n++ {
		b.holes = append(b.holes, n)
		doubtful++
	}
	b.unanswered = 0
	return doubtful
}

// holesIn returns how many holes there are from first to last.
func (b *roomBook) holesIn(first, last uint32) uint64 {
	i, _ := slices.BinarySearch(b.holes, first)
	j, _ := slices.BinarySearch(b.holes, last+1)
	return uint64(j - i)
}

// lastDue returns the highest number up to until that is due to somebody.
func (b *roomBook) lastDue(until uint32) uint32 {
	for until > 0 && b.holesIn(until, until) > 0 {
		until--
	}
	return until
}

// membership is one connection in one room.
type membership struct {
	track track
	room  uint32
	floor uint32 // up to here nothing may come
	from  uint32 // what comes after this is due in any case, once stood
	first uint32 // the lowest number that has come, 0 for none
	until uint32 // up to here it is due, if it is to leave
	stood bool   // the reply to its subscribe has come
}

// join enters that m's subscribe is about to be sent.
func (m *membership) join(b *roomBook) { m.floor = b.answered() }

// stand enters that the reply has come.
func (m *membership) stand(b *roomBook) { m.from, m.stood = b.number, true }

// start returns the first number that is due, if any is.
func (m *membership) start() (first uint32, ok bool) {
	switch {
	case m.first == 0:
		return m.from + 1, m.stood
	case m.stood:
		return min(m.first, m.from+1), true
	}
	return m.first, true
}

// arrive enters in l that number has come to m.
func (l *Ledger) arrive(b *roomBook, m *membership, number uint32) {
	switch {
	case number > b.number:
		l.Damaged++ // nobody has sent it
		return
	case b.holesIn(number, number) > 0:
		l.Received++
		l.Expected++
		return
	case number <= m.floor:
		l.Misrouted++
		return
	}
	if m.first == 0 {
		m.first, m.track.last = number, number-1
	}
	l.note(&m.track, number)
	m.first = min(m.first, number)
	b.top = max(b.top, number)
}

// reached reports whether all that is due to m up to its until has come, as far as the order tells.
func (m *membership) reached(b *roomBook) bool {
	first, ok := m.start()
	last := b.lastDue(m.until)
	return !ok || last < first || m.track.last >= last
}

// owed returns how many numbers have yet to come to m up to until.
func (m *membership) owed(b *roomBook, until uint32) uint64 {
	first, ok := m.start()
	first = max(first, m.track.last+1)
	if !ok || until < first {
		return 0
	}
	return uint64(until-first+1) - b.holesIn(first, until)
}

// settleMember enters what was due to m up to until, and beyond that up to the last that came.
func (l *Ledger) settleMember(b *roomBook, m *membership, until uint32) {
	first, ok := m.start()
	last := max(until, m.track.last)
	if ok && last >= first {
		l.Expected += uint64(last-first+1) - b.holesIn(first, last)
	}
}
