package netpoll

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/seed4ac54ce5/edge/internal/sys"
	"golang.org/x/sys/unix"
)

// Tables says whether each loop gets a descriptor table of its own: the limit of open files then
// holds for each loop instead of all, and the kernel takes no lock that cores share.
type Tables uint8

// The choices for descriptor tables.
const (
	TablesAuto Tables = iota // private if a test at start shows that it works here
	TablesOn                 // private, or an error
	TablesOff                // one for the process
)

// ParseTables reads auto, on or off.
func ParseTables(s string) (Tables, error) {
	for i, name := range [...]string{"auto", "on", "off"} {
		if s == name {
			return Tables(i), nil
		}
	}
	return 0, fmt.Errorf("%q is not auto, on or off", s)
}

// MaxLoops is how many loops a reactor may have: a [ConnID] has 8 bits for one.
const MaxLoops = 256

// Config says what a reactor is made of.
type Config struct {
	Loops      int        // 0 is one for each CPU the process may use
	Addresses  []string   // host:port, host:first-last, unix:path; none for loops that only dial
	Listeners  []*os.File // sockets that listen already, besides Addresses; the reactor takes them over, and all loops share them
	Tables     Tables
	NewHandler func(l *Loop) Handler // called for each loop before anything runs

	QueueLimit int     // bytes that may wait for one conn, and a third more for one without a socket; 0 is 1 MiB
	Budget     *Budget // of what waits for all conns; nil is no limit

	// InputBudget counts the memory of what handlers have left of their conns' bytes; nil is a count of no interest. It is
	// for the handlers to hold conns against its limit.
	InputBudget *Budget

	StallLimit time.Duration // how long a socket may take nothing; 0 is 10 s
	Gather     time.Duration // how long a loop that was woken lets more events come before it serves them; 0 is not at all, as is TLS below conns
	Refusal    []byte        // sent to connections that are refused for want of descriptors

	// Records do TLS below the conns for which a handler calls [Loop.StartTLS]; nil is the kernel.
	Records RecordLayer

	// AcceptError is told, on the loop's goroutine, why accepting pauses. It may be nil.
	AcceptError func(loop int, why syscall.Errno)
}

// Reactor is a set of loops that listen on the same addresses.
type Reactor struct {
	config    Config
	loops     []*Loop
	listeners []listener // those that the loops share
	passages  []passage  // the process's descriptors of them, until each loop has its own
	endpoints []endpoint
	private   bool
	why       error // why tables are not private, under auto
	running   sync.WaitGroup
	unlinked  sync.Once
	closed    sync.Once
}

// Open binds the addresses and starts the loops. When it returns, all of them accept connections.
func Open(config Config) (*Reactor, error) {
	endpoints, err := parseEndpoints(config.Addresses)
	if err != nil {
		return nil, err
	}
	r := &Reactor{config: withDefaults(config), endpoints: endpoints}
	if r.config.Loops < 1 || r.config.Loops > MaxLoops {
		return nil, fmt.Errorf("netpoll: %d loops; there may be 1 to %d", r.config.Loops, MaxLoops)
	}
	giveRoom(r.config.Loops)
	if err := r.chooseTables(); err != nil {
		return nil, err
	}
	if err := r.prepare(); err != nil {
		r.release()
		return nil, err
	}
	if err := r.startLoops(); err != nil {
		r.Close()
		return nil, err
	}
	r.closeShared()
	return r, nil
}

// cpus is how many the process may use, as Go finds it before any reactor changes GOMAXPROCS.
var cpus = runtime.GOMAXPROCS(0)

func withDefaults(c Config) Config {
	if c.Loops == 0 {
		c.Loops = min(cpus, MaxLoops)
	}
	if c.QueueLimit == 0 {
		c.QueueLimit = 1 << 20
	}
	if c.Budget == nil {
		c.Budget = NewBudget(0)
	}
	if c.InputBudget == nil {
		c.InputBudget = NewBudget(0)
	}
	if c.Records == nil {
		c.Records = kernelRecords{}
	}
	if c.StallLimit == 0 {
		c.StallLimit = 10 * time.Second
	}
	c.StallLimit = min(c.StallLimit, farthest)
	if c.AcceptError == nil {
		c.AcceptError = func(int, syscall.Errno) {}
	}
	return c
}

// giveRoom lets the Go scheduler run every loop at once, with a place left for each CPU. A loop with work does not
// yield, so with fewer places than loops one would wait for another's turn of the scheduler, 10 ms, however short
// its own work; the kernel, left to choose, runs first who has waited longest.
func giveRoom(loops int) {
	if want := loops + runtime.NumCPU(); runtime.GOMAXPROCS(0) < want {
		runtime.GOMAXPROCS(want)
	}
}

// chooseTables decides whether the loops get descriptor tables of their own.
func (r *Reactor) chooseTables() error {
	// Whatever is chosen: a reactor opened later in this process may want private tables, and the
	// runtime's poller can be told from ours only before we have one.
	r.why = sys.FindRuntimePoller()
	if r.config.Tables == TablesOff {
		return nil
	}
	if r.why == nil {
		r.why = sys.TestPrivateTable()
	}
	r.private = r.why == nil
	if r.config.Tables == TablesOn && !r.private {
		return fmt.Errorf("netpoll: private descriptor tables do not work here: %w", r.why)
	}
	return nil
}

// PrivateTables reports whether each loop has a descriptor table of its own, and if the test at start
// spoke against it, why.
func (r *Reactor) PrivateTables() (bool, error) { return r.private, r.why }

// prepare makes the loops and what they share: bells, which every loop must be able to ring, passages, and
// listeners of which there is only one.
func (r *Reactor) prepare() error {
	if err := r.prepareListeners(); err != nil {
		return err
	}
	for i := range r.config.Loops {
		bell, err := unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC)
		if err != nil {
			return fmt.Errorf("netpoll: loop %d: eventfd: %w", i, err)
		}
		l := newLoop(i, &r.config, bell)
		l.private = r.private
		r.loops = append(r.loops, l)
		if err := r.preparePassage(l); err != nil {
			return fmt.Errorf("netpoll: loop %d: %w", i, err)
		}
	}
	for _, l := range r.loops {
		l.loops = r.loops
		l.handler = r.config.NewHandler(l)
	}
	return nil
}

// preparePassage makes the way by which descriptors come to l. In a table that the loops share, numbers are enough.
func (r *Reactor) preparePassage(l *Loop) (err error) {
	if !r.private {
		return nil
	}
	if l.passage, err = openPassage(); err == nil {
		r.passages = append(r.passages, l.passage)
	}
	return err
}

// prepareListeners opens the listeners that the loops share, and looks whether the other addresses are free.
func (r *Reactor) prepareListeners() error {
	for _, f := range r.config.Listeners {
		ln, err := adopt(f, r.config.StallLimit)
		if err != nil {
			return err
		}
		r.listeners = append(r.listeners, ln)
	}
	for _, at := range r.endpoints {
		if at.path == "" {
			if err := checkFree(at); err != nil {
				return err
			}
			continue
		}
		ln, err := listenUnix(at)
		if err != nil {
			return err
		}
		r.listeners = append(r.listeners, ln)
	}
	return nil
}

// startLoops starts one loop after the other: the first to bind a port 0 decides the port for all.
// They begin to serve when all of them have bound.
func (r *Reactor) startLoops() error {
	if len(r.loops) > runtime.NumCPU() {
		_ = sys.RelaxMonitor() // it may not be allowed, and is needed for nothing
	}
	begin := make(chan bool)
	defer close(begin) // a value for each loop that may run; closing means that one has failed
	for _, l := range r.loops {
		ready := make(chan error)
		r.running.Add(1)
		sys.OnOwnThread(func() { r.serve(l, ready, begin) })
		if err := <-ready; err != nil {
			return err
		}
	}
	for range r.loops {
		begin <- true
	}
	return nil
}

// serve is the whole life of a loop's goroutine, on a thread that ends with it, and with the thread a
// private table.
func (r *Reactor) serve(l *Loop, ready chan<- error, begin <-chan bool) {
	defer r.running.Done()
	err := r.setUp(l)
	ready <- err
	if err == nil && <-begin {
		l.run()
		return
	}
	l.inbox.close()
	l.tearDown()
}

// setUp gives l, on its own thread, its table, its epoll set and its listeners.
func (r *Reactor) setUp(l *Loop) error {
	_ = sys.KeepTime() // it may not be known here, and without it timers are late by a millisecond at the most
	if r.private {
		if err := sys.UnshareTable(r.shareable(l)); err != nil {
			return err
		}
	}
	if err := l.setUp(); err != nil {
		return err
	}
	for _, ln := range r.listeners {
		if err := l.listen(ln); err != nil {
			return err
		}
	}
	return r.listenPorts(l)
}

func (r *Reactor) listenPorts(l *Loop) error {
	for i, at := range r.endpoints {
		if at.path != "" {
			continue
		}
		ln, err := listenTCP(at, r.config.StallLimit)
		if err != nil {
			return err
		}
		r.endpoints[i] = ln.at
		if err := l.listen(ln); err != nil {
			sys.Close(ln.fd)
			return err
		}
	}
	return nil
}

// shareable lists the descriptors that l keeps in its table: what every loop keeps, and its own end of its passage.
func (r *Reactor) shareable(l *Loop) []int {
	fds := []int{l.passage.in}
	for _, l := range r.loops {
		fds = append(fds, l.inbox.bell, l.passage.out)
	}
	for _, ln := range r.listeners {
		fds = append(fds, ln.fd)
	}
	return fds
}

// SharedDescriptors returns how many descriptors of the others are in the table of each of so many loops: everybody's bell, and
// the end of everybody's passage.
func SharedDescriptors(loops int) int { return 2 * loops }

// Loops returns the loops, in the order of their numbers.
func (r *Reactor) Loops() []*Loop { return r.loops }

// Addresses returns where the reactor listens, with the ports that the kernel chose.
func (r *Reactor) Addresses() []string {
	var as []string
	for _, e := range r.endpoints {
		as = append(as, e.String())
	}
	for _, ln := range r.listeners {
		if ln.lent {
			as = append(as, ln.at.String())
		}
	}
	return as
}

// StopListening closes the listening sockets. Conns stay, and nobody is lost who is connected or about to be: new clients
// go unanswered from now on, those whose handshake is under way come to be conns, and a quarter of a second later the sockets
// close. A Unix socket ends at once, and its file is gone when StopListening returns. See [Reactor.Listening].
func (r *Reactor) StopListening() {
	r.unlink()
	for _, l := range r.loops {
		l.Send(Post{Kind: kindStopListening})
	}
}

// Listening reports whether a loop still accepts connections. Any goroutine.
func (r *Reactor) Listening() bool {
	return slices.ContainsFunc(r.loops, func(l *Loop) bool { return l.listening.Load() })
}

// Close ends the loops and all conns, and returns when the last thread is gone.
func (r *Reactor) Close() {
	r.closed.Do(func() {
		for _, l := range r.loops {
			l.Post(Post{Kind: kindStop})
			l.Wake() // whoever else may owe it a ring
		}
		r.running.Wait()
		r.release()
	})
}

// release closes what belongs to no loop.
func (r *Reactor) release() {
	r.closeShared()
	r.unlink()
	for _, l := range r.loops {
		l.inbox.closeBell()
	}
}

// closeShared lets go of what the loops listen on together and of their passages, if that has not been done: the reactor's own hold
// on them would keep sockets alive after the loops have closed theirs.
func (r *Reactor) closeShared() {
	for i := range r.listeners {
		ln := &r.listeners[i]
		if ln.fd < 0 {
			continue // nothing changes once the reactor is open
		}
		if r.private || ln.shared.leave() {
			sys.Close(ln.fd)
		}
		ln.fd = -1
	}
	for _, p := range r.passages {
		sys.Close(p.in)
		sys.Close(p.out)
	}
	r.passages = nil
}

// unlink removes the socket files, once: a file that stands in such a place later is a successor's.
func (r *Reactor) unlink() {
	r.unlinked.Do(func() {
		for _, ln := range r.listeners {
			if !ln.lent {
				_ = os.Remove(ln.at.path) // already gone is fine
			}
		}
	})
}
