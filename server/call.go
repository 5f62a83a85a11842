package server

import (
	"bytes"
	"errors"
	"fmt"
	"runtime/debug"

	"github.com/seed4ac54ce5/edge/metrics"
	"github.com/seed4ac54ce5/edge/netpoll"
	"github.com/seed4ac54ce5/edge/protocol"
)

// call is something of one conn that is out at the worker pool: a command that the application decides about, or a
// message that takes long to inflate. While it is out, its conn is not read, so there is at most one for each.
type call struct {
	conn   netpoll.ConnID
	finish func(c *netpoll.Conn, s *session) // on the loop, if the conn is still open
	gone   func()                            // on the loop, if it is not; may be nil
	rest   []byte                            // commands that stood behind this one in its message
	after  func()                            // for the pool when the call is back: the conn has ended meanwhile
	room   []byte                            // that a subscribe asks for; nil for anything else
	leaves *protocol.Unsubscribed            // why the conn is not to stay in room; nil if it may
}

// offload runs work on the pool and finish on the loop when it is done. It reports false, and has done nothing, when
// the pool has no room.
func (l *loop) offload(c *netpoll.Conn, s *session, k *call, work func()) bool {
	k.conn = l.net.ID(c)
	taken := l.server.work.submit(func() {
		var err error
		defer func() {
			if err != nil {
				k.fail(l, err)
			}
			l.net.Send(netpoll.Post{Kind: postCall, Item: k})
		}()
		defer l.server.contain(&err)
		work()
	})
	if !taken {
		return false
	}
	l.calls[k.conn] = k
	s.set(flagOffloaded)
	l.net.Pause(c)
	return true
}

// fail makes k's conn end when k is back: its work has panicked.
func (k *call) fail(l *loop, err error) {
	l.server.report(fault{conn: k.conn, what: err.Error()})
	k.finish = func(c *netpoll.Conn, s *session) { l.fail(c, s, internalError) }
}

// finishCall goes on with a session whose call is back.
func (l *loop) finishCall(k *call) {
	delete(l.calls, k.conn)
	if k.after != nil {
		l.farewell(k.after)
	}
	c := l.net.Conn(k.conn)
	if c == nil || c.Closing() {
		if k.gone != nil {
			k.gone()
		}
		return
	}
	defer l.guard(c)
	s := l.sessions.At(c.Slot())
	s.clear(flagOffloaded)
	k.finish(c, s)
	if k.leaves != nil && s.state == stateReady {
		l.unsubscribeByServer(c, s, k.room, *k.leaves)
	}
	l.goOn(c, s, k.rest)
}

// ask has the application decide about a command: run gives its answer, and then goes on with it. An error of run
// is the answer to command id.
func ask[T any](l *loop, c *netpoll.Conn, s *session, id uint32, run func() (T, error), then func(*netpoll.Conn, *session, T)) {
	askOr(l, c, s, id, run, then, nil)
}

// askOr is ask with a last word for an answer that finds its conn gone.
func askOr[T any](l *loop, c *netpoll.Conn, s *session, id uint32, run func() (T, error), then func(*netpoll.Conn, *session, T), gone func(T)) {
	var (
		v   T
		err error
	)
	finish := func(c *netpoll.Conn, s *session) {
		if err != nil {
			l.refuseCommand(c, s, id, err)
		} else {
			then(c, s, v)
		}
	}
	work := func() {
		defer l.server.contain(&err)
		v, err = run()
	}
	if l.server.handler.NonBlocking {
		work()
		finish(c, s)
		return
	}
	k := &call{finish: finish, gone: func() {
		if gone != nil && err == nil {
			gone(v)
		}
	}}
	if !l.offload(c, s, k, work) {
		l.counts.Limited[metrics.LimitPool]++
		l.refuseCommand(c, s, id, protocol.ErrTooManyRequests)
	}
}

// contain turns a panic of the application into an error. It is deferred.
func (s *Server) contain(err *error) {
	if r := recover(); r != nil {
		*err = fmt.Errorf("panic: %v\n%s", r, debug.Stack())
	}
}

// refuseCommand gives a client what came of its command instead of a result.
func (l *loop) refuseCommand(c *netpoll.Conn, s *session, id uint32, err error) {
	var (
		answer *protocol.Error
		end    protocol.Disconnect
	)
	if s.state == stateNew {
		l.counts.Connects[connectResultOf(err)]++
	}
	switch {
	case errors.As(err, &end):
		l.disconnect(c, s, end)
		return
	case !errors.As(err, &answer):
		l.server.report(fault{conn: l.net.ID(c), what: err.Error()})
		answer = protocol.ErrInternal
	}
	if s.state == stateNew {
		s.set(flagRefused)
	}
	if id != 0 {
		l.replyError(s, id, answer)
	}
}

// connectResultOf returns the counter for an error that answers a connect command.
func connectResultOf(err error) metrics.ConnectResult {
	if err == error(protocol.ErrTooManyRequests) {
		return metrics.ConnectBusy
	}
	return metrics.ConnectRefused
}

// holdBack keeps what stands behind a command that is out for when it is back.
func (l *loop) holdBack(c *netpoll.Conn, rest []byte) {
	l.calls[l.net.ID(c)].rest = bytes.Clone(rest)
}

// farewell runs the application's last function for a conn. The pool may have no room for it now, but it is never
// left out.
func (l *loop) farewell(bye func()) {
	if bye == nil {
		return
	}
	if l.server.handler.NonBlocking {
		bye()
		return
	}
	if len(l.farewells) == 0 && l.server.work.submit(bye) {
		return
	}
	l.farewells = append(l.farewells, bye)
	l.keepTime()
}

// maxFarewells is how many conns may wait for the application to hear of their end. While there are more, none is let
// in, so that an application that has got stuck does not make the queue grow for ever.
const maxFarewells = 4 * poolQueue

// sayFarewells hands over what the pool takes.
func (l *loop) sayFarewells() {
	n := 0
	for n < len(l.farewells) && l.server.work.submit(l.farewells[n]) {
		l.farewells[n] = nil
		n++
	}
	l.farewells = l.farewells[:copy(l.farewells, l.farewells[n:])]
}

// lastCalls tells the application what it could not be told before the loop ended. The pool is idle, and nobody else
// touches the loop any more.
func (l *loop) lastCalls() {
	for _, k := range l.calls {
		if k.after != nil {
			l.farewell(k.after)
		} else if k.gone != nil {
			k.gone()
		}
	}
	for len(l.farewells) > 0 && l.server.work.wait(lingerTimeout) {
		l.sayFarewells()
	}
}
