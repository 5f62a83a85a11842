package bench

import "sync/atomic"

// counter is written by one loop and read by anybody.
type counter struct{ n atomic.Uint64 }

func (c *counter) add(n uint64)  { c.n.Store(c.n.Load() + n) }
func (c *counter) value() uint64 { return c.n.Load() }

// counters are what one loop has done so far.
type counters struct {
	dialed    counter // connections begun
	ready     counter // that stood, and had joined their room
	failed    counter // that did not come so far
	lost      counter // that were ready and closed before their time
	cycled    counter // that went through all of their life, in churn
	sent      counter // messages: echoes, publications, commands that wait for their reply
	answered  counter // of them, how many have their echo or their reply
	delivered counter // publications that have come to a member, each counted once
	due       counter // publications that have to come, to anybody
	excused   counter // of them, how many need not after all: see storm
	left      counter // connections gone that are not lost: in a storm members that have dropped, slow readers that were closed, in a mix who was cut off
	slow      counter // publications that have come to slow readers
	returned  counter // members that have come back, in a storm
	unasked   counter // connections whose turn has yet to come: to drop, in a storm, or to send their message, in idle

	_ [64]byte // the next loop's are on another cache line
}

// progress is the sum of all loops' counters.
type progress struct {
	dialed, ready, failed, lost, cycled, sent, answered, delivered, due uint64
	excused, left, slow, returned, unasked                              uint64

	// Only a coordinator counts these, whose process is lost.
	stranded uint64 // members that are away
	unheard  uint64 // messages that have not been answered
}

// all returns every one of them, in a fixed order.
func (p *progress) all() []*uint64 {
	return []*uint64{&p.dialed, &p.ready, &p.failed, &p.lost, &p.cycled, &p.sent, &p.answered, &p.delivered, &p.due,
		&p.excused, &p.left, &p.slow, &p.returned, &p.unasked, &p.stranded, &p.unheard}
}

// add counts what another process has done.
func (p *progress) add(o *progress) {
	theirs := o.all()
	for i, n := range p.all() {
		*n += *theirs[i]
	}
}

// settled returns how many connections have come to an end of connecting.
func (p *progress) settled() uint64 { return p.ready + p.failed }

// complete reports whether all that can still come has: every publication to those it is due to, and every answer.
func (p progress) complete() bool {
	return p.arrived() && p.heard()
}

// heard is that for answers.
func (p progress) heard() bool { return p.answered+p.unheard >= p.sent }

// arrived is that for publications.
func (p progress) arrived() bool { return p.delivered+p.excused >= p.due }

// sum adds up the counters of all drivers. They go on meanwhile, so that the order counts: who has dropped by the time that nobody is
// to drop any more has left, and so has everybody who has returned; what has been sent by the time that nobody is to send any more is all.
func sum(drivers []*driver) (p progress) {
	for _, d := range drivers {
		c := &d.counters
		p.unasked += c.unasked.value()
		p.dialed += c.dialed.value()
		p.ready += c.ready.value()
		p.failed += c.failed.value()
		p.lost += c.lost.value()
		p.cycled += c.cycled.value()
		p.sent += c.sent.value()
		p.answered += c.answered.value()
		p.delivered += c.delivered.value()
		p.due += c.due.value()
		p.excused += c.excused.value()
		p.returned += c.returned.value()
		p.left += c.left.value()
		p.slow += c.slow.value()
	}
	return p
}
