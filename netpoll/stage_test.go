package netpoll

import (
	"errors"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// patience is how long a test waits for what should come at once.
const patience = 2 * time.Minute

// script is what the conns of a test do. Where a field is nil they echo, and close when they are slow
// or their time is over.
type script struct {
	opened, drained, slow, expired, closed func(l *Loop, c *Conn)

	received func(l *Loop, c *Conn, b []byte) (used, need int)
	turn     func(l *Loop) (more bool)
	record   func(l *Loop, c *Conn, h heard)
	moved    func(l *Loop, c *Conn, carry any)
}

// ending is how a conn ended.
type ending struct {
	id  ConnID
	why Reason
}

// stage is a reactor whose conns play a script, and what they tell of themselves.
type stage struct {
	*Reactor
	t      testing.TB
	actors []*actor
	opened chan ConnID
	moved  chan ConnID
	closed chan ending
	pauses chan pause
}

// pause is what AcceptError was told, and how many turns the loop had done by then.
type pause struct {
	why   syscall.Errno
	turns uint64
}

// open starts a reactor that plays s, on one address of the loopback if config has none. It ends with
// the test, which fails if a conn was not closed exactly once or left something behind.
func open(t testing.TB, config Config, s script) *stage {
	t.Helper()
	st := &stage{t: t, opened: make(chan ConnID, 1<<16), moved: make(chan ConnID, 1<<20), closed: make(chan ending, 1<<16), pauses: make(chan pause, 1<<16)}
	if config.Addresses == nil {
		config.Addresses = []string{"127.0.0.1:0"}
	}
	if config.Loops == 0 {
		config.Loops = 1
	}
	config.NewHandler = func(l *Loop) Handler {
		a := &actor{script: s, l: l, stage: st, state: make(map[ConnID]life)}
		st.actors = append(st.actors, a)
		return a
	}
	config.AcceptError = func(loop int, why syscall.Errno) {
		st.pauses <- pause{why, st.actors[loop].l.Stats().Turns}
	}
	r, err := Open(config)
	if err != nil {
		t.Fatal(err)
	}
	st.Reactor = r
	t.Cleanup(st.end)
	return st
}

// end closes the reactor and looks at what is left.
func (st *stage) end() {
	st.Close()
	for _, a := range st.actors {
		a.checkAllClosed()
		checkEmpty(st.t, a.l)
	}
	for what, b := range map[string]*Budget{"out queues": st.config.Budget, "inputs": st.config.InputBudget} {
		if left := b.Used(); left != 0 {
			st.t.Errorf("the reactor has ended with %d bytes of its budget of %s in use", left, what)
		}
	}
}

// do runs f on a loop and returns when it has.
func (st *stage) do(loop int, f func(l *Loop)) {
	st.t.Helper()
	done := make(chan struct{})
	st.Loops()[loop].Send(Post{Item: func(l *Loop) { defer close(done); f(l) }})
	await(st.t, done, "a post to be handled")
}

// on runs f on the loop of the conn that id names, and returns when it has.
func (st *stage) on(id ConnID, f func(l *Loop, c *Conn)) {
	st.t.Helper()
	st.do(id.Loop(), func(l *Loop) {
		if c := l.Conn(id); c != nil {
			f(l, c)
		} else {
			st.t.Errorf("Conn(%v) = nil; want it open", id)
		}
	})
}

// settle returns when every loop has finished the turn it was in.
func (st *stage) settle() {
	st.t.Helper()
	for i := range st.Loops() {
		st.do(i, func(*Loop) {})
	}
}

// freeze stops the loop of id until the kernel reports one of events, as of poll(2), for its socket.
// What a test does after freeze and up to that event reaches the loop in one turn.
func (st *stage) freeze(id ConnID, events int16) {
	st.t.Helper()
	st.freezeThen(id, events, func(*Loop, *Conn) {})
}

// freezeThen is freeze with a last word to the conn before the loop hears of the event.
func (st *stage) freezeThen(id ConnID, events int16, f func(l *Loop, c *Conn)) {
	st.t.Helper()
	frozen := make(chan struct{})
	st.Loops()[id.Loop()].Send(Post{Item: func(l *Loop) {
		close(frozen)
		c := l.Conn(id)
		if err := pollFor(int(c.fd), events); err != nil {
			st.t.Errorf("poll for %#x: %v", events, err)
		}
		f(l, c)
	}})
	await(st.t, frozen, "the loop to stand still")
}

// hold stops a loop until release is called.
func (st *stage) hold(loop int) (release func()) {
	st.t.Helper()
	held, free := make(chan struct{}), make(chan struct{})
	st.Loops()[loop].Send(Post{Item: func(*Loop) { close(held); <-free }})
	await(st.t, held, "the loop to stand still")
	return func() { close(free) }
}

// connect dials the reactor's first address and returns both ends.
func (st *stage) connect() (net.Conn, ConnID) {
	st.t.Helper()
	client := dial(st.t, st.Addresses()[0])
	return client, await(st.t, st.opened, "Opened")
}

// wantClosed waits for the next conn to close and fails the test if it is not id, for why.
func (st *stage) wantClosed(id ConnID, why Reason) {
	st.t.Helper()
	if got, want := await(st.t, st.closed, "Closed"), (ending{id, why}); got != want {
		st.t.Errorf("closed %v (%v); want %v (%v)", got.id, got.why, want.id, want.why)
	}
}

// life is where a conn stands.
type life uint8

const (
	unborn life = iota
	alive
	dead
)

// actor plays a script on one loop, and checks what a loop promises to every handler.
type actor struct {
	script
	l     *Loop
	stage *stage
	state map[ConnID]life
}

// must fails the test if c is not in the state that an event wants.
func (a *actor) must(c *Conn, want life, event string) ConnID {
	id := a.l.ID(c)
	if a.state[id] != want {
		a.stage.t.Errorf("%s of %v in state %d; want %d", event, id, a.state[id], want)
	}
	return id
}

func (a *actor) Opened(c *Conn) {
	id := a.must(c, unborn, "Opened")
	a.state[id] = alive
	if a.opened != nil {
		a.opened(a.l, c)
	}
	a.stage.opened <- id
}

func (a *actor) Moved(c *Conn, carry any) {
	id := a.must(c, unborn, "Moved")
	a.state[id] = alive
	if a.moved != nil {
		a.moved(a.l, c, carry)
	}
	a.stage.moved <- id
}

func (a *actor) Record(c *Conn, kind byte, b []byte, why syscall.Errno) {
	a.must(c, alive, "Record")
	a.record(a.l, c, heard{kind, string(b), why})
}

func (a *actor) Received(c *Conn, b []byte) (used, need int) {
	a.must(c, alive, "Received")
	if c.has(flagClosing|flagLinger) || len(b) == 0 {
		a.stage.t.Errorf("Received %d bytes of a conn with flags %#x", len(b), c.genFlags&0xff)
	}
	if a.received != nil {
		return a.received(a.l, c, b)
	}
	a.l.Write(c, b)
	return len(b), 0
}

func (a *actor) Drained(c *Conn) {
	a.must(c, alive, "Drained")
	if a.drained != nil {
		a.drained(a.l, c)
	}
}

func (a *actor) Slow(c *Conn) {
	a.must(c, alive, "Slow")
	if a.slow != nil {
		a.slow(a.l, c)
	} else {
		a.l.Close(c, ClosedSlow)
	}
}

func (a *actor) Expired(c *Conn) {
	if a.expired != nil {
		a.expired(a.l, c)
	} else {
		a.l.Close(c, ClosedLocally)
	}
}

func (a *actor) Closed(c *Conn, why Reason) {
	id := a.l.ID(c)
	if a.state[id] == dead {
		a.stage.t.Errorf("Closed of %v a second time", id)
	}
	a.state[id] = dead
	if a.closed != nil {
		a.closed(a.l, c)
	}
	a.stage.closed <- ending{id, why}
}

func (a *actor) Posted(p Post) { p.Item.(func(*Loop))(a.l) }

func (a *actor) Turn() (more bool) { return a.turn != nil && a.turn(a.l) }

// checkAllClosed is for when the loop has ended.
func (a *actor) checkAllClosed() {
	for id, life := range a.state {
		if life != dead {
			a.stage.t.Errorf("%v was opened and never closed", id)
		}
	}
}

// checkEmpty fails the test if a loop that has ended still accounts for something of a conn.
func checkEmpty(t testing.TB, l *Loop) {
	for _, row := range []struct {
		what string
		n    int
	}{
		{"open conns", l.slots.open},
		{"queued bytes", l.outqs.bytes},
		{"out queues", len(l.outqs.table[min(1, len(l.outqs.table)):]) - len(l.outqs.free)},
		{"input buffers", len(l.inputs.table[min(1, len(l.inputs.table)):]) - len(l.inputs.free)},
		{"timers", timers(&l.wheel)},
		{"conns that were to leave", len(l.leavers)},
		{"descriptors whose posts have not come", len(l.early)},
		{"conns with TLS below", l.below.count},
	} {
		if row.n != 0 {
			t.Errorf("loop %d has ended with %d %s; want none", l.id, row.n, row.what)
		}
	}
	checkPool(t, &l.inputs)
}

// timers counts the buckets of w that are not empty.
func timers(w *wheel) (n int) {
	for i, head := range w.heads {
		if head != 0 || w.full[i/64]>>(i%64)&1 != 0 {
			n++
		}
	}
	return n
}

// checkPool fails the test if a buffer went back twice, or more of them than are kept.
func checkPool(t testing.TB, in *inputs) {
	seen := make(map[*byte]bool)
	for class, pool := range in.pool {
		if len(pool) > poolDepth {
			t.Errorf("pool of class %d keeps %d buffers; want at most %d", class, len(pool), poolDepth)
		}
		for _, b := range pool {
			first := &b[:1][0]
			if seen[first] || cap(b) != minInput<<class {
				t.Errorf("pool of class %d: buffer of %d bytes, seen before: %v", class, cap(b), seen[first])
			}
			seen[first] = true
		}
	}
}

// dial connects to an address of a reactor. The conn has a deadline and closes with the test.
func dial(t testing.TB, address string) net.Conn {
	t.Helper()
	return dialWith(t, &net.Dialer{}, address)
}

func dialWith(t testing.TB, d *net.Dialer, address string) net.Conn {
	t.Helper()
	network := "tcp"
	if path, ok := strings.CutPrefix(address, "unix:"); ok {
		network, address = "unix", path
	}
	d.Timeout = patience
	c, err := d.Dial(network, address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if err := c.SetDeadline(time.Now().Add(2 * patience)); err != nil {
		t.Fatal(err)
	}
	return c
}

// narrow is a dialer for peers that take little before they read.
func narrow() *net.Dialer {
	return &net.Dialer{Control: func(_, _ string, c syscall.RawConn) (err error) {
		_ = c.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF, 4<<10) })
		return err
	}}
}

// narrowSend makes the kernel take little from c at a time.
func narrowSend(t testing.TB, c *Conn) {
	if err := unix.SetsockoptInt(int(c.fd), unix.SOL_SOCKET, unix.SO_SNDBUF, 4<<10); err != nil {
		t.Error(err)
	}
}

// await returns the next value of ch, the zero value once it is closed, and fails the test if neither
// happens soon.
func await[T any](t testing.TB, ch <-chan T, what string) T {
	t.Helper()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case v := <-ch:
		return v
	case <-timer.C:
		t.Fatalf("not within %v: %s", patience, what)
		panic("unreachable")
	}
}

// send writes b to c.
func send(t testing.TB, c net.Conn, b []byte) {
	t.Helper()
	if _, err := c.Write(b); err != nil {
		t.Fatal(err)
	}
}

// read returns the next n bytes of c.
func read(t testing.TB, c net.Conn, n int) []byte {
	t.Helper()
	b := make([]byte, n)
	if got, err := io.ReadFull(c, b); err != nil {
		t.Fatalf("read %d of %d bytes: %v", got, n, err)
	}
	return b
}

// readAll returns what c has up to the end of the stream.
func readAll(t testing.TB, c net.Conn) []byte {
	t.Helper()
	b, err := io.ReadAll(c)
	if err != nil {
		t.Fatalf("read to the end: %v after %d bytes", err, len(b))
	}
	return b
}

// wantEcho sends text through c and fails the test if it does not come back.
func wantEcho(t testing.TB, c net.Conn, text string) {
	t.Helper()
	send(t, c, []byte(text))
	if got := string(read(t, c, len(text))); got != text {
		t.Fatalf("echo of %.20q = %.20q", text, got)
	}
}

// halfClose ends c's stream and keeps the other direction.
func halfClose(t testing.TB, c net.Conn) {
	t.Helper()
	if err := c.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
		t.Fatal(err)
	}
}

// reset closes c with a reset.
func reset(t testing.TB, c net.Conn) {
	t.Helper()
	if err := errors.Join(c.(*net.TCPConn).SetLinger(0), c.Close()); err != nil {
		t.Fatal(err)
	}
}

// pollFor waits until the kernel reports one of events for fd.
func pollFor(fd int, events int16) error {
	for deadline := time.Now().Add(patience); ; {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: events}}, int(time.Until(deadline).Milliseconds()))
		switch {
		case n > 0:
			return nil
		case err == nil:
			return unix.ETIMEDOUT
		case !errors.Is(err, unix.EINTR):
			return err
		}
	}
}

// forTables runs f with descriptor tables shared and private.
func forTables(t *testing.T, f func(t *testing.T, tables Tables)) {
	t.Run("shared", func(t *testing.T) { f(t, TablesOff) })
	t.Run("private", func(t *testing.T) { f(t, TablesOn) })
}
