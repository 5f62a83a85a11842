package bench

import (
	"context"
	"crypto/hmac"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// Joining says how a process takes part in a run that another coordinates.
type Joining struct {
	Coordinator string // --join: host:port
	Key         string // --join-key: as the coordinator has it
	TokenSecret string // --token-secret: as the coordinator has it, if it has one

	Progress io.Writer // where to say how it goes; nil for nowhere
	Terminal bool      // Progress is a terminal
}

// worker is a process's part in a run that another coordinates.
type worker struct {
	run      *run
	link     *link
	cancel   func() // ends run.ctx
	releases chan *message
	serving  sync.WaitGroup
	sameTime bool // the coordinator's clock is ours
	done     bool // all has been said

	mu    sync.Mutex // guards what follows
	drift drift
	err   error         // why the coordinator is lost
	gone  chan struct{} // closed when it is
}

// Join makes the connections that the coordinator of a run has for this process, as it says, until that run is
// over. The report is of this part; the coordinator has that of the whole. If ctx ends early, the coordinator counts the
// connections as lost, and there is none.
func Join(ctx context.Context, j Joining) (*Report, error) {
	conn, err := dialCoordinator(ctx, j.Coordinator)
	if err != nil {
		return nil, fmt.Errorf("%w: --join %s: %w", errCrew, j.Coordinator, err)
	}
	defer hangUp(conn)
	w := &worker{link: newLink(conn), releases: make(chan *message, 1), gone: make(chan struct{})}
	defer context.AfterFunc(ctx, func() { w.leave(errInterrupted) })()
	hired, err := w.introduce(&j)
	if err == nil {
		err = w.work(&j, hired)
	}
	switch {
	case err != nil && ctx.Err() != nil:
		return nil, fmt.Errorf("%w: %w: the coordinator counts these connections as lost", errCrew, errInterrupted)
	case err != nil:
		return nil, err
	}
	return w.run.report, nil
}

var errInterrupted = errors.New("interrupted")

const (
	joinPatience = 30 * time.Second // for a coordinator that is not there yet
	joinAgain    = 200 * time.Millisecond
)

// dialCoordinator connects, and waits a while for somebody who listens.
func dialCoordinator(ctx context.Context, address string) (net.Conn, error) {
	if _, _, err := net.SplitHostPort(address); err != nil {
		return nil, fmt.Errorf("%w: want host:port, as --listen of the coordinator: %w", ErrUsage, err)
	}
	ctx, cancel := context.WithTimeout(ctx, joinPatience)
	defer cancel()
	var d net.Dialer
	for {
		conn, err := d.DialContext(ctx, "tcp", address)
		if err == nil {
			return conn, nil
		}
		select {
		case <-ctx.Done():
			return nil, err
		case <-time.After(joinAgain):
		}
	}
}

// introduce shows who we are, sees who the coordinator is, and returns what it wants done once all workers are there.
func (w *worker) introduce(j *Joining) (*welcome, error) {
	if err := w.link.conn.SetReadDeadline(time.Now().Add(helloTimeout)); err != nil {
		return nil, err
	}
	var theirs greeting
	if err := w.link.receiveHello(&theirs); err != nil || theirs.Version == 0 {
		return nil, fmt.Errorf("%w: --join %s: who answers there is no coordinator of edge flood", errCrew, j.Coordinator)
	}
	h := hello{greeting: greeting{linkVersion, newNonce()}, Name: processName()}
	h.Proof = proof(j.Key, "worker", theirs.Nonce, h.Nonce)
	if err := w.link.send(h); err != nil {
		return nil, err
	}
	if theirs.Version != linkVersion {
		return nil, fmt.Errorf("%w: --join %s: the coordinator speaks version %d of the protocol and the worker version %d: run the same edge everywhere",
			errCrew, j.Coordinator, theirs.Version, linkVersion)
	}
	if err := w.link.conn.SetReadDeadline(time.Time{}); err != nil {
		return nil, err
	}
	var hired welcome
	switch err := w.link.receive(&hired); {
	case err != nil:
		return nil, fmt.Errorf("%w: the coordinator has gone: %w", errCrew, err)
	case hired.Refused != "":
		return nil, fmt.Errorf("%w: --join %s: %s", errCrew, j.Coordinator, hired.Refused)
	case !hmac.Equal(hired.Proof, proof(j.Key, "coordinator", theirs.Nonce, h.Nonce)):
		return nil, fmt.Errorf("%w: --join %s: the coordinator does not have the --join-key", errCrew, j.Coordinator)
	case hired.Options == nil || hired.Options.Workers <= 0 || int64(hired.Worker) >= int64(hired.Options.Workers):
		return nil, fmt.Errorf("%w: --join %s: the coordinator does not say what to do", errCrew, j.Coordinator)
	}
	return &hired, nil
}

// processName tells this process from others.
func processName() string {
	host, err := os.Hostname()
	if err != nil {
		host = "somewhere"
	}
	return fmt.Sprintf("%s/%d", host, os.Getpid())
}

// work does this process's share. The coordinator is told why if it cannot.
func (w *worker) work(j *Joining, hired *welcome) (err error) {
	defer w.serving.Wait()
	defer func() { w.leave(err) }()
	w.link.hurry(linkPatience)
	if err := w.prepare(j, hired); err != nil {
		return err
	}
	w.run.say("joined %s as worker %d of %d: %s, %d of %d connections\n", j.Coordinator, hired.Worker+1, w.run.share.workers,
		w.run.options.Scenario, w.run.share.of(w.run.total()), w.run.total())
	w.serving.Go(w.listen)
	if err := w.run.carryOut(); err != nil {
		return err
	}
	if !w.done {
		return w.lost()
	}
	return nil
}

// prepare makes the run out of the coordinator's options, with its clock.
func (w *worker) prepare(j *Joining, hired *welcome) (err error) {
	o := *hired.Options
	if hired.Secret {
		if j.TokenSecret == "" {
			return fmt.Errorf("%w: --token-secret is missing: the coordinator has one, which it does not send", ErrUsage)
		}
		o.TokenSecret = j.TokenSecret
	}
	o.Progress, o.Terminal = j.Progress, j.Terminal
	ctx, cancel := context.WithCancel(context.Background())
	if w.run, err = newRun(ctx, o, share{hired.Worker, uint32(o.Workers)}); err != nil {
		cancel()
		return err
	}
	w.run.crew, w.cancel = w, cancel
	return w.setClock(&hired.Base)
}

// clockRounds is how many round trips set the clock.
const clockRounds = 32

// setClock makes the clock of w's run the coordinator's: the very same on one machine, or else as close as the
// shortest round trip tells.
func (w *worker) setClock(base *timeBase) error {
	var o offset
	for range clockRounds {
		asked := w.run.clock()
		if err := w.link.send(&message{Clock: &question{Asked: asked}}); err != nil {
			return err
		}
		var answer message
		if err := w.link.receive(&answer); err != nil || answer.Clock == nil {
			return fmt.Errorf("%w: the coordinator does not tell the time: %w", errCrew, err)
		}
		o.note(asked, answer.Clock.Is, w.run.clock())
	}
	estimated := w.run.begin.Add(-time.Duration(o.ahead))
	exact := base.since()
	// What claims to be the same machine, but is a copy of it, does not have its clock.
	const readings = 10 * time.Microsecond
	if id := machineID(); id != "" && id == base.Machine && exact.Sub(estimated).Abs() <= time.Duration(o.err)+readings {
		w.sameTime, w.run.begin = true, exact
		return nil
	}
	w.run.begin = estimated
	return nil
}

// listen takes in what the coordinator says until it is gone.
func (w *worker) listen() {
	for {
		var in message
		err := w.link.receive(&in)
		if err == nil && in.Bye != "" {
			err = errors.New(plain(in.Bye))
		}
		if err != nil {
			w.lose(err)
			return
		}
		if c := in.Clock; c != nil {
			heard := w.run.clock()
			w.mu.Lock()
			w.drift.note(c.Asked, c.Is, heard)
			w.mu.Unlock()
		}
		if in.Step != "" {
			select {
			case w.releases <- &in:
			case <-w.gone:
			}
		}
	}
}

// clockError returns how far this process's clock may have been from the coordinator's, in nanoseconds.
func (w *worker) clockError() int64 {
	if w.sameTime {
		return 0
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.drift.bound()
}

// lose notes that the coordinator is gone, or that we are, and why.
func (w *worker) lose(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err == nil {
		w.err = err
		close(w.gone)
	}
	w.link.close()
}

// leave tells the coordinator why we leave, if there is an error, and goes.
func (w *worker) leave(err error) {
	if err == nil {
		err = io.EOF
	} else {
		_ = w.link.send(&message{Bye: err.Error()}) // it may be that the coordinator is gone
	}
	w.lose(err)
}

// lost returns why the coordinator is gone, nil if it is not.
func (w *worker) lost() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err == nil {
		return nil
	}
	return fmt.Errorf("%w: the coordinator has ended the run: %w", errCrew, w.err)
}

// reportGap is the least time between two reports of something that has changed.
const reportGap = 5 * time.Millisecond

// meet tells the coordinator that we have come to a step, and returns when it says to go on. Until then it hears
// how far our connections come.
func (w *worker) meet(step string, give *message, _ func([]*message) *message) *message {
	give.Step = step
	w.report(give)
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	changed := w.run.changed
	var rested <-chan time.Time
	for {
		select {
		case m := <-w.releases:
			w.done = step == findingsStep
			if m.Interrupted {
				w.cancel()
			}
			return m
		case <-w.gone:
			w.cancel()
			return new(message)
		case <-look.C:
		case <-changed:
			changed, rested = nil, time.After(reportGap)
		case <-rested:
			changed = w.run.changed
			continue
		}
		w.run.display.update(sum(w.run.drivers))
		w.report(new(message))
	}
}

// report sends m with how far we have come.
func (w *worker) report(m *message) {
	p := sum(w.run.drivers)
	m.Progress = &p
	cpu, err := processCPU(os.Getpid())
	if err == nil {
		m.CPU = cpu
	}
	m.Clock = &question{Asked: w.run.clock()}
	if err := w.link.send(m); err != nil {
		w.lose(err)
	}
}
