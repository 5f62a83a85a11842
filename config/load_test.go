package config

import (
	"log/slog"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/seed4ac54ce5/edge/server"
)

func TestDefaults(t *testing.T) {
	for _, r := range []struct {
		from        Sources
		development bool
	}{
		{Sources{}, true},
		{Sources{Environ: []string{"EDGE_DEVELOPMENT=false"}}, false},
		{Sources{File: file(t, "edge.yaml", "# nothing\n")}, false},
		{Sources{File: file(t, "edge.yaml", "client:\n  # nothing\n")}, false},
		{Sources{File: file(t, "edge.yaml", "---\ndevelopment: true\n")}, true},
		{Sources{File: file(t, "edge.json", "{}")}, false},
		{Sources{File: file(t, "edge.toml", "")}, false},
	} {
		want := server.Config{
			Addresses: []string{"127.0.0.1:8000"}, InternalAddress: "127.0.0.1:9000",
			PrivateTables: "auto", Development: r.development,
			MessageLimit: 64 << 10, FragmentLimit: 1024, QueueLimit: 1 << 20, RoomLimit: 128,
			PingInterval: 25 * time.Second, PongTimeout: 8 * time.Second, HeadTimeout: 5 * time.Second, KeepAliveTimeout: 65 * time.Second,
			StaleTimeout: 10 * time.Second, StallLimit: 10 * time.Second, ShutdownWindow: 30 * time.Second,
			RateBurst: 5 * time.Second, MessageTimeout: time.Minute,
			ExpiredCloseDelay: 25 * time.Second, ExpiredSubCloseDelay: 25 * time.Second,
			API: server.API{BodyLimit: 4 << 20},
		}
		want.Access.Origins = []string{"self"}
		want.Limits.IPv6Prefix = 64
		if !r.development {
			want.CommandRate, want.ByteRate = 1000, 1<<20
			want.Limits = server.DefaultLimits
			want.Limits.Connections = -1 // none, which is no default of a node
		}
		want.Rooms.WithoutNamespace = server.RoomOptions{
			Kind: "stream", HistoryMetaTTL: 720 * time.Hour, ForceRecoveryMode: "stream", SlowConsumer: "close",
			AckTimeout: 30 * time.Second, TypingTTL: 5 * time.Second,
		}
		if r.development {
			want.SocketIO = defaultSockets()
			want.SSE, want.HTTPStream = true, true
		}
		c := loadFrom(t, r.from)
		if got := c.Server(); !reflect.DeepEqual(got, want) {
			t.Errorf("Load(%+v) = %+v; want %+v", r.from, got, want)
		}
		if c.LogLevel() != slog.LevelInfo || c.LogFormat() != "auto" {
			t.Errorf("log level %v, format %s; want info, auto", c.LogLevel(), c.LogFormat())
		}
	}
}

// Three files that say the same.
var forms = map[string]string{
	"edge.yaml": `
listen: {address: [":8000-8015", "unix:/run/edge.sock"]}
reactor: {loops: 4, private_fd_tables: on}
client:
  anonymous: {enabled: true}
  message_size_limit: 65537
  ping_interval: 0
room:
  without_namespace: {presence: true, channel_regex: '^[a-z]+$'}
  namespaces:
    - {name: chat, history_size: 100, history_ttl: 10m, store: true}
    - {name: news}
history: {memory_limit: 0, store: {enabled: true, path: /var/lib/edge/rooms.db, sync: interval, sync_interval: 250ms}}
log: {level: debug, format: text}
shutdown: {window: 0s}
`,
	"edge.json": `{
  "listen": {"address": [":8000-8015", "unix:/run/edge.sock"]},
  "reactor": {"loops": 4, "private_fd_tables": "on"},
  "client": {"anonymous": {"enabled": true}, "message_size_limit": 65537, "ping_interval": "0s"},
  "room": {
    "without_namespace": {"presence": true, "channel_regex": "^[a-z]+$"},
    "namespaces": [
      {"name": "chat", "history_size": 100, "history_ttl": "10m", "store": true},
      {"name": "news"}
    ]
  },
  "history": {"memory_limit": 0, "store": {"enabled": true, "path": "/var/lib/edge/rooms.db", "sync": "interval", "sync_interval": "250ms"}},
  "log": {"level": "debug", "format": "text"},
  "shutdown": {"window": "0s"}
}`,
	"edge.toml": `
listen.address = [":8000-8015", "unix:/run/edge.sock"]
reactor = {loops = 4, private_fd_tables = "on"}
history.memory_limit = 0
history.store = {enabled = true, path = "/var/lib/edge/rooms.db", sync = "interval", sync_interval = "250ms"}
log = {level = "debug", format = "text"}
shutdown.window = "0s"
[client]
message_size_limit = 65537
ping_interval = 0
anonymous.enabled = true
[room.without_namespace]
presence = true
channel_regex = '^[a-z]+$'
[[room.namespaces]]
name = "chat"
history_size = 100
history_ttl = "10m"
store = true
[[room.namespaces]]
name = "news"
`,
}

func TestFormatsSayTheSame(t *testing.T) {
	plain := loadFrom(t, Sources{}).Server().Rooms.WithoutNamespace
	want := loadFrom(t, Sources{Environ: []string{"EDGE_DEVELOPMENT=false"}}).Server()
	want.Addresses = []string{":8000-8015", "unix:/run/edge.sock"}
	want.Loops, want.PrivateTables = 4, "on"
	want.Access.Anonymous, want.MessageLimit, want.PingInterval = true, 65537, -1
	want.HistoryMemoryLimit, want.ShutdownWindow = -1, 1
	want.Store = &server.StoreConfig{Path: "/var/lib/edge/rooms.db", Sync: "interval", SyncInterval: 250 * time.Millisecond}
	want.Rooms.WithoutNamespace.Presence, want.Rooms.WithoutNamespace.ChannelRegex = true, "^[a-z]+$"
	chat := server.Namespace{Name: "chat", RoomOptions: plain}
	chat.HistorySize, chat.HistoryTTL, chat.Store = 100, 10*time.Minute, true
	want.Rooms.Namespaces = []server.Namespace{chat, {Name: "news", RoomOptions: plain}}
	for name, content := range forms {
		c := loadFrom(t, Sources{File: file(t, name, content)})
		if got := c.Server(); !reflect.DeepEqual(got, want) {
			t.Errorf("%s = %+v; want %+v", name, got, want)
		}
		if c.LogLevel() != slog.LevelDebug || c.LogFormat() != "text" {
			t.Errorf("%s: log level %v, format %s; want debug, text", name, c.LogLevel(), c.LogFormat())
		}
	}
}

// A flag comes before a variable, a variable before the file, the file before the default.
func TestPrecedence(t *testing.T) {
	const key = "client.room_limit"
	for _, r := range []struct {
		file, variable, flag string
		want                 int
		origin               string
	}{
		{"", "", "", 128, "default"},
		{"1", "", "", 1, "FILE"},
		{"", "2", "", 2, "EDGE_CLIENT_ROOM_LIMIT"},
		{"1", "2", "", 2, "EDGE_CLIENT_ROOM_LIMIT"},
		{"", "", "3", 3, "--fragment-limit"},
		{"1", "", "3", 3, "--fragment-limit"},
		{"1", "2", "3", 3, "--fragment-limit"},
	} {
		// The room limit has no flag; the fragment limit is another of the same kind.
		var from Sources
		path, variable := key, "EDGE_CLIENT_ROOM_LIMIT"
		if r.flag != "" {
			path, variable = "client.fragment_limit", "EDGE_CLIENT_FRAGMENT_LIMIT"
			from.Flags = map[string]string{path: r.flag}
		}
		if r.file != "" {
			from.File = file(t, "edge.yaml", "client: {"+last(path)+": "+r.file+"}")
		}
		if r.variable != "" {
			from.Environ = []string{"HOME=/root", variable + "=" + r.variable}
		}
		c := loadFrom(t, from)
		got := map[string]int{key: c.Server().RoomLimit, "client.fragment_limit": c.Server().FragmentLimit}[path]
		origin := c.origin(path)
		if origin == from.File && origin != "" {
			origin = "FILE"
		}
		if got != r.want || origin != r.origin {
			t.Errorf("file %q, variable %q, flag %q: %d from %s; want %d from %s", r.file, r.variable, r.flag, got, origin, r.want, r.origin)
		}
	}
}

func TestVariables(t *testing.T) {
	for value, want := range map[string][]string{
		":1":           {":1"},
		":1,:2":        {":1", ":2"},
		":1 :2":        {":1", ":2"},
		":1, :2":       {":1", ":2"},
		" unix:/a,:2,": {"unix:/a", ":2"},
	} {
		got := loadFrom(t, Sources{Environ: []string{"EDGE_LISTEN_ADDRESS=" + value}}).Server().Addresses
		if !slices.Equal(got, want) {
			t.Errorf("EDGE_LISTEN_ADDRESS=%q: %q; want %q", value, got, want)
		}
	}
	n := loadFrom(t, Sources{Environ: []string{
		"EDGE_CONFIG=elsewhere.yaml", "EDGE", "EDGEWISE=1", // none of these is a key's
		"EDGE_CLIENT_ANONYMOUS_ENABLED=true",
		"EDGE_CLIENT_QUEUE_MAX_SIZE=2 MiB",
		"EDGE_ROOM_WITHOUT_NAMESPACE_PRESENCE=true",
		`EDGE_ROOM_NAMESPACES=[{"name": "chat", "presence": true}, {"name": "news", "typing_ttl": "9s"}]`,
	}}).Server()
	chat, news := n.Rooms.Namespaces[0], n.Rooms.Namespaces[1]
	if !n.Access.Anonymous || n.QueueLimit != 2<<20 || !n.Rooms.WithoutNamespace.Presence || chat.Name != "chat" || !chat.Presence || news.Presence || news.TypingTTL != 9*time.Second {
		t.Errorf("variables give %+v", n)
	}
	if n := loadFrom(t, Sources{Environ: []string{"EDGE_ROOM_NAMESPACES="}}).Server(); len(n.Rooms.Namespaces) != 0 {
		t.Errorf("an empty EDGE_ROOM_NAMESPACES gives %+v; want none", n.Rooms.Namespaces)
	}
}

// A source that has namespaces replaces those of the source before it.
func TestNamespacesAreReplaced(t *testing.T) {
	n := loadFrom(t, Sources{
		File:    file(t, "edge.yaml", "room: {namespaces: [{name: chat}, {name: news}]}"),
		Environ: []string{`EDGE_ROOM_NAMESPACES=[{"name":"games"}]`},
	}).Server()
	if len(n.Rooms.Namespaces) != 1 || n.Rooms.Namespaces[0].Name != "games" {
		t.Errorf("namespaces %+v; want games alone", n.Rooms.Namespaces)
	}
}

// secretless has what stands beside secrets.
const secretless = `
listen:
  tls: {enabled: true, min_version: 1.3, client_certs: optional, client_ca_file: ca.pem, kernel: auto, certificates: [{cert_file: a.pem, key_file: a.key}]}
  proxy_protocol: {enabled: true, trusted: [10.0.0.0/8, "::1"]}
client:
  allowed_origins: [self, "https://*.example.com"]
  token:
    hmac_secret_key: "0123456789abcdef0123456789abcdef"
    hmac_previous_secret_key: "fedcba9876543210fedcba9876543210"
    hmac_previous_until: 2030-01-31T12:00:00.5+01:00
    issuer_regex: "^a"
  subscription_token: {enabled: true, jwks_public_endpoint: https://keys.example}
  per_ip: {connection_limit: 0, connection_rate_limit: 7, ipv6_prefix: 56}
  memory_budget: 4GiB
  max_connection_age: 12h
api: {key: "0", error_mode: transport}
shutdown: {delay: 5s}
`

// What loads says the same when it is written and loaded again, and complaints keep to their lines.
func FuzzLoad(f *testing.F) {
	for _, content := range forms {
		f.Add(content, "EDGE_LOG_LEVEL=warn")
	}
	f.Add(`{"a": [`, `EDGE_ROOM_NAMESPACES=[{`)
	f.Add(example, "EDGE_LISTEN_ADDRESS=:1, :2")
	f.Add("room: {namespaces: [{name: chat, channel_regex: \"\\x00[\"}]}", "EDGE_ROOM_NAMESPACES=[{}]")
	f.Add(secretless, "EDGE_CLIENT_TOKEN_JWKS=[{\"issuer\":\"a\",\"endpoint\":\"https://a.example\"}]")
	f.Add(secretless, `EDGE_HOOKS_RPC_HEADERS={"Authorization":"Bearer \u0001"}`)
	f.Add("hooks: {rpc: {url: 'unix:/run/app.sock:/rpc', headers: {X-A: \"\\xff\"}, forward_headers: [Cookie]}}", "EDGE_CLIENT_MEMORY_BUDGET=0")
	f.Fuzz(func(t *testing.T, content, variable string) {
		for name := range forms {
			from := Sources{File: file(t, name, content), Environ: []string{variable}}
			c, err := Load(from)
			if err != nil {
				checkLines(t, err.(Problems))
				continue
			}
			again := load(t, writtenShort(t, c))
			if !reflect.DeepEqual(again.settings, c.settings) {
				t.Fatalf("%s\nloaded, written and loaded again gives\n%s", writtenShort(t, c), writtenShort(t, again))
			}
		}
	})
}
