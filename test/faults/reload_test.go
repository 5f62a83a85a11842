//go:build faults

package faults

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"syscall"
	"testing"

	"github.com/seed4ac54ce5/edge/internal/testutil"
)

// certificate is a certificate that signs itself, in files.
type certificate struct {
	t         testing.TB
	dir       string
	cert, key string // files
	pool      *x509.CertPool
}

// newCertificate makes one in dir, for edge.test.
func newCertificate(t testing.TB, dir, name string) *certificate {
	t.Helper()
	c := &certificate{t: t, dir: dir}
	c.write(name)
	return c
}

// write makes another certificate in the files.
func (c *certificate) write(name string) {
	c.t.Helper()
	cert, key := testutil.SelfSigned(c.t, name, "edge.test")
	c.cert, c.key = testutil.SaveKeyPair(c.t, c.dir, cert, key)
	c.pool = x509.NewCertPool()
	c.pool.AppendCertsFromPEM(cert)
}

// config is the part of a node's configuration that names the files, with more keys of that section.
func (c *certificate) config(more string) string {
	return fmt.Sprintf("listen: {tls: {enabled: true, cert_file: %q, key_file: %q, %s}}\n", c.cert, c.key, more)
}

// client trusts this certificate only.
func (c *certificate) client() *tls.Config {
	return &tls.Config{RootCAs: c.pool, ServerName: "edge.test", NextProtos: []string{"http/1.1"}}
}

// served returns the name in the certificate that the node shows.
func (n *node) served() string {
	n.t.Helper()
	conn, err := tls.Dial("tcp", n.address.String(), &tls.Config{InsecureSkipVerify: true}) // what is asked is which one
	if err != nil {
		n.t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	return conn.ConnectionState().PeerCertificates[0].Subject.CommonName
}

// R23: certificates are replaced under load. A broken file changes nothing and is said; a good one is shown from then on,
// and no session ends.
func TestR23CertificatesReplaced(t *testing.T) {
	dir := t.TempDir()
	files := newCertificate(t, dir, "first")
	n := start(t, launch{config: "development: true\n" + files.config(""), args: []string{"--loops=2"}})
	trusted := files.client()
	for i := range 50 {
		conn, err := connectTo(nil, n.address, from(i))
		if err != nil {
			t.Fatal(err)
		}
		c, err := upgrade(tls.Client(conn, trusted), pathProtocol)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.ask(`{"id":1,"connect":{}}`); err != nil {
			t.Fatal(err)
		}
		watch(t, c)
	}
	if err := os.WriteFile(files.cert, []byte("broken"), 0o600); err != nil {
		t.Fatal(err)
	}
	n.reload("reload changes nothing")
	if got := n.served(); got != "first" {
		t.Errorf("after a broken certificate the node shows %q; want the first", got)
	}
	for i := range 5 {
		name := fmt.Sprintf("number %d", i)
		files.write(name)
		n.reload("reloaded")
		if got := n.served(); got != name {
			t.Errorf("after a reload the node shows %q; want %q", got, name)
		}
	}
	f := n.figures()
	if f.sessions() != 50 || f.sum("edge_disconnects_total") != 0 {
		t.Errorf("%d sessions stand, %v have ended; want 50 and none", f.sessions(), f.sum("edge_disconnects_total"))
	}
	t.Logf("1 broken and 5 good certificates in turn: %d sessions stand, %v ended", f.sessions(), f.sum("edge_disconnects_total"))
}

// reload has the node read its configuration again and waits until its log says what came of it.
func (n *node) reload(message string) {
	n.t.Helper()
	text := fmt.Sprintf(`"msg":%q`, message)
	before := n.book.count(text)
	n.signal(syscall.SIGHUP)
	n.await("the log says "+message, func() bool { return n.book.count(text) > before })
}

// R05: a process that would take over and cannot, for its configuration or because the addresses are taken, ends with a
// status that says so. The one that serves goes on, also when it is told to read the broken file itself.
func TestR05BadConfiguration(t *testing.T) {
	const good, bad = "development: true\n", "development: true\nclient: {pong: 1}\n"
	n := start(t, launch{config: good})
	watch(t, n.member("room"))
	for _, r := range []struct {
		what, config string
		args         []string
	}{
		{"with a broken file", bad, nil},
		{"on addresses that are taken", good, []string{"--address=" + n.address.String()}},
		{"on an internal address that is taken", good, []string{"--internal-address=" + n.internal}},
		{"without its certificate", good + "listen: {tls: {enabled: true, cert_file: /nowhere, key_file: /nowhere}}\n", nil},
	} {
		other := prepare(t, launch{config: r.config, args: r.args})
		if err := other.cmd.Start(); err != nil {
			t.Fatal(err)
		}
		if code := other.end(); code != 2 {
			t.Errorf("a second process %s ends with %d; want 2", r.what, code)
		}
		n.checkReady()
		n.checkNeighbour()
	}
	n.configure(bad)
	n.reload("reload changes nothing")
	n.checkNeighbour()
	n.configure(good + "log: {level: debug}\n")
	n.reload("reloaded")
	n.checkNeighbour()
	n.awaitSessions(1)
}
