package hub

import "time"

const (
	// stride is the number of deliveries that a roster gets before it is the next one's turn, and about the number
	// between two looks at the clock.
	stride = 32

	// A loop keeps up to idleBacklogs empty backlogs for reuse. The first fewBacklogs of them keep room for manyEvents,
	// the others for fewEvents.
	idleBacklogs = 16 << 10
	fewBacklogs  = 64
	manyEvents   = 1024
	fewEvents    = 16
)

// backlog is what waits for one roster, from the first publication until all is delivered. Later joins wait in it too,
// since their place in the order counts. It has no limit of its own: whoever admits publications watches Stats.WaitingBytes.
type backlog struct {
	id     uint32
	roster uint32
	events []Event // from head on
	head   int
	job    *job          // in progress, nil between jobs
	until  time.Duration // when the next job may begin; 0 for at once
	next   *backlog      // in line, or in the list of spare ones
}

// Fanout delivers what the handled events have made due, until nothing is left or the budget is spent, and reports
// whether there is more. Rosters take turns, a stride of deliveries each, so that a small room does not wait for the
// end of a large one. However small the budget, a call makes some progress.
func (l *Local) Fanout(budget time.Duration) (more bool) {
	l.idle()
	l.rouse()
	if l.ready.first == nil {
		return false
	}
	l.serving = true
	l.clock = l.now()
	for end, spent := l.clock+budget, 0; l.ready.first != nil; {
		b := l.ready.pop()
		spent += 1 + l.advance(b)
		if spent >= stride {
			if l.clock = l.now(); l.clock >= end {
				break
			}
			spent = 0
		}
	}
	l.serving = false
	l.trim()
	return l.ready.first != nil
}

// Several reports whether more than one roster has something to deliver.
func (l *Local) Several() bool {
	l.rouse()
	return l.ready.first != nil && (l.ready.first.next != nil || l.series.waits && l.series.mixed())
}

// Subscriptions returns how many the loop's conns have, those in progress included.
func (l *Local) Subscriptions() int { return l.subs.Live() }

// Due reports whether Fanout has anything to do.
func (l *Local) Due() bool {
	in, ok := l.Next()
	return ok && in == 0
}

// Now returns the moment at which it is called, on the clock that [Local.Owes] asks about.
func (l *Local) Now() time.Duration { return l.now() }

// Owes reports whether anything that was published before the moment at still waits for the conn whose subscriptions are s,
// among the events that have been handled. What is published afterwards does not count, so that a busy room is no reason to
// wait for ever.
func (l *Local) Owes(s *Subs, at time.Duration) bool {
	for i := s.head; i != 0; i = l.subs.At(i).next() {
		switch id := l.rosters.At(l.subs.At(i).roster).backlog; {
		case id == inSeries && l.owesSeries(at):
			return true
		case id != 0 && id != inSeries && l.backlogs[id].oldest() < at:
			return true
		}
	}
	return false
}

// oldest returns when the first publication that b has not delivered to everybody was published; never
// without one.
func (b *backlog) oldest() time.Duration {
	if j := b.job; j != nil {
		switch {
		case len(j.pubs) > 0:
			return j.pubs[0].since
		case j.gap != nil:
			return j.gap.since
		}
	}
	for _, ev := range b.events[b.head:] {
		if ev.kind == published {
			return ev.pub.since
		}
	}
	return never
}

// advance serves b for one stride, and returns the number of deliveries.
func (l *Local) advance(b *backlog) int {
	if b == &l.series.backlog {
		return l.advanceSeries()
	}
	if b.job == nil {
		b.job = l.begin(b)
		b.until = l.restUntil(b.job)
	}
	r, j := l.rosters.At(b.roster), b.job
	n := l.serveSeats(r, j, stride)
	n += l.serveLate(r, j, stride-n)
	switch {
	case !j.done(r):
		l.ready.push(b)
	case l.finish(b):
		l.free(b.roster)
	}
	return n
}

// finish ends b's job; b then waits for its next turn or closes. It reports whether the roster is to be freed.
func (l *Local) finish(b *backlog) (emptied bool) {
	j := b.job
	emptied = j.emptied
	b.job = nil
	l.measure(j)
	l.jobs.put(j)
	if b.until != 0 && !emptied {
		l.rest(b)
	} else {
		l.proceed(b)
	}
	return emptied
}

// measure tells the meter of a job that is done.
func (l *Local) measure(j *job) {
	if l.Meter == nil || len(j.pubs) == 0 {
		return
	}
	l.clock = l.now()
	l.Meter.Passed(l.clock - j.began)
	for _, p := range j.pubs {
		l.Meter.Delivered(l.clock - p.since)
	}
}

// proceed puts b, which has no job, in line if it has events, and closes it otherwise.
func (l *Local) proceed(b *backlog) {
	if b.head < len(b.events) {
		l.ready.push(b)
	} else {
		l.close(b)
	}
}

// open gives the roster a backlog that begins with ev.
func (l *Local) open(roster uint32, ev Event) {
	b := l.spare
	if b == nil {
		b = l.addBacklog()
	}
	l.spare = b.next
	l.opened++
	b.next, b.roster = nil, roster
	l.rosters.At(roster).backlog = b.id
	l.queue(b, ev)
	l.ready.push(b)
}

// addBacklog returns a backlog with the next free index.
func (l *Local) addBacklog() *backlog {
	if l.backlogs == nil {
		l.backlogs = append(l.backlogs, nil)
	}
	b := &backlog{id: uint32(len(l.backlogs))}
	l.backlogs = append(l.backlogs, b)
	return b
}

func (l *Local) queue(b *backlog, ev Event) {
	if ev.kind == published {
		l.Stats.Waiting++
		l.Stats.WaitingBytes += ev.pub.size()
	}
	b.events = append(b.events, ev)
}

// close parts an empty backlog from its roster.
func (l *Local) close(b *backlog) {
	l.rosters.At(b.roster).backlog = 0
	limit := manyEvents
	if len(l.backlogs)-l.opened > fewBacklogs {
		limit = fewEvents
	}
	if cap(b.events) > limit {
		b.events = nil
	}
	l.opened--
	b.events, b.head = b.events[:0], 0
	b.next, l.spare = l.spare, b
}

// take drops the first n events of b, which its job now holds. Moving the rest down only when it is the smaller part
// keeps a long backlog linear.
func (b *backlog) take(n int) {
	clear(b.events[b.head : b.head+n])
	b.head += n
	if b.head > len(b.events)/2 {
		b.events = b.events[:copy(b.events, b.events[b.head:])]
		b.head = 0
	}
}

// trim gives back what a burst over very many rooms has left, once all of it is delivered.
func (l *Local) trim() {
	if l.opened == 0 && len(l.backlogs) > idleBacklogs {
		l.backlogs, l.spare = nil, nil
	}
}

// line is a queue of backlogs.
type line struct {
	first, last *backlog
}

func (q *line) push(b *backlog) {
	b.next = nil
	if q.first == nil {
		q.first = b
	} else {
		q.last.next = b
	}
	q.last = b
}

func (q *line) pop() *backlog {
	b := q.first
	q.first = b.next
	b.next = nil
	return b
}
