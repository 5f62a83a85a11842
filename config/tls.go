package config

import (
	"crypto/tls"
	"fmt"

	"github.com/seed4ac54ce5/edge/tlsrecord"
)

// tlsSettings is what the keys under listen.tls set.
type tlsSettings struct {
	Enabled     bool
	Single      tlsrecord.KeyPair // in place of a list
	Pairs       []tlsrecord.KeyPair
	MinVersion  string
	ClientCerts string
	ClientCA    string
	TicketKeys  string
	Handshakes  int
	Kernel      string
}

var pairKeys = []key[tlsrecord.KeyPair]{
	{Key{"cert_file", "", "", live, "", "certificate with its chain, in PEM"}, is(func(p *tlsrecord.KeyPair) *string { return &p.Cert }, path)},
	{Key{"key_file", "", "", live, "", "its private key, in PEM"}, is(func(p *tlsrecord.KeyPair) *string { return &p.Key }, path)},
}

var tlsKeys = []key[tlsSettings]{
	{Key{"enabled", "", "false", restart, "", "TLS on the public addresses"},
		is(func(t *tlsSettings) *bool { return &t.Enabled }, boolean)},
	{Key{"cert_file", "", "", live, "", "certificate with its chain, in PEM; each reload reads the files of this section again"},
		is(func(t *tlsSettings) *string { return &t.Single.Cert }, path)},
	{Key{"key_file", "", "", live, "", "its private key, in PEM"},
		is(func(t *tlsSettings) *string { return &t.Single.Key }, path)},
	{Key{"certificates", "", "", live, "", "in place of these two, a list of entries, each with a `cert_file` and a `key_file`; the name that a client asks for chooses, and the first is for all others"},
		entriesField[tlsSettings, tlsrecord.KeyPair]{func(t *tlsSettings) *[]tlsrecord.KeyPair { return &t.Pairs }, pairKeys}},
	{Key{"min_version", "", "1.2", live, "", "least version of TLS: 1.2 or 1.3"},
		is(func(t *tlsSettings) *string { return &t.MinVersion }, tlsVersion)},
	{Key{"client_certs", "", "none", live, "", "certificates of clients: none, optional or required; one that is shown must be good"},
		is(func(t *tlsSettings) *string { return &t.ClientCerts }, choice("none", "optional", "required"))},
	{Key{"client_ca_file", "", "", live, "", "certificates that may sign those of clients, in PEM"},
		is(func(t *tlsSettings) *string { return &t.ClientCA }, path)},
	{Key{"ticket_key_file", "", "", live, "", "keys of session tickets, for nodes that resume each other's sessions"},
		is(func(t *tlsSettings) *string { return &t.TicketKeys }, path)},
	{Key{"max_handshakes", "", "4096", live, "", "handshakes under way at a time, of which each takes some 25 KiB; more are refused, as are those that the CPUs could not do in time"},
		is(func(t *tlsSettings) *int { return &t.Handshakes }, count)},
	{Key{"kernel", "", "off", live, "", "who does the records of TLS 1.3: off for the process, auto for the kernel where it can"},
		is(func(t *tlsSettings) *string { return &t.Kernel }, choice("off", "auto"))},
}

// tlsVersion is a version of TLS, which YAML and JSON take for a number if nobody quotes it.
var tlsVersion = codec[string]{kind: "string", hint: "1.2 or 1.3", write: quote, parse: func(raw any) (string, string) {
	if s := fmt.Sprint(raw); s == "1.2" || s == "1.3" {
		return s, ""
	}
	return "", "is not a version that may be the least"
}}

// config returns what the listeners are told, nil without TLS.
func (t *tlsSettings) config() *tlsrecord.Config {
	if !t.Enabled {
		return nil
	}
	c := &tlsrecord.Config{
		Certificates: t.Pairs, ClientCA: t.ClientCA, TicketKeys: t.TicketKeys, MaxHandshakes: t.Handshakes,
		Export:      t.Kernel == "auto",
		MinVersion:  map[string]uint16{"1.2": tls.VersionTLS12, "1.3": tls.VersionTLS13}[t.MinVersion],
		ClientCerts: map[string]tlsrecord.ClientCerts{"optional": tlsrecord.ClientCertsOptional, "required": tlsrecord.ClientCertsRequired}[t.ClientCerts],
	}
	if len(t.Pairs) == 0 {
		c.Certificates = []tlsrecord.KeyPair{t.Single}
	}
	return c
}

// check says what contradicts each other. Whether the files are good shows when they are read.
func (t *tlsSettings) check(complain complaint) {
	none := t.Single == tlsrecord.KeyPair{}
	switch {
	case len(t.Pairs) > 0 && !none:
		complain("stands beside cert_file and key_file; write one of the two", "certificates", "cert_file", "key_file")
	case t.Enabled && len(t.Pairs) == 0 && none:
		complain("missing; write the path of a certificate, and that of its key as key_file", "cert_file", "certificates", "key_file")
	case !none && t.Single.Cert == "":
		complain("missing beside a key_file; write the path of its certificate", "cert_file", "key_file")
	case !none && t.Single.Key == "":
		complain("missing beside a cert_file; write the path of its private key", "key_file", "cert_file")
	}
	for i, p := range t.Pairs {
		if p.Cert == "" || p.Key == "" {
			complain("lacks a file; write cert_file and key_file", fmt.Sprintf("certificates[%d]", i), "certificates")
		}
	}
	if t.ClientCerts != "none" && t.ClientCA == "" {
		complain("missing; write the path of the certificates that may sign those of clients", "client_ca_file", "client_certs")
	}
}
