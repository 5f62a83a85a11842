package config

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed4ac54ce5/edge/server"
)

// fill gives each field of v that a key could set a value that is not zero.
func fill(v reflect.Value) {
	for i := range v.NumField() {
		switch f := v.Field(i); f.Kind() {
		case reflect.Bool:
			f.SetBool(true)
		case reflect.Int, reflect.Int64:
			f.SetInt(int64(i + 1))
		case reflect.String:
			f.SetString("set")
		case reflect.Slice:
			f.Set(reflect.MakeSlice(f.Type(), 1, 1))
		case reflect.Struct:
			fill(f)
		}
	}
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

// notKeys are the fields of a node's configuration that are not the operator's.
var notKeys = []string{"Version", "Log", "LogDropped", "WrapAPI", "Handler"}

// Each other field has a key.
func TestEachFieldOfANodeHasAKey(t *testing.T) {
	c := Config{origins: make(map[string]string)}
	full := settings{storeEnabled: true}
	fill(reflect.ValueOf(&full.node).Elem())
	for _, k := range keys {
		k.copy(&c.settings, &full)
		c.origins[k.Path] = "a file"
	}
	node := reflect.ValueOf(c.Server())
	for i := range node.NumField() {
		name := node.Type().Field(i).Name
		if node.Field(i).IsZero() != slices.Contains(notKeys, name) {
			t.Errorf("the keys leave %s %v", name, node.Field(i))
		}
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
		written := strings.Trim(k.text(&d), `["]`)
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
		"tls":                                 "",
		"client.allowed_origins":              "",
	} {
		if got := nearest(name, names); got != want {
			t.Errorf("nearest(%s) = %q; want %q", name, got, want)
		}
	}
}

func TestDistance(t *testing.T) {
	for _, r := range []struct {
		a, b string
		want int
	}{
		{"", "", 0}, {"", "abc", 3}, {"abc", "", 3}, {"abc", "abc", 0}, {"ABC", "abc", 0}, {"abc", "acb", 1},
		{"history", "histroy", 1}, {"ping", "pong", 1}, {"ping", "pin", 1}, {"kitten", "sitting", 3},
	} {
		if got := distance(r.a, r.b); got != r.want {
			t.Errorf("distance(%s, %s) = %d; want %d", r.a, r.b, got, r.want)
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
