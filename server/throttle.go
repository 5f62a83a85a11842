package server

import (
	"time"

	"github.com/seed4ac54ce5/edge/metrics"
	"github.com/seed4ac54ce5/edge/netpoll"
	"github.com/seed4ac54ce5/edge/protocol"
)

// A client may send so many commands and so many bytes a second, and for a while more. Each session has a clock for either,
// which goes on by what one costs whenever it sends one: how far that clock is ahead of the loop's is how far the client is
// ahead of its rate (the generic cell rate algorithm, ITU-T I.371). A client that is ahead by more than a burst is not read
// until it no longer is, so that its own socket holds it back; one that stays ahead by more than half of that for twice as long
// is closed.

const (
	clockShift = 14 // a session's clock counts units of 2^14 ns, so that it goes around in 19 hours
	costShift  = 20 // a cost counts 2^-20 of these
)

// clock returns a loop's time in the units of sessions' clocks.
func clock(d time.Duration) uint32 { return uint32(d >> clockShift) }

// rate is what a client may send of one kind.
type rate struct {
	cost  uint64 // of one; 0 for no limit
	burst time.Duration
}

// newRate returns a rate with a burst of so many seconds' worth, and of at least so many.
func newRate(perSecond int, burst time.Duration, least int) rate {
	if perSecond <= 0 {
		return rate{}
	}
	r := rate{cost: uint64(time.Second) << (costShift - clockShift) / uint64(perSecond)}
	r.burst = max(burst, time.Duration(r.units(least))<<clockShift)
	return r
}

// units returns what n cost.
func (r rate) units(n int) uint64 { return (uint64(n)*r.cost + 1<<costShift - 1) >> costShift }

// spend lets a session's clock go on by what n cost.
func (r rate) spend(until *uint32, now uint32, n int) {
	if n > 0 && r.cost > 0 {
		*until = now + uint32(min(uint64(clock(ahead(*until, now)))+r.units(n), uint64(clock(maxAhead))))
	}
}

// maxAhead bounds how far a clock can be ahead. One that seems to be further has been passed by the loop's long ago.
const maxAhead = 10 * time.Minute

// ahead returns how far the clock of a session is ahead of the loop's.
func ahead(until, now uint32) time.Duration {
	d := time.Duration(until-now) << clockShift
	if d > maxAhead {
		return 0
	}
	return d
}

// excess is how far a client is ahead of its rates, as multiples of their bursts.
func (l *loop) excess(s *session) (commands, bytes float64) {
	now := clock(l.net.Now())
	return ratio(ahead(s.commandsUntil, now), l.limits.commands.burst), ratio(ahead(s.bytesUntil, now), l.limits.bytes.burst)
}

func ratio(d, burst time.Duration) float64 {
	if d == 0 || burst == 0 {
		return 0 // there is no limit, or none any more
	}
	return float64(d) / float64(burst)
}

// throttles are the clients of a loop that are ahead of their rate, with the time since which they are.
type throttles map[netpoll.ConnID]time.Duration

// charge holds what has been served of c since the last call against its rates: bytes that were read of it, and the commands
// that l.spent counts.
func (l *loop) charge(c *netpoll.Conn, s *session, bytes int) {
	spent := l.spent
	l.spent = 0
	if !s.speaks() && s.state != stateEngine {
		return
	}
	now := clock(l.net.Now())
	l.limits.commands.spend(&s.commandsUntil, now, spent)
	l.limits.bytes.spend(&s.bytesUntil, now, bytes)
	switch commands, bytes := l.excess(s); {
	case commands > 1:
		l.throttle(c, s, metrics.LimitCommands)
	case bytes > 1:
		l.throttle(c, s, metrics.LimitBytes)
	}
}

// throttle stops reading a client.
func (l *loop) throttle(c *netpoll.Conn, s *session, why metrics.Limit) {
	l.counts.Limited[why]++
	s.set(flagThrottled)
	l.net.Pause(c)
	id := l.net.ID(c)
	if _, ok := l.throttles[id]; !ok {
		l.throttles[id] = l.net.Now()
		l.keepTime()
	}
}

// releaseThrottled reads the clients again that have waited long enough, and ends those that have been at their limit for too
// long.
func (l *loop) releaseThrottled() {
	for id, since := range l.throttles {
		c := l.net.Conn(id)
		if c == nil || c.Closing() {
			delete(l.throttles, id)
			continue
		}
		s := l.sessions.At(c.Slot())
		commands, bytes := l.excess(s)
		switch excess := max(commands, bytes); {
		case excess <= 0.5:
			delete(l.throttles, id)
			l.unthrottle(c, s)
		case l.net.Now()-since > 2*max(l.limits.commands.burst, l.limits.bytes.burst):
			delete(l.throttles, id)
			l.reject(c, metrics.RejectRate)
			l.disconnect(c, s, protocol.DisconnectTooManyRequests)
			l.flush(c)
		case excess <= 1:
			l.unthrottle(c, s)
		}
	}
}

// unthrottle reads a client again, unless something else stands against it.
func (l *loop) unthrottle(c *netpoll.Conn, s *session) {
	if s.has(flagThrottled) {
		s.clear(flagThrottled)
		l.readOn(c, s)
	}
}
