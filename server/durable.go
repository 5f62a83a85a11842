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
// its time is over, and after a reconnect.
type debt struct {
	conn     netpoll.ConnID
	room     string
	consumer string // whose acknowledgements outlive the conn; "" for nobody's
	acked    hub.Position
	due      time.Duration // on the loop's clock
	place    int           // in the queue, -1 while nothing is owed
}

// debts are a loop's, those with something owed in the order in which it is due.
type debts struct {
	byConn map[netpoll.ConnID][]*debt
	queue  debtQueue
}

// maxRedelivered is how many publications are sent again at a time.
const maxRedelivered = 100

// consumerOf returns whose cursor a subscription to a durable room goes on with: the one that its data names as
// {"consumer":"…"}, or else the user's.
func (l *loop) consumerOf(s *session, data []byte) string {
	var named struct {
		Consumer string `json:"consumer"`
	}
	if len(data) > 0 && json.Unmarshal(data, &named) == nil && named.Consumer != "" {
		return named.Consumer
	}
	return string(l.users.appendUser(nil, s.who))
}

// resume makes e begin where its consumer's acknowledgements end.
func (l *loop) resume(e *entry) {
	if acked, ok := l.server.hub.Acked(e.room, []byte(e.consumer)); ok && e.consumer != "" {
		e.request.Recover, e.request.Since, e.request.Limit = true, acked, e.ns.HistorySize
	}
}

// owe begins the debt of a subscription that has just been made.
func (l *loop) owe(c *netpoll.Conn, e *entry, joined *hub.Joined) {
	d := &debt{conn: l.net.ID(c), room: string(e.room), consumer: e.consumer, acked: joined.Position, place: -1}
	if e.request.Recover {
		d.acked.Offset = min(e.request.Since.Offset, joined.Position.Offset)
	}
	if e.consumer != "" && !e.request.Recover { // what comes while it is away is due to it
		_ = l.server.hub.Ack(e.room, []byte(e.consumer), joined.Position) // of this very moment
	}
	l.debts.byConn[d.conn] = append(l.debts.byConn[d.conn], d)
	if d.acked.Offset < joined.Position.Offset {
		l.schedule(d, e.ns)
	}
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

// owed is told that a publication of a durable room has been written to a conn.
func (l *loop) owed(id netpoll.ConnID, room []byte, ns *namespace) {
	if d := l.debtOf(id, room); d != nil {
		l.schedule(d, ns)
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

// redeliver sends what d has not acknowledged, oldest first, and reports whether there was any. A conn that is
// behind gets nothing more for now.
func (l *loop) redeliver(d *debt, ns *namespace) (owing bool) {
	c := l.net.Conn(d.conn)
	past := l.unacknowledged(d, ns)
	if len(past) == 0 || c == nil {
		return false
	}
	if l.net.Backlog(c) > 0 {
		return true
	}
	s := l.sessions.At(c.Slot())
	for _, p := range past {
		l.replies = s.encoding().AppendPublicationPush(l.reply(s), []byte(d.room), publicationOf(p))
	}
	l.counts.Redelivered += uint64(len(past))
	l.flush(c)
	return true
}

// unacknowledged returns the oldest publications that d owes.
func (l *loop) unacknowledged(d *debt, ns *namespace) []*hub.Past {
	_, past, err := l.server.hub.History(ns.id, []byte(d.room), hub.HistoryRequest{Since: &d.acked, Limit: maxRedelivered})
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
