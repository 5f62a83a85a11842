package bench

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"runtime"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"github.com/seed4ac54ce5/edge/frame"
	"github.com/seed4ac54ce5/edge/netpoll"
	"golang.org/x/sys/unix"
)

// run is one run of the flooder.
type run struct {
	// Set before the loops run.
	options      Options
	tables       netpoll.Tables
	routes       *routes
	requests     []request // by target
	dialect      dialect   // of Socket.IO, if that is spoken
	steps        *pool     // of TLS handshakes, nil without TLS
	loops        int
	pendingLimit int // connections under way to ready, on each loop
	begin        time.Time
	share        share
	crew         crew // the other processes of the run; nil if there are none

	// Any goroutine.
	changed chan struct{} // a driver has come to a milestone

	// By room, each written by the loop of its publisher, or by the publisher over the API.
	published []uint32

	// Of the goroutine that called Run.
	ctx     context.Context
	reactor *netpoll.Reactor
	drivers []*driver
	probe   *probe
	late    *hdrhistogram.Histogram // of the metronomes' beats, those that have stopped
	watch   *timeline
	display display
	report  *Report
}

// request is how to open a WebSocket to a target, or how to poll it.
type request struct {
	asked *frame.ClientRequest
	wire  []byte
	poll  pollRequest
}

// maxPending bounds the connections under way to ready, over all loops: no more than what fits the
// queues in which a server's listeners keep them.
const maxPending = 2048

// Run does what o says, until ctx ends, and reports. The report is good also if ctx ended it early.
// An error means that there is none: it wraps ErrUsage if o is wrong.
func Run(ctx context.Context, o Options) (*Report, error) {
	r, err := newRun(ctx, o.withDefaults(), shareOf(&o))
	if err != nil {
		return nil, err
	}
	if r.options.Workers > 0 {
		return r.coordinate()
	}
	if err := r.carryOut(); err != nil {
		return nil, err
	}
	return r.report, nil
}

// carryOut does all that there is to do in a run, for its report.
func (r *run) carryOut() error {
	// The metronome and the probe must not wait for a loop's turn to end. Another run may be under way: it is never lowered.
	runtime.GOMAXPROCS(max(runtime.GOMAXPROCS(0), runtime.NumCPU()+2))
	if err := r.open(); err != nil {
		return err
	}
	defer r.steps.stop()
	defer r.reactor.Close()
	defer r.probe.stop()
	defer r.watch.stop()
	defer r.display.done()
	if err := r.muster(); err != nil {
		return err
	}
	r.play()
	r.finish()
	return nil
}

func newRun(ctx context.Context, o Options, s share) (*run, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	if o.alone() {
		o.Rooms = o.Connections
	}
	if o.ServerPID != 0 {
		if _, err := processCPU(o.ServerPID); err != nil {
			return nil, fmt.Errorf("%w: --server-pid %d: want a process that is there: %w", ErrUsage, o.ServerPID, err)
		}
	}
	routes, err := newRoutes(&o)
	if err != nil {
		return nil, err
	}
	r := &run{
		ctx:       ctx,
		options:   o,
		routes:    routes,
		begin:     time.Now(),
		share:     s,
		changed:   make(chan struct{}, 1),
		published: make([]uint32, o.Rooms),
		display:   newDisplay(&o),
		report:    newReport(&o),
		late:      newLateness(),
	}
	if r.tables, err = netpoll.ParseTables(o.PrivateTables); err != nil {
		return nil, err
	}
	if o.Protocol == SocketIO {
		if r.dialect, err = newDialect(&o); err != nil {
			return nil, err
		}
	}
	if r.loops, err = r.chooseLoops(); err != nil {
		return nil, err
	}
	r.pendingLimit = min(max(maxPending/r.loops/int(s.workers), 16), 512)
	for i := range routes.targets {
		t := routes.targets[i]
		t.path = r.path(&t)
		asked := t.request("")
		r.requests = append(r.requests, request{asked, frame.AppendRequest(nil, asked), newPollRequest(&t)})
	}
	return r, nil
}

// runTag tells the rooms of this run from those of others.
func runTag() string {
	var b [2]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

// perLoop is how many connections one loop serves without strain.
const perLoop = 100_000

// chooseLoops returns how many loops there are to be: enough for the descriptors, if each loop has a
// table of its own, and up to one for each CPU.
func (r *run) chooseLoops() (int, error) {
	connections := r.share.of(r.total())
	if connections == 0 {
		return 1, nil // a coordinator's
	}
	if r.options.Loops > 0 {
		return r.options.Loops, nil
	}
	loops := min(1+connections/perLoop, uint32(runtime.NumCPU()), netpoll.MaxLoops)
	if r.tables != netpoll.TablesOff {
		var limit unix.Rlimit
		if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
			return 0, fmt.Errorf("bench: limit of open files: %w", err)
		}
		if r.options.polls() && r.options.Scenario != Idle && r.options.Scenario != Fanout {
			connections *= 2 // who says much has a second connection for that
		}
		loops = loopsFor(connections, limit.Cur, loops)
	}
	return int(loops), nil
}

// loopsFor returns how many loops have room for so many connections under a limit of open files, least or more.
func loopsFor(connections uint32, limit uint64, least uint32) uint32 {
	for least < netpoll.MaxLoops && uint64(least)*uint64(perTable(limit, least)) < uint64(connections) {
		least++
	}
	return least
}

// perTable returns how many connections each of so many loops can have under a limit of open files: its table also has what it shares
// with the others, and some of its own.
func perTable(limit uint64, loops uint32) uint32 {
	const own, least = 64, 64
	others := uint64(netpoll.SharedDescriptors(int(loops)))
	return uint32(min(max(limit, own+others+least)-own-others, maxConnections))
}

// total returns how many connections there are, publishers included.
func (r *run) total() uint32 {
	n := r.options.Connections
	if r.options.publishes() {
		n += r.options.Publishers
	}
	return uint32(n)
}

// clock returns the nanoseconds since the run began, which never go back.
func (r *run) clock() int64 { return int64(time.Since(r.begin)) }

func (r *run) requestOf(number uint32) *request {
	return &r.requests[number%uint32(len(r.requests))]
}

func (r *run) newPlay(d *driver) play {
	switch r.options.Scenario {
	case Echo:
		return &echoPlay{d: d}
	case Churn:
		return &churnPlay{d: d}
	case Storm:
		return newStormPlay(d)
	case Slow:
		return newSlowPlay(d)
	case Mixed, Soak:
		return newMixPlay(d)
	default:
		return &roomsPlay{d: d}
	}
}

// gather is how long a loop of a very large load lets events come together. Many more threads than CPUs, each woken
// for one delivery or ping at a time, would use up the machine that the server runs on too: a millisecond for each loop that a CPU
// has keeps that below a thousand times a second. Latencies contain it, as the report says; the probe and small loads are not held up.
func gather(connections, loops int) time.Duration {
	if connections < 200_000 {
		return 0
	}
	return time.Duration(max(loops/runtime.NumCPU(), 2)) * time.Millisecond
}

// open starts the loops and the probe.
func (r *run) open() (err error) {
	wait := gather(int(r.share.of(r.total())), r.loops)
	r.report.LoadSide.Gathers = wait.Milliseconds()
	r.reactor, err = netpoll.Open(netpoll.Config{
		Loops:      r.loops,
		Tables:     r.tables,
		QueueLimit: 64 << 20, // a pipeline's worth, and more; what a server does not read is its loss
		StallLimit: time.Minute,
		Gather:     wait,
		NewHandler: func(l *netpoll.Loop) netpoll.Handler {
			d := newDriver(l, r)
			r.drivers = append(r.drivers, d)
			return d
		},
	})
	if err != nil {
		return err
	}
	r.report.PrivateTables, _ = r.reactor.PrivateTables()
	r.report.Loops = r.loops
	r.watch = startTimeline(r)
	r.display.live = &r.watch.shown
	for i := range r.routes.targets {
		if r.routes.targets[i].secure != nil && r.steps == nil {
			r.steps = newPool()
		}
	}
	if r.options.Protocol != SocketIO { // the probe speaks no other
		r.probe = startProbe(&r.routes.targets[0], r.routes.proxy, r.connectRequest(0), r.options.Probe)
	}
	return nil
}

// notify tells the run that there is something to look at. Any goroutine; it never blocks.
func (r *run) notify() {
	select {
	case r.changed <- struct{}{}:
	default:
	}
}

// tell has f called on every loop.
func (r *run) tell(f func(*driver)) {
	for _, d := range r.drivers {
		d.loop.Send(netpoll.Post{Item: f})
	}
}

// ask has f called on one loop after the other, and returns when all have.
func (r *run) ask(f func(*driver)) {
	for _, d := range r.drivers {
		d.do(func() { f(d) })
	}
}

// lookEvery is how often a run looks at its counters when nobody tells it to.
const lookEvery = 100 * time.Millisecond

// await returns when cond holds, or with false when quit is closed or no counter has moved for the time given.
func (r *run) await(quit <-chan struct{}, stall time.Duration, cond func(progress) bool) bool {
	return r.decided("await", func() int64 { return truth(r.awaitHere(quit, stall, cond)) }) == 1
}

// truth returns 1 for true, as a decision.
func truth(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

func (r *run) awaitHere(quit <-chan struct{}, stall time.Duration, cond func(progress) bool) bool {
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	var last progress
	moved := time.Now()
	for {
		now := r.look()
		if cond(now) {
			return true
		}
		if now != last {
			last, moved = now, time.Now()
		}
		if time.Since(moved) > stall {
			return false
		}
		select {
		case <-r.changed:
		case <-look.C:
		case <-quit:
			return false
		}
	}
}

// look shows how far the run has come, and says what has become of its workers.
func (r *run) look() progress {
	if c, ok := r.crew.(*coordinator); ok {
		c.tell()
	}
	now := r.progress()
	r.display.update(now)
	return now
}

// wait lets d pass, less if the run is interrupted.
func (r *run) wait(d time.Duration) {
	r.together("wait", func() { r.waitHere(d) })
}

func (r *run) waitHere(d time.Duration) {
	end := time.NewTimer(d)
	defer end.Stop()
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	for {
		select {
		case <-look.C:
			r.look()
		case <-end.C:
			return
		case <-r.ctx.Done():
			return
		}
	}
}

// phase begins a part of the run: what the probe sees from here on, and what the display shows, is its.
func (r *run) phase(name string, total uint64, count func(progress) uint64) {
	r.together("phase "+name, func() {})
	if r.share.partial() {
		total = 0 // nobody knows how many of them are this process's
	}
	r.display.phase(name, total, count, r.progress())
	r.probe.phase(name)
	r.watch.enter(name)
}

// readMemory notes what is in use, under a name.
func (r *run) readMemory(name string) {
	m, err := readMemory(r.options.ServerPID)
	if err != nil {
		r.warn("memory could not be read: " + err.Error())
		return
	}
	r.report.Memory = append(r.report.Memory, MemoryAt{At: name, memory: m})
}

func (r *run) warn(text string) { r.report.Warnings = append(r.report.Warnings, text) }

// sample is where the counters and the clocks stand at a moment.
type sample struct {
	at      time.Time
	counted progress
	server  time.Duration
	own     time.Duration
	machine machineCPU
	loops   []loopTime
}

// sample takes one. A server whose time cannot be read has used what the timeline saw last.
func (r *run) sample() sample {
	r.together("sample", func() {})
	s, err := r.clocks()
	if err != nil {
		r.warn("CPU time could not be read: " + err.Error())
	}
	s.server = max(s.server, r.watch.serverTime()) // it may be gone
	r.ask(func(d *driver) { s.loops = append(s.loops, d.time()) })
	return s
}

// clocks takes one without the loops' times. Any goroutine.
func (r *run) clocks() (sample, error) {
	s := sample{at: time.Now(), counted: r.progress()}
	var errs [3]error
	if r.options.ServerPID != 0 {
		s.server, errs[0] = processCPU(r.options.ServerPID)
	}
	s.own, errs[1] = processCPU(os.Getpid())
	s.own += r.ownElsewhere()
	s.machine, errs[2] = readMachineCPU()
	return s, errors.Join(errs[:]...)
}
