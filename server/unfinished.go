package server

import (
	"time"

	"github.com/seed4ac54ce5/edge/frame"
	"github.com/seed4ac54ce5/edge/metrics"
	"github.com/seed4ac54ce5/edge/netpoll"
)

// A message that is not whole costs memory, so it has a time limit, and all of them together have a budget. Request heads
// have a time limit of their own.

// endUnfinished ends the sessions of which a message has been under way for too long. It looks eight times in the limit, as long as
// there are any.
func (l *loop) endUnfinished() {
	if !l.net.Holds() && l.partials.count() == 0 && len(l.secured) == 0 {
		return
	}
	limit := l.server.config.MessageTimeout
	l.net.WaitAtMost(limit / 8)
	if l.net.Now()-l.reaped < limit/8 {
		return
	}
	l.reaped = l.net.Now()
	l.net.Unfinished(func(c *netpoll.Conn, since time.Duration) {
		if since > limit {
			l.giveUp(c)
		}
	})
	l.endUnfinishedPlain(limit)
	for i := range l.partials.table {
		if m := &l.partials.table[i]; m.owner != 0 && l.net.Patience()-m.since > limit {
			if c := l.net.Conn(m.owner); c != nil {
				l.giveUp(c)
			}
		}
	}
}

// endUnfinishedPlain is the same for what has come by TLS.
func (l *loop) endUnfinishedPlain(limit time.Duration) {
	for slot, t := range l.secured {
		if t != nil && len(t.plain) > 0 && l.net.Patience()-t.since > limit {
			l.giveUp(l.net.At(uint32(slot)))
		}
	}
}

// giveUp ends a WebSocket whose message does not become whole.
func (l *loop) giveUp(c *netpoll.Conn) {
	defer l.guard(c)
	s := l.sessions.At(c.Slot())
	if s.early() || s.state == stateClosing || s.has(flagOffloaded|flagThrottled) {
		return
	}
	l.reject(c, metrics.RejectUnfinished)
	l.end(c, s, uint16(unfinished.Code), unfinished.Reason)
	l.flush(c)
}

// limitInput refuses a conn of which rest is to be kept, if there is no memory for it.
func (l *loop) limitInput(c *netpoll.Conn, s *session, rest []byte) {
	if len(rest) == 0 && s.partial == 0 || c.Closing() || s.state == stateHeld || l.server.inputs.Fits(len(rest)) {
		return // of a request that is held, what stands behind it is little
	}
	l.reject(c, metrics.RejectInputMemory)
	if s.state == stateHead {
		s.finish()
		s.noteHead(rest) // of which this turn may not have read anything
		l.putError(s, frame.ErrUnavailable)
		l.lastWord(c)
		return
	}
	l.end(c, s, uint16(overloaded.Code), overloaded.Reason)
	l.flush(c)
}
