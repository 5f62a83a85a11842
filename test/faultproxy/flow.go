package faultproxy

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// linger is how long a conn that Close has ended waits for both sides to close theirs.
const linger = time.Second

// A segment is a piece of a stream, or its end.
type segment struct {
	data []byte    // owned by the segment
	end  ending    // what follows data
	due  time.Time // when it leaves; zero is at once
}

// An ending is how a stream ends.
type ending uint8

const (
	goesOn ending = iota
	fin           // the sender has closed its side
	rst           // the sender has reset the connection
	finish        // we close both sides
)

// past is a deadline that has been reached.
var past = time.Unix(1, 0)

// A flow carries one stream of a conn: what src sends passes through the stages, waits in the queue until it is due,
// and is written to dst. One goroutine does all of it, a step a turn; whatever it waits for, poke makes it look up.
type flow struct {
	conn     *Conn
	dir      Direction
	src, dst *net.TCPConn // dst is nil in a conn that is swallowed
	raw      syscall.RawConn
	rng      *rand.Rand
	wake     chan struct{} // holds a token while there is something to obey
	ended    chan struct{}
	taken    atomic.Int64 // bytes that src has sent
	passed   atomic.Int64 // bytes that dst has got

	// Goroutine of run only.
	stages   []*stage
	queue    []segment
	queued   int       // bytes in queue
	fed      int64     // bytes that have entered the stages
	got      []byte    // what receive has read
	gotErr   error     // its error
	eof      bool      // src has ended
	draining bool      // nothing is passed on any more
	until    time.Time // when draining ends; zero is never
	over     bool
}

func newFlow(c *Conn, d Direction, src, dst *net.TCPConn) *flow {
	raw, err := src.SyscallConn()
	if err != nil { // only an invalid conn has none
		panic(err)
	}
	f := &flow{
		conn: c, dir: d, src: src, dst: dst, raw: raw, rng: c.random(d),
		wake: make(chan struct{}, 1), ended: make(chan struct{}), draining: dst == nil,
	}
	f.wake <- struct{}{}
	return f
}

// poke makes f look at what has changed. Any goroutine may call it.
func (f *flow) poke() {
	select {
	case f.wake <- struct{}{}:
	default: // it has yet to look at an earlier change
	}
	_ = f.src.SetReadDeadline(past) // a closed socket needs no deadline to wake its reader
	if f.dst != nil {
		_ = f.dst.SetWriteDeadline(past)
	}
}

// poked takes the token.
func (f *flow) poked() bool {
	select {
	case <-f.wake:
		return true
	default:
		return false
	}
}

// run carries the stream until the conn is over.
func (f *flow) run() {
	defer close(f.ended)
	for !f.over {
		f.turn()
	}
}

// turn does the one thing that is next.
func (f *flow) turn() {
	if f.poked() {
		f.obey()
	}
	now := time.Now()
	switch next := f.next(); {
	case f.over:
	case f.expire(now):
	case f.ripe(now):
		f.write()
	case f.roomy():
		f.read(next)
	default:
		f.sleep(next)
	}
}

// obey takes up what others want of the conn.
func (f *flow) obey() {
	p := f.conn.proxy
	p.mu.Lock()
	entries := active(f.dir, p.toxics, f.conn.toxics)
	halved := f.conn.halved
	f.over = f.conn.over
	p.mu.Unlock()
	f.restage(entries)
	if halved&f.dir != 0 && !f.draining {
		f.shut()
	}
	if halved == Both && f.until.IsZero() {
		f.until = time.Now().Add(linger)
	}
}

// restage makes the stages those of entries. One that stays keeps its state; if one goes, what waits may leave.
func (f *flow) restage(entries []*entry) {
	kept := make([]*stage, 0, len(entries))
	gone := len(f.stages)
	for _, e := range entries {
		s := f.stageOf(e)
		if s != nil {
			gone--
		} else {
			s = e.toxic.begin(f)
			s.of = e
		}
		kept = append(kept, s)
	}
	f.stages = kept
	if gone > 0 {
		for i := range f.queue {
			f.queue[i].due = time.Time{}
		}
	}
}

// stageOf returns the stage that stands for e, or nil.
func (f *flow) stageOf(e *entry) *stage {
	for _, s := range f.stages {
		if s.of == e {
			return s
		}
	}
	return nil
}

// shut tells the receiver that the stream has ended, and passes nothing on any more.
func (f *flow) shut() {
	_ = f.dst.CloseWrite() // the receiver may have gone
	f.queue, f.queued, f.draining = nil, 0, true
	if f.eof {
		f.conn.settle(f.dir)
	}
}

// expire does what is due by the clock alone, and says whether there was any.
func (f *flow) expire(now time.Time) bool {
	if isDue(f.until, now) {
		f.until = time.Time{}
		f.conn.settle(Both)
		return true
	}
	for _, s := range f.stages {
		if isDue(s.at, now) {
			s.at = time.Time{}
			s.strike(f.conn)
			return true
		}
	}
	return false
}

// isDue reports whether at is set and has come.
func isDue(at, now time.Time) bool { return !at.IsZero() && !at.After(now) }

// stalled reports whether nothing may be written.
func (f *flow) stalled() bool {
	for _, s := range f.stages {
		if s.stall {
			return true
		}
	}
	return false
}

// ripe reports whether the head of the queue may be written.
func (f *flow) ripe(now time.Time) bool {
	return len(f.queue) > 0 && !f.queue[0].due.After(now) && !f.stalled()
}

// roomy reports whether src may be read.
func (f *flow) roomy() bool { return !f.eof && f.room() > 0 }

// room returns how many bytes may be taken in.
func (f *flow) room() int {
	if f.draining {
		return len(scratch{})
	}
	return f.conn.proxy.buffer - f.queued
}

// next returns when something is due, zero for never.
func (f *flow) next() time.Time {
	at := f.strikes()
	if len(f.queue) > 0 && !f.stalled() {
		at = sooner(at, f.queue[0].due)
	}
	return at
}

// strikes returns when something is due that does not wait in the queue.
func (f *flow) strikes() time.Time {
	at := f.until
	for _, s := range f.stages {
		at = sooner(at, s.at)
	}
	return at
}

// sooner returns the earlier of two times of which zero is never.
func sooner(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// later returns the later of two times.
func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// sleep waits until at or for a poke.
func (f *flow) sleep(at time.Time) {
	var alarm <-chan time.Time
	if !at.IsZero() {
		t := time.NewTimer(time.Until(at))
		defer t.Stop()
		alarm = t.C
	}
	select {
	case <-f.wake:
		f.obey()
	case <-alarm:
	}
}

// read waits until at for bytes and feeds them, or the end of the stream, to the stages.
func (f *flow) read(at time.Time) {
	_ = f.src.SetReadDeadline(at) // a closed socket fails the read
	if len(f.wake) > 0 {          // its deadline may have been overwritten just now
		return
	}
	if err := f.raw.Read(f.receive); err != nil {
		f.over = errors.Is(err, net.ErrClosed)
		return
	}
	if f.poked() { // what arrived after a change must meet it
		f.obey()
	}
	switch {
	case len(f.got) > 0:
		f.feed(segment{data: f.got})
		f.taken.Add(int64(len(f.got)))
	case f.gotErr == nil || errors.Is(f.gotErr, io.EOF):
		f.finishSource(fin)
	default:
		f.finishSource(rst)
	}
	f.got = nil
}

// scratch is what one read may fill.
type scratch [32 << 10]byte

// scratches are used by whoever reads just now, so that a flow that waits holds none.
var scratches = sync.Pool{New: func() any { return new(scratch) }}

// receive reads what fd has, and reports false if it has nothing yet.
func (f *flow) receive(fd uintptr) bool {
	buf := scratches.Get().(*scratch)
	defer scratches.Put(buf)
	n, err := syscall.Read(int(fd), buf[:min(len(buf), f.room())])
	if errors.Is(err, syscall.EAGAIN) || errors.Is(err, syscall.EINTR) {
		return false
	}
	f.got, f.gotErr = bytes.Clone(buf[:max(0, n)]), err
	return true
}

// finishSource notes that nothing comes from src any more.
func (f *flow) finishSource(how ending) {
	f.eof = true
	if f.draining {
		f.conn.settle(f.dir)
		return
	}
	f.feed(segment{end: how})
}

// feed sends s through the stages into the queue, where nothing overtakes.
func (f *flow) feed(s segment) {
	if f.draining {
		return
	}
	s.due = time.Now()
	f.fed += int64(len(s.data))
	for _, s := range pass(f.stages, []segment{s}) {
		if n := len(f.queue); n > 0 {
			s.due = later(s.due, f.queue[n-1].due)
		}
		f.queue = append(f.queue, s)
		f.queued += len(s.data)
	}
}

// write writes the head of the queue, as far as dst takes it.
func (f *flow) write() {
	s := &f.queue[0]
	if len(s.data) == 0 {
		f.close(s.end)
		return
	}
	_ = f.dst.SetWriteDeadline(f.strikes()) // a closed socket fails the write
	if len(f.wake) > 0 {                    // its deadline may have been overwritten just now
		return
	}
	n, err := f.dst.Write(s.data)
	f.passed.Add(int64(n))
	f.queued -= n
	if s.data = s.data[n:]; len(s.data) == 0 {
		f.pop()
	}
	if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		f.conn.Cut()
	}
}

// pop removes the head of the queue, and the queue itself when it is empty.
func (f *flow) pop() {
	f.queue[0] = segment{}
	if f.queue = f.queue[1:]; len(f.queue) == 0 {
		f.queue = nil
	}
}

// close passes the end of the stream on.
func (f *flow) close(how ending) {
	f.pop()
	switch how {
	case fin:
		_ = f.dst.CloseWrite() // the receiver may have gone
		f.conn.settle(f.dir)
	case rst:
		f.conn.Cut()
	case finish:
		f.conn.Close()
	}
}
