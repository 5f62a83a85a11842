package server

import (
	"fmt"

	"github.com/seed4ac54ce5/edge/admission"
	"github.com/seed4ac54ce5/edge/tlsrecord"
)

// What can change while the node runs, besides [Server.SetRooms], [Server.SetAccess] and [Server.SetAPIKey].

// SetLimits changes who is let in, from the next conn on; what is 0 has its default, as in [Config]. Any goroutine.
func (s *Server) SetLimits(l admission.Limits) { s.admission.SetLimits(s.config.limits(l)) }

// SetMemoryLimit changes how much memory the node may use, as in [Config], within a second. Any goroutine.
func (s *Server) SetMemoryLimit(bytes int64) {
	s.memory.SetLimit(bytes)
	s.measuring.Store(bytes >= 0)
}

// SetTLS changes certificates and what else TLS is told, from the next handshake on. An error wraps [ErrConfig], and then nothing
// has changed. A node that was opened without TLS stays without. Any goroutine.
func (s *Server) SetTLS(c tlsrecord.Config) error {
	if s.tls == nil {
		return fmt.Errorf("%w: TLS can be turned on only at the start", ErrConfig)
	}
	if err := s.tls.Reload(c); err != nil {
		return fmt.Errorf("%w: %w", ErrConfig, err)
	}
	return nil
}

// CountReload notes in the node's metrics how a reload of its configuration has ended. Any goroutine.
func (s *Server) CountReload(err error) {
	if err != nil {
		s.reloads[1].Add(1)
		return
	}
	s.reloads[0].Add(1)
}
