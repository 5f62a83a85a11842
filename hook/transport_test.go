package hook

import (
	"context"
	"encoding/pem"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestUnixSocket(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "app.sock")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	var asked string
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = r.Host + r.URL.String()
		says(`{"result":{}}`)(w, r)
	})}
	done := make(chan error)
	go func() { done <- s.Serve(l) }()
	h := newTestHooks(t, Config{Subscribe: Endpoint{URL: "unix:" + socket + ":/hooks/subscribe?v=1"}}, nil)
	err = subscribe(h)
	_ = s.Close()
	<-done
	if err != nil || asked != "localhost/hooks/subscribe?v=1" {
		t.Errorf("Subscribe = %v, asked at %q; want localhost/hooks/subscribe?v=1", err, asked)
	}
}

func TestTLS(t *testing.T) {
	s := httptest.NewUnstartedServer(says(`{"result":{}}`))
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // handshakes are to fail
	s.StartTLS()
	t.Cleanup(s.Close)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	cert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	if err := os.WriteFile(ca, cert, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := subscribe(newTestHooks(t, Config{Subscribe: Endpoint{URL: s.URL, CAFile: ca}}, nil)); err != nil {
		t.Errorf("Subscribe with the right CA = %v", err)
	}
	err := subscribe(newTestHooks(t, Config{Subscribe: Endpoint{URL: s.URL}}, nil))
	var f *Failure
	if !errors.As(err, &f) || f.Result != Unreachable || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("Subscribe with the system's CAs = %v; want unreachable, because of the certificate", err)
	}
}

// The connections of one call after the other are one, also after answers of an error.
func TestConnectionsAreKept(t *testing.T) {
	dials := make(map[net.Conn]bool)
	const pairs, few = 10, 3 // a busy machine may have the transport give up a connection that is not done with its request
	b := new(backend)
	for range pairs {
		b.play = append(b.play, says(`{"result":{}}`), status(404))
	}
	b.Server = httptest.NewUnstartedServer(b)
	b.Config.ConnState = func(c net.Conn, s http.ConnState) {
		if s == http.StateNew {
			dials[c] = true
		}
	}
	b.Start()
	h := newTestHooks(t, Config{Publish: Endpoint{URL: b.URL}}, nil)
	for range 2 * pairs {
		_ = publish(h)
	}
	_ = h.Close(context.Background())
	b.Close()
	if n := len(b.requests()); len(dials) > few || n != 2*pairs {
		t.Errorf("%d connections for %d requests; want 1 for %d, or hardly more", len(dials), n, 2*pairs)
	}
}

func TestMistakes(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for want, e := range map[string]Endpoint{
		errURL.Error():                        {URL: "localhost:3000"},
		errURL.Error() + " ":                  {URL: "ftp://localhost/hooks"},
		errURL.Error() + "  ":                 {URL: "http:///hooks"},
		errURL.Error() + "   ":                {URL: "http://a/b?key=hunter2#c"},
		errURL.Error() + "    ":               {URL: "unix:/run/app.sock"},
		errURL.Error() + "     ":              {URL: "unix:app.sock:/hooks"},
		errURL.Error() + "      ":             {URL: "http://a/%zz"},
		errUserinfo.Error():                   {URL: "http://ann:hunter2@a/b"},
		errCATarget.Error():                   {URL: "http://a/b", CAFile: empty},
		errCA.Error():                         {URL: "https://a/b", CAFile: empty},
		"no such file":                        {URL: "https://a/b", CAFile: empty + "x"},
		"a negative duration":                 {URL: "http://a/b", Timeout: -1},
		"calls at a time":                     {URL: "http://a/b", MaxConcurrent: -1},
		"answers of -1 bytes":                 {URL: "http://a/b", MaxResponse: -1},
		"a secret of 7 bytes":                 {URL: "http://a/b", Secret: "hunter2"},
		"a secret of 7 bytes; it needs":       {URL: "http://a/b", Secret: secret, PreviousSecret: "hunter2"},
		"a previous secret without":           {URL: "http://a/b", PreviousSecret: secret},
		`"X Y" is not the name of a header`:   {URL: "http://a/b", ForwardHeaders: []string{"X Y"}},
		`"" is not the name of a header`:      {URL: "http://a/b", Headers: map[string]string{"": "x"}},
		`header "X-A" has a value with`:       {URL: "http://a/b", Headers: map[string]string{"X-A": "hunter2\n"}},
		`header "host" is not for`:            {URL: "http://a/b", ForwardHeaders: []string{"host"}},
		`header "x-edge-signature" is not`:    {URL: "http://a/b", ForwardHeaders: []string{"x-edge-signature"}},
		`header "Idempotency-Key" is not for`: {URL: "http://a/b", Headers: map[string]string{"Idempotency-Key": "1"}},
	} {
		_, err := New(Config{RPC: e})
		if !errors.Is(err, ErrConfig) || !strings.Contains(err.Error(), "rpc: ") || !strings.Contains(err.Error(), strings.TrimSpace(want)) {
			t.Errorf("New(%+v) = %v; want %s", e, err, want)
		}
		if err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("the error tells a secret: %v", err)
		}
	}
}

func TestMistakesOfTheQueue(t *testing.T) {
	for _, c := range []Config{{DisconnectQueue: -1}, {DisconnectWorkers: -1}, {DisconnectTries: -1}} {
		if _, err := New(c); !errors.Is(err, ErrConfig) {
			t.Errorf("New(%+v) = %v; want %v", c, err, ErrConfig)
		}
	}
}

func TestNotConfigured(t *testing.T) {
	h := newTestHooks(t, Config{}, nil)
	for event, q := range questions {
		if err := q.ask(h); !errors.Is(err, ErrNotConfigured) {
			t.Errorf("%s = %v; want %v", event, err, ErrNotConfigured)
		}
	}
}
