package bench

import (
	"crypto/tls"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed4ac54ce5/edge/internal/testutil"
)

// certified returns a server's configuration for localhost, and the file of who vouches for it.
func certified(t *testing.T) (config *tls.Config, ca string) {
	t.Helper()
	cert, key := testutil.SelfSigned(t, "localhost")
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	ca, _ = testutil.SaveKeyPair(t, t.TempDir(), cert, key)
	return &tls.Config{Certificates: []tls.Certificate{pair}}, ca
}

func TestSecureTargets(t *testing.T) {
	t.Parallel()
	config, ca := certified(t)
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		for _, o := range []Options{
			{Scenario: Idle, PublishOnce: true, Payload: 100_000, CA: ca},
			{Scenario: Storm, Rate: 100, Return: rude, Hold: 50 * time.Millisecond, Insecure: true},
			{Scenario: Churn, Duration: 100 * time.Millisecond, Insecure: true},
		} {
			l := &liar{tls: config.Clone(), spoil: faithful}
			l.tls.MaxVersion = version
			_, port, _ := net.SplitHostPort(startLiar(t, l))
			o.Targets, o.Connections, o.Loops, o.Drain = []string{"wss://localhost:" + port}, 20, 2, patience
			r, err := Run(t.Context(), o)
			if err != nil {
				t.Fatal(err)
			}
			if r.Err() != nil || r.Ready < 20 || o.Scenario != Churn && r.Delivery.Received == 0 {
				t.Errorf("%s with %s: %v, %+v", o.Scenario, tls.VersionName(version), r.Err(), r)
			}
		}
	}
}

// What members of a mix say and how they leave is encrypted as well.
func TestSecureMix(t *testing.T) {
	config, _ := certified(t)
	m := steady()
	m.Classes[0].Session = 50 * time.Millisecond
	r := mixed(t, m, &liar{tls: config, spoil: faithful}, patience, 0)
	if r.Err() != nil || r.Delivery.Received == 0 {
		t.Errorf("%v, %+v", r.Err(), r)
	}
}

// A certificate that nobody vouches for, or another's, ends the connection before it has asked for anything.
func TestCertificatesAreChecked(t *testing.T) {
	config, ca := certified(t)
	l := &liar{tls: config}
	address := startLiar(t, l)
	_, port, _ := net.SplitHostPort(address)
	for target, o := range map[string]Options{
		"wss://localhost:" + port: {},
		"wss://" + address:        {CA: ca},
	} {
		o.Scenario, o.Targets, o.Connections = Idle, []string{target}, 3
		r, err := Run(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		if r.Failed != 3 || r.Ready != 0 || !errors.Is(r.Err(), ErrLoss) {
			t.Errorf("%s: %d failed, %v; want 3", target, r.Failed, r.Failures)
		}
		for label := range r.Failures {
			if !strings.HasPrefix(label, "TLS: ") {
				t.Errorf("%s: failed with %s", target, label)
			}
		}
	}
}

func TestWrongAuthoritiesAreUsage(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(empty, []byte("nothing"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{empty, empty + ".missing"} {
		_, err := Run(t.Context(), Options{Scenario: Idle, Targets: []string{"wss://127.0.0.1:1"}, Connections: 1, CA: file})
		if !errors.Is(err, ErrUsage) || !strings.Contains(err.Error(), "--ca") {
			t.Errorf("--ca %s: %v; want a usage error", file, err)
		}
	}
}

func TestPool(t *testing.T) {
	p := newPool()
	var mu sync.Mutex
	sum := 0
	for i := range 1000 {
		p.do(func() {
			mu.Lock()
			sum += i
			mu.Unlock()
		})
	}
	p.stop()
	if sum != 499_500 {
		t.Errorf("the jobs add up to %d; want 499500", sum)
	}
}
