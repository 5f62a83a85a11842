package server

import (
	"container/heap"
	"time"

	"github.com/seed4ac54ce5/edge/metrics"
	"github.com/seed4ac54ce5/edge/netpoll"
	"github.com/seed4ac54ce5/edge/protocol"
)

// What a token grants ends. A client is told when, and refreshes it; what has ended all the same is taken away a while later.
// About what the application has granted, the application is asked instead, and the client hears of nothing. An end is kept as
// a moment of the loop's clock, so that a step of the host's clock moves nobody's.

// maxTTL bounds how far an end may be away.
const maxTTL = 366 * 24 * time.Hour

// ttl returns what a client is told about an end: whether there is one, and in how many seconds.
func ttl(end time.Time) (expires bool, seconds uint32) {
	if end.IsZero() {
		return false, 0
	}
	left := min(max(time.Until(end), 0), maxTTL)
	return true, uint32((left + time.Second - 1) / time.Second)
}

// momentOf returns an end in seconds of the loop's clock, rounded up; 0 stands for never.
func (l *loop) momentOf(end time.Time) uint32 {
	if end.IsZero() {
		return 0
	}
	left := min(max(time.Until(end), 0), maxTTL)
	return uint32((l.net.Now()+left)/time.Second) + 1
}

// setExpiry says when a session ends unless it is refreshed; the zero time is never.
func (l *loop) setExpiry(c *netpoll.Conn, s *session, end time.Time) {
	s.expires = l.momentOf(end)
	l.aimTimer(c, s)
}

// lastMoment is when a session is taken away that has not been refreshed, up to a fifth of its delay later: where whoever signs
// tokens is down, all those whose tokens end together must not come back together. One whose application refreshes it is asked
// about in time.
func (l *loop) lastMoment(c *netpoll.Conn, s *session) time.Duration {
	at := time.Duration(s.expires) * time.Second
	if s.has(flagByApplication) {
		return at
	}
	delay := l.server.config.ExpiredCloseDelay
	return at + delay + spread(c.Slot(), delay/5)
}

// spread returns the share of a time for the conn in a slot: those of neighbouring slots are far from each other.
func spread(slot uint32, d time.Duration) time.Duration {
	const golden = 2654435769 // 2^32 divided by the golden ratio
	return d / 1024 * time.Duration(slot*golden>>22)
}

// disconnectExpired ends a session for what has ended and has not been prolonged.
func (l *loop) disconnectExpired(c *netpoll.Conn, s *session, d protocol.Disconnect) {
	l.reject(c, metrics.RejectExpired)
	l.disconnect(c, s, d)
}

// nextEnd returns what comes first, the end of what a session's token grants or that of its age, and whether there is any.
func (l *loop) nextEnd(c *netpoll.Conn, s *session) (at time.Duration, ok bool) {
	at, ok = l.ageLimit(c)
	if s.expires == 0 {
		return at, ok
	}
	if last := l.lastMoment(c, s); !ok || last < at {
		at = last
	}
	return at, true
}

// aimTimer makes a session's timer run out at its end, if that comes before its next heartbeat.
func (l *loop) aimTimer(c *netpoll.Conn, s *session) {
	at, ok := l.nextEnd(c, s)
	if !ok {
		return
	}
	left := max(at-l.net.Now(), 0)
	if until, ok := l.net.Timer(c); !ok || left < until {
		s.set(flagLastTimer)
		l.net.SetTimer(c, left)
	}
}

// subEnd is the end of one subscription.
type subEnd struct {
	conn netpoll.ConnID
	room string
	due  time.Duration // of the loop's clock
}

// subEnds are a loop's, as a heap, the first one first. Those that no longer hold are found out when their time has come: what
// holds is in byConn.
type subEnds struct {
	queue  []subEnd
	byConn map[netpoll.ConnID]map[string]term // by room
}

// term is when a subscription ends.
type term struct {
	queued time.Duration // due of the entry in the queue that counts
	ends   uint32        // moment
	asks   bool          // the application is asked then
}

func (e *subEnds) Len() int           { return len(e.queue) }
func (e *subEnds) Less(i, j int) bool { return e.queue[i].due < e.queue[j].due }
func (e *subEnds) Swap(i, j int)      { e.queue[i], e.queue[j] = e.queue[j], e.queue[i] }
func (e *subEnds) Push(x any)         { e.queue = append(e.queue, x.(subEnd)) }

// Pop is for package heap.
func (e *subEnds) Pop() any {
	last := e.queue[len(e.queue)-1]
	e.queue[len(e.queue)-1] = subEnd{}
	e.queue = e.queue[:len(e.queue)-1]
	return last
}

// put queues a subscription that t holds for, in place of where it may stand already.
func (e *subEnds) put(id netpoll.ConnID, room string, t term, due time.Duration) {
	t.queued = due
	heap.Push(e, subEnd{id, room, due})
	e.byConn[id][room] = t
}

// setSubExpiry says when a subscription ends unless its client refreshes it with a token; the zero time is never.
func (l *loop) setSubExpiry(c *netpoll.Conn, room []byte, end time.Time) {
	l.setSubTerm(c, room, end, false)
}

// setSubTerm says when a subscription ends, or up to a fifth of its delay later, and whether the application is asked then. One
// that is put off stays in the queue where it is.
func (l *loop) setSubTerm(c *netpoll.Conn, room []byte, end time.Time, asks bool) {
	id := l.net.ID(c)
	if end.IsZero() {
		l.dropSubExpiry(id, room)
		return
	}
	rooms := l.subEnds.byConn[id]
	if rooms == nil {
		rooms = make(map[string]term)
		l.subEnds.byConn[id] = rooms
	}
	t, queued := rooms[string(room)]
	t.ends, t.asks = l.momentOf(end), asks
	if fifth := l.server.config.ExpiredSubCloseDelay / (5 * time.Second); !asks {
		t.ends += uint32(l.random.Int64N(int64(fifth) + 1))
	}
	if due := l.dueOf(&t); !queued || due < t.queued {
		l.subEnds.put(id, string(room), t, due)
	} else {
		rooms[string(room)] = t
	}
}

// dueOf returns when there is something to do about the end of a subscription: its application is asked in time.
func (l *loop) dueOf(t *term) time.Duration {
	at := time.Duration(t.ends) * time.Second
	if t.asks && l.server.handler.SubRefresh != nil {
		return at
	}
	return at + l.server.config.ExpiredSubCloseDelay
}

// dropSubExpiry forgets the end of a subscription, or with nil those of all of a conn.
func (l *loop) dropSubExpiry(id netpoll.ConnID, room []byte) {
	rooms := l.subEnds.byConn[id]
	if rooms == nil {
		return
	}
	delete(rooms, string(room))
	if room == nil || len(rooms) == 0 {
		delete(l.subEnds.byConn, id)
	}
}

// maxEnded is how many subscriptions end in a turn.
const maxEnded = 256

// endSubscriptions takes away the subscriptions whose time is over.
func (l *loop) endSubscriptions() (more bool) {
	for range maxEnded {
		if len(l.subEnds.queue) == 0 {
			return false
		}
		if left := l.subEnds.queue[0].due - l.net.Now(); left > 0 {
			l.net.WaitAtMost(left)
			return false
		}
		l.endSubscription(heap.Pop(&l.subEnds).(subEnd))
	}
	return true
}

// endSubscription ends a subscription, if this is still its end and its application, if that has made it, does not want it
// to go on.
func (l *loop) endSubscription(e subEnd) {
	t, c := l.subEnds.byConn[e.conn][e.room], l.net.Conn(e.conn)
	if t.queued != e.due || c == nil || c.Closing() {
		return
	}
	if due := l.dueOf(&t); due > e.due { // it has been put off
		l.subEnds.put(e.conn, e.room, t, due)
		return
	}
	defer l.guard(c)
	s, room := l.sessions.At(c.Slot()), []byte(e.room)
	if t.asks && l.server.handler.SubRefresh != nil {
		l.subEnds.put(e.conn, e.room, t, l.net.Now()+l.refreshLater()) // for want of an answer
		if !s.has(flagOffloaded) {
			l.askSubRefresh(c, s, room)
		}
	} else {
		l.expireSubscription(c, s, room)
	}
	l.flush(c)
}

// expireSubscription takes a client out of a room in which its time is over.
func (l *loop) expireSubscription(c *netpoll.Conn, s *session, room []byte) {
	if flags, _ := l.rosters.Flags(&s.subs, room); flags&subServerSide != 0 {
		l.disconnectExpired(c, s, protocol.DisconnectSubscriptionExpired)
	} else {
		l.unsubscribeByServer(c, s, room, protocol.UnsubscribedExpired)
	}
}
