package server

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/seed4ac54ce5/edge/netpoll"
)

// Laggard is a conn that is behind.
type Laggard struct {
	Client       string `json:"client"`
	User         string `json:"user"`
	QueuedBytes  int    `json:"queued_bytes"`         // in its out queue
	WaitingBytes int    `json:"waiting_bytes"`        // in its waiting list
	Waiting      int    `json:"waiting_publications"` // there
	StalledMS    int64  `json:"stalled_ms"`           // for how long its socket has taken nothing
	Rooms        int    `json:"rooms"`

	id netpoll.ConnID
}

// byLag sorts laggards: first the one for which most waits, or among equals the one that is stuck for longest.
func byLag(a, b Laggard) int {
	return cmp.Or(
		cmp.Compare(b.QueuedBytes+b.WaitingBytes, a.QueuedBytes+a.WaitingBytes),
		cmp.Compare(b.StalledMS, a.StalledMS),
		cmp.Compare(a.id, b.id),
	)
}

// furthest returns the n of all that are furthest behind, in order.
func furthest(n int, all []Laggard) []Laggard {
	slices.SortFunc(all, byLag)
	return all[:min(n, len(all))]
}

const (
	defaultLaggards = 20
	maxLaggards     = 1000
)

// slowest answers with the conns that are furthest behind.
func (s *Server) slowest(w http.ResponseWriter, r *http.Request) {
	n := defaultLaggards
	if text := r.FormValue("n"); text != "" {
		var err error
		if n, err = strconv.Atoi(text); err != nil || n < 1 || n > maxLaggards {
			writeJSON(w, http.StatusBadRequest, map[string]string{"error": "n is a number from 1 to 1000"})
			return
		}
	}
	ctx, cancel := context.WithTimeout(r.Context(), scrapeTimeout)
	defer cancel()
	all, err := s.laggards(ctx, n)
	if err != nil {
		refuse(w, http.StatusServiceUnavailable, errStuck.Error())
		return
	}
	writeJSON(w, http.StatusOK, all)
}

// laggards asks each loop for the n conns that are furthest behind, and returns those of all.
func (s *Server) laggards(ctx context.Context, n int) ([]Laggard, error) {
	answers := make(chan []Laggard, len(s.loops)) // room for all: a loop never waits
	if err := s.onLoops(ctx, func(l *loop) { answers <- l.laggards(n) }); err != nil {
		return nil, err
	}
	all := []Laggard{}
	for range s.loops {
		all = append(all, <-answers...)
	}
	return furthest(n, all), nil
}

// laggards returns the n conns of the loop that are furthest behind. Most are passed over before anything but figures
// is known of them.
func (l *loop) laggards(n int) []Laggard {
	var all []Laggard
	l.net.Backlogs(func(id netpoll.ConnID, bytes int, stalled time.Duration) {
		g := Laggard{id: id, QueuedBytes: bytes, StalledMS: stalled.Milliseconds()}
		if w := l.behind.lists[id]; w != nil {
			g.Waiting, g.WaitingBytes = len(w.entries), w.bytes
		}
		if all = append(all, g); len(all) == 2*n {
			all = furthest(n, all)
		}
	})
	all = furthest(n, all)
	for i := range all {
		l.introduce(&all[i])
	}
	return all
}

// introduce adds who g is.
func (l *loop) introduce(g *Laggard) {
	c := l.net.Conn(g.id)
	s := l.sessions.At(c.Slot())
	g.Client = string(l.clientID(c))
	g.User = string(l.users.appendUser(nil, s.who))
	g.Rooms = s.subs.Len()
}
