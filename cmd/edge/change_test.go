package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/seed4ac54ce5/edge/admission"
	"github.com/seed4ac54ce5/edge/config"
	"github.com/seed4ac54ce5/edge/hook"
	"github.com/seed4ac54ce5/edge/internal/testutil"
	"github.com/seed4ac54ce5/edge/server"
	"github.com/seed4ac54ce5/edge/tlsrecord"
)

// certificate writes a certificate that signs itself and its key, and returns where they are.
func certificate(t *testing.T) (certFile, keyFile string) {
	t.Helper()
	cert, key := testutil.SelfSigned(t, "localhost")
	return testutil.SaveKeyPair(t, t.TempDir(), cert, key)
}

// changing is a node that notes what a reload does to it, and refuses one thing.
type changing struct {
	refuses string
	done    []string
	failed  int
}

var errRefused = errors.New("refused")

func (c *changing) note(what, detail string) error {
	if what == c.refuses {
		return errRefused
	}
	c.done = append(c.done, what+" "+detail)
	return nil
}

func (c *changing) SetAccess(a server.Access) error { return c.note("access", a.Tokens.Audience) }
func (c *changing) SetRooms(r server.Rooms) error   { return c.note("rooms", r.WithoutNamespace.Kind) }
func (c *changing) SetTLS(t tlsrecord.Config) error { return c.note("tls", t.Certificates[0].Cert) }
func (c *changing) SetClientLimits(to server.Config) error {
	return c.note("client", fmt.Sprint(to.RoomLimit))
}
func (c *changing) SetLimits(l admission.Limits) { _ = c.note("limits", "") }
func (c *changing) SetMemoryLimit(int64)         { _ = c.note("memory", "") }
func (c *changing) SetAPIKey(key string) error   { return c.note("key", key) }
func (c *changing) Rekey(h hook.Config)          { _ = c.note("hooks", h.RPC.Secret) }
func (c *changing) CountReload(err error) {
	if err != nil {
		c.failed++
	}
}

// A step that fails takes back those before it, and nothing after it happens.
func TestChangeIsWholeOrNotAtAll(t *testing.T) {
	cert, key := certificate(t)
	from := func(audience, kind, apiKey string) config.Sources {
		return config.Sources{File: configFile(t, "listen: {tls: {enabled: true, cert_file: "+cert+", key_file: "+key+"}}\n"+
			"client: {room_limit: 7, token: {audience: "+audience+"}}\nroom: {without_namespace: {kind: "+kind+"}}\napi: {key: "+apiKey+"}\nhooks: {rpc: {secret: "+secretText+"}}")}
	}
	was, err := config.Load(from("old", "stream", "old"))
	if err != nil {
		t.Fatal(err)
	}
	tls := "tls " + cert
	for _, r := range []struct {
		refuses string
		want    []string
	}{
		{"", []string{"access new", "rooms ephemeral", tls, "key new", "client 7", "limits ", "memory ", "hooks " + secretText}},
		{"access", nil},
		{"rooms", []string{"access new", "access old"}},
		{"tls", []string{"access new", "rooms ephemeral", "access old", "rooms stream"}},
		{"key", []string{"access new", "rooms ephemeral", tls, "access old", "rooms stream", tls}},
		{"client", []string{"access new", "rooms ephemeral", tls, "key new", "access old", "rooms stream", tls, "key old"}},
	} {
		n := &changing{refuses: r.refuses}
		a := &reloader{from: from("new", "ephemeral", "new"), config: was, node: n, hooks: n, level: new(slog.LevelVar), log: slog.New(slog.NewTextHandler(io.Discard, nil))}
		a.reload()
		if !slices.Equal(n.done, r.want) || (n.failed == 1) != (r.refuses != "") || (a.config == was) != (r.refuses != "") {
			t.Errorf("a node that refuses %q gets %q, %d failures; want %q", r.refuses, n.done, n.failed, r.want)
		}
	}
}

// A certificate that cannot be read changes nothing, and the key file's content stays out of the log.
func TestReloadOfABadCertificate(t *testing.T) {
	cert, key := certificate(t)
	source := config.Sources{File: configFile(t, "listen: {tls: {enabled: true, cert_file: "+cert+", key_file: "+key+"}}")}
	was, err := config.Load(source)
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, key, "-----BEGIN PRIVATE KEY-----\n"+secretText+"\n-----END PRIVATE KEY-----\n")
	var log strings.Builder
	n := &changing{}
	a := &reloader{from: source, config: was, node: n, hooks: n, level: new(slog.LevelVar), log: slog.New(slog.NewTextHandler(&log, nil))}
	a.reload()
	if len(n.done) != 0 || n.failed != 1 || !strings.Contains(log.String(), "listen.tls: certificate "+cert) || strings.Contains(log.String(), secretText) {
		t.Errorf("the node gets %q; the log says %s", n.done, log.String())
	}
}
