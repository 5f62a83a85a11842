package config

import (
	"context"
	"math"
	"strings"
	"time"

	"github.com/seed4ac54ce5/edge/hook"
)

// endpoint is what the keys under one of hooks set.
type endpoint struct {
	hook.Endpoint
	Enabled  bool
	Present  secret // in place of those in Endpoint
	Previous secret
}

// hooks is what the keys under hooks set.
type hooks struct {
	Events  [len(events)]endpoint
	Queue   int
	Workers int
	Tries   int
}

// events are the sections of hooks, in the order of the package's own.
var events = [...]hook.Event{hook.Connect, hook.Refresh, hook.Subscribe, hook.Publish, hook.RPC, hook.SubRefresh, hook.Disconnect,
	hook.SocketConnect, hook.SocketEvent, hook.SocketDisconnect}

const (
	hookSecretHint = "16 or more random bytes"
	minHookSecret  = 16
	headerHint     = "names of headers with strings, as Authorization: Bearer …"
)

// endpointKeys are the options of each hook.
var endpointKeys = func() (all []key[endpoint]) {
	all = []key[endpoint]{
		{Key{"enabled", "", "true", restart, "", "false asks no backend, whatever else is set"},
			is(func(e *endpoint) *bool { return &e.Enabled }, boolean)},
		{Key{"url", "", "", restart, "", "backend that is asked: http://…, https://… or unix:/path/of/socket:/path/of/request; none if empty"},
			is(func(e *endpoint) *string { return &e.URL }, backendURL)},
		{Key{"timeout", "", "1s", restart, "", "time that one try may take"},
			is(func(e *endpoint) *time.Duration { return &e.Timeout }, short)},
		{Key{"budget", "", "3s", restart, "", "time that a question may take with all its tries; by default `timeout` if that is more"},
			is(func(e *endpoint) *time.Duration { return &e.Budget }, short)},
		{Key{"retries", "", "2", restart, "", "tries after the first, where another does no harm"},
			is(func(e *endpoint) *int { return &e.Retries }, integer(0, 100, "0 to 100"))},
		{Key{"max_concurrent", "", "128", restart, "", "questions at a time; more are answered with error 111"},
			is(func(e *endpoint) *int { return &e.MaxConcurrent }, integer(1, math.MaxUint16, "1 to 65535"))},
		{Key{"max_response", "", "256KiB", restart, "", "largest answer"},
			is(func(e *endpoint) *int64 { return &e.MaxResponse }, size[int64](1, maxBytes, "a size as 256KiB, below 2GiB"))},
		{Key{"breaker_failures", "", "5", restart, "", "failures in a row after which the backend is left alone for a while; 0 is never"},
			is(func(e *endpoint) *int { return &e.BreakerFailures }, amount)},
		{Key{"breaker_pause", "", "2s", restart, "", "for how long, of which a half is random"},
			is(func(e *endpoint) *time.Duration { return &e.BreakerPause }, short)},
		{Key{"headers", "", "", restart, "", "headers of each request, by name"},
			is(func(e *endpoint) *map[string]string { return &e.Headers }, secretMap(headerHint, wrongHeader))},
		{Key{"forward_headers", "", "", restart, "", "names of headers of a client's handshake that are sent on"},
			is(func(e *endpoint) *[]string { return &e.ForwardHeaders }, listOrNone("names of headers", wrongForward))},
		{Key{"include_address", "", "false", restart, "", "sends where a client that connects comes from"},
			is(func(e *endpoint) *bool { return &e.IncludeAddress }, boolean)},
		{Key{"ca_file", "", "", restart, "", "certificates that an https backend is checked against in place of the system's, in PEM"},
			is(func(e *endpoint) *string { return &e.CAFile }, path)},
		{Key{"binary", "", "false", restart, "", "data is sent in base64, whatever it is"},
			is(func(e *endpoint) *bool { return &e.Binary }, boolean)},
		{Key{"include_meta", "", "false", restart, "", "what the token or the connect hook has as `meta` is sent"},
			is(func(e *endpoint) *bool { return &e.IncludeMeta }, boolean)},
	}
	all = append(all, secretKeys(Key{"secret", "", "", live, "", "signs requests; 16 bytes at least"},
		func(e *endpoint) *secret { return &e.Present }, hookSecretHint, shortHookSecret)...)
	return append(all, secretKeys(Key{"previous_secret", "", "", live, "", "signs them too, while backends change"},
		func(e *endpoint) *secret { return &e.Previous }, hookSecretHint, shortHookSecret)...)
}()

var short = duration(time.Millisecond, time.Minute, 1, "a time from 1ms to 1m, as 2s")

// newsKeys are how the news of disconnect and socket_disconnect are delivered.
var newsKeys = []key[hooks]{
	{Key{"disconnect.queue", "", "10000", restart, "", "news of clients that have left which may wait for delivery, and of sockets as many"},
		is(func(h *hooks) *int { return &h.Queue }, integer(1, maxCount, "1 or more"))},
	{Key{"disconnect.workers", "", "4", restart, "", "deliveries at a time, of each"},
		is(func(h *hooks) *int { return &h.Workers }, integer(1, 1024, "1 to 1024"))},
	{Key{"disconnect.tries", "", "8", restart, "", "tries to deliver each piece of news"},
		is(func(h *hooks) *int { return &h.Tries }, integer(1, 1000, "1 to 1000"))},
}

// hookKeys are all keys under hooks.
var hookKeys = func() (all []key[hooks]) {
	for i, event := range events {
		all = append(all, under(event.String(), func(h *hooks) *endpoint { return &h.Events[i] }, endpointKeys)...)
		if event == hook.Disconnect {
			all = append(all, newsKeys...)
		}
	}
	return all
}()

func shortHookSecret(s string) string {
	if len(s) < minHookSecret {
		return "is too short"
	}
	return ""
}

// somewhere is a URL of a hook of which only the rest is looked at.
const somewhere = "http://127.0.0.1/"

// backendURL is where a backend is.
var backendURL = address("http://host/path, https://host/path or unix:/path/of/socket:/path/of/request, without a user's name", wrongURL)

// address is a URL in which wrong finds nothing. What follows its question mark may be a key.
func address(hint string, wrong func(string) string) codec[string] {
	c := words(hint, wrong)
	c.hide = func(yaml string) string {
		if address, _, ok := strings.Cut(yaml, "?"); ok {
			return address + `?(set)"`
		}
		return yaml
	}
	return c
}

// wrongHook returns what package hook finds wrong.
func wrongHook(e hook.Endpoint) string {
	h, err := hook.New(hook.Config{Connect: e})
	if err != nil {
		return strings.TrimPrefix(reason(err, hook.ErrConfig), "connect: ")
	}
	_ = h.Close(context.Background()) // nobody has asked it anything
	return ""
}

func wrongURL(url string) string {
	if url == "" || wrongHook(hook.Endpoint{URL: url}) == "" {
		return ""
	}
	return "is not where a hook can be"
}

func wrongHeader(name, value string) string {
	return wrongHook(hook.Endpoint{URL: somewhere, Headers: map[string]string{name: value}})
}

func wrongForward(name string) string {
	if wrongHook(hook.Endpoint{URL: somewhere, ForwardHeaders: []string{name}}) != "" {
		return "is not the name of a header that may be forwarded"
	}
	return ""
}

// config returns what package hook is told.
func (h *hooks) config() hook.Config {
	c := hook.Config{DisconnectQueue: h.Queue, DisconnectWorkers: h.Workers, DisconnectTries: h.Tries}
	for i, to := range []*hook.Endpoint{&c.Connect, &c.Refresh, &c.Subscribe, &c.Publish, &c.RPC, &c.SubRefresh, &c.Disconnect,
		&c.SocketConnect, &c.SocketEvent, &c.SocketDisconnect} {
		*to = h.Events[i].config()
	}
	return c
}

func (e *endpoint) config() hook.Endpoint {
	if !e.Enabled {
		return hook.Endpoint{}
	}
	c := e.Endpoint
	c.Secret, c.PreviousSecret = e.Present.value(), e.Previous.value()
	unlimited(&c.Retries)
	unlimited(&c.BreakerFailures)
	return c
}

// check says what contradicts each other in one event's keys.
func (e *endpoint) check(complain complaint) {
	if e.Previous.isSet() && !e.Present.isSet() {
		complain("missing beside a previous one; write "+hookSecretHint, "secret", "secret_file", "previous_secret", "previous_secret_file")
	}
	if e.CAFile != "" && !strings.HasPrefix(e.URL, "https:") {
		complain("is for a URL that begins with https; leave it out", "ca_file", "url")
	}
}

// Hooks returns what asks backends, which is nothing where a hook has no URL or is not enabled.
func (c *Config) Hooks() hook.Config {
	h := c.settings.hooks
	for i, event := range events {
		section := "hooks." + event.String()
		if e := &h.Events[i]; e.Budget < e.Timeout && c.origin(section+".budget") == byDefault {
			e.Budget = e.Timeout
		}
	}
	return h.config()
}
