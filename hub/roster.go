package hub

import "slices"

// roster is the members of one room on one loop. It holds no pointer: a single member sits in the record itself, more
// sit in a table. While publications wait or are being delivered, it has a backlog.
type roster struct {
	room    uint32 // shard and index; the free list's link while free
	n       uint32 // members
	table   uint32 // 0 while they fit into one
	backlog uint32 // 0 for none, inSeries always in an ordered room
	one     [1]seat
	last    Position // of what the members have received; zero before the first that has one
}

func (r *roster) Link() *uint32 { return &r.room }

// seat is a member in a roster. A delivery reads nothing else, and leaving finds the subscription record to correct
// when a member has moved.
type seat struct {
	member Member
	sub    uint32
}

// table is the seats of a roster of two or more. A freed table may keep a small array for its next use.
type table struct {
	seats []seat
	next  uint32
}

func (t *table) Link() *uint32 { return &t.next }

// keptSeats is the capacity up to which a freed table keeps its array, so that a room that goes back and forth between
// one member and two does not allocate.
const keptSeats = 4

// seats returns r's members in delivery order. The slice is good until the next sit or vacate.
func (l *Local) seats(r *roster) []seat {
	if r.table == 0 {
		return r.one[:r.n]
	}
	return l.tables.At(r.table).seats
}

// sit adds a member at the end of r and returns its position.
func (l *Local) sit(r *roster, s seat) uint32 {
	pos := r.n
	switch {
	case r.table == 0 && pos == 0:
		r.one[0] = s
	case r.table == 0:
		r.table = l.tables.Alloc()
		t := l.tables.At(r.table)
		t.seats = append(grow(t.seats[:0]), r.one[0], s)
	default:
		t := l.tables.At(r.table)
		t.seats = append(grow(t.seats), s)
	}
	r.n++
	return pos
}

// grow returns seats with room for one more; a new array has a quarter of slack.
func grow(seats []seat) []seat {
	n := len(seats)
	if n < cap(seats) {
		return seats
	}
	return append(slices.Grow([]seat(nil), n+n/4+2), seats...)
}

// vacate takes the member at pos out of r. The last one fills the hole, so no other place in the delivery order is
// lost. While a job is in progress the seats before its cursor are served and the others are not: the hole is then
// filled from its own zone, so that nobody is skipped or served twice.
func (l *Local) vacate(r *roster, pos uint32) {
	seats := l.seats(r)
	if j := l.jobOf(r); j != nil && pos < j.cursor {
		j.cursor--
		l.move(seats, pos, j.cursor)
		pos = j.cursor
	}
	last := r.n - 1
	l.move(seats, pos, last)
	r.n = last
	if r.table != 0 {
		l.shrink(r)
	}
}

// move puts the member at from into the hole at to.
func (l *Local) move(seats []seat, to, from uint32) {
	if to != from {
		seats[to] = seats[from]
		l.subs.At(seats[to].sub).pos = to
	}
}

// shrink drops the last seat of r's table, and gives memory back when half of it lies idle.
func (l *Local) shrink(r *roster) {
	t := l.tables.At(r.table)
	t.seats = t.seats[:r.n]
	switch {
	case r.n == 1:
		r.one[0] = t.seats[0]
		l.freeTable(r)
	case len(t.seats) < cap(t.seats)/2 && cap(t.seats) > keptSeats:
		t.seats = append(slices.Grow([]seat(nil), int(r.n+r.n/4)), t.seats...)
	}
}

func (l *Local) freeTable(r *roster) {
	t := l.tables.At(r.table)
	if cap(t.seats) > keptSeats {
		t.seats = nil
	}
	l.tables.Free(r.table)
	r.table = 0
}

// jobOf returns the job that is in progress on r, nil if none is.
func (l *Local) jobOf(r *roster) *job {
	switch {
	case r.backlog == 0:
		return nil
	case r.backlog != inSeries:
		return l.backlogs[r.backlog].job
	case l.series.job != nil && l.rosters.At(l.series.roster) == r:
		return l.series.job
	}
	return nil
}
