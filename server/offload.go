package server

import (
	"bytes"

	"github.com/seed4ac54ce5/edge/frame"
	"github.com/seed4ac54ce5/edge/netpoll"
)

// inflateInline is how large a message a loop inflates itself: some 200 microseconds. Larger ones go to
// the worker pool.
const inflateInline = 64 << 10

// inflateAway hands a compressed message to the worker pool. Until it is back, its conn is not read and its
// later messages wait. A full pool sheds.
func (l *loop) inflateAway(c *netpoll.Conn, s *session, op frame.Opcode, payload []byte) {
	var (
		data  = bytes.Clone(payload)
		limit = l.options.MaxMessage
		err   *frame.CloseError
	)
	work := func() { data, err = frame.Inflate(nil, data, limit) }
	finish := func(c *netpoll.Conn, s *session) {
		if err != nil {
			l.fail(c, s, err)
		} else {
			l.inflatedMessage(c, s, op, data)
		}
	}
	if !l.offload(c, s, &call{finish: finish}, work) {
		l.fail(c, s, overloaded)
	}
}
