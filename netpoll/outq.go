package netpoll

import (
	"bytes"
	"syscall"
	"time"

	"github.com/seed4ac54ce5/edge/internal/sys"
	"golang.org/x/sys/unix"
)

// outq is what a conn's socket did not take: references, in order.
type outq struct {
	segments [][]byte // the first may have been sent in part and then holds the rest
	bytes    int
	moved    uint32 // tick of the last progress
	partial  bool   // the first segment has been sent in part
	owner    ConnID
}

// outqs are the out queues of a loop, by index; 0 is nobody's.
type outqs struct {
	table []outq
	free  []uint32
	bytes int // in all of them

	budget *Budget // all loops'
}

// count notes that n more bytes wait, or fewer.
func (o *outqs) count(n int) {
	o.bytes += n
	o.budget.Add(n)
}

// take returns the index of an empty queue for owner.
func (o *outqs) take(owner ConnID, now uint32) uint32 {
	if len(o.table) == 0 {
		o.table = append(o.table, outq{})
	}
	i := uint32(len(o.table))
	if n := len(o.free); n > 0 {
		i = o.free[n-1]
		o.free = o.free[:n-1]
	} else {
		o.table = append(o.table, outq{})
	}
	o.table[i].owner, o.table[i].moved = owner, now
	return i
}

// drop empties queue i and gives it back.
func (o *outqs) drop(i uint32) {
	o.count(-o.table[i].bytes)
	o.table[i] = outq{}
	o.free = append(o.free, i)
}

// join puts what waits in queue last behind what waits in queue i, and gives last back.
func (o *outqs) join(i, last uint32) {
	q := &o.table[i]
	q.segments = append(q.segments, o.table[last].segments...)
	q.bytes += o.table[last].bytes
	o.table[last] = outq{}
	o.free = append(o.free, last)
}

// push appends b to queue i.
func (o *outqs) push(i uint32, b []byte) {
	q := &o.table[i]
	q.segments = append(q.segments, b)
	q.bytes += len(b)
	o.count(len(b))
}

// sent takes n bytes off the front of queue i.
func (o *outqs) sent(i uint32, n int, now uint32) {
	q := &o.table[i]
	q.bytes -= n
	q.moved = now
	o.count(-n)
	whole := 0
	for n > 0 && n >= len(q.segments[whole]) {
		n -= len(q.segments[whole])
		q.segments[whole] = nil
		whole++
		q.partial = false
	}
	q.segments = q.segments[whole:]
	if n > 0 {
		q.segments[0] = q.segments[0][n:]
		q.partial = true
	}
}

// cut drops all of queue i but a segment that has been sent in part.
func (o *outqs) cut(i uint32) {
	q := &o.table[i]
	keep := 0
	if q.partial {
		keep = 1
	}
	for _, s := range q.segments[keep:] {
		q.bytes -= len(s)
		o.count(-len(s))
	}
	clear(q.segments[keep:])
	q.segments = q.segments[:keep]
}

// Write sends b to c: at once as far as the socket takes it, the rest from a copy when it drains.
// b must be whole messages, as a conn that falls too far behind loses whole writes.
func (l *Loop) Write(c *Conn, b []byte) {
	if rest := l.sendNow(c, b); len(rest) > 0 {
		l.enqueue(c, bytes.Clone(rest), len(rest) < len(b))
	}
}

// WriteRef is Write without the copy: with kept true the out queue holds a reference to b, which then
// must never change again.
func (l *Loop) WriteRef(c *Conn, b []byte) (kept bool) {
	rest := l.sendNow(c, b)
	if len(rest) == 0 {
		return false
	}
	return l.enqueue(c, rest, len(rest) < len(b))
}

// Backlog returns how many bytes wait in c's out queue.
func (l *Loop) Backlog(c *Conn) int {
	if c.out == 0 || c.out&corkMark != 0 {
		return 0
	}
	return l.outqs.table[c.out].bytes
}

// Backlogs calls f for each conn that something waits for: how many bytes, and for how long its socket has taken
// nothing, or [Loop.TakeQueue] of one without, in steps of 67 ms. Loop goroutine only.
func (l *Loop) Backlogs(f func(id ConnID, bytes int, stalled time.Duration)) {
	for i := range l.outqs.table {
		if q := &l.outqs.table[i]; q.bytes > 0 {
			f(q.owner, q.bytes, time.Duration(l.wheel.now-q.moved)*tick)
		}
	}
}

// sendNow gives b to the socket, unless others are before it, and returns what must be queued.
func (l *Loop) sendNow(c *Conn, b []byte) (rest []byte) {
	if c.has(flagClosing | flagSlow | flagLinger) {
		return nil
	}
	if c.out != 0 {
		if c.out&corkMark == 0 {
			return b
		}
		l.uncork(c)
		return l.sendNow(c, b)
	}
	if c.Detached() {
		return b
	}
	n, errno := sys.Send(int(c.fd), b)
	return l.took(c, b, n, errno)
}

// took deals with the socket's answer to b, n bytes of which it has taken, and returns what must be queued.
func (l *Loop) took(c *Conn, b []byte, n int, errno syscall.Errno) (rest []byte) {
	switch errno {
	case 0:
		l.stats.Writes++
		l.stats.BytesOut += uint64(n)
	case unix.EAGAIN, unix.EINTR:
	default:
		l.Close(c, ClosedReset)
		return nil
	}
	return b[n:]
}

// sendLast is sendNow of what is followed by the end of the stream at once, in the same segment. With TLS below there is a record
// of its own between them.
func (l *Loop) sendLast(c *Conn, b []byte) (rest []byte) {
	if c.out != 0 || len(b) == 0 || c.Detached() || l.below.has(c.slot, belowOn) {
		return l.sendNow(c, b)
	}
	n, errno := sys.SendMore(int(c.fd), b)
	return l.took(c, b, n, errno)
}

// SetQueueLimit changes how many bytes may wait for one conn, from the next write on. Loop goroutine only, or before Run.
func (l *Loop) SetQueueLimit(bytes int) { l.queueLimit = bytes }

// limitOf returns how many bytes may wait for c. Those of a conn without a socket are text, in which binary data take a third
// more: what another conn may be sent it may be sent too.
func (l *Loop) limitOf(c *Conn) int {
	if c.Detached() {
		return l.queueLimit + l.queueLimit/3
	}
	return l.queueLimit
}

// enqueue puts b behind what waits for c. A queue takes one write of any size, and then up to the
// limit; a conn that would pass it is slow, and so is one that would pass the budget. Even then the rest of
// a write that has begun must follow.
func (l *Loop) enqueue(c *Conn, b []byte, partial bool) (kept bool) {
	full := c.out != 0 && l.outqs.table[c.out].bytes+len(b) > l.limitOf(c)
	if full || !l.outqs.budget.Fits(len(b)) {
		c.set(flagSlow)
		l.slow = append(l.slow, overflow{l.ID(c), full})
		if !partial {
			return false
		}
	}
	l.queue(c, b, partial)
	return true
}

// overflow is a conn that was found slow in this turn.
type overflow struct {
	id   ConnID
	full bool // its own queue was; else the budget
}

// queue puts b behind what waits for c. partial says that its front has been sent.
func (l *Loop) queue(c *Conn, b []byte, partial bool) {
	if c.out == 0 {
		c.out = l.outqs.take(l.ID(c), l.wheel.now)
		l.outqs.table[c.out].partial = partial
		l.awaitRoom(c)
	}
	l.outqs.push(c.out, b)
}

// awaitRoom has the loop hear when c's socket takes more.
func (l *Loop) awaitRoom(c *Conn) {
	if !c.Detached() {
		c.set(flagWriting)
		l.watch(c)
	}
}

// writable sends what waits for c, a bounded number of segments.
func (l *Loop) writable(c *Conn) {
	if c.has(flagClosing) {
		return
	}
	if c.out == 0 {
		if c.has(flagWriting) && c.has(flagLinger) {
			l.finishWriting(c) // its close_notify has had no room
			l.watch(c)
		}
		return
	}
	n, errno := sys.SendSegments(int(c.fd), l.outqs.table[c.out].segments)
	if errno != 0 {
		if errno != unix.EAGAIN && errno != unix.EINTR {
			l.Close(c, ClosedReset)
		}
		return
	}
	l.stats.Writes++
	l.stats.BytesOut += uint64(n)
	l.outqs.sent(c.out, n, l.wheel.now)
	switch {
	case l.outqs.table[c.out].bytes == 0:
		l.drained(c)
	case l.below.has(c.slot, belowPart):
		l.watch(c) // the socket may take more, which is no edge
	}
}

// drained goes back to writing straight to the socket.
func (l *Loop) drained(c *Conn) {
	l.outqs.drop(c.out)
	c.out = 0
	c.clear(flagWriting)
	if c.has(flagLinger) {
		l.finishWriting(c)
		l.watch(c)
		return
	}
	l.watch(c)
	l.handler.Drained(c)
}

// checkStalled closes the conns whose socket has taken nothing for the limit.
func (l *Loop) checkStalled() {
	limit := uint32(l.config.StallLimit / tick)
	if limit == 0 || l.wheel.now-l.stallChecked < max(limit/8, 1) {
		return
	}
	l.stallChecked = l.wheel.now
	for i := range l.outqs.table {
		q := &l.outqs.table[i]
		if q.bytes == 0 || l.wheel.now-q.moved < limit {
			continue
		}
		if c := l.slots.get(q.owner); c != nil && !c.Detached() {
			l.Close(c, ClosedStalled)
		}
	}
}

// tellSlow gives the handler its word on the conns that were found slow in this turn.
func (l *Loop) tellSlow() {
	for i := 0; i < len(l.slow); i++ {
		c := l.slots.get(l.slow[i].id)
		if c == nil || c.has(flagClosing|flagLinger) {
			continue
		}
		if l.slow[i].full {
			l.stats.Slow++
		} else {
			l.stats.OverBudget++
		}
		l.catchUp(c)
		l.more = true // as in sweep
		l.handler.Slow(c)
	}
	l.slow = l.slow[:0]
}

// catchUp drops what has not begun to be sent to a conn that is slow.
func (l *Loop) catchUp(c *Conn) {
	if !c.has(flagSlow) {
		return
	}
	c.clear(flagSlow)
	if c.out != 0 {
		l.outqs.cut(c.out)
	}
}

// Shutdown ends c in order: what waits is sent, then last, which has room whatever the queue's limit, then
// the end of the stream; the peer's bytes are thrown away until it closes too, or until linger has passed.
// Closing at once would reset the connection if the peer had anything under way, and the peer could lose
// our last words. last is copied if it must wait. A conn that has no stream to end is closed.
func (l *Loop) Shutdown(c *Conn, last []byte, linger time.Duration) {
	if c.has(flagDialing) || c.Detached() {
		l.Close(c, ClosedLocally)
	}
	if c.has(flagClosing | flagLinger) {
		return
	}
	l.catchUp(c)
	if rest := l.sendLast(c, last); len(rest) > 0 {
		l.queue(c, bytes.Clone(rest), len(rest) < len(last))
	}
	if c.has(flagClosing) {
		return
	}
	paused := c.has(flagPaused)
	c.set(flagLinger)
	c.clear(flagPaused)
	l.setTimer(c, linger)
	if c.out == 0 {
		l.finishWriting(c)
	}
	if paused {
		l.watch(c)
	}
}

// finishWriting sends the end of the stream.
func (l *Loop) finishWriting(c *Conn) {
	if !l.finishRecords(c) {
		return
	}
	if errno := sys.ShutdownWrite(int(c.fd)); errno != 0 {
		l.Close(c, ClosedReset)
	}
}
