package netpoll

import (
	"syscall"
	"time"

	"github.com/seed4ac54ce5/edge/internal/poison"
	"github.com/seed4ac54ce5/edge/internal/sys"
	"golang.org/x/sys/unix"
)

const (
	sharedSize  = 64 << 10  // what one conn may read in one turn; the loop's one shared buffer
	smallInput  = 4 << 10   // leftovers up to here are copied to the front of the shared buffer
	maxRead     = 256 << 10 // what a conn with a large message under way may read in one turn
	minInput    = 512       // smallest input buffer
	maxPooled   = 64 << 10  // largest input buffer that is kept for the next conn
	poolClasses = 8         // 512 bytes to 64 KiB by powers of two
	poolDepth   = 64        // buffers kept of each class
)

// input is what the handler has left of a conn's bytes.
type input struct {
	held  []byte // capacity is the room there is
	need  int    // bytes the handler needs before it can go on, 0 if it cannot tell
	owner ConnID
	since uint32 // tick at which the handler last used any of the conn's bytes
}

// inputs are the input buffers of a loop, by index; 0 is nobody's.
type inputs struct {
	table []input
	free  []uint32
	pool  [poolClasses][][]byte

	budget *Budget // all loops'
}

// count returns how many are somebody's.
func (in *inputs) count() int { return max(len(in.table)-1, 0) - len(in.free) }

// put keeps a copy of rest for owner and returns its index.
func (in *inputs) put(rest []byte, need int, owner ConnID, since uint32) uint32 {
	i := in.index()
	held := append(in.buffer(len(rest)), rest...)
	in.budget.Add(cap(held))
	in.table[i] = input{held, need, owner, since}
	return i
}

func (in *inputs) index() uint32 {
	if n := len(in.free); n > 0 {
		i := in.free[n-1]
		in.free = in.free[:n-1]
		return i
	}
	if len(in.table) == 0 {
		in.table = append(in.table, input{})
	}
	in.table = append(in.table, input{})
	return uint32(len(in.table) - 1)
}

// take returns what index i holds and gives the index back. The buffer goes on to count.
func (in *inputs) take(i uint32) input {
	t := in.table[i]
	in.table[i] = input{}
	in.free = append(in.free, i)
	return t
}

// adopt is the reverse of take.
func (in *inputs) adopt(t input) uint32 {
	i := in.index()
	in.table[i] = t
	return i
}

// drop gives index i and its buffer back.
func (in *inputs) drop(i uint32) {
	in.budget.Add(-cap(in.table[i].held))
	in.recycle(in.table[i].held)
	in.table[i] = input{}
	in.free = append(in.free, i)
}

// grow makes room in a full buffer: twice what is held, so that the work is linear in what has
// arrived and nothing that a peer declares sizes an allocation, but no more than is needed.
func (in *inputs) grow(i uint32) {
	t := &in.table[i]
	size := 2 * len(t.held)
	if t.need > len(t.held) {
		size = min(size, t.need)
	}
	bigger := append(in.buffer(size), t.held...)
	in.budget.Add(cap(bigger) - cap(t.held))
	in.recycle(t.held)
	t.held = bigger
}

// buffer returns an empty buffer with room for n bytes.
func (in *inputs) buffer(n int) []byte {
	if n > maxPooled {
		return make([]byte, 0, n)
	}
	class, size := 0, minInput
	for size < n {
		class, size = class+1, size*2
	}
	if have := len(in.pool[class]); have > 0 {
		b := in.pool[class][have-1]
		in.pool[class][have-1] = nil
		in.pool[class] = in.pool[class][:have-1]
		return b
	}
	return make([]byte, 0, size)
}

// recycle keeps b for the next conn, if it is of a class and the class has few.
func (in *inputs) recycle(b []byte) {
	poison.Bytes(b[:cap(b)])
	for class, size := 0, minInput; class < poolClasses; class, size = class+1, size*2 {
		if cap(b) == size && len(in.pool[class]) < poolDepth {
			if poison.On {
				in.checkTaken(b, class)
			}
			in.pool[class] = append(in.pool[class], b[:0])
			return
		}
	}
}

// checkTaken panics if b is in the pool already: two conns would get it.
func (in *inputs) checkTaken(b []byte, class int) {
	for _, free := range in.pool[class] {
		if &free[:1][0] == &b[:1][0] {
			panic("netpoll: an input buffer is given back twice")
		}
	}
}

// readable reads c once and hands over what came. Whatever the event says, the socket's own answer
// decides: remaining bytes come before the end of the stream, and before an error.
func (l *Loop) readable(c *Conn, events uint32) {
	const gone = unix.EPOLLRDHUP | unix.EPOLLHUP | unix.EPOLLERR
	switch {
	case c.has(flagClosing):
	case c.has(flagPaused):
		if events&gone != 0 {
			l.Close(c, endOf(events))
		}
	case c.has(flagLinger):
		l.discard(c)
	case c.has(flagAgain):
		l.hearEdges(c, false) // What is held goes first: the level-triggered event comes again.
	case l.below.has(c.slot, belowOn):
		l.readRecords(c)
	default:
		b := l.readSpace(c)
		room := b[len(b):min(cap(b), len(b)+maxRead)]
		n, errno := sys.Recv(int(c.fd), room)
		l.received(c, b[:len(b)+n], n, errno)
		if events&gone != 0 && n > 0 && n < len(room) && !c.has(flagAgain) {
			l.Close(c, endOf(events)) // all there was, and the end of it
		}
	}
}

// endOf returns the reason that an event at the end of a stream gives.
func endOf(events uint32) Reason {
	if events&unix.EPOLLERR != 0 {
		return ClosedReset
	}
	return ClosedByPeer
}

// readSpace returns what is held of c with room behind it. What is small moves to the front of the
// shared buffer; a large message is read to where it is put together.
func (l *Loop) readSpace(c *Conn) []byte {
	l.unused = l.wheel.now
	if c.in == 0 {
		return l.shared[:0]
	}
	in := &l.inputs.table[c.in]
	if len(in.held) <= smallInput && in.need <= sharedSize {
		l.unused = in.since
		b := append(l.shared[:0], in.held...)
		l.dropInput(c)
		return b
	}
	if len(in.held) == cap(in.held) {
		l.inputs.grow(c.in)
	}
	return in.held
}

// received deals with the answer of one read that added n bytes to b.
func (l *Loop) received(c *Conn, b []byte, n int, errno syscall.Errno) {
	switch {
	case n > 0:
		l.stats.Reads++
		l.stats.BytesIn += uint64(n)
		l.deliver(c, b)
	case errno == 0:
		l.Close(c, ClosedByPeer)
	case errno == unix.EAGAIN || errno == unix.EINTR:
		l.keep(c, b, 0, l.needOf(c))
	default:
		l.Close(c, ClosedReset)
	}
}

func (l *Loop) needOf(c *Conn) int {
	if c.in == 0 {
		return 0
	}
	return l.inputs.table[c.in].need
}

// deliver hands b to the handler and keeps what it leaves.
func (l *Loop) deliver(c *Conn, b []byte) {
	used, need := l.handler.Received(c, b)
	if c.has(flagClosing | flagLinger) {
		l.pass(c, b, used, need)
		return
	}
	l.rest(c, b, used, need)
}

// rest keeps what the handler has left of b for c.
func (l *Loop) rest(c *Conn, b []byte, used, need int) {
	l.keep(c, b, used, need)
	if poison.On {
		l.spoil(c, b)
	}
}

// spoil overwrites what the handler was given, save what is still held in the same place: its bytes were the handler's for
// the time of the call.
func (l *Loop) spoil(c *Conn, b []byte) {
	if c.in != 0 && len(b) > 0 {
		if held := l.inputs.table[c.in].held; &held[:1][0] == &b[0] {
			b = b[len(held):]
		}
	}
	poison.Bytes(b)
}

// keep holds b[used:] for c. b is either the shared buffer or c's own.
func (l *Loop) keep(c *Conn, b []byte, used, need int) {
	rest := b[used:]
	switch {
	case len(rest) == 0:
		l.dropInput(c)
	case c.in == 0:
		since := l.unused
		if used > 0 {
			since = l.wheel.now
		}
		c.in = l.inputs.put(rest, need, l.ID(c), since)
	default:
		in := &l.inputs.table[c.in]
		if used > 0 {
			in.since = l.wheel.now
		}
		in.held = in.held[:copy(in.held[:cap(in.held)], rest)]
		in.need = need
	}
}

// dropInput gives c's input buffer back, if it has one.
func (l *Loop) dropInput(c *Conn) {
	if c.in != 0 {
		l.inputs.drop(c.in)
		c.in = 0
	}
}

// discard throws away what a peer sends to a conn that has been shut down.
func (l *Loop) discard(c *Conn) {
	l.dropInput(c)
	if l.below.has(c.slot, belowOn) {
		if l.discardRecords(c) {
			l.Close(c, ClosedLocally)
		}
		return
	}
	n, errno := sys.Recv(int(c.fd), l.shared)
	if n == 0 && errno != unix.EAGAIN && errno != unix.EINTR {
		l.Close(c, ClosedLocally)
	}
}

// Pause stops reading c until [Loop.Resume]. What has been read and not used stays held. A peer that
// goes away meanwhile is still noticed.
func (l *Loop) Pause(c *Conn) {
	if !c.has(flagPaused | flagClosing | flagLinger) {
		c.set(flagPaused)
		l.watch(c)
	}
}

// Resume reads c again, and first delivers what is held, later in this turn or in the next.
func (l *Loop) Resume(c *Conn) {
	if c.has(flagPaused) && !c.has(flagClosing|flagLinger) {
		c.clear(flagPaused)
		if c.in != 0 {
			l.inputs.table[c.in].since = l.wheel.now
		}
		l.watch(c)
		l.Again(c)
	}
}

// Again makes the loop deliver what is held of c once more, without reading, when the others have had
// their turn: a handler that has worked enough for one conn leaves the rest and calls it.
func (l *Loop) Again(c *Conn) {
	if !c.has(flagAgain) {
		c.set(flagAgain)
		l.again = append(l.again, l.ID(c))
	}
}

// deliverAgain serves the conns that asked for it before this call.
func (l *Loop) deliverAgain() {
	n := len(l.again)
	for i := range n {
		if c := l.slots.get(l.again[i]); c != nil {
			c.clear(flagAgain)
			l.deliverHeld(c)
		}
	}
	l.again = l.again[:copy(l.again, l.again[n:])]
}

func (l *Loop) deliverHeld(c *Conn) {
	if c.in != 0 && !c.has(flagPaused|flagClosing|flagLinger) {
		l.deliver(c, l.inputs.table[c.in].held)
	}
}

// Unfinished calls f for each conn that is read and of whose bytes the handler has left some, with the time since it last
// used any of them, in steps of 67 ms. It returns how many conns have such bytes, read or not. Loop goroutine only.
func (l *Loop) Unfinished(f func(c *Conn, since time.Duration)) (n int) {
	for i := range l.inputs.table {
		in := &l.inputs.table[i]
		if in.held == nil {
			continue
		}
		n++
		if c := l.slots.get(in.owner); c != nil && !c.has(flagPaused|flagClosing|flagLinger) {
			f(c, time.Duration(max(l.wheel.now-in.since, 1)-1)*tick)
		}
	}
	return n
}

// Holds reports whether the handler has left bytes of any conn. Loop goroutine only.
func (l *Loop) Holds() bool { return l.inputs.count() > 0 }
