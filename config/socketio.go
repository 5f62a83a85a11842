package config

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/seed4ac54ce5/edge/server"
)

// sockets is what the keys under socketio set.
type sockets struct {
	server.SocketIO
	Enabled        bool
	Transports     []string
	AllowUpgrades  bool
	Parser         string
	Recovery       bool
	MaxAbsence     time.Duration
	RecoveryMemory int
	RecoverySize   int
	Namespaces     []SocketNamespace
}

// SocketNamespace is a namespace of Socket.IO in which edge serve lets clients.
type SocketNamespace struct {
	Name    string
	Builtin bool // it has the built-in events
	Hooks   bool // the backends of hooks.socket_connect, socket_event and socket_disconnect hear of it
}

// Sockets is what an application of Socket.IO's is told, beyond what the node knows.
type Sockets struct {
	Namespaces     []SocketNamespace // at least "/", each once
	Recovery       bool              // clients that come back have what they missed, where rooms are no channels
	MaxAbsence     time.Duration     // after which they do not
	RecoveryMemory int               // bytes of the events that are kept for them, of each namespace
	RecoverySize   int               // sockets that may come back
}

const (
	ofSockets        = "socketio"
	socketNamespaces = ofSockets + ".namespaces"
	roomsAsChannels  = ofSockets + ".rooms_as_channels"
	mainNamespace    = "/"
)

var (
	soon             = duration(10*time.Millisecond, day, time.Millisecond, "a time from 10ms to 24h, as 25s")
	namespaceHint    = "/ or a slash with a name, as /chat"
	socketTransports = []string{"polling", "websocket"}
)

var socketNamespaceKeys = []key[SocketNamespace]{
	{Key{"name", "", "", restart, "", "its name, as /chat"},
		is(func(n *SocketNamespace) *string { return &n.Name }, words(namespaceHint, wrongEntryName))},
	{Key{"builtin_events", "", "true", restart, "", "join, leave, publish, presence, history and typing, where rooms are channels"},
		is(func(n *SocketNamespace) *bool { return &n.Builtin }, boolean)},
	{Key{"hooks", "", "true", restart, "", "the backends of hooks.socket_connect, socket_event and socket_disconnect hear of it"},
		is(func(n *SocketNamespace) *bool { return &n.Hooks }, boolean)},
}

// socketKeys are the keys of Socket.IO.
var socketKeys = []key[sockets]{
	{Key{"enabled", "", "false", restart, "", "serves clients of Socket.IO; true by default in development mode"},
		is(func(s *sockets) *bool { return &s.Enabled }, boolean)},
	{Key{"path", "", "/socket.io/", restart, "", "how the paths of their requests begin, with a slash at both ends"},
		is(func(s *sockets) *string { return &s.Path }, words("a path as /socket.io/", wrongSocketPath))},
	{Key{"ping_interval", "", "25s", restart, "", "time from a pong to the next ping"},
		is(func(s *sockets) *time.Duration { return &s.PingInterval }, soon)},
	{Key{"ping_timeout", "", "20s", restart, "", "time that a client has to answer a ping"},
		is(func(s *sockets) *time.Duration { return &s.PingTimeout }, soon)},
	{Key{"upgrade_timeout", "", "10s", restart, "", "time that an upgrade from polling to WebSocket may take"},
		is(func(s *sockets) *time.Duration { return &s.UpgradeTimeout }, soon)},
	{Key{"connect_timeout", "", "45s", restart, "", "time that a client has to enter its first namespace"},
		is(func(s *sockets) *time.Duration { return &s.ConnectTimeout }, soon)},
	{Key{"max_payload", "", "1000000B", restart, "", "largest message, and largest body of a polling request"},
		is(func(s *sockets) *int { return &s.MaxPayload }, buffer)},
	{Key{"transports", "", "polling, websocket", restart, "", "what clients may use: polling, websocket or both"},
		is(func(s *sockets) *[]string { return &s.Transports }, list("polling, websocket or both", wrongTransport))},
	{Key{"allow_upgrades", "", "true", restart, "", "clients that begin with polling may go on with WebSocket"},
		is(func(s *sockets) *bool { return &s.AllowUpgrades }, boolean)},
	{Key{"parser", "", "json", restart, "", "form of packets, the same for all clients: json, or msgpack for those with socket.io-msgpack-parser"},
		is(func(s *sockets) *string { return &s.Parser }, choice("json", "msgpack"))},
	{Key{"rooms_as_channels", "", "/", restart, "", "namespaces whose rooms are those that other clients subscribe to, so that both see each publication: room `lobby` of `/` is `lobby`, of `/chat` it is `chat:lobby`. They exist by being named here, and have the built-in events"},
		is(func(s *sockets) *[]string { return &s.RoomsAsChannels }, listOrNone(namespaceHint, wrongSocketNamespace))},
	{Key{"namespaces", "", "", restart, "", "namespaces that exist besides these and `/`, and what they have: `name`, `builtin_events` (join, leave, publish, presence, history and typing, where rooms are channels) and `hooks` (the backends of `hooks.socket_connect`, `hooks.socket_event` and `hooks.socket_disconnect` hear of it), both true by default"},
		entriesField[sockets, SocketNamespace]{at: func(s *sockets) *[]SocketNamespace { return &s.Namespaces }, keys: socketNamespaceKeys}},
	{Key{"recovery.enabled", "", "false", restart, "", "a client that comes back to a namespace whose rooms are no channels has its id and rooms, and gets what it missed; channels have histories for that"},
		is(func(s *sockets) *bool { return &s.Recovery }, boolean)},
	{Key{"recovery.max_disconnection_duration", "", "2m", restart, "", "how soon it must be back"},
		is(func(s *sockets) *time.Duration { return &s.MaxAbsence }, soon)},
	{Key{"recovery.memory_limit", "", "16MiB", restart, "", "memory of the events that a namespace keeps for them; the oldest goes first"},
		is(func(s *sockets) *int { return &s.RecoveryMemory }, buffer)},
	{Key{"recovery.sockets", "", "100000", restart, "", "how many may be away at a time; the oldest goes first"},
		is(func(s *sockets) *int { return &s.RecoverySize }, count)},
	{Key{"limits.attachments", "", "10", restart, "", "binary values of one packet"},
		is(func(s *sockets) *int { return &s.Limits.Attachments }, count)},
	{Key{"limits.attachment_timeout", "", "10s", restart, "", "time from such a packet to the last of them"},
		is(func(s *sockets) *time.Duration { return &s.Limits.AttachmentTimeout }, soon)},
	{Key{"limits.namespaces", "", "16", restart, "", "namespaces that a client may be in"},
		is(func(s *sockets) *int { return &s.Limits.Namespaces }, count)},
	{Key{"limits.rooms", "", "128", restart, "", "rooms that it may be in, in all its namespaces"},
		is(func(s *sockets) *int { return &s.Limits.Rooms }, count)},
	{Key{"limits.depth", "", "64", restart, "", "lists and objects that may stand in each other in a packet"},
		is(func(s *sockets) *int { return &s.Limits.Depth }, count)},
	{Key{"limits.sessions", "", "100000", restart, "", "clients that poll, of each loop"},
		is(func(s *sockets) *int { return &s.Limits.Sessions }, count)},
}

var socketNamespaceForm = regexp.MustCompile(`^/[^,?\x00-\x20\x7f]*$`)

// wrongSocketNamespace returns what is wrong with the name of a namespace.
func wrongSocketNamespace(s string) string {
	if !socketNamespaceForm.MatchString(s) || len(s) > 255 {
		return "is not the name of a namespace"
	}
	return ""
}

// wrongEntryName is wrongSocketNamespace for an entry, which has none until it is read: [sockets.check] finds those that get none.
func wrongEntryName(s string) string {
	if s == "" {
		return ""
	}
	return wrongSocketNamespace(s)
}

func wrongSocketPath(s string) string {
	if len(s) < 3 || s[0] != '/' || s[len(s)-1] != '/' || strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' || r == '?' || r == '#' }) {
		return "is not such a path"
	}
	return ""
}

func wrongTransport(s string) string {
	if !slices.Contains(socketTransports, s) {
		return "is not a transport"
	}
	return ""
}

// config returns what the node is told; its application is for its owner to add.
func (s *sockets) config() *server.SocketIO {
	io := s.SocketIO
	io.NoPolling = !slices.Contains(s.Transports, "polling")
	io.NoWebSocket = !slices.Contains(s.Transports, "websocket")
	io.NoUpgrades = !s.AllowUpgrades
	io.MessagePack = s.Parser == "msgpack"
	return &io
}

// named returns all namespaces: the main one, those whose rooms are channels, and those that have an entry.
func (s *sockets) named() []SocketNamespace {
	all := slices.Clone(s.Namespaces)
	for _, name := range append([]string{mainNamespace}, s.RoomsAsChannels...) {
		if !slices.ContainsFunc(all, func(n SocketNamespace) bool { return n.Name == name }) {
			all = append(all, SocketNamespace{Name: name, Builtin: true, Hooks: true})
		}
	}
	for i := range all {
		all[i].Builtin = all[i].Builtin && slices.Contains(s.RoomsAsChannels, all[i].Name)
	}
	return all
}

// check says what contradicts each other in the keys of Socket.IO. exists reports whether there is a namespace of rooms of a name.
func (s *sockets) check(complain complaint, exists func(name string) bool) {
	for _, name := range s.RoomsAsChannels {
		if of := name[1:]; of != "" && !exists(of) {
			complain(fmt.Sprintf("rooms of %q are those of %q, which is no namespace; write one of that name under %s", name, of, namespaces), roomsAsChannels, namespaces)
		}
	}
	seen := make(map[string]bool)
	for i, n := range s.Namespaces {
		switch key := fmt.Sprintf("%s[%d].name", socketNamespaces, i); {
		case n.Name == "":
			complain("missing; write "+namespaceHint, key, socketNamespaces)
		case seen[n.Name]:
			complain(fmt.Sprintf("a second %q; write each once", n.Name), key, socketNamespaces)
		}
		seen[n.Name] = true
	}
}

// hasSockets reports whether Socket.IO is served: it is said so, or nothing is and the node is one for development.
func (c *Config) hasSockets() bool {
	on := c.settings.sockets.Enabled
	return on || c.settings.node.Development && c.origin(ofSockets+".enabled") == byDefault
}

// Sockets returns what an application of Socket.IO's is told; nil if none is served.
func (c *Config) Sockets() *Sockets {
	if !c.hasSockets() {
		return nil
	}
	s := &c.settings.sockets
	return &Sockets{Namespaces: s.named(), Recovery: s.Recovery, MaxAbsence: s.MaxAbsence, RecoveryMemory: s.RecoveryMemory, RecoverySize: s.RecoverySize}
}
