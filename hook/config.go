package hook

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/textproto"
	"slices"
	"strings"
	"time"
)

// Config says which backend decides about what. An event whose endpoint has no URL is not asked about. Zero values
// stand for the defaults named here.
type Config struct {
	Connect    Endpoint
	Refresh    Endpoint
	Subscribe  Endpoint
	Publish    Endpoint
	RPC        Endpoint
	SubRefresh Endpoint
	Disconnect Endpoint

	// Those of Socket.IO, for [Hooks.ServeSockets].
	SocketConnect    Endpoint
	SocketEvent      Endpoint
	SocketDisconnect Endpoint

	// Of Disconnect and SocketDisconnect, each.
	DisconnectQueue   int // events that may wait for delivery; 10000
	DisconnectWorkers int // deliveries at a time; 4
	DisconnectTries   int // of each event; 8, which is half a minute on average

	// Wrap puts something around the way to each backend, such as the propagation of a trace: the request that its
	// RoundTrip sees has the context of the call. It must keep to the rules of [http.RoundTripper].
	Wrap func(http.RoundTripper) http.RoundTripper
	// Observe is told of each call once it is over, and of each failed try that another follows. It must not block.
	Observe func(Event, Result, time.Duration)
	Log     *slog.Logger
}

// Endpoint is a backend that decides about one kind of event. Zero values stand for the defaults named here.
type Endpoint struct {
	// URL is http://…, https://… or unix:/path/of/socket:/path/of/request.
	URL     string
	Timeout time.Duration // of one try, from dialing to the last byte of the answer; 1 s
	Budget  time.Duration // of a call with all its tries; 3 s, as clients give up after 5
	Retries int           // tries after the first, where another is harmless; 2, below 0 none

	MaxConcurrent   int           // calls at a time; 128
	MaxResponse     int64         // bytes of an answer; 256 KiB
	BreakerFailures int           // failed tries in a row that make calls fail at once; 5, below 0 never
	BreakerPause    time.Duration // for how long, until one call may probe; 2 s, of which a random half

	// Headers are sent with each request. They come before those of ForwardHeaders.
	Headers map[string]string
	// ForwardHeaders names the headers of a client's handshake request that are sent on. Nothing else that a client
	// says, its connect command's headers least of all, becomes a header. A node keeps what is named for another
	// endpoint than Connect in memory for as long as a client is connected.
	ForwardHeaders []string
	// Secret signs requests, see [Sign]; at least 16 bytes. PreviousSecret signs them too, while backends change.
	Secret         string
	PreviousSecret string

	CAFile         string // PEM certificates that an https backend's is checked against, in place of the system's
	Binary         bool   // send all data as b64data
	IncludeMeta    bool   // send what the connect result or the token has as meta
	IncludeAddress bool   // send where a client that connects comes from as address
}

// ErrConfig is what every error in a Config wraps.
var ErrConfig = errors.New("hook: configuration")

const minSecret = 16

func (c Config) withDefaults() Config {
	orElse(&c.DisconnectQueue, 10000)
	orElse(&c.DisconnectWorkers, 4)
	orElse(&c.DisconnectTries, 8)
	if c.Wrap == nil {
		c.Wrap = func(rt http.RoundTripper) http.RoundTripper { return rt }
	}
	if c.Observe == nil {
		c.Observe = func(Event, Result, time.Duration) {}
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	return c
}

func (e Endpoint) withDefaults() Endpoint {
	orElse(&e.Timeout, time.Second)
	orElse(&e.Budget, max(3*time.Second, e.Timeout))
	orElse(&e.Retries, 2)
	orElse(&e.MaxConcurrent, 128)
	orElse(&e.MaxResponse, 256<<10)
	orElse(&e.BreakerFailures, 5)
	orElse(&e.BreakerPause, 2*time.Second)
	return e
}

func orElse[T comparable](v *T, def T) {
	var zero T
	if *v == zero {
		*v = def
	}
}

// check returns what is wrong with a filled-in c, besides its endpoints.
func (c *Config) check() error {
	switch {
	case c.DisconnectQueue < 1:
		return fmt.Errorf("%w: a queue of %d disconnect events; it must be positive", ErrConfig, c.DisconnectQueue)
	case c.DisconnectWorkers < 1:
		return fmt.Errorf("%w: %d disconnect workers; there must be at least 1", ErrConfig, c.DisconnectWorkers)
	case c.DisconnectTries < 1:
		return fmt.Errorf("%w: %d tries of a disconnect event; there must be at least 1", ErrConfig, c.DisconnectTries)
	}
	return nil
}

// check returns what is wrong with a filled-in e.
func (e *Endpoint) check() error {
	switch {
	case e.Timeout < 0 || e.Budget < 0 || e.BreakerPause < 0:
		return errors.New("a negative duration")
	case e.MaxConcurrent < 1:
		return fmt.Errorf("%d calls at a time; there must be at least 1", e.MaxConcurrent)
	case e.MaxResponse < 1:
		return fmt.Errorf("answers of %d bytes; the limit must be positive", e.MaxResponse)
	case e.Secret == "" && e.PreviousSecret != "":
		return errors.New("a previous secret without a present one")
	}
	if err := checkSecrets(e.Secret, e.PreviousSecret); err != nil {
		return err
	}
	return e.checkHeaders()
}

func checkSecrets(secrets ...string) error {
	for _, s := range secrets {
		if s != "" && len(s) < minSecret {
			return fmt.Errorf("a secret of %d bytes; it needs at least %d", len(s), minSecret)
		}
	}
	return nil
}

// reserved are headers that are ours or the connection's to set. With an idempotency key net/http would repeat
// requests that must not be.
var reserved = []string{
	"Connection", "Content-Encoding", "Content-Length", "Content-Type", "Expect", "Host", "Idempotency-Key",
	"Keep-Alive", "Proxy-Connection", "Te", "Trailer", "Transfer-Encoding", "Upgrade",
	"X-Idempotency-Key", textproto.CanonicalMIMEHeaderKey(SignatureHeader),
}

func (e *Endpoint) checkHeaders() error {
	for name, value := range e.Headers {
		if !validValue(value) {
			return fmt.Errorf("header %q has a value with control characters", name)
		}
		if err := checkHeader(name); err != nil {
			return err
		}
	}
	for _, name := range e.ForwardHeaders {
		if err := checkHeader(name); err != nil {
			return err
		}
	}
	return nil
}

func checkHeader(name string) error {
	switch {
	case !validName(name):
		return fmt.Errorf("%q is not the name of a header", name)
	case slices.Contains(reserved, textproto.CanonicalMIMEHeaderKey(name)):
		return fmt.Errorf("header %q is not for configuration to set", name)
	}
	return nil
}

// validName reports whether name is a token (RFC 9110 section 5.6.2).
func validName(name string) bool {
	other := func(r rune) bool {
		letter := r|0x20 >= 'a' && r|0x20 <= 'z'
		digit := r >= '0' && r <= '9'
		return !letter && !digit && !strings.ContainsRune("!#$%&'*+-.^_`|~", r)
	}
	return name != "" && strings.IndexFunc(name, other) < 0
}

// validValue reports whether value is free of what ends a header line (RFC 9110 section 5.5).
func validValue(value string) bool {
	control := func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }
	return strings.IndexFunc(value, control) < 0
}
