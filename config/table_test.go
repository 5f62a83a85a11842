package config

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed4ac54ce5/edge/hook"
	"github.com/seed4ac54ce5/edge/server"
)

// fill gives each field of v that a key could set a value that is not zero.
func fill(v reflect.Value) {
	switch {
	case !v.CanSet():
		return // of another package
	case v.Type() == reflect.TypeFor[time.Time]():
		v.Set(reflect.ValueOf(time.Unix(1, 0)))
		return
	case v.Kind() == reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i))
		}
	case v.Kind() == reflect.Array:
		for i := range v.Len() {
			fill(v.Index(i))
		}
	}
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(1)
	case reflect.Float64:
		v.SetFloat(1)
	case reflect.String:
		v.SetString("set")
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
	}
}

// unset returns the paths of what is zero in v and in the structs in it.
func unset(path string, v reflect.Value) (all []string) {
	switch {
	case v.IsZero():
		return []string{path}
	case v.Kind() == reflect.Pointer:
		return unset(path, v.Elem())
	case v.Kind() == reflect.Struct && v.Type() != reflect.TypeFor[time.Time]():
		for i := range v.NumField() {
			if f := v.Type().Field(i); f.IsExported() {
				all = append(all, unset(strings.TrimPrefix(path+"."+f.Name, "."), v.Field(i))...)
			}
		}
	}
	return all
}

// Each option of rooms has a key, and no two keys have the same.
func TestEachRoomOptionHasAKey(t *testing.T) {
	var got, full server.RoomOptions
	fill(reflect.ValueOf(&full).Elem())
	for _, k := range roomKeys {
		k.copy(&got, &full)
	}
	if n := reflect.TypeFor[server.RoomOptions]().NumField(); got != full || len(roomKeys) != n {
		t.Errorf("%d keys set %+v; want all %d fields set", len(roomKeys), got, n)
	}
}

// filled returns a configuration in which each key has copied a value that is not zero.
func filled() *Config {
	c := &Config{origins: make(map[string]string)}
	full := settings{storeEnabled: true, separate: true}
	for _, part := range []any{&full.node, &full.store, &full.tls, &full.tokens, &full.subTokens, &full.apiKey, &full.hooks, &full.sockets} {
		fill(reflect.ValueOf(part).Elem())
	}
	full.sockets.AllowUpgrades, full.sockets.Transports, full.sockets.Parser = false, nil, "msgpack"
	full.tls.MinVersion, full.tls.ClientCerts, full.tls.Kernel = "1.3", "required", "auto"
	for _, k := range keys {
		k.copy(&c.settings, &full)
		c.origins[k.Path] = "a file"
	}
	return c
}

// Each field of a node's configuration has a key, save those that are not the operator's.
func TestEachFieldOfANodeHasAKey(t *testing.T) {
	notKeys := []string{
		"Echo", "SocketIO.EchoPath", "SocketIO.KeepHandshakes", "SocketIO.NoHandshakes", "SocketIO.RecordTTL", "SocketIO.App", "Handler", "Version", "Log", "LogDropped", "Metrics", "Listeners", "InternalListener", "WrapAPI", "Access.Tokens.Transport", "Access.Tokens.Fetched", "Access.Subscriptions.Transport", "Access.Subscriptions.Fetched",
	}
	got := unset("", reflect.ValueOf(filled().Server()))
	slices.Sort(got)
	slices.Sort(notKeys)
	if !slices.Equal(got, notKeys) {
		t.Errorf("the keys leave %q; want %q", got, notKeys)
	}
}

// Each field of what package hook is told has a key, save those that are a program's.
func TestEachFieldOfHooksHasAKey(t *testing.T) {
	got := unset("", reflect.ValueOf(filled().Hooks()))
	if want := []string{"Wrap", "Observe", "Log"}; !slices.Equal(got, want) {
		t.Errorf("the keys leave %q; want %q", got, want)
	}
}

// What nobody sets is as a hook's endpoint is by itself.
func TestDefaultsOfHooks(t *testing.T) {
	got := loadFrom(t, Sources{}).Hooks()
	e := hook.Endpoint{
		Timeout: time.Second, Budget: 3 * time.Second, Retries: 2, MaxConcurrent: 128, MaxResponse: 256 << 10,
		BreakerFailures: 5, BreakerPause: 2 * time.Second,
	}
	want := hook.Config{
		Connect: e, Refresh: e, Subscribe: e, Publish: e, RPC: e, SubRefresh: e, Disconnect: e, SocketConnect: e, SocketEvent: e, SocketDisconnect: e,
		DisconnectQueue: 10000, DisconnectWorkers: 4, DisconnectTries: 8,
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("Hooks() = %+v; want %+v", got, want)
	}
}

func TestKeysAreWellFormed(t *testing.T) {
	flags := make(map[string]bool)
	for _, k := range Keys() {
		if k.Meaning == "" || k.Kind == "" || strings.ToLower(k.Path) != k.Path || strings.HasSuffix(k.Meaning, ".") {
			t.Errorf("%+v is not as a row must be", k)
		}
		if flags[k.Flag] && k.Flag != "" {
			t.Errorf("--%s is the flag of two keys", k.Flag)
		}
		flags[k.Flag] = true
		if sections[k.Path] {
			t.Errorf("%s is a key and a section", k.Path)
		}
	}
	if len(variables) != len(keys) {
		t.Errorf("%d keys have %d variables", len(keys), len(variables))
	}
}

// A key's default, written, is its default.
func TestDefaultsAreCanonical(t *testing.T) {
	d := defaults()
	for _, k := range keys {
		written := strings.Trim(k.text(&d), `[{"}]`)
		if written != k.Default {
			t.Errorf("%s: the default %s is written %s", k.Path, k.Default, written)
		}
	}
}

func TestNearest(t *testing.T) {
	for name, want := range map[string]string{
		"client.ping_intervall":               "client.ping_interval",
		"client.pingInterval":                 "client.ping_interval",
		"client.ping-interval":                "client.ping_interval",
		"ping_interval":                       "client.ping_interval",
		"listen.adress":                       "listen.address",
		"intern.address":                      "internal.address",
		"history.store.pth":                   "history.store.path",
		"room.without_namespace.alow_publish": "",
		"room.without_namspace":               "room.without_namespace",
		"tls":                                 "listen.tls",
		"client.allowed_origin":               "client.allowed_origins",
		"quuxes":                              "",
	} {
		if got := nearest(name, names); got != want {
			t.Errorf("nearest(%s) = %q; want %q", name, got, want)
		}
	}
}

func TestFormatDuration(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0s", 250 * time.Millisecond: "250ms", 25 * time.Second: "25s", 10 * time.Minute: "10m", time.Hour: "1h",
		720 * time.Hour: "720h", 90 * time.Minute: "1h30m", time.Hour + time.Second: "1h0m1s", 100 * time.Second: "1m40s",
	} {
		if got := formatDuration(d); got != want {
			t.Errorf("formatDuration(%v) = %s; want %s", d, got, want)
		}
		if back, err := time.ParseDuration(want); err != nil || back != d {
			t.Errorf("%s reads as %v, %v; want %v", want, back, err, d)
		}
	}
}
