package server

import (
	"container/heap"
	"encoding/json"
	"time"

	"github.com/seed4ac54ce5/edge/hub"
	"github.com/seed4ac54ce5/edge/netpoll"
	"github.com/seed4ac54ce5/edge/protocol"
)

// debt is one subscription to a durable room: what has been sent to it and not been acknowledged is sent again when
// its time is over, and after a reconnect. A subscription that has to catch up gets pages of the history, as its socket
// takes them, and what is published meanwhile in its turn.
type debt struct {
	conn     netpoll.ConnID
	room     string
	consumer string // whose acknowledgements outlive the conn; "" for nobody's
	acked    hub.Position
	sent     uint64        // offset up to which everything has been sent at least once
	catching bool          // and the rest is still to come
	due      time.Duration // on the loop's clock
	place    int           // in the queue, -1 while nothing is owed
}

// debts are a loop's, those with something owed in the order in which it is due.
type debts struct {
	byConn   map[netpoll.ConnID][]*debt
	queue    debtQueue
	catching []*debt
}

// maxRedelivered is how many publications of the past are sent at a time.
const maxRedelivered = 100

// maxConsumer is the longest name of a consumer, in bytes. A longer one is none.
const maxConsumer = 255

// maxPage is how many bytes of the past are sent at a time, but for the first publication.
const maxPage = 256 << 10

// consumerOf returns whose cursor a subscription to a durable room goes on with: the one that its data names as
// {"consumer":"…"}, one of the user's, or else the user's own.
func (l *loop) consumerOf(s *session, data []byte) string {
	var named struct {
		Consumer string `json:"consumer"`
	}
	if len(data) > 0 && json.Unmarshal(data, &named) == nil && named.Consumer != "" && len(named.Consumer) <= maxConsumer {
		return consumerKey(l.users.appendUser(nil, s.who), named.Consumer)
	}
	if l.users.anonymous(s.who) {
		return ""
	}
	return consumerKey(l.users.appendUser(nil, s.who), "")
}

// consumerKey is what the hub knows a user's consumer by: nobody can name one of another user.
func consumerKey(user []byte, name string) string { return string(user) + "\x00" + name }

// resume makes e begin where its consumer's acknowledgements end.
func (l *loop) resume(e *entry) {
	if acked, ok := l.server.hub.Acked(e.room, []byte(e.consumer)); ok && e.consumer != "" {
		e.request.Recover, e.request.Since, e.recovers = true, acked, true
	}
}

// owe begins the debt of a subscription that has just been made. Where the hub recovers nothing, as too much is missed
// or some of it is gone, the reply brings the beginning of what there is, and the rest comes behind it; Recovered then
// says whether that is all.
func (l *loop) owe(c *netpoll.Conn, e *entry, joined *hub.Joined) {
	top := joined.Position
	d := &debt{conn: l.net.ID(c), room: string(e.room), consumer: e.consumer, acked: top, sent: top.Offset, place: -1}
	l.debts.byConn[d.conn] = append(l.debts.byConn[d.conn], d)
	switch {
	case !e.request.Recover:
		if e.consumer != "" { // what comes while it is away is due to it
			_ = l.server.hub.Ack(e.room, []byte(e.consumer), top) // of this very moment
		}
	case joined.Recovered:
		d.acked.Offset = e.request.Since.Offset
	case e.request.Since.Epoch == 0 || e.request.Since.Epoch == top.Epoch:
		d.acked.Offset = min(e.request.Since.Offset, top.Offset)
		joined.Past = l.pastOf(d, e.ns, d.acked.Offset, maxRecovered)
		joined.Recovered = len(joined.Past) > 0 && joined.Past[0].Offset() == d.acked.Offset+1
		if n := len(joined.Past); n > 0 {
			d.sent = joined.Past[n-1].Offset()
		}
		if d.sent < top.Offset {
			l.pageFrom(d)
		}
	}
	if d.acked.Offset < top.Offset {
		l.schedule(d, e.ns)
	}
}

// pageFrom has d go on from the history.
func (l *loop) pageFrom(d *debt) {
	if !d.catching {
		d.catching = true
		l.debts.catching = append(l.debts.catching, d)
		l.keepTime()
	}
}

// turnPages sends the next page to each that catches up and whose socket is free, and reports whether to go on at once.
func (l *loop) turnPages() (more bool) {
	left := l.debts.catching[:0]
	for _, d := range l.debts.catching {
		c := l.net.Conn(d.conn)
		if c == nil || c.Closing() || !d.catching {
			continue
		}
		if l.net.Backlog(c) == 0 {
			l.turnPage(c, d)
			more = more || d.catching
		}
		if d.catching {
			left = append(left, d)
		}
	}
	clear(l.debts.catching[len(left):])
	l.debts.catching = left
	return more
}

// turnPage sends the next page to d, which has caught up when there is none.
func (l *loop) turnPage(c *netpoll.Conn, d *debt) {
	ns := l.spaces().of([]byte(d.room))
	if ns == nil {
		d.catching = false // taken away by a reload
		return
	}
	past := l.pastOf(d, ns, d.sent, maxRedelivered)
	switch {
	case len(past) == 0:
		d.catching = false
	case past[0].Offset() != d.sent+1: // the history has moved on faster
		d.catching = false
		l.tellGap(c, l.sessions.At(c.Slot()), []byte(d.room))
	default:
		l.pushPast(c, d.room, past)
		d.sent = past[len(past)-1].Offset()
		l.schedule(d, ns)
	}
}

// pushPast sends publications of the past.
func (l *loop) pushPast(c *netpoll.Conn, room string, past []*hub.Past) {
	s := l.sessions.At(c.Slot())
	if !l.readable(c, s, past) {
		return
	}
	for _, p := range past {
		l.replies = s.encoding().AppendPublicationPush(l.reply(s), []byte(room), publicationOf(p))
	}
	l.flush(c)
}

// takes reports whether a conn is to get pubs of a durable room, which are the next for it. To one that catches up they
// come in their turn.
func (l *loop) takes(id netpoll.ConnID, ns *namespace, pubs []*hub.Publication) bool {
	first, last := span(pubs)
	d := l.debtOf(id, pubs[0].Room)
	switch {
	case d == nil || last == 0:
		return true
	case !d.catching && first == d.sent+1:
		d.sent = last
		l.schedule(d, ns)
		return true
	case last > d.sent:
		l.pageFrom(d)
	}
	return false
}

// span returns the first and the last offset among pubs, 0 if they have none.
func span(pubs []*hub.Publication) (first, last uint64) {
	for _, p := range pubs {
		if !p.Positioned() {
			continue
		}
		last = p.Position.Offset
		if first == 0 {
			first = last
		}
	}
	return first, last
}

// schedule makes d due after the room's ack_timeout, if it is not already due by itself.
func (l *loop) schedule(d *debt, ns *namespace) {
	if d.place < 0 {
		d.due = l.net.Now() + ns.AckTimeout
		heap.Push(&l.debts.queue, d)
		l.keepTime()
	}
}

// settle takes d out of the queue.
func (l *loop) settle(d *debt) {
	if d.place >= 0 {
		heap.Remove(&l.debts.queue, d.place)
	}
}

func (l *loop) debtOf(id netpoll.ConnID, room []byte) *debt {
	for _, d := range l.debts.byConn[id] {
		if d.room == string(room) {
			return d
		}
	}
	return nil
}

// acknowledge takes a subscriber's word that it has all publications of a room up to a position.
func (l *loop) acknowledge(c *netpoll.Conn, room []byte, ns *namespace, p hub.Position) *protocol.Error {
	d := l.debtOf(l.net.ID(c), room)
	top, ok := l.server.hub.Position(room)
	switch {
	case d == nil || !ok:
		return protocol.ErrPermissionDenied
	case p.Epoch == 0:
		p.Epoch = top.Epoch
	}
	if p.Epoch != top.Epoch || p.Offset > top.Offset {
		return protocol.ErrUnrecoverablePosition
	}
	if d.consumer != "" && l.server.hub.Ack(room, []byte(d.consumer), p) != nil {
		return protocol.ErrUnrecoverablePosition
	}
	if p.Offset > d.acked.Offset || p.Epoch != d.acked.Epoch {
		d.acked = p
		l.settle(d)
		if p.Offset < top.Offset {
			l.schedule(d, ns)
		}
	}
	return nil
}

// forgive ends the debts of a conn: in one room, or with nil in all.
func (l *loop) forgive(id netpoll.ConnID, room []byte) {
	var left []*debt
	for _, d := range l.debts.byConn[id] {
		if room != nil && d.room != string(room) {
			left = append(left, d)
		} else {
			l.settle(d)
			d.catching = false
		}
	}
	if len(left) > 0 {
		l.debts.byConn[id] = left
	} else {
		delete(l.debts.byConn, id)
	}
}

// collect sends again what is due.
func (l *loop) collect() {
	for len(l.debts.queue) > 0 && l.debts.queue[0].due <= l.net.Now() {
		d := heap.Pop(&l.debts.queue).(*debt)
		ns := l.spaces().of([]byte(d.room))
		if ns == nil {
			continue // taken away by a reload
		}
		if l.redeliver(d, ns) {
			l.schedule(d, ns)
		}
	}
}

// redeliver sends what d has got and not acknowledged, oldest first, and reports whether there was any. A conn that is
// behind gets nothing more for now.
func (l *loop) redeliver(d *debt, ns *namespace) (owing bool) {
	c := l.net.Conn(d.conn)
	past := l.pastOf(d, ns, d.acked.Offset, maxRedelivered)
	for len(past) > 0 && past[len(past)-1].Offset() > d.sent {
		past = past[:len(past)-1]
	}
	if len(past) == 0 || c == nil {
		return false
	}
	if l.net.Backlog(c) == 0 {
		l.counts.Redelivered += uint64(len(past))
		l.pushPast(c, d.room, past)
	}
	return true
}

// pastOf returns the oldest publications of d's room behind an offset.
func (l *loop) pastOf(d *debt, ns *namespace, since uint64, limit int) []*hub.Past {
	_, past, err := l.server.hub.History(ns.id, []byte(d.room), hub.HistoryRequest{
		Since: &hub.Position{Offset: since, Epoch: d.acked.Epoch}, Limit: limit, Bytes: maxPage,
	})
	if err != nil {
		return nil // the room has begun anew, and its subscribers are told so
	}
	return past
}

// debtQueue implements [heap.Interface] by due.
type debtQueue []*debt

func (q debtQueue) Len() int           { return len(q) }
func (q debtQueue) Less(i, j int) bool { return q[i].due < q[j].due }

func (q debtQueue) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].place, q[j].place = i, j
}

// Push implements [heap.Interface].
func (q *debtQueue) Push(d any) {
	d.(*debt).place = len(*q)
	*q = append(*q, d.(*debt))
}

// Pop implements [heap.Interface].
func (q *debtQueue) Pop() any {
	last := len(*q) - 1
	d := (*q)[last]
	(*q)[last] = nil
	*q = (*q)[:last]
	d.place = -1
	return d
}
