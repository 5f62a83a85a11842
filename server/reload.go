package server

import (
	"fmt"

	"github.com/seed4ac54ce5/edge/admission"
	"github.com/seed4ac54ce5/edge/tlsrecord"
)

// What can change while the node runs, besides [Server.SetRooms], [Server.SetAccess] and [Server.SetAPIKey].

// SetLimits changes who is let in, from the next conn on; what is 0 has its default, as in [Config]. Any goroutine.
func (s *Server) SetLimits(l admission.Limits) { s.admission.SetLimits(s.config.limits(l)) }

// clientLimits are what one client may do. Each loop has its own copy.
type clientLimits struct {
	message   int // bytes
	fragments int
	queue     int // bytes
	rooms     int
	commands  rate
	bytes     rate
}

// clientLimits returns those of a filled-in c.
func (c *Config) clientLimits() clientLimits {
	return clientLimits{
		message:   c.MessageLimit,
		fragments: c.FragmentLimit,
		queue:     c.QueueLimit,
		rooms:     c.RoomLimit,
		commands:  newRate(c.CommandRate, c.RateBurst, 0),
		bytes:     newRate(c.ByteRate, c.RateBurst, 2*c.MessageLimit),
	}
}

// SetClientLimits changes what one client may do: it takes the MessageLimit, FragmentLimit, CommandRate, ByteRate, RateBurst,
// QueueLimit and RoomLimit of c, with their defaults, and nothing else. They hold for all clients when it returns: sessions that
// stand meet them from their next frame or subscription on, and stay in the rooms that they are in. An error wraps [ErrConfig], and
// then nothing has changed, or is [ErrClosed]. Run must have begun, or begin meanwhile. Any goroutine.
func (s *Server) SetClientLimits(c Config) error {
	c.Development = s.config.Development
	c = c.withDefaults()
	if err := c.check(); err != nil {
		return err
	}
	limits := c.clientLimits()
	if s.onLoops(s.life, func(l *loop) { l.setLimits(limits) }) != nil {
		return ErrClosed
	}
	return nil
}

// setLimits makes limits hold from now on.
func (l *loop) setLimits(limits clientLimits) {
	l.limits = limits
	l.options.MaxMessage, l.options.MaxFragments = limits.message, limits.fragments
	l.behind.limit = listLimit(limits.queue)
	l.net.SetQueueLimit(limits.queue)
}

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
	if err := s.tls.Reload(s.tlsConfig(c)); err != nil {
		return fmt.Errorf("%w: %w", ErrConfig, err)
	}
	s.exports.Store(c.Export)
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
