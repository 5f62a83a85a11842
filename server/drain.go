package server

import (
	"time"

	"github.com/seed4ac54ce5/edge/netpoll"
	"github.com/seed4ac54ce5/edge/protocol"
)

// drain closes a loop's sessions at an even pace, each with the code that makes its client come back
// elsewhere. Loop goroutine only.
type drain struct {
	ids    []netpoll.ConnID // still to be closed
	total  int
	began  time.Duration
	window time.Duration
}

// drainRate is how many sessions a second a loop closes at least: few sessions need no window.
const drainRate = 2000

// begin lists the sessions that there are. Listeners are closed, so no more come.
func (d *drain) begin(l *loop, window time.Duration) {
	l.net.Each(func(c *netpoll.Conn) { d.ids = append(d.ids, l.net.ID(c)) })
	d.total, d.began = len(d.ids), l.net.Now()
	d.window = min(window, time.Duration(d.total)*time.Second/drainRate)
	l.keepTime()
}

// step closes as many sessions as are due by now.
func (d *drain) step(l *loop) {
	if d.total == 0 {
		return
	}
	due := d.total
	if passed := l.net.Now() - d.began; passed < d.window {
		due = int(int64(d.total) * int64(passed) / int64(d.window))
	}
	keep := d.total - due
	for len(d.ids) > keep {
		last := len(d.ids) - 1
		if c := l.net.Conn(d.ids[last]); c != nil {
			l.dismiss(c)
		}
		d.ids = d.ids[:last]
	}
	if len(d.ids) == 0 {
		d.total = 0
		l.keepTime()
	}
}

// dismiss ends one session of a drain.
func (l *loop) dismiss(c *netpoll.Conn) {
	s := l.sessions.At(c.Slot())
	if s.speaks() {
		l.disconnect(c, s, protocol.DisconnectShutdown)
	} else {
		l.end(c, s, uint16(goingAway.Code), goingAway.Reason)
	}
	l.flush(c)
}
