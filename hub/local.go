package hub

import (
	"time"

	"github.com/seed4ac54ce5/edge/internal/slab"
)

// Event is what a loop finds in its inbox: it hands it to [Local.Handle]. Events are posted by value.
type Event struct {
	pub    *Publication // with published; carries one reference
	roster uint32
	sub    uint32 // with joined
	kind   eventKind
}

type eventKind uint8

const (
	published eventKind = iota // pub is due to the roster's members
	joined                     // sub becomes one of them
	emptied                    // the last has left, and no later event names the roster
	acted                      // the next act of the series is due; never in an inbox
)

// Stats counts what one loop has done. The last two are levels, the others only grow.
type Stats struct {
	Publications uint64 // taken from the inbox
	Jobs         uint64 // passes over a roster
	Writes       uint64 // calls of Sink.Deliver
	Deliveries   uint64 // publications in those writes: Deliveries/Writes is the merge factor
	Gaps         uint64 // calls of Sink.Gap
	Waiting      int    // publications whose job has not begun
	WaitingBytes int    // of them
}

// Meter is told how fast a loop delivers. Only the loop goroutine calls it.
type Meter interface {
	// Passed says how long it took to deliver a batch of publications to all members of a roster.
	Passed(took time.Duration)
	// Delivered says how long after the call of Publish the last member of a roster has got a publication.
	Delivered(after time.Duration)
}

// Local is the rosters of one loop. Only the loop goroutine touches it, save for hub, id and in.
type Local struct {
	// Set before serving.
	Meter Meter // nil for none
	hub   *Hub
	id    uint8
	in    Inbox
	sink  Sink
	now   func() time.Duration // monotonic, from hub.start
	batch int                  // bytes that one job may join

	// Loop goroutine only.
	Stats    Stats
	subs     slab.Slab[sub, *sub]
	rosters  slab.Slab[roster, *roster]
	tables   slab.Slab[table, *table]
	backlogs []*backlog // by the index that rosters hold; 0 is none
	opened   int        // of them, those with a roster
	spare    *backlog   // the others, linked
	ready    line       // backlogs that have something to deliver
	resting  resting    // backlogs whose room has a delay
	series   series     // what waits for ordered rooms
	jobs     jobPool
	Aligned  bool // rooms with the same BatchDelay deliver at the same moments
	// InOrder reports whether members of a form receive what ordered rooms have for them in one order across rooms; nil is all.
	InOrder func(Form) bool

	ahead   []Event       // scratch space of gather
	serving bool          // within Fanout: Deliver may not come back here
	clock   time.Duration // when Fanout last looked at it: at most a stride ago
}

func newLocal(h *Hub, id uint8, in Inbox, sink Sink) *Local {
	l := &Local{hub: h, id: id, in: in, sink: sink, batch: maxBatch}
	l.now = func() time.Duration { return time.Since(h.start) }
	return l
}

// Handle takes an event out of the inbox; events must come in the order of their posts. Nothing is delivered before
// the next Fanout.
func (l *Local) Handle(ev Event) {
	l.idle()
	if ev.kind == published {
		l.Stats.Publications++
	}
	r := l.rosters.At(ev.roster)
	switch {
	case r.backlog == inSeries && !l.series.idle():
		l.lineUp(ev)
	case r.backlog != 0 && r.backlog != inSeries:
		l.queue(l.backlogs[r.backlog], ev)
	case ev.kind == joined:
		l.arrive(ev.sub)
	case ev.kind == emptied:
		l.free(ev.roster)
	case r.n == 0:
		r.follow(ev.pub)
		ev.pub.Release()
	case r.backlog == inSeries:
		l.lineUp(ev)
	default:
		l.open(ev.roster, ev)
	}
}

// free ends the life of a roster after the last event that names it.
func (l *Local) free(id uint32) {
	if r := l.rosters.At(id); r.n != 0 || r.table != 0 || r.backlog != 0 && r.backlog != inSeries {
		panic("hub: roster freed while in use")
	}
	l.rosters.Free(id)
}

// idle panics when Deliver calls what only the loop may call between deliveries.
func (l *Local) idle() {
	if l.serving {
		panic("hub: Handle or Fanout called from within Deliver")
	}
}
