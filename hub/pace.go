package hub

import (
	"container/heap"
	"time"
)

// A room whose options have a BatchDelay rests after each delivery: its backlog stays open and gathers what comes, and
// is in line again when the delay, counted from the beginning of the job, has passed. The first publication after a
// quiet time is not delayed. Where conns are in many rooms each, so that one write can serve several rooms, those rest until
// the same moments: multiples of their delay, half of it away at the least.

// resting is a heap of the backlogs that rest, by when their rest ends.
type resting []*backlog

func (q resting) Len() int           { return len(q) }
func (q resting) Less(i, j int) bool { return q[i].until < q[j].until }
func (q resting) Swap(i, j int)      { q[i], q[j] = q[j], q[i] }
func (q *resting) Push(b any)        { *q = append(*q, b.(*backlog)) }

func (q *resting) Pop() any {
	last := len(*q) - 1
	b := (*q)[last]
	(*q)[last] = nil
	*q = (*q)[:last]
	return b
}

// Next returns how long Fanout has nothing to do: 0 if it has, false if nothing is due at any time.
func (l *Local) Next() (time.Duration, bool) {
	switch {
	case l.ready.first != nil:
		return 0, true
	case len(l.resting) == 0:
		return 0, false
	}
	return max(0, l.resting[0].until-l.now()), true
}

// restUntil returns when the room of a job that begins may have its next one.
func (l *Local) restUntil(j *job) time.Duration {
	if len(j.pubs) == 0 {
		return 0
	}
	delay := l.hub.optionsOf(j.pubs[0].Namespace).BatchDelay
	if delay <= 0 {
		return 0
	}
	until := l.now() + delay
	if l.Aligned {
		if until -= until % delay; until-l.now() < delay/2 {
			until += delay
		}
	}
	return until
}

// rest keeps b out of the line until its time has come.
func (l *Local) rest(b *backlog) { heap.Push(&l.resting, b) }

// rouse ends the rest of those whose time has come.
func (l *Local) rouse() {
	if len(l.resting) == 0 {
		return
	}
	for now := l.now(); len(l.resting) > 0 && l.resting[0].until <= now; {
		l.proceed(heap.Pop(&l.resting).(*backlog))
	}
}
