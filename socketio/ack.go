package socketio

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/seed4ac54ce5/edge/server"
)

// waiting is an event whose acknowledgement has not come.
type waiting struct {
	done  func(Args, error) // called once, by whoever takes it out of its state; it must not block
	timer *time.Timer       // nil for none
}

// finish ends the waiting.
func (w *waiting) finish(args Args, err error) {
	if w.timer != nil {
		w.timer.Stop()
	}
	w.done(args, err)
}

// EmitWithAck sends an event and waits for the client's acknowledgement, which it returns. The error is ErrTimeout,
// ErrDisconnected, that of ctx, or of arguments that cannot be sent. Without a timeout it waits for as long as ctx and
// the client live; in a function that is told of events the socket's later ones wait too.
func (e Emitter) EmitWithAck(ctx context.Context, event string, args ...any) (Args, error) {
	type answer struct {
		args Args
		err  error
	}
	answers := make(chan answer, 1)
	id, err := e.ask(event, args, func(args Args, err error) { answers <- answer{args, err} })
	if err != nil {
		return nil, err
	}
	select {
	case a := <-answers:
		return a.args, a.err
	case <-ctx.Done():
		if w := e.socket.ns.io.takeAck(e.socket.key, id); w != nil && w.timer != nil {
			w.timer.Stop()
		}
		return nil, ctxError(ctx)
	}
}

// EmitAsync sends an event and calls done with the client's acknowledgement on a goroutine of its own: with ErrTimeout if that does
// not come in time, and with ErrDisconnected if the client goes without. The error it returns is of arguments that cannot
// be sent; done is not called then.
func (e Emitter) EmitAsync(event string, done func(Args, error), args ...any) error {
	_, err := e.ask(event, args, func(args Args, err error) { go done(args, err) })
	return err
}

// ask sends an event whose acknowledgement done is to get.
func (e Emitter) ask(event string, args []any, done func(Args, error)) (id uint64, err error) {
	s, io := e.socket, e.socket.ns.io
	p, err := encodeEvent(event, args, io.attachments())
	if err != nil {
		return 0, err
	}
	id = io.nextAck.Add(1) - 1
	w := &waiting{done: done}
	waits := false
	err = s.change(func(st *state) {
		if waits = !st.gone; !waits {
			return
		}
		if st.acks == nil {
			st.acks = make(map[uint64]*waiting)
		}
		st.acks[id] = w
		if e.timeout > 0 {
			w.timer = time.AfterFunc(e.timeout, func() {
				if w := io.takeAck(s.key, id); w != nil {
					w.finish(nil, ErrTimeout)
				}
			})
		}
	})
	switch {
	case !waits:
		w.finish(nil, ErrDisconnected)
	case err == nil: // otherwise it has heard already that the socket has gone
		io.node().EmitSocket(s.key, p, server.EmitOptions{Volatile: e.volatile, WantsAck: true, AckID: id})
	}
	return id, nil
}

// takeAck removes what waits for acknowledgement id of s, and returns it, or nil.
func (io *IO) takeAck(s server.Socket, id uint64) (w *waiting) {
	io.states.visit(s, func(st *state) {
		w = st.acks[id]
		delete(st.acks, id)
	})
	return w
}

// acked hands on an acknowledgement.
func (io *IO) acked(s server.Socket, id uint64, args Args) {
	if w := io.takeAck(s, id); w != nil {
		w.finish(args, nil)
		return
	}
	io.casts.answer(s, id, args)
}

// ctxError returns the error of ctx, which has ended.
func ctxError(ctx context.Context) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return ErrTimeout
	}
	return ctx.Err()
}

// casts are the broadcasts that wait for acknowledgements, by their id.
type casts struct {
	mu sync.Mutex
	m  map[uint64]*cast
}

// cast is one of them, guarded by casts.mu.
type cast struct {
	asked   map[server.Socket]bool // nil until it is known
	answers map[server.Socket]Args // of whoever says it was asked, until asked is known
	order   []server.Socket        // of the answers
	whole   chan struct{}          // closed with the last of them
}

// begin notes a broadcast that is about to be sent.
func (all *casts) begin(id uint64) *cast {
	all.mu.Lock()
	defer all.mu.Unlock()
	if all.m == nil {
		all.m = make(map[uint64]*cast)
	}
	c := &cast{answers: make(map[server.Socket]Args), whole: make(chan struct{})}
	all.m[id] = c
	return c
}

// expect says who was asked.
func (all *casts) expect(c *cast, asked []server.Socket) {
	known := make(map[server.Socket]bool, len(asked)) // before the lock: loops wait for that
	for _, s := range asked {
		known[s] = true
	}
	all.mu.Lock()
	defer all.mu.Unlock()
	c.asked = known
	maps.DeleteFunc(c.answers, func(s server.Socket, _ Args) bool { return !c.asked[s] })
	c.order = slices.DeleteFunc(c.order, func(s server.Socket) bool { return !c.asked[s] })
	c.check()
}

// answer notes an acknowledgement, the first of its socket.
func (all *casts) answer(s server.Socket, id uint64, args Args) {
	all.mu.Lock()
	defer all.mu.Unlock()
	c := all.m[id]
	if c == nil || c.asked != nil && !c.asked[s] {
		return
	}
	if _, again := c.answers[s]; again {
		return
	}
	c.answers[s] = args
	c.order = append(c.order, s)
	c.check()
}

// check closes whole when nothing is missing.
func (c *cast) check() {
	if c.asked != nil && len(c.answers) == len(c.asked) {
		select {
		case <-c.whole:
		default:
			close(c.whole)
		}
	}
}

// end forgets a broadcast and returns the answers in the order in which they came.
func (all *casts) end(id uint64, c *cast) []Args {
	all.mu.Lock()
	delete(all.m, id)
	all.mu.Unlock() // nobody else has c any more
	answers := make([]Args, 0, len(c.order))
	for _, s := range c.order {
		answers = append(answers, c.answers[s])
	}
	return answers
}
