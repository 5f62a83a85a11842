package server

import (
	"fmt"
	"log/slog"

	"github.com/seed4ac54ce5/edge/tuning"
)

const (
	tunedFor     = 100_000 // connections that a host is checked for where the node has no limit
	tuningsNamed = 8       // settings that the log names
)

// load returns what the node may have to carry, as far as its configuration says.
func (s *Server) load() tuning.Load {
	limit := s.config.limits(s.config.Limits).Connections
	if limit <= 0 {
		limit = tunedFor
	}
	private, _ := s.reactor.PrivateTables()
	return tuning.Load{
		Connections:  min(limit, tuning.MostConnections),
		Loops:        len(s.loops),
		TLS:          s.tls != nil,
		SharedTables: !private,
		Memory:       max(s.config.MemoryLimit, 0),
	}
}

// logTuning says in one line what edge tune would change on this host, and how to see it: some milliseconds, which a log that does
// not want the line saves. Nothing depends on it.
func (s *Server) logTuning(host tuning.Host) {
	if !s.config.Log.Enabled(s.life, slog.LevelInfo) {
		return
	}
	load := s.load()
	r, err := tuning.Check(host, load)
	if err != nil {
		s.config.Log.Warn("the host cannot be checked", "error", err)
		return
	}
	short := r.In(tuning.Short)
	if r.Clean {
		s.config.Log.Info("nothing that shows of the host falls short", "connections", load.Connections)
		return
	}
	names, more := tuning.Names(short, tuningsNamed)
	s.config.Log.Info("the host falls short", "connections", load.Connections, "settings", names, "more", more,
		"memory_suffices", r.Memory.State != tuning.Short, "see", tuneCommand(&load))
}

// tuneCommand returns the command that prints all of it.
func tuneCommand(l *tuning.Load) string {
	c := fmt.Sprintf("edge tune --connections %d --loops %d", l.Connections, l.Loops)
	if l.TLS {
		c += " --tls"
	}
	if l.SharedTables {
		c += " --shared-fd-tables"
	}
	if l.Memory > 0 {
		c += fmt.Sprintf(" --memory %d", l.Memory)
	}
	return c
}
