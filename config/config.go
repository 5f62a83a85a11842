package config

import (
	"log/slog"
	"time"

	"github.com/seed4ac54ce5/edge/server"
)

// Config is a configuration without a mistake.
type Config struct {
	File     string // that it came from; empty for none
	settings settings
	origins  map[string]string // what gave a key its value, by path; the default, if nothing
}

// Server returns what a node is opened with, save its version and its log. It shares its lists with c: they are to
// be read.
func (c *Config) Server() server.Config {
	n := c.settings.node
	if n.PingInterval == 0 {
		n.PingInterval = -1 // where a zero stands for the default, none is less
	}
	unlimited(&n.HistoryMemoryLimit)
	unlimited(&n.QueueBudget)
	unlimited(&n.InputBudget)
	unlimited(&n.CommandRate)
	unlimited(&n.ByteRate)
	if n.Development { // has defaults of its own
		c.unless("client.command_rate_limit", &n.CommandRate)
		c.unless("client.byte_rate_limit", &n.ByteRate)
	}
	n.ShutdownWindow = max(n.ShutdownWindow, time.Nanosecond)
	if c.settings.storeEnabled {
		store := c.settings.store
		n.Store = &store
	}
	return n
}

// unlimited turns a limit of 0, which is none, into what a node takes for none.
func unlimited[V int | int64](limit *V) {
	if *limit == 0 {
		*limit = -1
	}
}

// unless leaves a limit to the node, unless somebody has set it.
func (c *Config) unless(path string, limit *int) {
	if c.origin(path) == byDefault {
		*limit = 0
	}
}

// LogLevel returns the least level that is logged.
func (c *Config) LogLevel() slog.Level {
	var l slog.Level
	if err := l.UnmarshalText([]byte(c.settings.logLevel)); err != nil {
		panic("config: log.level: " + err.Error()) // the key's choices are slog's words
	}
	return l
}

// LogFormat returns auto, text or json.
func (c *Config) LogFormat() string { return c.settings.logFormat }

// byDefault is the origin of what nobody has set.
const byDefault = "default"

// origin returns what gave a key its value.
func (c *Config) origin(path string) string {
	if from, ok := c.origins[path]; ok {
		return from
	}
	return byDefault
}
