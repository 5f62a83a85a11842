package config

import (
	"strings"

	"github.com/seed4ac54ce5/edge/hook"
	"github.com/seed4ac54ce5/edge/tlsrecord"
)

// CheckFiles reads the files that a node reads by itself, those of certificates, and returns as Problems what is wrong
// with them. Load leaves them alone: they may be for the node's eyes only.
func (c *Config) CheckFiles() error {
	var found Problems
	if t := c.settings.tls.config(); t != nil {
		if _, err := tlsrecord.NewServer(*t); err != nil {
			found = append(found, Problem{"listen.tls", "", strings.TrimPrefix(err.Error(), "tls: ")})
		}
	}
	for i, event := range events {
		if wrong := wrongCA(&c.settings.hooks.Events[i]); wrong != "" {
			found = append(found, Problem{"hooks." + event.String() + ".ca_file", "", wrong})
		}
	}
	return found.orNil()
}

// wrongCA returns what is wrong with the certificates that an endpoint's backend is checked against.
func wrongCA(e *endpoint) string {
	if !e.Enabled || e.URL == "" || e.CAFile == "" {
		return ""
	}
	return wrongHook(hook.Endpoint{URL: e.URL, CAFile: e.CAFile})
}
