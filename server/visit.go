package server

import (
	"context"
	"slices"

	"github.com/seed4ac54ce5/edge/netpoll"
)

// visitSlice is how many sessions a loop shows before it looks at its sockets again.
const visitSlice = 2048

// visitAll calls f, on each loop, for all who were connected at its beginning and still are, so many in a turn: no loop
// stands still for long. What f writes to a conn leaves when it returns.
func (s *Server) visitAll(ctx context.Context, slice int, f func(*loop, *netpoll.Conn, *session)) error {
	left := make([][]netpoll.ConnID, len(s.loops))
	err := s.onLoops(ctx, func(l *loop) {
		ids := make([]netpoll.ConnID, 0, l.net.Open())
		l.net.Each(func(c *netpoll.Conn) { ids = append(ids, l.net.ID(c)) })
		left[l.net.Number()] = ids
	})
	for err == nil && slices.ContainsFunc(left, func(ids []netpoll.ConnID) bool { return len(ids) > 0 }) {
		err = s.onLoops(ctx, func(l *loop) {
			ids := &left[l.net.Number()]
			n := min(slice, len(*ids))
			for _, id := range (*ids)[:n] {
				l.visit(id, f)
			}
			*ids = (*ids)[n:]
		})
	}
	return err
}

// visit calls f if id is of somebody who is connected.
func (l *loop) visit(id netpoll.ConnID, f func(*loop, *netpoll.Conn, *session)) {
	c := l.net.Conn(id)
	if c == nil {
		return
	}
	defer l.guard(c)
	if ss := l.sessions.At(c.Slot()); ss.state == stateReady || ss.state == stateEngine && ss.has(flagConnected) {
		f(l, c, ss)
		l.flush(c)
	}
}
