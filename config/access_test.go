package config

import (
	"crypto/tls"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed4ac54ce5/edge/admission"
	"github.com/seed4ac54ce5/edge/auth"
	"github.com/seed4ac54ce5/edge/hook"
	"github.com/seed4ac54ce5/edge/server"
	"github.com/seed4ac54ce5/edge/tlsrecord"
)

// What the keys about access say reaches the node.
func TestAccess(t *testing.T) {
	n := load(t, secretless).Server()
	for _, r := range []struct {
		name      string
		got, want any
	}{
		{"TLS", n.TLS, &tlsrecord.Config{
			Certificates: []tlsrecord.KeyPair{{Cert: "a.pem", Key: "a.key"}}, MinVersion: tls.VersionTLS13,
			ClientCerts: tlsrecord.ClientCertsOptional, ClientCA: "ca.pem", MaxHandshakes: 4096, Export: true}},
		{"ProxyProtocol", n.ProxyProtocol, server.ProxyProtocol{Enabled: true, Trusted: []string{"10.0.0.0/8", "::1"}}},
		{"Origins", n.Access.Origins, []string{"self", "https://*.example.com"}},
		{"Tokens", n.Access.Tokens, auth.Config{
			HMACSecret: "0123456789abcdef0123456789abcdef", PreviousHMACSecret: "fedcba9876543210fedcba9876543210",
			PreviousUntil: time.Date(2030, 1, 31, 11, 0, 0, 5e8, time.UTC), IssuerRegexp: "^a"}},
		{"Subscriptions", n.Access.Subscriptions, &auth.Config{JWKS: []auth.JWKS{{Endpoint: "https://keys.example"}}}},
		{"Limits", n.Limits, admission.Limits{
			Connections: -1, Rate: server.DefaultLimits.Rate, AddressConnections: -1,
			AddressRate: admission.Rate{PerSecond: 7, Burst: 5000}, IPv6Prefix: 56, UserConnections: 1000}},
		{"MemoryLimit", n.MemoryLimit, int64(4 << 30)},
		{"API", n.API, server.API{Key: "0", Transport: true, BodyLimit: 4 << 20}},
		{"MaxConnectionAge", n.MaxConnectionAge, 12 * time.Hour},
		{"DrainDelay", n.DrainDelay, 5 * time.Second},
	} {
		if !reflect.DeepEqual(r.got, r.want) {
			t.Errorf("%s = %+v; want %+v", r.name, r.got, r.want)
		}
	}
}

// 0 is what a node takes for no limit, also in development mode, where nothing is the node's own default.
func TestNoLimits(t *testing.T) {
	none := load(t, "client: {memory_budget: 0, user_connection_limit: 0, connection_rate_limit: 0, expired_close_delay: 0s}").Server()
	if none.MemoryLimit != -1 || none.Limits.UserConnections != -1 || none.Limits.Rate.PerSecond != -1 || none.ExpiredCloseDelay != 1 {
		t.Errorf("no limits give %+v", none)
	}
	limits := load(t, "development: true\nclient: {user_connection_limit: 3, per_ip: {connection_limit: 0}}").Server().Limits
	if want := (admission.Limits{UserConnections: 3, AddressConnections: -1, IPv6Prefix: 64}); limits != want {
		t.Errorf("limits in development mode: %+v; want %+v", limits, want)
	}
}

func TestSeveralIssuers(t *testing.T) {
	got := load(t, "client: {token: {jwks: [{issuer: a, endpoint: 'https://a.example'}, {issuer: b, endpoint: 'http://b.example', allow_http: true}]}}").Server().Access.Tokens.JWKS
	want := []auth.JWKS{{Issuer: "a", Endpoint: "https://a.example"}, {Issuer: "b", Endpoint: "http://b.example", AllowHTTP: true}}
	if !slices.Equal(got, want) {
		t.Errorf("issuers %+v; want %+v", got, want)
	}
}

// One certificate stands for a list of one.
func TestSingleCertificate(t *testing.T) {
	got := load(t, `listen: {tls: {enabled: true, min_version: "1.2", cert_file: a.pem, key_file: a.key}}`).Server().TLS
	want := &tlsrecord.Config{Certificates: []tlsrecord.KeyPair{{Cert: "a.pem", Key: "a.key"}}, MinVersion: tls.VersionTLS12, MaxHandshakes: 4096}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("TLS = %+v; want %+v", got, want)
	}
}

func TestHooks(t *testing.T) {
	got := loadFrom(t, Sources{
		File: file(t, "edge.toml", "[hooks.connect]\nurl = 'https://app.example/connect'\ntimeout = '5s'\nretries = 0\nbreaker_failures = 0\nforward_headers = ['Cookie']\n"+
			"headers = {Authorization = 'Bearer x', X-A = 'b'}\n[hooks.disconnect]\nurl = 'unix:/run/app.sock:/gone'\nqueue = 5"),
		Environ: []string{`EDGE_HOOKS_DISCONNECT_HEADERS={"X-B":"c"}`},
	}).Hooks()
	connect := hook.Endpoint{
		URL: "https://app.example/connect", Timeout: 5 * time.Second, Budget: 5 * time.Second, Retries: -1, BreakerFailures: -1,
		MaxConcurrent: 128, MaxResponse: 256 << 10, BreakerPause: 2 * time.Second,
		ForwardHeaders: []string{"Cookie"}, Headers: map[string]string{"Authorization": "Bearer x", "X-A": "b"},
	}
	if !reflect.DeepEqual(got.Connect, connect) {
		t.Errorf("hooks.connect = %+v; want %+v", got.Connect, connect)
	}
	if d := got.Disconnect; d.URL != "unix:/run/app.sock:/gone" || d.Headers["X-B"] != "c" || got.DisconnectQueue != 5 {
		t.Errorf("hooks.disconnect = %+v, a queue of %d", d, got.DisconnectQueue)
	}
}

// A hook that is not enabled is as if it had nothing else, file or no file, and leaves the others alone.
func TestHooksAreEnabled(t *testing.T) {
	c := loadFrom(t, Sources{
		File:    file(t, "edge.yaml", "hooks: {rpc: {url: 'https://app.example', ca_file: /none/ca.pem, secret: '"+strings.Repeat("k", 16)+"'}, publish: {enabled: true, url: 'http://app.example'}}"),
		Environ: []string{"EDGE_HOOKS_RPC_ENABLED=false"},
	})
	if got := c.Hooks(); !reflect.DeepEqual(got.RPC, hook.Endpoint{}) || got.Publish.URL != "http://app.example" {
		t.Errorf("hooks.rpc = %+v, hooks.publish = %+v; want none and one", got.RPC, got.Publish)
	}
	if err := c.CheckFiles(); err != nil {
		t.Errorf("the files of a hook that is not enabled: %v", err)
	}
}

// CheckFiles says which certificates are missing, in the words of what reads them.
func TestCheckFiles(t *testing.T) {
	const tlsOn = "listen: {tls: {enabled: true, cert_file: /none/a.pem, key_file: /none/a.key}}\n"
	for content, want := range map[string]string{
		"":    "",
		tlsOn: "listen.tls: certificate /none/a.pem with key /none/a.key: open /none/a.pem: no such file or directory",
		"hooks: {rpc: {url: 'https://app.example', ca_file: /none/ca.pem}}": "hooks.rpc.ca_file: open /none/ca.pem: no such file or directory",
		"hooks: {rpc: {ca_file: ''}}":                                       "",
	} {
		got := ""
		if err := load(t, content).CheckFiles(); err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%s: %q; want %q", content, got, want)
		}
	}
}
