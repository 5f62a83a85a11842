package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
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
