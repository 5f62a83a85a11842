package netpoll

import "time"

// cork is what is to leave for a conn in one write: see [Loop.Cork].
type cork struct {
	owner ConnID // 0 once it has left
	b     []byte
}

const (
	// corkMark in a Conn's out says that the rest is an index into its loop's corks.
	corkMark = 1 << 31

	// maxCorked is how many bytes are held for one conn before they leave.
	maxCorked = 64 << 10

	// A loop keeps the buffers of the first fewCorks for reuse, those that are not larger than smallCork, and room for
	// manyCorks.
	fewCorks  = 1 << 10
	smallCork = 4 << 10
	manyCorks = 64 << 10
)

// Cork is Write, but b may wait for more that is to go to c in this turn or the next ones, until [Loop.Uncork] comes to it:
// so several small writes become one. Any other write to c has what is held leave before it. b is copied. To a conn without a
// socket it is Write.
func (l *Loop) Cork(c *Conn, b []byte) {
	if c.out&corkMark != 0 && len(l.corks[c.out&^corkMark].b)+len(b) > maxCorked {
		l.uncork(c)
	}
	if c.has(flagClosing | flagSlow | flagLinger) {
		return // which may have shown itself by what has just left
	}
	switch {
	case c.out == 0 && !c.Detached():
		c.out = corkMark | l.addCork(l.ID(c))
	case c.out&corkMark == 0:
		l.Write(c, b)
		return
	}
	h := &l.corks[c.out&^corkMark]
	h.b = append(h.b, b...)
	l.corkBytes += len(b)
}

// addCork returns the index of a new entry for owner, with the buffer of an old one if there is any.
func (l *Loop) addCork(owner ConnID) uint32 {
	n := len(l.corks)
	if n < cap(l.corks) {
		l.corks = l.corks[:n+1]
		l.corks[n] = cork{owner, l.corks[n].b[:0]}
	} else {
		l.corks = append(l.corks, cork{owner: owner})
	}
	return uint32(n)
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
	if l.corkNext < len(l.corks) {
		return true
	}
	l.trimCorks()
	return false
}

// uncork writes what is held for c.
func (l *Loop) uncork(c *Conn) { l.Write(c, l.takeCork(c)) }

// takeCork ends what is held for c and returns it. It is good until the next call of Cork.
func (l *Loop) takeCork(c *Conn) []byte {
	i := c.out &^ corkMark
	h := &l.corks[i]
	b := h.b
	c.out, h.owner = 0, 0
	l.corkBytes -= len(b)
	if i >= fewCorks || cap(b) > smallCork {
		h.b = nil
	}
	return b
}

// trimCorks begins anew once all has left, and gives back what a burst has left behind.
func (l *Loop) trimCorks() {
	l.corkNext = 0
	l.corks = l.corks[:0]
	if cap(l.corks) > manyCorks {
		l.corks = nil
	}
}
