package server

import "time"

// insecureEvery is how often the log is told of insecure settings, after the start.
const insecureEvery = 10 * time.Minute

// insecurity is a setting that leaves out a check, and what its warning says.
type insecurity struct {
	key string
	on  bool
	say string
}

// insecurities returns the settings that leave out checks, whether they are on or not.
func (c *Config) insecurities() []insecurity {
	return []insecurity{
		{"development", c.Development, "development mode: any client may subscribe and publish without a token; do not expose it"},
		{"api.insecure", c.API.Insecure, "api.insecure: whoever reaches the internal address may use the HTTP API, as long as no api.key is set"},
	}
}

// insecureFigures are the insecurities as metrics show them.
func (s *Server) insecureFigures() map[string]bool {
	all := make(map[string]bool)
	for _, i := range s.config.insecurities() {
		all[i.key] = i.on
	}
	return all
}

// warnInsecure has a line in the log for each insecure setting that is on.
func (s *Server) warnInsecure() {
	for _, i := range s.config.insecurities() {
		if i.on {
			s.config.Log.Warn(i.say, "key", i.key)
		}
	}
}

// reminder says when something is to be said again.
type reminder struct {
	every time.Duration
	next  time.Time
}

func remindEvery(d time.Duration, from time.Time) reminder { return reminder{d, from.Add(d)} }

// due reports whether it is time; the next time is counted from then.
func (r *reminder) due(now time.Time) bool {
	if now.Before(r.next) {
		return false
	}
	r.next = now.Add(r.every)
	return true
}
