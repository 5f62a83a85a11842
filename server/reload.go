package server

import (
	"fmt"

	"github.com/seed4ac54ce5/edge/admission"
	"github.com/seed4ac54ce5/edge/tlsrecord"
)

// What can change while the node runs, besides [Server.SetRooms] and [Server.SetAccess].

// SetLimits changes who is let in, from the next conn on; what is 0 has its default, as in [Config]. Any goroutine.
func (s *Server) SetLimits(l admission.Limits) {
	s.reload.Lock()
	defer s.reload.Unlock()
	s.config.Limits = l
}

// SetMemoryLimit changes how much memory the node may use, as in [Config]. Any goroutine.
func (s *Server) SetMemoryLimit(bytes int64) {
	s.reload.Lock()
	defer s.reload.Unlock()
	s.config.MemoryLimit = bytes
}

// SetTLS reads the files that c names for the handshakes that begin from now on. An error wraps [ErrConfig], and then nothing
// has changed. A node that was opened without TLS stays without. Any goroutine.
func (s *Server) SetTLS(c tlsrecord.Config) error {
	if _, err := tlsrecord.NewServer(c); err != nil {
		return fmt.Errorf("%w: %w", ErrConfig, err)
	}
	s.reload.Lock()
	defer s.reload.Unlock()
	s.config.TLS = &c
	return nil
}

// SetAPIKey changes what users of the HTTP API show. Any goroutine.
func (s *Server) SetAPIKey(key string) {
	s.reload.Lock()
	defer s.reload.Unlock()
	s.config.API.Key = key
}

// CountReload notes in the node's metrics how a reload of its configuration has ended. Any goroutine.
func (s *Server) CountReload(err error) {
	if err != nil {
		s.reloads[1].Add(1)
		return
	}
	s.reloads[0].Add(1)
}
