package netpoll

import (
	"fmt"
	"net/netip"
	"runtime"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/seed4ac54ce5/edge/internal/sys"
	"golang.org/x/sys/unix"
)

// Handler says what the conns of one loop mean. All methods are called on the loop's goroutine, none
// may block, and a *Conn is good until the method returns.
type Handler interface {
	// Opened is called when c has been accepted, or when a dialled conn stands.
	Opened(c *Conn)

	// Received is handed all bytes of c that have not been used yet. It may change them, must not keep
	// them, and returns how many it has used and, if the rest is part of something whose size it knows,
	// how many bytes it needs in all before it can go on. It is called again with the rest at the
	// front when more has come.
	Received(c *Conn, b []byte) (used, need int)

	// Drained is called when c's out queue has become empty.
	Drained(c *Conn)

	// Slow is called at the end of a turn in which c's out queue would have passed its limit, or the
	// budget of all. What had not begun to be sent is gone. The handler says goodbye, or closes c.
	Slow(c *Conn)

	// Expired is called when the timer of [Loop.SetTimer] has run out. A timer that is stopped in the
	// very turn in which it runs out may still be heard.
	Expired(c *Conn)

	// Closed is called once for each conn, at the end of the turn in which it closed, and for a conn
	// that could not be connected or has no socket. Afterwards its identity names nothing.
	Closed(c *Conn, why Reason)

	// Posted is called with what others have posted, in order.
	Posted(p Post)

	// Turn is called once a turn after all of the above. It returns true if it has more to do: the
	// loop then comes back without waiting.
	Turn() (more bool)
}

const (
	maxEvents  = 256                  // taken from the kernel in one call
	grace      = time.Second / 4      // what a turn may take before the wheel's clock stands still
	yieldEvery = 4 * time.Millisecond // busy
)

// Stats are counters of a loop. Loop goroutine only.
type Stats struct {
	Accepted, Dialed uint64
	Detached         uint64          // conns opened without a socket
	Arrived          uint64          // conns that have come from other loops
	Lost             uint64          // conns from other loops whose sockets could not be taken in, for want of descriptors or memory; not in Refused
	Refused          uint64          // connections turned away for want of descriptors or memory
	Pauses           uint64          // times accepting was paused
	Closed           [Reasons]uint64 // by reason
	Reads, Writes    uint64          // system calls that moved bytes
	BytesIn          uint64
	BytesOut         uint64
	Slow             uint64 // conns whose out queue would have passed its limit
	OverBudget       uint64 // conns for whom nothing more may wait as all have too much waiting
	Turns            uint64
	Waits            uint64        // turns that went to sleep
	Slept            time.Duration // in them
}

// Loop is a reactor: one goroutine on one thread.
type Loop struct {
	// Set before Run.
	id      int
	config  *Config
	handler Handler
	private bool    // the thread has a descriptor table of its own
	loops   []*Loop // all of the reactor's
	passage passage // by which descriptors come from other loops, if their tables are private

	// Loop goroutine only.
	epoll        int
	slots        slots
	inputs       inputs
	below        below
	outqs        outqs
	corks        []cork
	corkNext     int // of corks, the first that Uncork has not come to
	corkHeld     int // of corks, those that have not left
	corkBytes    int
	corkLog      corkLog
	corkRested   time.Duration // when what is kept for them was last looked at
	joined       []byte        // scratch space for what is held of a conn
	queueLimit   int           // bytes that may wait for one conn
	wheel        wheel
	listeners    []listener
	newest       ConnID         // accepted last
	newestFrom   netip.AddrPort // where from
	reserve      int            // descriptor given up to refuse politely, -1 for none
	ceiling      int            // of a shared table, the number from which crowded looks closer
	acceptPaused bool
	acceptAgain  uint32 // tick
	leaving      bool   // the listeners close when it is leaveAt
	leaveAt      uint32 // tick
	stallChecked uint32 // tick
	again        []ConnID
	slow         []overflow
	closing      []closing
	attached     []attached
	leavers      []departure    // in the order of Move
	early        map[ConnID]int // descriptors that have come before their posts, by the conns they were
	expired      []uint32
	spare        []Post
	now          time.Duration // since start, at the beginning of the turn
	began        time.Duration // when run did
	yielded      time.Duration // of Busy, at the last yield
	accounted    time.Duration // how long this turn's wait could take
	more         bool
	ticking      bool          // turns come at least once a tick
	nap          time.Duration // how long the next wait may be, 0 for any time
	stopped      bool
	unused       uint32 // tick since which nothing of the conn that is read has been used
	stats        Stats
	shared       []byte // the read buffer of all conns

	events [maxEvents]sys.EpollEvent

	// Any goroutine.
	inbox     inbox
	listening atomic.Bool // the loop has listeners
}

// closing is a conn that has been closed in this turn.
type closing struct {
	id  ConnID
	why Reason
}

// start is where all loops' clocks begin.
var start = time.Now()

// newLoop returns loop number id, whose bell is an eventfd that all loops keep.
func newLoop(id int, config *Config, bell int) *Loop {
	return &Loop{
		id:      id,
		config:  config,
		epoll:   -1,
		reserve: -1,
		inputs:  inputs{budget: config.InputBudget},
		outqs:   outqs{budget: config.Budget},
		inbox:   inbox{bell: bell},
		early:   make(map[ConnID]int),
		shared:  make([]byte, sharedSize),

		queueLimit: config.QueueLimit,
	}
}

// Number returns the loop's number, from 0.
func (l *Loop) Number() int { return l.id }

// ID returns c's identity.
func (l *Loop) ID(c *Conn) ConnID { return makeID(uint8(l.id), c.gen(), c.slot) }

// Conn returns the conn that id names, or nil if it has closed since or is another loop's. Loop goroutine
// only; the pointer is good until the handler returns.
func (l *Loop) Conn(id ConnID) *Conn {
	if id.Loop() != l.id {
		return nil
	}
	return l.slots.get(id)
}

// At returns the open conn in a slot. Loop goroutine only.
func (l *Loop) At(slot uint32) *Conn { return l.slots.slab.At(slot) }

// Each calls f for each open conn. Loop goroutine only.
func (l *Loop) Each(f func(c *Conn)) { l.slots.all(f) }

// Now returns the time since the process started, as of the beginning of the turn.
func (l *Loop) Now() time.Duration { return l.now }

// Patience returns the time by which peers are held to their deadlines: as Now, but it stands still while the process was stopped
// or starved.
func (l *Loop) Patience() time.Duration { return time.Duration(l.wheel.clock) }

// Tick makes the loop turn at least every 67 ms, whether or not anything happens.
func (l *Loop) Tick(on bool) { l.ticking = on }

// WaitAtMost bounds how long the loop waits for events before its next turn. It is for this turn only, and the shortest time
// counts.
func (l *Loop) WaitAtMost(d time.Duration) {
	if d = max(d, 1); l.nap == 0 || d < l.nap {
		l.nap = d
	}
}

// Busy returns how long the loop has run without waiting for the kernel. Loop goroutine only.
func (l *Loop) Busy() time.Duration { return l.now - l.began - l.stats.Slept }

// Stats returns the loop's counters. Loop goroutine only.
func (l *Loop) Stats() *Stats { return &l.stats }

// Peer returns the address at the other end of c, the zero value on a Unix socket or without one. It enters the kernel, which gives the zero value
// for a peer that has gone as well, save for the conn that was accepted last: the address of that is known, gone or not.
func (l *Loop) Peer(c *Conn) netip.AddrPort {
	if l.ID(c) == l.newest {
		return l.newestFrom
	}
	if c.Detached() {
		return netip.AddrPort{}
	}
	return sys.Peer(int(c.fd))
}

// Open returns how many conns are open. Loop goroutine only.
func (l *Loop) Open() int { return l.slots.open }

// Queued returns how many bytes wait in out queues. Loop goroutine only.
func (l *Loop) Queued() int { return l.outqs.bytes }

// setUp makes the loop's descriptors on its own thread, in its own table if it has one.
func (l *Loop) setUp() error {
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return fmt.Errorf("netpoll: loop %d: epoll_create: %w", l.id, err)
	}
	l.epoll = epoll
	// Edge-triggered, so that the bell need not be read: each ring is an edge.
	ev := sys.NewEpollEvent(unix.EPOLLIN|unix.EPOLLET, bellData)
	if errno := sys.EpollCtl(epoll, unix.EPOLL_CTL_ADD, l.inbox.bell, &ev); errno != 0 {
		return fmt.Errorf("netpoll: loop %d: epoll_ctl: %w", l.id, errno)
	}
	l.openReserve()
	return nil
}

// run serves l until it is stopped. The goroutine that calls it is l's, locked to its thread, and
// everything reachable from l belongs to it, save l.inbox.
func (l *Loop) run() {
	l.now = time.Since(start)
	l.began = l.now
	for !l.stopped {
		n := l.wait()
		l.tickClock()
		for i := range l.events[:n] {
			l.dispatch(&l.events[i])
		}
		l.runPosted()
		l.deliverAgain()
		l.expire()
		l.more = l.handler.Turn()
		l.resumeAccepting()
		l.leave()
		l.checkStalled()
		l.restCorks()
		l.tellSlow()
		l.sweep()
		l.yield()
		l.stats.Turns++
	}
	l.end()
}

// wait returns how many events there are. It sleeps only when the kernel has none and nothing is due;
// the check of the inbox after saying so is what makes a post's missing ring safe.
func (l *Loop) wait() int {
	nap := l.nap
	l.nap = 0
	n, errno := sys.EpollPoll(l.epoll, l.events[:])
	l.accounted = grace
	if n > 0 || l.more || len(l.again) > 0 {
		return n
	}
	timeout := max(l.wheel.idle(), 0)
	if l.ticking || l.acceptPaused || l.leaving || l.outqs.bytes > 0 {
		timeout = min(timeout, tick) // a pause may end and a socket may have stalled, which no event tells
	}
	if nap > 0 {
		timeout = min(timeout, nap)
	}
	l.inbox.asleep.Store(true)
	if l.inbox.waiting.Load() == 0 {
		l.accounted += timeout
		n, errno = l.sleep(timeout)
	}
	l.inbox.asleep.Store(false)
	if errno != 0 && errno != unix.EINTR {
		panic(fmt.Sprintf("netpoll: loop %d: epoll_wait: %v", l.id, errno))
	}
	return n
}

func (l *Loop) sleep(timeout time.Duration) (n int, errno syscall.Errno) {
	begin := time.Since(start)
	n, errno = sys.EpollWaitBlock(l.epoll, l.events[:], int((timeout+time.Millisecond-1)/time.Millisecond))
	if n > 0 && l.config.Gather > 0 && l.below.count == 0 && l.inbox.waiting.Load() == 0 { // edges are told of once
		sys.SleepBlock(l.config.Gather)
		n, errno = sys.EpollPoll(l.epoll, l.events[:])
	}
	l.stats.Waits++
	l.stats.Slept += time.Since(start) - begin
	return n, errno
}

// yield lets the runtime schedule before it insists: where a goroutine has run for 10 ms it sends a signal, and for some
// milliseconds then its monitor looks every 20 microseconds at the system call that the thread is in. That took 5 to 8 % of
// the CPU time of a busy loop; a yield takes 20 microseconds.
func (l *Loop) yield() {
	if busy := l.Busy(); busy-l.yielded >= yieldEvery {
		l.yielded = busy
		runtime.Gosched()
	}
}

// tickClock reads the clock, once a turn.
func (l *Loop) tickClock() {
	now := time.Since(start)
	l.wheel.advance(now-l.now, l.accounted)
	l.now = now
}

// dispatch gives one event to whom it names. A conn that closed since is nobody: its generation is
// over.
func (l *Loop) dispatch(ev *sys.EpollEvent) {
	id := ConnID(sys.EpollData(ev))
	if id.gen() == 0 {
		l.dispatchOwn(id.Slot())
		return
	}
	c := l.slots.get(id)
	if c == nil {
		return
	}
	if c.has(flagDialing) {
		l.connected(c)
		return
	}
	if ev.Events&unix.EPOLLOUT != 0 {
		l.writable(c)
	}
	if ev.Events&^unix.EPOLLOUT != 0 {
		l.readable(c, ev.Events)
	}
}

// dispatchOwn serves the loop's own descriptors: the bell needs nothing, the inbox is looked at in
// every turn.
func (l *Loop) dispatchOwn(n uint32) {
	if n != bellData && int(n) <= len(l.listeners) && l.listeners[n-1].fd >= 0 {
		l.accept(&l.listeners[n-1])
	}
}

// watch tells the kernel what the loop wants to hear of c.
func (l *Loop) watch(c *Conn) {
	if c.Detached() {
		return
	}
	events := uint32(unix.EPOLLRDHUP)
	if !c.has(flagPaused) {
		events |= unix.EPOLLIN
	}
	if c.has(flagWriting | flagDialing) {
		events |= unix.EPOLLOUT
	}
	if l.below.has(c.slot, belowPart) {
		events |= unix.EPOLLET
	}
	ev := sys.NewEpollEvent(events, uint64(l.ID(c)))
	if errno := sys.EpollCtl(l.epoll, unix.EPOLL_CTL_MOD, int(c.fd), &ev); errno != 0 {
		l.Close(c, ClosedReset) // ENOMEM: the kernel cannot watch it any more
	}
}

// Close closes c at the end of the turn: what waits for it is dropped, [Handler.Closed] follows.
// Nothing more is delivered or written meanwhile.
func (l *Loop) Close(c *Conn, why Reason) {
	if !c.has(flagClosing) {
		c.set(flagClosing)
		l.closing = append(l.closing, closing{l.ID(c), why})
	}
}

// sweep finishes the conns that closed in this turn. Their slots become free only now, as a later
// event of the turn may have named them.
func (l *Loop) sweep() {
	l.depart()
	for i := 0; i < len(l.closing); i++ {
		c := l.slots.get(l.closing[i].id)
		l.handler.Closed(c, l.closing[i].why)
		l.release(c, l.closing[i].why)
		l.more = true // the handler may have been left with work for its Turn
	}
	l.closing = l.closing[:0]
	l.attached = l.attached[:0]
	if len(l.leavers) > 0 {
		l.WaitAtMost(time.Millisecond)
	}
}

// release gives back everything that c owns.
func (l *Loop) release(c *Conn, why Reason) {
	l.wheel.unlink(&l.slots, c)
	l.dropInput(c)
	switch {
	case c.out&corkMark != 0:
		l.dropCork(c)
	case c.out != 0:
		l.outqs.drop(c.out)
		c.out = 0
	}
	l.below.end(c.slot)
	if !c.Detached() {
		sys.Close(int(c.fd))
	}
	l.slots.give(c)
	l.stats.Closed[why]++
}

// end closes everything that the loop holds.
func (l *Loop) end() {
	for _, p := range l.inbox.close() {
		if p.Kind == kindMoved {
			l.arrive(p.Item.(*arrival), true)
		}
	}
	l.stay()
	l.Each(func(c *Conn) { l.Close(c, ClosedLoop) })
	l.sweep()
	l.tearDown()
}

// tearDown is the end of setUp's work.
func (l *Loop) tearDown() {
	l.closeListeners()
	for _, fd := range []int{l.reserve, l.epoll} {
		if fd >= 0 {
			sys.Close(fd)
		}
	}
	l.slots.slab.Free()
}
