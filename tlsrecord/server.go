package tlsrecord

import (
	"crypto/tls"
	"sync/atomic"
)

// A Server is what the conns of a listener have in common. All its methods are for any goroutine.
type Server struct {
	settings atomic.Pointer[settings]
	under    atomic.Int64 // handshakes under way
}

// settings are what Reload swaps.
type settings struct {
	tls           *tls.Config
	maxHandshakes int64
}

// NewServer reads the files that cfg names.
func NewServer(cfg Config) (*Server, error) {
	s := new(Server)
	if err := s.Reload(cfg); err != nil {
		return nil, err
	}
	return s, nil
}

// Reload reads the files that cfg names again and uses them for the handshakes that begin from now on. With an
// error nothing has changed. Conns that are established or in a handshake keep what they began with.
func (s *Server) Reload(cfg Config) error {
	next, err := cfg.load()
	if err != nil {
		return err
	}
	s.settings.Store(next)
	return nil
}

// Handshakes returns how many are under way: those whose ClientHello has arrived and which have neither
// succeeded nor failed.
func (s *Server) Handshakes() int { return int(s.under.Load()) }

// NewConn returns a conn that waits for a ClientHello.
func (s *Server) NewConn() *Conn { return &Conn{server: s} }

// admit counts one handshake more, if there may be.
func (s *Server) admit(most int64) bool {
	if s.under.Add(1) <= most {
		return true
	}
	s.under.Add(-1)
	return false
}
