package server

import (
	"context"
	"errors"
	"net/http"
	"strconv"
)

// Control is what operators may have done to a node through its internal address. What is nil the node does not do: it answers
// 501. The functions are called on any goroutine, several at a time.
type Control struct {
	Drain     func()                                                     // begins to drain, and returns
	Reload    func() (Reloaded, error)                                   // reads the configuration again
	Rebalance func(ctx context.Context, to int) (surplus int, err error) // begins to send clients away until there are no more than to
}

// Reloaded is what a reload has changed, and what waits for a restart, by the names of configuration keys.
type Reloaded struct {
	Changed []string `json:"changed"`
	Waiting []string `json:"waiting"`
}

// Leaving is the answer to a drain or a rebalance that has begun.
type Leaving struct {
	Connections int `json:"connections"` // that there are
	Surplus     int `json:"surplus"`     // that are to go
}

// SetControl says what operators may have done from now on. Any goroutine.
func (s *Server) SetControl(c Control) { s.control.Store(&c) }

// routeControl adds the paths for operators to mux. They are for those who show the API's key, if there is one.
func (s *Server) routeControl(mux *http.ServeMux) {
	for path, serve := range map[string]func(*Control, http.ResponseWriter, *http.Request){
		"POST /drain":     s.serveDrain,
		"POST /reload":    s.serveReload,
		"POST /rebalance": s.serveRebalance,
	} {
		mux.Handle(path, s.api.Guard(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			c := s.control.Load()
			if c == nil {
				c = new(Control)
			}
			serve(c, w, r)
		})))
	}
}

// notBuilt answers for what the node's program does not offer.
func notBuilt(w http.ResponseWriter) {
	refuse(w, http.StatusNotImplemented, "this node does not do that")
}

func (s *Server) serveDrain(c *Control, w http.ResponseWriter, _ *http.Request) {
	if c.Drain == nil {
		notBuilt(w)
		return
	}
	n := s.openConns()
	c.Drain()
	writeJSON(w, http.StatusAccepted, Leaving{n, n})
}

func (s *Server) serveReload(c *Control, w http.ResponseWriter, _ *http.Request) {
	if c.Reload == nil {
		notBuilt(w)
		return
	}
	done, err := c.Reload()
	if err != nil {
		refuse(w, http.StatusUnprocessableEntity, err.Error())
		return
	}
	writeJSON(w, http.StatusOK, done)
}

func (s *Server) serveRebalance(c *Control, w http.ResponseWriter, r *http.Request) {
	to, err := strconv.Atoi(r.URL.Query().Get("to"))
	switch {
	case c.Rebalance == nil:
		notBuilt(w)
		return
	case err != nil || to < 0:
		refuse(w, http.StatusBadRequest, "to is the number of clients that may stay, 0 or more")
		return
	}
	n := s.openConns()
	surplus, err := c.Rebalance(r.Context(), to)
	switch {
	case errors.Is(err, context.Canceled): // whoever asked has gone
	case err != nil:
		refuse(w, http.StatusConflict, err.Error())
	default:
		writeJSON(w, http.StatusAccepted, Leaving{n, surplus})
	}
}
