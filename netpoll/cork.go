package netpoll

import "time"

// cork is what is to leave for a conn in one write: see [Loop.Cork]. It holds no pointers.
type cork struct {
	owner       ConnID // 0 once it has left
	first, last uint32 // places of its pieces in the log
	bytes       uint32
}

const (
	// corkMark in a Conn's out says that the rest is an index into its loop's corks.
	corkMark = 1 << 31

	// maxCorked is how many bytes are held for one conn before they leave.
	maxCorked = 64 << 10

	// A loop keeps room for manyCorks.
	manyCorks = 64 << 10

	// corkRest is how long what a loop keeps for the next time may go unused before it is given back.
	corkRest = 10 * time.Second
)

// Cork is Write, but b may wait for more that is to go to c in this turn or the next ones, until [Loop.Uncork] comes to it:
// so several small writes become one. Any other write to c has what is held leave before it. b is copied. To a conn without a
// socket, of much, and when a loop holds very much, it is Write.
func (l *Loop) Cork(c *Conn, b []byte) {
	if c.out&corkMark != 0 && int(l.corks[c.out&^corkMark].bytes)+len(b) > maxCorked {
		l.uncork(c)
	}
	if c.has(flagClosing | flagSlow | flagLinger) {
		return // which may have shown itself by what has just left
	}
	corked := c.out&corkMark != 0
	if len(b) > maxCorked || c.out != 0 && !corked || c.Detached() || l.corkLog.full() {
		l.Write(c, b)
		return
	}
	place := l.corkLog.add(b)
	l.corkBytes += len(b)
	if !corked {
		c.out = corkMark | uint32(len(l.corks))
		l.corks = append(l.corks, cork{l.ID(c), place, place, uint32(len(b))})
		l.corkHeld++
		return
	}
	h := &l.corks[c.out&^corkMark]
	l.corkLog.link(h.last, place)
	h.last = place
	h.bytes += uint32(len(b))
}

// Corked returns how many bytes are held for all conns. Loop goroutine only.
func (l *Loop) Corked() int { return l.corkBytes }

// corkStride is how many conns are written to between two looks at the clock.
const corkStride = 32

// Uncork writes what is held, for the conns in the order in which it came, until all has left or the budget is spent, and
// reports whether there is more. Loop goroutine only.
func (l *Loop) Uncork(budget time.Duration) (more bool) {
	begin := time.Since(start)
	for n := 1; l.corkNext < len(l.corks); n++ {
		h := &l.corks[l.corkNext]
		l.corkNext++
		if c := l.slots.get(h.owner); c != nil {
			l.uncork(c)
		}
		if n%corkStride == 0 && time.Since(start)-begin >= budget {
			break
		}
	}
	return l.corkNext < len(l.corks)
}

// uncork writes what is held for c.
func (l *Loop) uncork(c *Conn) { l.Write(c, l.takeCork(c)) }

// takeCork ends what is held for c and returns it. It is good until the next call of Cork or takeCork.
func (l *Loop) takeCork(c *Conn) []byte {
	h := &l.corks[c.out&^corkMark]
	b, next := l.corkLog.piece(h.first)
	if len(b) < int(h.bytes) {
		b = l.joinPieces(b, next, int(h.bytes))
	}
	l.dropCork(c)
	return b
}

// joinPieces returns the n bytes of a piece and those that follow it.
func (l *Loop) joinPieces(b []byte, next uint32, n int) []byte {
	if l.joined == nil {
		l.joined = make([]byte, 0, maxCorked)
	}
	all := append(l.joined, b...)
	for len(all) < n {
		b, next = l.corkLog.piece(next)
		all = append(all, b...)
	}
	return all
}

// dropCork ends what is held for c. Once nothing is held for anybody all begins anew.
func (l *Loop) dropCork(c *Conn) {
	h := &l.corks[c.out&^corkMark]
	c.out, h.owner = 0, 0
	l.corkBytes -= int(h.bytes)
	if l.corkHeld--; l.corkHeld > 0 {
		return
	}
	l.corkNext, l.corks = 0, l.corks[:0]
	if cap(l.corks) > manyCorks {
		l.corks = nil
	}
	l.corkLog.reset()
}

// restCorks gives back what has not been used of what is kept for the next time.
func (l *Loop) restCorks() {
	if l.corkHeld > 0 || len(l.corkLog.chunks) == 0 || l.now-l.corkRested < corkRest {
		return
	}
	l.corkRested = l.now
	if l.corkLog.rest(); len(l.corkLog.chunks) == 0 {
		l.corks, l.corkLog, l.joined = nil, corkLog{}, nil
	}
}
