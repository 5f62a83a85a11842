package bench

import (
	"context"
	"crypto/hmac"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// errCrew means that a run cannot begin, or not go on, for want of those who share it.
var errCrew = errors.New("bench: shared run")

// coordinator leads the workers of a run through it and puts together what they find. It plays the scenario
// as they do, without connections, and its clock is the run's.
type coordinator struct {
	run       *run
	signal    context.Context // ends when the run is to end early
	interrupt func()          // cancels run.ctx, which happens at a step only, so that no process runs ahead of another
	listener  net.Listener
	serving   sync.WaitGroup

	mu      sync.Mutex // guards what follows
	mates   []*mate    // by number, once the run begins; whoever is there, before
	joined  bool       // all are there
	reckons bool       // what is due to whose members is known
	over    bool       // nobody is expected to stay
	pending map[net.Conn]bool
	notes   []string // to say when nothing else is being said
}

// mate is a worker as its coordinator sees it. The coordinator's lock guards all but link and name.
type mate struct {
	link *link
	name string // as it calls itself, and where it is

	proof    []byte // ours, for its nonce
	arrived  *message
	progress progress
	cpu      time.Duration
	census   []uint32 // its members of each room
	due      uint64   // publications that have to come to them, once the coordinator has reckoned that
	gone     error    // why it is lost
}

// coordinate has the workers that r waits for do what it says.
func (r *run) coordinate() (*Report, error) {
	c := &coordinator{run: r, signal: r.ctx, pending: make(map[net.Conn]bool)}
	r.ctx, c.interrupt = context.WithCancel(context.WithoutCancel(r.ctx))
	defer c.interrupt()
	r.crew = c
	err := c.recruit()
	if err == nil {
		err = r.carryOut()
	}
	c.dismiss(err)
	if err != nil {
		return nil, err
	}
	return r.report, nil
}

// recruit returns when all workers have joined and know what they are to do.
func (c *coordinator) recruit() (err error) {
	if c.listener, err = net.Listen("tcp", c.run.options.Listen); err != nil {
		return fmt.Errorf("%w: --listen %s: %w", ErrUsage, c.run.options.Listen, err)
	}
	c.serving.Go(c.accept)
	c.run.say("waiting for %d workers at %s\n", c.run.options.Workers, c.listener.Addr())
	for !c.begin() {
		select {
		case <-c.run.changed:
			c.tell()
		case <-c.signal.Done():
			return fmt.Errorf("%w: interrupted before all %d workers had joined", errCrew, c.run.options.Workers)
		}
	}
	c.run.say("all %d workers have joined\n", c.run.options.Workers)
	return nil
}

// accept greets all who come, also those who are too many.
func (c *coordinator) accept() {
	for {
		conn, err := c.listener.Accept()
		if err != nil {
			return // dismiss has closed it
		}
		c.mu.Lock()
		if c.over || len(c.pending) == maxWorkers {
			hangUp(conn)
		} else {
			c.pending[conn] = true
			c.serving.Go(func() { c.serve(conn) })
		}
		c.mu.Unlock()
	}
}

// serve sees who is at the other end of conn, and listens to it if it is a worker of this run.
func (c *coordinator) serve(conn net.Conn) {
	defer hangUp(conn)
	m, err := c.greet(conn)
	c.mu.Lock()
	delete(c.pending, conn)
	if err == nil {
		err = c.enlist(m)
	}
	c.mu.Unlock()
	if err != nil {
		c.note(fmt.Sprintf("%s is not let in: %v\n", conn.RemoteAddr(), err))
		_ = newLink(conn).send(welcome{Refused: err.Error()}) // who is gone needs no answer
		return
	}
	c.run.notify()
	c.listen(m)
}

// note has text said by the goroutine that leads.
func (c *coordinator) note(text string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.notes) < maxWorkers {
		c.notes = append(c.notes, text)
	}
	c.run.notify()
}

// tell says what there is to say.
func (c *coordinator) tell() {
	c.mu.Lock()
	notes := c.notes
	c.notes = nil
	c.mu.Unlock()
	if len(notes) > 0 {
		c.run.display.clear()
	}
	for _, text := range notes {
		c.run.say("%s", text)
	}
}

// greet has conn show that it is a worker which understands us and has the key.
func (c *coordinator) greet(conn net.Conn) (*mate, error) {
	m := &mate{link: newLink(conn)}
	if err := conn.SetDeadline(time.Now().Add(helloTimeout)); err != nil {
		return nil, err
	}
	ours := greeting{linkVersion, newNonce()}
	if err := m.link.send(ours); err != nil {
		return nil, err
	}
	var h hello
	if err := m.link.receiveHello(&h); err != nil {
		return nil, fmt.Errorf("what it says is no worker's hello: %w", err)
	}
	if h.Version != linkVersion {
		return nil, fmt.Errorf("the coordinator speaks version %d of the protocol and the worker version %d: run the same edge everywhere", linkVersion, h.Version)
	}
	key := c.run.options.JoinKey
	if !hmac.Equal(h.Proof, proof(key, "worker", ours.Nonce, h.Nonce)) {
		return nil, errors.New("the keys differ: write the same --join-key everywhere")
	}
	m.proof = proof(key, "coordinator", ours.Nonce, h.Nonce)
	m.name = plain(h.Name) + " at " + conn.RemoteAddr().String()
	return m, conn.SetDeadline(time.Time{})
}

// plain returns what a peer calls itself such that it can be printed.
func plain(name string) string {
	return strings.Trim(strconv.QuoteToASCII(name[:min(len(name), 64)]), `"`)
}

// enlist makes m one of the workers, if there is room. c.mu is held.
func (c *coordinator) enlist(m *mate) error {
	if c.joined || c.over || len(c.mates) == c.run.options.Workers {
		return fmt.Errorf("the run has its %d workers: write more as --workers of the coordinator", c.run.options.Workers)
	}
	c.mates = append(c.mates, m)
	c.notes = append(c.notes, fmt.Sprintf("%s has joined\n", m.name))
	return nil
}

// listen takes in what m says until it is gone.
func (c *coordinator) listen(m *mate) {
	for {
		var in message
		err := m.link.receive(&in)
		if err == nil && in.Bye != "" {
			err = errors.New(plain(in.Bye))
		}
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			err = fmt.Errorf("says nothing for %v", c.run.options.patience)
		case errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET):
			err = fmt.Errorf("has died or is cut off: %w", err)
		}
		if err != nil {
			c.leave(m, err)
			return
		}
		c.take(m, &in)
	}
}

// take notes one message of m.
func (c *coordinator) take(m *mate, in *message) {
	c.mu.Lock()
	if in.Clock != nil {
		in.Clock.Is = c.run.clock()
	}
	if in.Progress != nil {
		m.progress, m.cpu = *in.Progress, in.CPU
	}
	if in.Step != "" {
		m.arrived = in
	}
	c.mu.Unlock()
	c.run.notify()
	if in.Clock != nil {
		if err := m.link.send(&message{Clock: in.Clock}); err != nil {
			c.unsent(m, err)
		}
	}
}

// unsent deals with a message that m does not take. One that has hung up may have said why: whoever listens to it reads that.
func (c *coordinator) unsent(m *mate, err error) {
	if !errors.Is(err, syscall.EPIPE) && !errors.Is(err, syscall.ECONNRESET) {
		c.leave(m, err)
	}
}

// leave notes that m is lost, and why.
func (c *coordinator) leave(m *mate, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lose(m, err)
}

// lose is leave with c.mu held. Before the run begins another worker can take the place.
func (c *coordinator) lose(m *mate, err error) {
	m.link.close()
	defer c.run.notify()
	if !c.joined {
		for i, other := range c.mates {
			if other == m {
				c.mates = append(c.mates[:i], c.mates[i+1:]...)
				c.notes = append(c.notes, fmt.Sprintf("%s has left again: %v\n", m.name, err))
				break
			}
		}
		return
	}
	if m.gone != nil || c.over {
		return
	}
	m.gone = err
	c.notes = append(c.notes, fmt.Sprintf("%s is lost, and its connections with it: %v\n", m.name, err))
	for _, other := range c.mates {
		if other.gone == nil {
			return
		}
	}
	c.interrupt() // nobody is left who could run ahead
}

// begin starts the run's clock and tells all workers what to do, once all are there.
func (c *coordinator) begin() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.mates) < c.run.options.Workers {
		return false
	}
	c.joined = true
	c.run.begin = time.Now()
	options := c.run.options.forWorkers()
	base := c.run.timeBase()
	for i, m := range c.mates {
		m.link.hurry(c.run.options.patience)
		err := m.link.send(welcome{
			Proof: m.proof, Worker: uint32(i), Options: options, Secret: c.run.options.TokenSecret != "", Base: base,
		})
		if err != nil {
			c.lose(m, err)
		}
	}
	return true
}

// meet waits for all workers at a step, leads it, and lets them go on.
func (c *coordinator) meet(step string, _ *message, lead func(given []*message) *message) *message {
	given := c.gather(step)
	stop := context.AfterFunc(c.signal, c.interrupt)
	m := lead(given)
	if !stop() {
		c.interrupt()
	}
	m.Step, m.Interrupted = step, c.run.ctx.Err() != nil
	for _, to := range c.present() {
		if err := to.link.send(m); err != nil {
			c.unsent(to, err)
		}
	}
	return m
}

// gather returns what each worker gives at a step once all have come to it, nil for those who are lost.
func (c *coordinator) gather(step string) []*message {
	late := time.NewTimer(2 * c.run.options.patience) // who says nothing is found out before
	defer late.Stop()
	for {
		c.tell()
		given, missing := c.arrivals(step)
		if len(missing) == 0 {
			return given
		}
		select {
		case <-c.run.changed:
		case <-late.C:
			for _, m := range missing {
				c.leave(m, fmt.Errorf("does not come to %q", step))
			}
		}
	}
}

// arrivals returns what has been given at a step, and who has not come to it yet.
func (c *coordinator) arrivals(step string) (given []*message, missing []*mate) {
	c.mu.Lock()
	defer c.mu.Unlock()
	given = make([]*message, len(c.mates))
	for i, m := range c.mates {
		if m.gone == nil && m.arrived != nil {
			if err := c.check(step, m.arrived); err != nil {
				c.lose(m, err)
			}
		}
		switch {
		case m.gone != nil:
		case m.arrived == nil:
			missing = append(missing, m)
		default:
			given[i] = m.arrived
		}
	}
	if len(missing) > 0 {
		return nil, missing
	}
	for i, m := range c.mates {
		m.arrived = nil
		if step == censusStep && given[i] != nil {
			m.census = given[i].Rooms
		}
	}
	c.over = c.over || step == findingsStep
	return given, nil
}

// check returns what is wrong with what a worker gives.
func (c *coordinator) check(step string, m *message) error {
	if m.Step != step {
		return fmt.Errorf("out of step: it is at %+q and the others at %q: run the same edge everywhere", m.Step, step)
	}
	for _, rooms := range [][]uint32{m.Rooms, m.Heard} {
		if len(rooms) != 0 && len(rooms) != c.run.options.Rooms {
			return fmt.Errorf("counts %d rooms; want %d", len(rooms), c.run.options.Rooms)
		}
	}
	return nil
}

// present returns the workers that are not lost.
func (c *coordinator) present() (present []*mate) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, m := range c.mates {
		if m.gone == nil {
			present = append(present, m)
		}
	}
	return present
}

// firstLost returns why a worker is lost, nil if none is.
func (c *coordinator) firstLost() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, m := range c.mates {
		if m.gone != nil {
			return fmt.Errorf("%w: worker %d (%s): %w", errCrew, i+1, m.name, m.gone)
		}
	}
	return nil
}

// dismiss ends what there is between c and its workers, who are told the error if there is one.
func (c *coordinator) dismiss(err error) {
	if c.listener == nil {
		return
	}
	if err := c.listener.Close(); err != nil {
		c.run.warn("the address of the workers could not be given up: " + err.Error())
	}
	c.mu.Lock()
	c.over = true
	for conn := range c.pending {
		hangUp(conn)
	}
	for _, m := range c.mates {
		switch {
		case err == nil:
		case c.joined:
			_ = m.link.send(&message{Bye: err.Error()}) // who is gone needs nothing
		default:
			_ = m.link.send(welcome{Refused: err.Error()})
		}
		m.link.hurry(helloTimeout) // it hangs up when it has read that
	}
	c.mu.Unlock()
	c.serving.Wait()
}
