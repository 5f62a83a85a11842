package netpoll

import "fmt"

// A conn may have no socket: it is detached. It has an identity, a slot, a timer and an out queue as every conn, so that
// whatever knows conns by these knows it too, and what is written to it waits until somebody takes it or a socket comes.

// OpenDetached returns a new conn without a socket. [Handler.Opened] is not called for it, but [Handler.Closed] will be. What is
// written to it waits, for whatever time, within the limit and the budget of all out queues: [Handler.Slow] tells of what went
// beyond. An error means that the host has no memory left. Loop goroutine only.
func (l *Loop) OpenDetached() (*Conn, error) {
	c, err := l.slots.take(noSocket)
	if err != nil {
		return nil, fmt.Errorf("netpoll: a conn without a socket: %w", err)
	}
	l.stats.Detached++
	return c, nil
}

// Detached reports whether c has no socket.
func (c *Conn) Detached() bool { return c.fd == noSocket }

// TakeQueue appends what waits for c, a conn without a socket, to dst, and empties its out queue. It may be called in
// [Handler.Closed] too. Of a conn that was found slow in this turn it takes what came before the loss, of which [Handler.Slow]
// still tells. Loop goroutine only.
func (l *Loop) TakeQueue(c *Conn, dst []byte) []byte {
	if !c.Detached() || c.out == 0 {
		return dst
	}
	for _, b := range l.outqs.table[c.out].segments {
		dst = append(dst, b...)
	}
	l.outqs.drop(c.out)
	c.out = 0
	return dst
}

// attached says whose socket has become whose in this turn.
type attached struct{ from, to ConnID }

// Attach gives c, a conn without a socket, the socket of from: what is held of it, or will be when the handler returns from
// Received, is delivered to c; what waits for it goes first, what waits for c behind it; c is read unless it is paused. TLS below goes
// with the socket, timers stay with their conns. from closes with [ClosedMoved]. With false nothing has been done: c has a socket, or
// one of them is closing, shut down, slow or being dialled. Loop goroutine only.
func (l *Loop) Attach(c, from *Conn) bool {
	const busy = flagClosing | flagLinger | flagSlow | flagDialing
	if !c.Detached() || from.Detached() || c.has(busy) || from.has(busy) {
		return false
	}
	if from.out&corkMark != 0 {
		l.uncork(from)
		if from.has(busy) {
			return false // which has just shown itself
		}
	}
	c.fd, from.fd = from.fd, noSocket
	if l.newest == l.ID(from) {
		l.newest = l.ID(c)
	}
	l.below.move(from.slot, c.slot)
	l.attachInput(c, from)
	l.attachQueue(c, from)
	l.attached = append(l.attached, attached{l.ID(from), l.ID(c)})
	l.Close(from, ClosedMoved)
	l.watch(c)
	return true
}

// attachInput gives c what is held of from.
func (l *Loop) attachInput(c, from *Conn) {
	c.in, from.in = from.in, 0
	if c.in != 0 {
		l.inputs.table[c.in].owner = l.ID(c)
		l.Again(c)
	}
}

// attachQueue gives c what waits for from, in front of what waits for c.
func (l *Loop) attachQueue(c, from *Conn) {
	if from.out != 0 {
		if c.out != 0 {
			l.outqs.join(from.out, c.out)
		}
		c.out, from.out = from.out, 0
	}
	from.clear(flagWriting)
	if c.out != 0 {
		c.set(flagWriting)
		l.outqs.table[c.out].owner, l.outqs.table[c.out].moved = l.ID(c), l.wheel.now
	}
}

// pass keeps what the handler has left of b of a conn, which has closed since, for whoever has its socket or will. Of one that is
// just closed it drops what is held.
func (l *Loop) pass(c *Conn, b []byte, used, need int) {
	to := l.heir(c)
	if to == nil {
		l.dropInput(c)
		return
	}
	l.rest(to, b, used, need)
	if !to.has(flagClosing) {
		l.Again(to)
	}
}

// heir returns the conn that has the socket of c, which has closed in this turn: another, or c itself if that is to go to another loop.
// It is nil if the socket closes with its conn.
func (l *Loop) heir(c *Conn) *Conn {
	for _, a := range l.attached {
		if a.from == l.ID(c) {
			to := l.slots.get(a.to)
			if to.has(flagClosing | flagLinger) {
				to = l.heir(to)
			}
			return to
		}
	}
	if l.moves(c) {
		return c
	}
	return nil
}
