package server

import (
	"net/netip"
	"time"

	"github.com/seed4ac54ce5/edge/metrics"
	"github.com/seed4ac54ce5/edge/netpoll"
)

// rejection is a conn that was not served or has broken a rule, on its way to the log.
type rejection struct {
	conn netpoll.ConnID
	peer netip.AddrPort // zero on a Unix socket, and for a peer that has gone
	why  metrics.Rejection
	more uint64 // further ones for the same reason, on the same loop, since the last that went to the log
}

const (
	rejectionEvery = time.Second // how often one is logged for the same reason
	rejectionQueue = 64          // those that wait for the log
)

// rejections keeps a loop from telling the log too much. Loop goroutine only.
type rejections [metrics.Rejections]struct {
	next time.Duration // when one may go to the log again
	more uint64        // since the last that did
}

// reject counts a rejection of c. The first one for its reason in a second goes to the log.
func (l *loop) reject(c *netpoll.Conn, why metrics.Rejection) {
	l.counts.Rejects[why]++
	r, now := &l.rejected[why], l.net.Now()
	if now < r.next {
		r.more++
		return
	}
	select {
	case l.server.refused <- rejection{l.net.ID(c), l.addressOf(c, l.sessions.At(c.Slot())), why, r.more}:
		r.next, r.more = now+rejectionEvery, 0
	default:
		r.more++
	}
}

// logRejections writes what the loops have handed over: for each reason a line in a second, whatever loops there are.
func (s *Server) logRejections() {
	var reasons [metrics.Rejections]struct {
		next time.Time // when a line may be written again
		more uint64    // since the last one
	}
	for r := range s.refused {
		of, now := &reasons[r.why], time.Now()
		of.more += r.more
		if now.Before(of.next) {
			of.more++
			continue
		}
		stage, reason := r.why.Labels()
		s.config.Log.Info("rejected", "conn", r.conn.String(), "peer", r.peer, "stage", stage, "reason", reason, "more", of.more)
		of.next, of.more = now.Add(rejectionEvery), 0
	}
}
