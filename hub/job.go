package hub

import "time"

const (
	// maxBatch is the size, in bytes, at which a job takes no further publication.
	maxBatch = 64 << 10

	// A loop keeps up to idleJobs finished jobs for reuse, and the buffers of the first fewJobs of them whole.
	idleJobs    = 1024
	fewJobs     = 16
	smallBuffer = 4 << 10
)

// job is one pass over a roster that delivers a batch of publications, joined into one write per member.
//
// Members that were in the roster when the batch was taken receive all of it: cursor walks over their seats. Members
// whose join marker stands in the batch come after them, in the order of their markers, and receive what follows the
// marker. So joins do not cut a hot room's batches to pieces.
type job struct {
	pubs    []*Publication
	size    int // of them, in bytes
	late    []arrival
	cursor  uint32 // seats before it are served
	nextUp  int    // in late
	emptied bool   // the roster is free when the job is done

	began time.Duration // on the Local's clock, to a stride

	gap *Publication // not nil: there is no batch, and members are told that they have missed what came before this one

	from  int           // wires carry pubs[from:]
	made  uint32        // the forms, as bits, whose wires have been made
	wires [Forms][]byte // good where made
	bufs  [Forms][]byte // what several publications are joined in; nil after a conn has kept it

	next *job // in the pool
}

// arrival is a join marker within a batch: sub receives pubs[from:].
type arrival struct {
	sub  uint32
	from int
}

// begin takes the next batch out of b, which ends at a gap. A gap that stands first is a job of its own.
func (l *Local) begin(b *backlog) *job {
	r, j := l.rosters.At(b.roster), l.jobs.get()
	events := b.events[b.head:]
	if ev := events[0]; ev.kind == published && r.misses(ev.pub) {
		j.gap = ev.pub
		r.skipTo(ev.pub)
		events = nil
	}
	n := 0
	for n < len(events) && events[n].roster == b.roster && events[n].kind != acted && l.include(r, j, events[n]) {
		n++
	}
	if b == &l.series.backlog {
		n += l.gather(r, j, n)
	}
	b.take(n)
	return l.begun(j)
}

// include makes ev part of the batch. It reports false if the batch must end before it.
func (l *Local) include(r *roster, j *job, ev Event) bool {
	switch ev.kind {
	case published:
		return l.append(r, j, ev.pub)
	case joined:
		j.late = append(j.late, arrival{ev.sub, len(j.pubs)})
	case emptied:
		j.emptied = true
	}
	return true
}

// append adds p to the batch, unless it begins a gap or there is no room for it.
func (l *Local) append(r *roster, j *job, p *Publication) bool {
	switch {
	case r.passed(p):
		l.discard(p)
		return true
	case r.misses(p) || j.size+p.size() > l.batch && len(j.pubs) > 0:
		return false
	}
	r.follow(p)
	j.pubs = append(j.pubs, p)
	j.size += p.size()
	return true
}

func (l *Local) begun(j *job) *job {
	j.began = l.clock
	l.Stats.Jobs++
	l.Stats.Waiting -= len(j.pubs)
	l.Stats.WaitingBytes -= j.size
	return j
}

// discard drops a publication that waits and is not delivered.
func (l *Local) discard(p *Publication) {
	l.Stats.Waiting--
	l.Stats.WaitingBytes -= p.size()
	p.Release()
}

// serveSeats delivers the batch to at most n more of the members that were there when it was taken. The seats are looked
// up anew for each, since a delivery may change them.
func (l *Local) serveSeats(r *roster, j *job, n int) (done int) {
	if j.gap != nil {
		return l.serveGap(r, j, n)
	}
	if len(j.pubs) == 0 {
		j.cursor = r.n
	}
	for ; done < n && j.cursor < r.n; done++ {
		m := l.seats(r)[j.cursor].member
		j.cursor++
		l.deliver(j, m)
	}
	return done
}

// serveGap tells at most n more of the members of the gap.
func (l *Local) serveGap(r *roster, j *job, n int) (done int) {
	for ; done < n && j.cursor < r.n; done++ {
		m := l.seats(r)[j.cursor].member
		j.cursor++
		l.Stats.Gaps++
		l.sink.Gap(m, j.gap.Room)
	}
	return done
}

// serveLate seats at most n more of the late members, once all others are served, and delivers to each the part of the
// batch that is due to it. From then on the cursor stays at the end of the roster.
func (l *Local) serveLate(r *roster, j *job, n int) (done int) {
	for ; done < n && !j.done(r); done++ {
		late := j.late[j.nextUp]
		j.nextUp++
		m := l.subs.At(late.sub).member
		if !l.arrive(late.sub) {
			continue
		}
		j.cursor++
		if late.from < len(j.pubs) {
			j.startFrom(late.from)
			l.deliver(j, m)
		}
	}
	return done
}

// done reports whether all members of r have what they must get.
func (j *job) done(r *roster) bool {
	return j.cursor == r.n && j.nextUp == len(j.late)
}

// startFrom makes the wires carry pubs[from:].
func (j *job) startFrom(from int) {
	if j.from != from {
		j.from, j.made = from, 0
	}
}

// deliver writes to m, in its form. Bytes that its conn has kept are never written to again.
func (l *Local) deliver(j *job, m Member) {
	form := m.Form()
	if j.made&(1<<form) == 0 {
		l.join(j, form)
	}
	wire := j.wires[form]
	if len(wire) == 0 {
		return
	}
	l.Stats.Writes++
	l.Stats.Deliveries += uint64(len(j.pubs) - j.from)
	if l.sink.Deliver(m, wire, j.pubs[j.from:]) {
		j.keep(form)
	}
}

// join makes the wire of a form. A single publication lends its own bytes, several are joined in the job's buffer.
func (l *Local) join(j *job, form Form) {
	pubs := j.pubs[j.from:]
	if len(pubs) == 1 {
		j.wires[form] = l.sink.Join(nil, pubs, form)
	} else {
		j.bufs[form] = l.sink.Join(j.bufs[form][:0], pubs, form)
		j.wires[form] = j.bufs[form]
	}
	j.made |= 1 << form
}

// keep leaves the bytes of a form to the garbage collector.
func (j *job) keep(form Form) {
	if len(j.pubs)-j.from == 1 {
		j.pubs[j.from].kept.Store(true)
	} else {
		j.bufs[form] = nil
	}
}

// jobPool is the finished jobs of a loop, for reuse.
type jobPool struct {
	first *job
	n     int
}

func (p *jobPool) get() *job {
	j := p.first
	if j == nil {
		return new(job)
	}
	p.first, j.next = j.next, nil
	p.n--
	return j
}

// put releases j's publications and takes j back.
func (p *jobPool) put(j *job) {
	for _, pub := range j.pubs {
		pub.Release()
	}
	if p.n == idleJobs {
		return
	}
	limit := maxPooled
	if p.n >= fewJobs {
		limit = smallBuffer
	}
	j.reset(limit)
	j.next, p.first = p.first, j
	p.n++
}

// reset empties j and drops buffers of more than limit bytes.
func (j *job) reset(limit int) {
	clear(j.pubs)
	j.pubs, j.late = j.pubs[:0], j.late[:0]
	j.size, j.cursor, j.nextUp, j.emptied, j.gap = 0, 0, 0, false, nil
	j.from, j.made = 0, 0
	for i := range j.bufs {
		j.wires[i] = nil
		if cap(j.bufs[i]) > limit {
			j.bufs[i] = nil
		}
	}
}
