package server

import (
	"bytes"

	"github.com/seed4ac54ce5/edge/frame"
	"github.com/seed4ac54ce5/edge/netpoll"
)

// inflateInline is how large a message a loop inflates itself: some 200 microseconds. Larger ones go to
// the worker pool.
const inflateInline = 64 << 10

// offload is a message on its way to the worker pool and back.
type offload struct {
	conn  netpoll.ConnID
	op    frame.Opcode
	data  []byte // compressed, then not
	err   *frame.CloseError
	limit int
}

// offload hands a compressed message to the worker pool. Until it is back, its conn is not read and its
// later messages wait. A full pool sheds.
func (l *loop) offload(c *netpoll.Conn, s *session, op frame.Opcode, payload []byte) {
	o := &offload{conn: l.net.ID(c), op: op, data: bytes.Clone(payload), limit: l.options.MaxMessage}
	err := l.server.pool.Submit(func() {
		o.data, o.err = frame.Inflate(nil, o.data, o.limit)
		l.net.Send(netpoll.Post{Kind: postInflated, Item: o})
	})
	if err != nil {
		l.fail(c, s, overloaded)
		return
	}
	s.set(flagOffloaded)
	l.net.Pause(c)
}

// finishOffload goes on with a session whose message is back.
func (l *loop) finishOffload(o *offload) {
	c := l.net.Conn(o.conn)
	if c == nil {
		return
	}
	defer l.guard(c)
	s := l.sessions.At(c.Slot())
	s.clear(flagOffloaded)
	switch {
	case c.Closing():
		return
	case o.err != nil:
		l.fail(c, s, o.err)
	default:
		l.inflatedMessage(c, s, o.op, o.data)
	}
	if !l.flushOrWait(c) {
		l.net.Resume(c)
	}
}
