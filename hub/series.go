package hub

import (
	"iter"
	"slices"
	"time"
)

// Rooms whose options are Ordered are served by a loop in the order of its events, each publication to its end before the
// next: so a member of several of them receives what one publisher has sent to them in the order in which it did, and acts
// that stand between the publications keep their places. The price is that a small room waits for a large one, and that publications of
// several rooms that alternate are joined only where no member is one of those for whom the order is kept, see [Local.InOrder].

// Act is something that is to be done in its place among the publications of ordered rooms.
type Act interface {
	// Act does it, or part of it, and reports whether there is more: then it is called again, and nothing that stands
	// behind it is done before. It may do what [Sink.Deliver] may.
	Act() (more bool)
}

// inSeries is the backlog of every roster of an ordered room.
const inSeries = ^uint32(0)

// series is what waits for the ordered rooms of a loop: a backlog that they share.
type series struct {
	backlog
	acts    []waitingAct // of its events, in their order, from nextAct on
	nextAct int
	waits   bool // it is in line
}

// waitingAct is an act and the bytes that it holds.
type waitingAct struct {
	act   Act
	bytes int
}

// idle reports whether nothing waits.
func (q *series) idle() bool { return q.job == nil && q.head == len(q.events) }

// mixed reports whether what waits is for more than one roster, as far as that can be told at a glance.
func (q *series) mixed() bool {
	n := len(q.events)
	return q.head < n && (q.job != nil || q.events[q.head].roster != q.events[n-1].roster)
}

// Follow does a behind all that waits in ordered rooms, at once if nothing does. It counts as so many bytes that wait.
func (l *Local) Follow(a Act, bytes int) {
	if !l.serving && l.series.idle() && !a.Act() {
		return
	}
	q := &l.series
	q.acts = append(q.acts, waitingAct{a, bytes})
	l.Stats.WaitingBytes += bytes
	l.lineUp(Event{kind: acted})
}

// lineUp puts an event behind the others.
func (l *Local) lineUp(ev Event) {
	l.queue(&l.series.backlog, ev)
	if !l.series.waits && l.series.job == nil {
		l.series.waits = true
		l.ready.push(&l.series.backlog)
	}
}

// advanceSeries serves the series for one stride, and returns the number of deliveries.
func (l *Local) advanceSeries() (n int) {
	q := &l.series
	q.waits = false
	switch {
	case q.job == nil && q.events[q.head].kind == acted:
		n = stride
		if !q.acts[q.nextAct].act.Act() {
			n = 1
			l.endAct()
		}
	default:
		n = l.advanceJob()
	}
	if !q.idle() && !q.waits {
		q.waits = true
		l.ready.push(&q.backlog)
	}
	return n
}

// advanceJob is advanceSeries for publications.
func (l *Local) advanceJob() (n int) {
	q := &l.series
	if q.job == nil {
		q.roster = q.events[q.head].roster
		q.job = l.begin(&q.backlog)
	}
	r, j := l.rosters.At(q.roster), q.job
	n = l.serveSeats(r, j, stride)
	n += l.serveLate(r, j, stride-n)
	if !j.done(r) {
		return n
	}
	emptied := j.emptied
	q.job = nil
	l.measure(j)
	l.jobs.put(j)
	if emptied {
		l.free(q.roster)
	}
	q.trim()
	return n
}

// A job in the series looks so many events ahead for others of its roster: a part of what its deliveries take.
const (
	aheadEach = 16 // for each member
	aheadMost = 4096
)

// gather adds to j, a job of r that takes the first n events of the series, those of r that stand further back, if r has no member
// to whom the order across rooms matters. They come to stand behind the first n; it returns how many they are.
func (l *Local) gather(r *roster, j *job, n int) (more int) {
	q := &l.series
	events := q.events[q.head:]
	if n == 0 || l.inOrder(r, j) {
		return 0
	}
	events = events[n:min(len(events), n+aheadMost, n+aheadEach*int(r.n))]
	others, end := l.ahead[:0], 0
	for _, ev := range events {
		if ev.roster == q.roster && ev.kind != acted {
			if ev.kind == joined && l.InOrder(l.subs.At(ev.sub).member.Form()) || !l.include(r, j, ev) {
				break
			}
			events[more] = ev
			more++
		} else {
			others = append(others, ev)
		}
		end++
	}
	copy(events[more:end], others)
	clear(others)
	l.ahead = others[:0]
	return more
}

// inOrder reports whether r has a member to whom the order across rooms matters, or gets one in j.
func (l *Local) inOrder(r *roster, j *job) bool {
	return l.InOrder == nil ||
		slices.ContainsFunc(l.seats(r), func(s seat) bool { return l.InOrder(s.member.Form()) }) ||
		slices.ContainsFunc(j.late, func(a arrival) bool { return l.InOrder(l.subs.At(a.sub).member.Form()) })
}

// endAct takes the first event out, an act that is done.
func (l *Local) endAct() {
	q := &l.series
	l.Stats.WaitingBytes -= q.acts[q.nextAct].bytes
	q.acts[q.nextAct] = waitingAct{}
	if q.nextAct++; q.nextAct == len(q.acts) {
		q.acts, q.nextAct = q.acts[:0], 0
	}
	q.take(1)
	q.trim()
}

// trim gives back what a burst has left behind.
func (q *series) trim() {
	if q.head < len(q.events) {
		return
	}
	q.events, q.head = q.events[:0], 0
	if cap(q.events) > manyEvents {
		q.events = nil
	}
	if len(q.acts) == 0 && cap(q.acts) > manyEvents {
		q.acts = nil
	}
}

// Members yields those who are in a room on this loop, save those whose join has not been handled. Nobody may enter or leave
// it meanwhile.
func (l *Local) Members(room []byte) iter.Seq[Member] {
	return func(yield func(Member) bool) {
		hash := l.hub.hash(room)
		id := l.hub.shard(hash).roster(hash, room, l.id)
		if id == 0 {
			return
		}
		for _, s := range l.seats(l.rosters.At(id)) {
			if !yield(s.member) {
				return
			}
		}
	}
}

// SetForm has the conn whose subscriptions are s receive another form from now on: the one that form makes of the one that it
// has had in a room.
func (l *Local) SetForm(s *Subs, form func(Form) Form) {
	for i := s.head; i != 0; i = l.subs.At(i).next() {
		sub := l.subs.At(i)
		sub.member = NewMember(sub.member.Slot(), form(sub.member.Form()))
		if sub.pos != arriving {
			l.seats(l.rosters.At(sub.roster))[sub.pos].member = sub.member
		}
	}
}

// owesSeries reports whether anything waits in the ordered rooms that was published before at.
func (l *Local) owesSeries(at time.Duration) bool { return l.series.oldest() < at }
