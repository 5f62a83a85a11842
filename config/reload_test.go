package config

import (
	"slices"
	"strings"
	"testing"
)

// What differs is named, and only live keys take their new value.
func TestReloaded(t *testing.T) {
	was := load(t, "client: {ping_interval: 25s}\nroom: {namespaces: [{name: chat}, {name: news, presence: true}]}")
	next := load(t, "client: {ping_interval: 10s}\nlog: {level: warn}\n"+
		"room: {without_namespace: {presence: true}, namespaces: [{name: games}, {name: chat, history_size: 100, history_ttl: 10m}]}")
	merged, changes, err := was.Reloaded(next)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, c := range changes {
		mark := "restart"
		if c.Live {
			mark = "live"
		}
		got = append(got, mark+" "+c.What)
	}
	want := []string{
		"restart client.ping_interval: 25s, now 10s",
		"live room.without_namespace.presence: false, now true",
		"live room.namespaces[news]: removed",
		"live room.namespaces[games]: added",
		"live room.namespaces[chat].history_size: 0, now 100",
		"live room.namespaces[chat].history_ttl: 0s, now 10m",
		"live log.level: info, now warn",
	}
	if !slices.Equal(got, want) {
		t.Errorf("changes\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	n := merged.Server()
	if n.PingInterval != was.Server().PingInterval || !n.Rooms.WithoutNamespace.Presence || len(n.Rooms.Namespaces) != 2 || merged.LogLevel() != next.LogLevel() {
		t.Errorf("reloaded: %+v", n)
	}
	if from := merged.origin("log.level"); from != next.File {
		t.Errorf("log.level comes from %s; want %s", from, next.File)
	}
	if _, changes, err := merged.Reloaded(next); err != nil || len(changes) != 1 || changes[0].Key != "client.ping_interval" {
		t.Errorf("reloaded again: %+v, %v; want only what waits for a restart", changes, err)
	}
}

func TestReloadedWithoutChanges(t *testing.T) {
	c := load(t, "room: {namespaces: [{name: chat}, {name: news}]}")
	for _, content := range []string{"room: {namespaces: [{name: chat}, {name: news}]}", "room: {namespaces: [{name: news}, {name: chat, kind: stream}]}"} {
		if _, changes, err := c.Reloaded(load(t, content)); err != nil || len(changes) != 0 {
			t.Errorf("%s: changes %+v, %v; want none", content, changes, err)
		}
	}
}

// A reload cannot use a store that only a restart will open.
func TestReloadedNeedsARestart(t *testing.T) {
	was := load(t, "")
	next := load(t, "history: {store: {enabled: true, path: rooms.db}}\nroom: {namespaces: [{name: chat, history_size: 5, history_ttl: 5m, store: true}]}")
	_, _, err := was.Reloaded(next)
	const want = "room.namespaces[chat].store: needs a store; write history.store.enabled: true, which takes a restart"
	if err == nil || err.Error() != want {
		t.Errorf("Reloaded = %v; want %s", err, want)
	}
}
