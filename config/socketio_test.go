package config

import (
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/seed4ac54ce5/edge/server"
)

// defaultSockets returns what a node is told where nothing is said about Socket.IO.
func defaultSockets() *server.SocketIO {
	return &server.SocketIO{
		Path: "/socket.io/", PingInterval: 25 * time.Second, PingTimeout: 20 * time.Second,
		UpgradeTimeout: 10 * time.Second, ConnectTimeout: 45 * time.Second, MaxPayload: 1_000_000,
		Limits: server.SocketIOLimits{
			Attachments: 10, AttachmentTimeout: 10 * time.Second, Namespaces: 16, Rooms: 128, Depth: 64, Sessions: 100_000,
		},
		RoomsAsChannels: []string{"/"},
	}
}

// Development mode has streams on, unless somebody says that they are off.
func TestStreamsAreForThoseWhoAsk(t *testing.T) {
	for content, want := range map[string][2]bool{
		"{}":                     {false, false},
		"{sse: {enabled: true}}": {true, false},
		"development: true":      {true, true},
		"{development: true, sse: {enabled: false}}":         {false, true},
		"{development: true, http_stream: {enabled: false}}": {true, false},
	} {
		c := loadFrom(t, Sources{File: file(t, "edge.yaml", content)}).Server()
		if got := [2]bool{c.SSE, c.HTTPStream}; got != want {
			t.Errorf("%s: SSE and HTTP streams %v; want %v", content, got, want)
		}
	}
}

func TestSocketsAreForThoseWhoAsk(t *testing.T) {
	for content, want := range map[string]bool{
		"{}":                           false,
		"socketio: {enabled: true}":    true,
		"development: true":            true,
		"socketio: {path: /elswhere/}": false,
		"{development: true, socketio: {enabled: false}}": false,
	} {
		c := load(t, content)
		if got := c.Server().SocketIO != nil; got != want {
			t.Errorf("%s: a node with Socket.IO: %v; want %v", content, got, want)
		}
		if got := c.Sockets() != nil; got != want {
			t.Errorf("%s: an application for it: %v; want %v", content, got, want)
		}
	}
}

func TestKeysOfSockets(t *testing.T) {
	c := load(t, `
socketio:
  enabled: true
  path: /io/
  ping_interval: 300ms
  ping_timeout: 200ms
  upgrade_timeout: 1s
  connect_timeout: 2s
  max_payload: 64KiB
  transports: websocket
  allow_upgrades: false
  parser: msgpack
  rooms_as_channels: [/, /chat, /game]
  recovery: {enabled: true, max_disconnection_duration: 5m, memory_limit: 1MiB, sockets: 9}
  namespaces:
    - {name: /admin}
    - {name: /game, builtin_events: false}
    - {name: /, hooks: false}
  limits: {attachments: 1, attachment_timeout: 3s, namespaces: 2, rooms: 3, depth: 4, sessions: 5}
room:
  namespaces: [{name: chat}, {name: game}]
`)
	want := &server.SocketIO{
		Path: "/io/", PingInterval: 300 * time.Millisecond, PingTimeout: 200 * time.Millisecond,
		UpgradeTimeout: time.Second, ConnectTimeout: 2 * time.Second, MaxPayload: 64 << 10,
		NoPolling: true, NoUpgrades: true, MessagePack: true,
		Limits: server.SocketIOLimits{
			Attachments: 1, AttachmentTimeout: 3 * time.Second, Namespaces: 2, Rooms: 3, Depth: 4, Sessions: 5,
		},
		RoomsAsChannels: []string{"/", "/chat", "/game"},
	}
	if got := c.Server().SocketIO; !reflect.DeepEqual(got, want) {
		t.Errorf("SocketIO = %+v; want %+v", got, want)
	}
	for _, n := range []SocketNamespace{
		{"/", true, false}, {"/admin", false, true}, {"/chat", true, true}, {"/game", false, true},
	} {
		if got := c.Sockets().Namespaces; !slices.Contains(got, n) || len(got) != 4 {
			t.Errorf("Namespaces = %+v; want %+v among 4", got, n)
		}
	}
	if got := c.Sockets(); !got.Recovery || got.MaxAbsence != 5*time.Minute || got.RecoveryMemory != 1<<20 || got.RecoverySize != 9 {
		t.Errorf("Sockets() = %+v; want recovery of 9 for 5m in 1MiB", got)
	}
}

func TestMistakesWithSockets(t *testing.T) {
	const form = "write / or a slash with a name, as /chat"
	for content, want := range map[string]string{
		"{path: socket.io}":                         `socketio.path: "socket.io" is not such a path; write a path as /socket.io/`,
		"{transports: [webtransport]}":              `socketio.transports: a list has "webtransport", which is not a transport; write polling, websocket or both`,
		"{transports: []}":                          `socketio.transports: a list is empty; write polling, websocket or both`,
		"{parser: xml}":                             `socketio.parser: "xml" is not one of the choices; write json or msgpack`,
		"{rooms_as_channels: [chat]}":               `socketio.rooms_as_channels: a list has "chat", which is not the name of a namespace; ` + form,
		"{rooms_as_channels: [/chat]}":              `socketio.rooms_as_channels: rooms of "/chat" are those of "chat", which is no namespace; write one of that name under room.namespaces`,
		"{namespaces: [{}]}":                        `socketio.namespaces[0].name: missing; ` + form,
		`{namespaces: [{name: "/a,b"}]}`:            `socketio.namespaces[0].name: "/a,b" is not the name of a namespace; ` + form,
		"{namespaces: [{name: /a}, {name: /a}]}":    `socketio.namespaces[1].name: a second "/a"; write each once`,
		"{namespaces: [{name: /a, builtin: true}]}": `socketio.namespaces[0].builtin: unknown key; edge configdoc lists all`,
		"{ping_timeout: 1ms}":                       `socketio.ping_timeout: "1ms" is out of range; write a time from 10ms to 24h, as 25s`,
		"{limits: {rooms: 0}}":                      `socketio.limits.rooms: 0 is out of range; write 1 or more`,
	} {
		got := complaints(t, Sources{File: file(t, "edge.yaml", "socketio: "+content)})
		if !slices.Equal(got, []string{want}) {
			t.Errorf("%s: %q; want %q", content, got, want)
		}
	}
}
