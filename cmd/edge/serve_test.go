package main

import (
	"strings"
	"syscall"
	"testing"
)

// nobody is the warning of a node that lets nobody in.
const nobody = "no client may connect"

const (
	noKey   = "client: {anonymous: {enabled: false}}"
	someKey = "client: {token: {hmac_secret_key: a123456789012345678901234567890b}}"
)

// A node warns that nobody may connect where that is so, and nowhere else.
func TestServeWarnsWhereNobodyMayConnect(t *testing.T) {
	keyFile := configFile(t, "a123456789012345678901234567890b")
	for _, r := range []struct {
		what, config string
		warns        bool
	}{
		{"nothing", noKey, true},
		{"keys of subscriptions alone", "client: {subscription_token: {enabled: true, hmac_secret_key: a123456789012345678901234567890b}}", true},
		{"a secret", someKey, false},
		{"a secret in a file", "client: {token: {hmac_secret_key_file: " + keyFile + "}}", false},
		{"a key set", "client: {token: {jwks_public_endpoint: 'https://127.0.0.1:9/keys'}}", false},
		{"key sets", "client: {token: {jwks: [{issuer: a, endpoint: 'https://127.0.0.1:9/keys'}]}}", false},
		{"anonymous clients", "client: {anonymous: {enabled: true}}", false},
		{"a backend", "hooks: {connect: {url: 'http://127.0.0.1:9/who'}}", false},
		{"development", "development: true", false},
	} {
		t.Run(r.what, func(t *testing.T) {
			t.Parallel()
			s := start(t, "--config", configFile(t, r.config))
			if log := s.rest(t); strings.Contains(log, nobody) != r.warns {
				t.Errorf("the log says %s; want a warning: %v", log, r.warns)
			}
		})
	}
}

// A reload that takes away the last key says what that means, and the one that brings it back does not.
func TestReloadWarnsWhereNobodyMayConnect(t *testing.T) {
	file := configFile(t, someKey)
	s := start(t, "--config", file)
	writeFile(t, file, noKey)
	s.reload(t, "reloaded")
	if log := s.past.String(); strings.Contains(log, nobody) {
		t.Errorf("before the reload the log says %s", log)
	}
	writeFile(t, file, someKey)
	s.reload(t, "reloaded")
	if log := s.past.String(); strings.Count(log, nobody) != 1 {
		t.Errorf("after the reload the log says %s; want one warning", log)
	}
	if log := s.rest(t); strings.Contains(log, nobody) {
		t.Errorf("after another reload the log says %s", log)
	}
}

// A16: edge does not start with an insecure setting outside development mode, nor with one that others could reach.
func TestA16InsecureSettingsOutsideDevelopment(t *testing.T) {
	for config, want := range map[string]string{
		"api: {insecure: true}": "edge: api.insecure: only for development: true; write false, and an api.key\n",
		"development: true\napi: {insecure: true, key: abcdefgh}\ninternal: {address: ':9000'}": "edge: api.insecure: only while internal.address is on the loopback; write false, and an api.key\n",
	} {
		file := configFile(t, config)
		for _, args := range [][]string{{"serve", "--config", file}, {"checkconfig", file}} {
			if code, out, complaint := run(t, args...); code != exitUsage || out != "" || complaint != want {
				t.Errorf("edge %q with %q = %d, %q, %q; want %d and %q", args, config, code, out, complaint, exitUsage, want)
			}
		}
	}
}

// rest ends the process in order and returns what its log says from here on.
func (s *serving) rest(t *testing.T) string {
	t.Helper()
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	code, log := s.end(t)
	if code != 0 {
		t.Errorf("edge ended with %d, log %s", code, log)
	}
	return log
}
