package server

import (
	"slices"

	"github.com/seed4ac54ce5/edge/hub"
	"github.com/seed4ac54ce5/edge/metrics"
	"github.com/seed4ac54ce5/edge/netpoll"
	"github.com/seed4ac54ce5/edge/protocol"
)

// policy says what becomes of a publication for a subscriber that is behind, which is one whose out queue is not empty.
// Under all policies but the first it waits in a list of the conn's, and is written when the queue has drained.
type policy uint8

const (
	queueAll   policy = iota // it joins the queue; a conn that passes its limit is closed, comes back and recovers
	dropOldest               // when the list is full its oldest goes
	keepNewest               // the same, and newer takes the place of older by (sender, key)
	keepLatest               // newer takes the place of older by (sender, key), without a key in the whole room; none is dropped
)

// policy returns the one that n's options ask for.
func (n *namespace) policy() policy {
	switch {
	case n.Kind == "ephemeral":
		return keepNewest
	case n.Kind == "latest" || n.SlowConsumer == "latest":
		return keepLatest
	case n.SlowConsumer == "drop_oldest":
		return dropOldest
	}
	return queueAll
}

// policyOf returns the one for p. What is ephemeral is so in every room, and the news of who comes and goes takes
// nothing's place.
func (n *namespace) policyOf(p *hub.Publication) policy {
	switch {
	case p.Kind != hub.PubData:
		return min(n.behind, dropOldest)
	case p.Positioned():
		return n.behind
	case n.history() || len(p.Key) > 0 && n.behind != keepLatest:
		return keepNewest
	}
	return n.behind
}

// mayWait reports whether none of pubs has to go to the out queue.
func (n *namespace) mayWait(pubs []*hub.Publication) bool {
	for _, p := range pubs {
		if n.policyOf(p) == queueAll {
			return false
		}
	}
	return true
}

// postpone makes pubs wait for c, which is behind, and reports whether they do. If one of them must not be skipped they
// all go to the out queue, before what waits: whatever of that they outdate is dropped.
func (l *loop) postpone(c *netpoll.Conn, form hub.Form, ns *namespace, pubs []*hub.Publication) bool {
	if ns == nil || c.Closing() {
		return false
	}
	if !ns.mayWait(pubs) {
		l.outdate(l.net.ID(c), ns, pubs)
		return false
	}
	for _, p := range pubs {
		if p.Kind != hub.PubData && form&formJoinLeave == 0 {
			continue
		}
		if !l.wait(c, p, ns.policyOf(p)) {
			break
		}
	}
	return true
}

// outdate drops what pubs would take the place of.
func (l *loop) outdate(id netpoll.ConnID, ns *namespace, pubs []*hub.Publication) {
	w := l.behind.lists[id]
	if w == nil {
		return
	}
	for _, p := range pubs {
		if how := ns.policyOf(p); how != queueAll {
			l.replace(w, l.behind.held(p, how))
		}
	}
	l.behind.tidy(id, w)
}

// replace drops what h takes the place of.
func (l *loop) replace(w *waiting, h held) {
	if l.behind.replace(w, h) {
		l.counts.Slow[metrics.SlowReplaced]++
	}
}

// wait puts p at the end of c's list. It reports false if there is no room to be made for it: c is then at its end.
func (l *loop) wait(c *netpoll.Conn, p *hub.Publication, how policy) bool {
	b := &l.behind
	w, h := b.of(l.net.ID(c)), b.held(p, how)
	l.replace(w, h)
	for !b.admits(w, p) {
		if !b.shed(w) {
			l.tooSlow(c, p)
			return false
		}
		l.counts.Slow[metrics.SlowDropped]++
	}
	b.add(w, h)
	return true
}

// tooSlow ends a session whose list has no room for p and nothing that may be dropped for it.
func (l *loop) tooSlow(c *netpoll.Conn, p *hub.Publication) {
	why := metrics.SlowClosedBytes
	if !l.behind.budget.Fits(waitingSize(p)) {
		why = metrics.SlowClosedBudget
	}
	l.counts.Slow[why]++
	l.disconnect(c, l.sessions.At(c.Slot()), protocol.DisconnectSlow)
}

// catchUp writes what waits for c, whose out queue is empty, until c is behind again.
func (l *loop) catchUp(c *netpoll.Conn) {
	id := l.net.ID(c)
	w := l.behind.lists[id]
	if w == nil {
		return
	}
	form := l.sessions.At(c.Slot()).form(true) // news that c does not want has not come this far
	for len(w.entries) > 0 && l.net.Backlog(c) == 0 && !c.Closing() {
		l.writeWaiting(c, w, form)
	}
	l.behind.tidy(id, w)
}

// writeWaiting writes the oldest of what waits for c, so much as goes into one write.
func (l *loop) writeWaiting(c *netpoll.Conn, w *waiting, form hub.Form) {
	l.late = l.behind.take(w, l.late[:0])
	wire := l.Join(l.joined[:0], l.late, form)
	switch w := wireOf(form); {
	case w == wireEvents:
		l.writeEvents(c, l.late)
	case w.isSocket():
		l.counts.PayloadOut += uint64(wirings[w].payload(wire))
		_ = l.sendWire(c, l.sessions.At(c.Slot()), slices.Clone(wire)) // whoever keeps it may
	default:
		l.counts.PayloadOut += uint64(wirings[w].payload(wire))
		l.write(c, wire)
	}
	if len(l.late) > 1 { // else the bytes are the publication's
		l.joined = trim(wire)
	}
	for _, p := range l.late {
		p.Release()
	}
	clear(l.late)
}

// forget drops what waits for a conn: of one room, or with nil of all.
func (l *loop) forget(id netpoll.ConnID, room []byte) {
	if w := l.behind.lists[id]; w != nil {
		l.behind.leave(w, room)
		l.behind.tidy(id, w)
	}
}
