package config

import (
	"log/slog"
	"time"

	"github.com/seed4ac54ce5/edge/admission"
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
	unlimited(&n.CommandRate)
	unlimited(&n.ByteRate)
	if n.Development { // has defaults of its own
		n.SSE = n.SSE || c.origin("sse.enabled") == byDefault
		n.HTTPStream = n.HTTPStream || c.origin("http_stream.enabled") == byDefault
		unless(c, "client.command_rate_limit", &n.CommandRate)
		unless(c, "client.byte_rate_limit", &n.ByteRate)
	}
	n.Limits = c.limits()
	for _, d := range []*time.Duration{&n.ShutdownWindow, &n.ExpiredCloseDelay, &n.ExpiredSubCloseDelay} {
		*d = max(*d, time.Nanosecond)
	}
	n.TLS = c.settings.tls.config()
	n.API.Key = c.settings.apiKey.value()
	n.Access.Tokens = c.settings.tokens.config()
	if c.settings.separate {
		tokens := c.settings.subTokens.config()
		n.Access.Subscriptions = &tokens
	}
	if c.settings.storeEnabled {
		store := c.settings.store
		n.Store = &store
	}
	if c.hasSockets() {
		n.SocketIO = c.settings.sockets.config()
	}
	return n
}

// unlimited turns a limit of 0, which is none, into what a node takes for none.
func unlimited[V int | int64 | float64](limit *V) {
	if *limit == 0 {
		*limit = -1
	}
}

// limits returns who is let in.
func (c *Config) limits() admission.Limits {
	l := c.settings.node.Limits
	unlimited(&l.Connections)
	unlimited(&l.Rate.PerSecond)
	unlimited(&l.AddressConnections)
	unlimited(&l.AddressRate.PerSecond)
	unlimited(&l.UserConnections)
	if c.settings.node.Development {
		unless(c, "client.connection_limit", &l.Connections)
		unless(c, "client.connection_rate_limit", &l.Rate.PerSecond)
		unless(c, "client.connection_rate_burst", &l.Rate.Burst)
		unless(c, "client.per_ip.connection_limit", &l.AddressConnections)
		unless(c, "client.per_ip.connection_rate_limit", &l.AddressRate.PerSecond)
		unless(c, "client.per_ip.connection_rate_burst", &l.AddressRate.Burst)
		unless(c, "client.user_connection_limit", &l.UserConnections)
	}
	return l
}

// unless leaves a limit to the node, unless somebody has set it.
func unless[V int | float64](c *Config, path string, limit *V) {
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
