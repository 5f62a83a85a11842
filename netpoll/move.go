package netpoll

import (
	"fmt"
	"syscall"

	"github.com/seed4ac54ce5/edge/internal/sys"
	"golang.org/x/sys/unix"
)

// A socket may go to another loop. Its conn closes here, and another begins there, so that each of them is one thread's. Where loops
// have tables of their own the descriptor goes through the passage of the loop that it goes to, and all else in a post behind it: posts
// of several loops may come in another order than descriptors, so both bear the old conn's identity.

// MoveHandler is a [Handler] that moves conns between loops.
type MoveHandler interface {
	Handler

	// Moved is called in place of Opened when a conn has come from another loop, once for each that [Loop.Move] has sent off, and
	// behind its Closed there. Received follows with what was held. Where its loops are ending, or if its socket could not be taken
	// in and was refused, c is closing, and Closed follows.
	Moved(c *Conn, carry any)
}

// A passage is the two ends of a stream of descriptors to a loop: all tables have the one, and the loop's own the other.
type passage struct{ in, out int }

func openPassage() (passage, error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return passage{}, fmt.Errorf("socketpair: %w", err)
	}
	return passage{pair[0], pair[1]}, nil
}

// departure is a conn that goes to another loop as soon as the passage there takes it.
type departure struct {
	id    ConnID
	to    int
	carry any
}

// arrival is a conn on its way.
type arrival struct {
	old    ConnID // on the loop that it comes from
	fd     int    // -1 if it is in the passage
	held   []byte // nil for none; it counts against the budget of inputs meanwhile
	need   int
	age    uint32 // ticks since the handler has used any of it
	below  uint8
	paused bool
	carry  any
}

// Move sends c to loop number to: c closes here with [ClosedMoved] at the end of the turn, or of a later one if too many conns are on
// their way there, and has no socket any more then. It arrives in [MoveHandler.Moved], with carry: there, or if that loop has ended or
// this one does, here and closing. What is held of it goes along, or will be when the handler returns from Received, and so do a pause
// and TLS below; its timer does not. With false nothing has been done: something waits for c; it has no socket, is closing, shut down,
// slow or being dialled; or there is no such other loop. Handlers of both must be a MoveHandler. Loop goroutine only.
func (l *Loop) Move(c *Conn, to int, carry any) bool {
	if to == l.id || to < 0 || to >= len(l.loops) || c.Detached() || c.has(flagDialing) {
		return false
	}
	if c.out&corkMark != 0 {
		l.uncork(c)
	}
	if c.out != 0 || c.Closing() {
		return false
	}
	c.set(flagClosing)
	// The set holds files, not descriptors: it would hear of this one for as long as another loop has it.
	_ = sys.EpollCtl(l.epoll, unix.EPOLL_CTL_DEL, int(c.fd), nil)
	l.leavers = append(l.leavers, departure{l.ID(c), to, carry})
	return true
}

// moves reports whether c is to go to another loop.
func (l *Loop) moves(c *Conn) bool {
	for i := range l.leavers {
		if l.leavers[i].id == l.ID(c) {
			return true
		}
	}
	return false
}

// depart sends off the conns that are to go to other loops. Those for whom the passage has no room wait for the next turn.
func (l *Loop) depart() {
	stay := 0
	for i := 0; i < len(l.leavers); i++ {
		if d := l.leavers[i]; !l.sendOff(d) {
			l.leavers[stay] = d
			stay++
		}
	}
	clear(l.leavers[stay:])
	l.leavers = l.leavers[:stay]
}

// sendOff reports whether a conn has gone.
func (l *Loop) sendOff(d departure) bool {
	c := l.slots.get(d.id)
	there := l.loops[d.to]
	if l.private {
		switch sys.SendRights(there.passage.out, int(c.fd), uint64(d.id)) {
		case unix.EAGAIN, unix.EINTR, unix.ENOBUFS, unix.ENOMEM, unix.ETOOMANYREFS:
			return false
		}
		// Of other failures, such as EPIPE, its inbox will tell.
	}
	l.post(there, l.part(c, d.carry))
	return true
}

// part ends c on this loop, and returns what goes on.
func (l *Loop) part(c *Conn, carry any) *arrival {
	a := l.pack(c, carry)
	l.handler.Closed(c, ClosedMoved)
	l.release(c, ClosedMoved)
	l.more = true // as in sweep
	return a
}

// pack takes all that goes with c out of this loop.
func (l *Loop) pack(c *Conn, carry any) *arrival {
	a := &arrival{old: l.ID(c), fd: int(c.fd), paused: c.has(flagPaused), carry: carry}
	if c.in != 0 {
		in := l.inputs.take(c.in)
		a.held, a.need, a.age = in.held, in.need, l.wheel.now-in.since
		c.in = 0
	}
	if l.below.has(c.slot, belowOn) {
		a.below = l.below.states[c.slot] &^ belowPart
	}
	c.fd = noSocket
	return a
}

// post has a conn arrive there, or here and closing if that loop has ended.
func (l *Loop) post(there *Loop, a *arrival) {
	fd := a.fd
	if l.private {
		a.fd = -1
	}
	wake, taken := there.inbox.offer(Post{Kind: kindMoved, Item: a})
	if !taken {
		a.fd = fd
		l.arrive(a, true)
		return
	}
	if l.private {
		sys.Close(fd)
	}
	if wake {
		there.inbox.ring()
	}
}

// arrive makes a conn of what has come from another loop. With late true it closes at once, as the loop ends.
func (l *Loop) arrive(a *arrival, late bool) {
	c := l.unpack(a)
	switch {
	case c == nil:
		return
	case c.Detached():
		l.Close(c, ClosedReset)
	case late:
		l.Close(c, ClosedLoop)
	}
	l.handler.(MoveHandler).Moved(c, a.carry)
	if c.in != 0 {
		l.Again(c)
	}
}

// unpack returns the conn for what has come from another loop, without a socket if that could not be taken in, and nil if the
// host has no memory left.
func (l *Loop) unpack(a *arrival) *Conn {
	events, flags := uint32(unix.EPOLLRDHUP|unix.EPOLLIN), uint32(0)
	if a.paused {
		events, flags = unix.EPOLLRDHUP, flagPaused
	}
	c, errno := l.register(l.fetch(a), events, flags)
	if errno == 0 {
		l.stats.Arrived++
	} else {
		l.stats.Lost++
		var err error
		if c, err = l.slots.take(noSocket); err != nil {
			l.inputs.budget.Add(-cap(a.held))
			return nil
		}
	}
	if a.held != nil {
		c.in = l.inputs.adopt(input{a.held, a.need, l.ID(c), l.wheel.now - a.age})
	}
	if a.below != 0 {
		l.below.begin(c.slot)
		l.below.states[c.slot] = a.below
	}
	return c
}

// fetch returns the descriptor that has come, -1 if it was lost on the way. The passage may have others in front of it, whose posts
// follow.
func (l *Loop) fetch(a *arrival) int {
	if a.fd >= 0 {
		return a.fd
	}
	for {
		if fd, ok := l.early[a.old]; ok {
			delete(l.early, a.old)
			return fd
		}
		fd, old, errno := l.receive()
		if errno != 0 {
			return -1
		}
		l.early[ConnID(old)] = fd
	}
}

// receive takes the next descriptor out of the passage, -1 if it was lost: the kernel drops one for which the table has no room.
// During the pause of accepting that this begins, as when the table was full for a new conn, the reserve makes room, and who takes the
// last place is answered.
func (l *Loop) receive() (fd int, old uint64, errno syscall.Errno) {
	short := l.acceptPaused && l.reserve >= 0
	if short {
		sys.Close(l.reserve)
	}
	fd, old, errno = sys.RecvRights(l.passage.in)
	if short {
		l.openReserve()
	}
	switch {
	case errno != 0:
	case fd < 0:
		l.pauseAccepting(unix.EMFILE)
	case short && l.reserve < 0:
		l.dismiss(fd)
		l.openReserve()
		fd = -1
	}
	return fd, old, errno
}

// stay has the conns arrive here, and closing, that depart has not come to: the loop is ending.
func (l *Loop) stay() {
	for i := 0; i < len(l.leavers); i++ {
		d := l.leavers[i]
		l.arrive(l.part(l.slots.get(d.id), d.carry), true)
	}
	l.leavers = nil
}
