package hook

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"
)

const (
	// keepAlive is how long a connection to a backend stays open unused. Common backends close theirs after 5 s, and a
	// request that crosses such a close on the way is lost: so ours go first.
	keepAlive = 4 * time.Second

	maxResponseHead = 64 << 10
)

// target is where an endpoint is.
type target struct {
	url    string
	socket string // path of a Unix socket; empty for TCP
}

var (
	errURL      = errors.New("the URL must be http://host/path, https://host/path or unix:/path/of/socket:/path/of/request")
	errUserinfo = errors.New("the URL has a user or password; send them as a header instead")
	errCA       = errors.New("the CA file has no PEM certificate")
	errCATarget = errors.New("a CA file, but the URL is not https")
)

// parseTarget reads an endpoint's URL. No error repeats the URL, which may have a key in its query.
func parseTarget(text string) (target, error) {
	if rest, ok := strings.CutPrefix(text, "unix:"); ok {
		return parseUnix(rest)
	}
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.Fragment != "":
		return target{}, errURL
	case u.User != nil:
		return target{}, errUserinfo
	}
	return target{url: text}, nil
}

// parseUnix reads what follows unix: in a URL, such as /run/app.sock:/hooks/connect.
func parseUnix(text string) (target, error) {
	socket, path, _ := strings.Cut(strings.TrimPrefix(text, "//"), ":")
	if !strings.HasPrefix(socket, "/") || !strings.HasPrefix(path, "/") {
		return target{}, errURL
	}
	if _, err := url.Parse(path); err != nil {
		return target{}, errURL
	}
	return target{url: "http://localhost" + path, socket: socket}, nil
}

// newTransport returns an endpoint's own connections: a backend that is stuck holds up nobody else's. They speak
// HTTP/1.1, where a broken connection concerns one request, and take no proxy from the environment.
func newTransport(e *Endpoint, to target) (*http.Transport, error) {
	t := &http.Transport{
		MaxConnsPerHost:        e.MaxConcurrent,
		MaxIdleConns:           e.MaxConcurrent,
		MaxIdleConnsPerHost:    e.MaxConcurrent,
		IdleConnTimeout:        keepAlive,
		MaxResponseHeaderBytes: maxResponseHead,
		DisableCompression:     true, // the response limit counts what the application wrote
		Protocols:              new(http.Protocols),
		DialContext:            dial(to.socket),
	}
	t.Protocols.SetHTTP1(true)
	if e.CAFile == "" {
		return t, nil
	}
	if !strings.HasPrefix(to.url, "https:") {
		return nil, errCATarget
	}
	pool, err := readCA(e.CAFile)
	t.TLSClientConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	return t, err
}

// dial connects to the socket at a path, or by TCP if that is empty.
func dial(socket string) func(ctx context.Context, network, address string) (net.Conn, error) {
	var d net.Dialer
	if socket == "" {
		return d.DialContext
	}
	return func(ctx context.Context, _, _ string) (net.Conn, error) { return d.DialContext(ctx, "unix", socket) }
}

func readCA(file string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, errCA
	}
	return pool, nil
}
