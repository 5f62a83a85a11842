package server

import (
	"time"

	"github.com/seed4ac54ce5/edge/metrics"
	"github.com/seed4ac54ce5/edge/netpoll"
	"github.com/seed4ac54ce5/edge/protocol"
)

// shedding ends sessions of a loop at an even pace and in random order, so that the nodes they come back to do not get them in
// bursts, and not room by room or in the order in which they came. Loop goroutine only.
type shedding struct {
	order shedOrder
	ids   []netpoll.ConnID // whose turn is to come
	busy  []leaver         // whose turn has come, but for whom something is under way
	begun time.Duration    // when the first turn could come
	every time.Duration    // between two turns
	told  int              // turns that have come since
	due   time.Duration    // when the next one does
	keep  int              // sessions that stay, of a rebalance
	ends  time.Duration    // when nobody waits any more, but for what was published before
}

// leaver is a conn whose turn has come.
type leaver struct {
	id netpoll.ConnID
	at time.Duration // then, on the clock of the rosters: what was published before is still due to it
}

// shedOrder says who is to go, and how.
type shedOrder struct {
	why    protocol.Disconnect
	window time.Duration // over which they go, or less where that goes without a rush
	number int           // how many sessions; of a drain all conns there are, and all that come
}

// everybody as the number of an order makes it a drain.
const everybody = -1

const (
	calmRate = 200 // sessions a second that a loop may end whatever the window: others take so many without noticing
	maxShed  = 256 // sessions that end in a turn
	lookBusy = 50 * time.Millisecond
	maxLate  = time.Second / 4 // what is made up for of the time that the loop has missed
	lastNews = drainSlack / 2  // from the end of the window: until then leavers are sent what was published before their turn
)

// begin carries out an order in place of the one before, unless that is a drain and o is none.
func (d *shedding) begin(l *loop, o shedOrder) {
	if d.order.number == everybody && o.number != everybody {
		return
	}
	*d = shedding{order: o, begun: l.net.Now()}
	l.net.Each(func(c *netpoll.Conn) {
		if o.number == everybody || l.sessions.At(c.Slot()).stands() {
			d.ids = append(d.ids, l.net.ID(c))
		}
	})
	l.random.Shuffle(len(d.ids), func(i, j int) { d.ids[i], d.ids[j] = d.ids[j], d.ids[i] })
	if o.number != everybody {
		d.ids = d.ids[:min(o.number, len(d.ids))]
		d.keep = l.sessionCount() - len(d.ids)
	}
	d.ends = d.begun + o.window
	d.spread(l, d.begun)
	l.toShed.Store(int64(d.left()))
}

// spread gives those whose turn is to come an even part each of the window from a time on, or less where that goes without a rush.
func (d *shedding) spread(l *loop, from time.Duration) {
	d.begun, d.told = from, 0
	if n := time.Duration(len(d.ids)); n > 0 {
		d.every = min(d.ends-from, n*time.Second/calmRate) / n
	}
	d.next(l)
}

// next sets when the next turn comes: somewhere within its part of the window.
func (d *shedding) next(l *loop) {
	d.due = d.begun + time.Duration(d.told)*d.every + time.Duration(l.random.Int64N(int64(d.every)+1))
}

// add has a drain end a conn that has come while it goes on, in its turn like the others.
func (d *shedding) add(l *loop, id netpoll.ConnID) {
	if d.order.number != everybody {
		return
	}
	d.ids = append(d.ids, id)
	last := len(d.ids) - 1
	i := l.random.IntN(last + 1)
	d.ids[i], d.ids[last] = d.ids[last], d.ids[i]
}

// left returns how many sessions have not been told yet.
func (d *shedding) left() int { return len(d.ids) + len(d.busy) }

// step ends the sessions that are due by now. Each gets a turn of the loop after its own has come: by then what had been
// published is in the loop's hands.
func (d *shedding) step(l *loop) (more bool) {
	if d.left() == 0 {
		return false
	}
	if d.order.number != everybody && l.sessionCount() <= d.keep { // enough have gone by themselves
		d.ids, d.busy = nil, nil
		return false
	}
	now := l.net.Now()
	d.lookAgain(l, now)
	if now < d.ends && now-d.due > maxLate { // the process was stopped or starved: who has missed a turn does not go in a rush
		d.spread(l, now-maxLate)
	}
	more = d.call(l, now)
	if len(d.ids) > 0 {
		l.net.WaitAtMost(d.due - now)
	}
	if len(d.busy) > 0 {
		l.net.WaitAtMost(min(lookBusy, max(d.ends-now, lookBusy/10)))
	}
	return more
}

// call makes leavers of the conns whose turn has come, and reports whether there are any.
func (d *shedding) call(l *loop, now time.Duration) (any bool) {
	at := l.rosters.Now()
	for n := 0; len(d.ids) > 0 && n < maxShed && (now >= d.due || now >= d.ends); n++ {
		last := len(d.ids) - 1
		d.busy = append(d.busy, leaver{d.ids[last], at})
		d.ids = d.ids[:last]
		d.told++
		d.next(l)
		any = true
	}
	return any
}

// lookAgain ends the sessions of leavers for whom nothing is under way any more, or whose time is over.
func (d *shedding) lookAgain(l *loop, now time.Duration) {
	kept := d.busy[:0]
	for _, who := range d.busy {
		if !d.release(l, who, now) {
			kept = append(kept, who)
		}
	}
	d.busy = kept
}

// release ends a session, unless something is under way for it: a balancer's header, a TLS handshake or a request, a command
// that the application decides about, replies that have not left, publications from before its turn. It reports false if
// the session is to be looked at again.
func (d *shedding) release(l *loop, who leaver, now time.Duration) (done bool) {
	c := l.net.Conn(who.id)
	if c == nil || c.Closing() {
		return true
	}
	s := l.sessions.At(c.Slot())
	switch {
	case s.state == stateClosing: // it waits for a poll that hears so
		if now >= d.ends {
			l.net.Close(c, netpoll.ClosedLocally)
		}
		return now >= d.ends
	case now < d.ends && (s.early() && !s.has(flagIdle) || s.has(flagOffloaded)):
		return false
	case now < d.ends+lastNews && (s.state == stateHeld || l.rosters.Owes(&s.subs, who.at)): // whose session answers it
		return false
	}
	l.dismiss(c, s, d.order.why)
	return true
}

// dismiss ends one session in order: what waits for it leaves first.
func (l *loop) dismiss(c *netpoll.Conn, s *session, why protocol.Disconnect) {
	defer l.guard(c)
	if s.speaks() {
		l.disconnect(c, s, why)
	} else {
		l.end(c, s, uint16(goingAway.Code), goingAway.Reason)
	}
	l.flush(c)
}

// shed goes on with a drain or a rebalance, and tells other goroutines how far it is.
func (l *loop) shed() (more bool) {
	if l.shedding.order == (shedOrder{}) {
		return false
	}
	more = l.shedding.step(l)
	l.toShed.Store(int64(l.shedding.left()))
	if l.shedding.order.number == everybody {
		l.remaining.Store(int64(l.net.Open()))
	} else if l.shedding.left() == 0 {
		l.shedding = shedding{}
	}
	return more
}

// noteGone counts the conns that a drain has to wait for no longer, and those that it has cut off: closed before they had taken
// all that waited for them.
func (l *loop) noteGone(c *netpoll.Conn, why netpoll.Reason) {
	if l.shedding.order.number != everybody {
		return
	}
	if why != netpoll.ClosedByPeer && why != netpoll.ClosedReset && l.net.Backlog(c) > 0 {
		l.cut.Add(1)
	}
	l.remaining.Add(-1)
}

// sessionCount returns how many sessions stand that a rebalance may end.
func (l *loop) sessionCount() int {
	n := &l.counts.Connections
	return int(n[metrics.WebSocket] + n[metrics.SSE] + n[metrics.HTTPStream] + n[metrics.SocketWebSocket] + n[metrics.SocketPolling])
}
