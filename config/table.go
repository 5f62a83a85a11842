package config

import (
	"math"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/seed4ac54ce5/edge/auth"
	"github.com/seed4ac54ce5/edge/proxyproto"
	"github.com/seed4ac54ce5/edge/server"
)

// settings is what the keys set.
type settings struct {
	node         server.Config
	tls          tlsSettings
	tokens       tokens
	separate     bool // subscriptions have tokens of their own
	subTokens    tokens
	apiKey       secret
	hooks        hooks
	sockets      sockets
	storeEnabled bool
	store        server.StoreConfig
	logLevel     string
	logFormat    string
}

const (
	live    = true  // a reload changes it
	restart = false // it holds until the next start
)

// What a node can count and time.
const (
	maxCount = math.MaxInt32
	maxBytes = 1<<31 - 1
	moment   = 100 * time.Millisecond // a loop's clock is coarse
	day      = 24 * time.Hour
)

var (
	countOrNone = integer(0, maxCount, "1 or more, or 0 for no limit")
	sizeOrNone  = size[int64](0, math.MaxInt64, "a size as 256MiB, or 0 for no limit")
	count       = integer(1, maxCount, "1 or more")
	buffer      = size(1, maxBytes, "a size as 65536, 64KiB or 16MiB, below 2GiB")
	limit       = duration(moment, day, 1, "a time from 100ms to 24h, as 10s")
	ping        = duration(0, day, time.Second, "whole seconds, as 25s, or 0s for none")
	path        = words("the path of a file", anything)
	patience    = duration(0, day, 1, "a time up to 24h, as 25s")
	perSecond   = codec[float64]{kind: "integer", hint: countOrNone.hint, write: writeWhole, parse: parseWhole}
)

// generalKeys are the keys outside the sections listen.tls, client.token, client.subscription_token and hooks, which
// have tables of their own, as do the options of rooms.
var generalKeys = []key[settings]{
	{Key{"development", "", "false", restart, "development", "lets every client in, into every room, and serves `/echo` and the playground; true if there is no configuration file"},
		is(func(s *settings) *bool { return &s.node.Development }, boolean)},

	{Key{"listen.address", "", "127.0.0.1:8000", restart, "address", "where clients connect: `host:port`, `host:first-last`, `:port` for every address of the host, `unix:path`"},
		is(func(s *settings) *[]string { return &s.node.Addresses }, list("host:port, host:first-last or unix:path", wrongAddress))},
	{Key{"listen.proxy_protocol.enabled", "", "false", restart, "", "each public connection begins with a header of the PROXY protocol, version 1 or 2"},
		is(func(s *settings) *bool { return &s.node.ProxyProtocol.Enabled }, boolean)},
	{Key{"listen.proxy_protocol.trusted", "", "", restart, "", "networks and addresses of the proxies; a connection from elsewhere is closed"},
		is(func(s *settings) *[]string { return &s.node.ProxyProtocol.Trusted }, listOrNone("networks as 10.0.0.0/8, or addresses", wrongNetwork))},
	{Key{"internal.address", "", "127.0.0.1:9000", restart, "internal-address", "`host:port` of the HTTP API, health, metrics, profiles and playground; beyond the loopback only with an `api.key`"},
		is(func(s *settings) *string { return &s.node.InternalAddress }, words("host:port", wrongInternalAddress))},

	{Key{"reactor.loops", "", "0", restart, "loops", "reactor threads; 0 is one for each CPU"},
		is(func(s *settings) *int { return &s.node.Loops }, integer(0, server.MaxLoops, "0 for one for each CPU, or 1 to "+strconv.Itoa(server.MaxLoops)))},
	{Key{"reactor.private_fd_tables", "", "auto", restart, "private-fd-tables", "a descriptor table for each loop: auto, on or off"},
		is(func(s *settings) *string { return &s.node.PrivateTables }, choice("auto", "on", "off"))},

	{Key{"client.allowed_origins", "", "self", live, "", "pages that may connect, by scheme, host and port: `https://example.com`, `https://*.example.com`, `self` for the host that is asked, `*` for all; programs, which send no origin, need a token, unless anonymous clients may connect"},
		is(func(s *settings) *[]string { return &s.node.Access.Origins }, list("origins as https://example.com, https://*.example.com, self or *", wrongOrigin))},
	{Key{"client.anonymous.enabled", "", "false", live, "", "lets clients without a token in outside development mode too; the options of rooms say what they may do"},
		is(func(s *settings) *bool { return &s.node.Access.Anonymous }, boolean)},
	{Key{"client.disallow_anonymous_connection_tokens", "", "false", live, "", "refuses tokens without a user"},
		is(func(s *settings) *bool { return &s.node.Access.NoAnonymousTokens }, boolean)},
	{Key{"client.subscribe_to_user_personal_channel.enabled", "", "false", live, "", "puts each user into a room of its own, `#USER`; an id with `#` or `,` in it, which would name others, has none"},
		is(func(s *settings) *bool { return &s.node.Access.Personal.Enabled }, boolean)},
	{Key{"client.subscribe_to_user_personal_channel.personal_channel_namespace", "", "", live, "", "namespace of these rooms, which are `NAMESPACE:#USER` then"},
		is(func(s *settings) *string { return &s.node.Access.Personal.Namespace }, words("the name of a namespace", anything))},
	{Key{"client.connection_limit", "", "0", live, "", "connections of the node; 0 is no limit but memory"},
		is(func(s *settings) *int { return &s.node.Limits.Connections }, countOrNone)},
	{Key{"client.connection_rate_limit", "", "20000", live, "", "connections that the node takes a second, a burst aside; 0 is no limit. In development mode there are no limits from here to `client.user_connection_limit` by default"},
		is(func(s *settings) *float64 { return &s.node.Limits.Rate.PerSecond }, perSecond)},
	{Key{"client.connection_rate_burst", "", "20000", live, "", "connections that it takes at once"},
		is(func(s *settings) *int { return &s.node.Limits.Rate.Burst }, count)},
	{Key{"client.per_ip.connection_limit", "", "10000", live, "", "connections from one address; 0 is no limit. The loopback has none of these"},
		is(func(s *settings) *int { return &s.node.Limits.AddressConnections }, countOrNone)},
	{Key{"client.per_ip.connection_rate_limit", "", "500", live, "", "connections that one address may open a second, a burst aside; 0 is no limit"},
		is(func(s *settings) *float64 { return &s.node.Limits.AddressRate.PerSecond }, perSecond)},
	{Key{"client.per_ip.connection_rate_burst", "", "5000", live, "", "connections that it may open at once"},
		is(func(s *settings) *int { return &s.node.Limits.AddressRate.Burst }, count)},
	{Key{"client.per_ip.ipv6_prefix", "", "64", live, "", "bits of an IPv6 address that tell one client's from another's"},
		is(func(s *settings) *int { return &s.node.Limits.IPv6Prefix }, integer(1, 128, "1 to 128"))},
	{Key{"client.user_connection_limit", "", "1000", live, "", "connections of one user; 0 is no limit"},
		is(func(s *settings) *int { return &s.node.Limits.UserConnections }, countOrNone)},
	{Key{"client.memory_budget", "", "auto", live, "", "memory of process and kernel together near which nobody more is let in: auto, which is what the cgroup or the host has, a size, or 0 for no limit"},
		is(func(s *settings) *int64 { return &s.node.MemoryLimit }, budget)},
	{Key{"client.message_size_limit", "", "64KiB", live, "message-size-limit", "largest message from a client, as it comes and after inflation"},
		is(func(s *settings) *int { return &s.node.MessageLimit }, buffer)},
	{Key{"client.fragment_limit", "", "1024", live, "fragment-limit", "most frames that a message may have"},
		is(func(s *settings) *int { return &s.node.FragmentLimit }, count)},
	{Key{"client.message_timeout", "", "1m", restart, "", "time from the first byte of a message to its last"},
		is(func(s *settings) *time.Duration { return &s.node.MessageTimeout }, limit)},
	{Key{"client.command_rate_limit", "", "1000", live, "", "commands and control frames that a client may send a second, a burst aside; 0 is no limit, and so is the default in development mode"},
		is(func(s *settings) *int { return &s.node.CommandRate }, countOrNone)},
	{Key{"client.byte_rate_limit", "", "1MiB", live, "", "bytes that a client may send a second, a burst aside; 0 is no limit, and so is the default in development mode"},
		is(func(s *settings) *int { return &s.node.ByteRate }, size(0, maxBytes, "a size as 1MiB, or 0 for no limit"))},
	{Key{"client.rate_burst", "", "5s", live, "", "how far ahead of these rates a client may be before it is not read for a while; one that stays there for twice as long is closed (3013)"},
		is(func(s *settings) *time.Duration { return &s.node.RateBurst }, limit)},
	{Key{"client.input_memory_limit", "", "auto", restart, "", "memory for messages that are not whole yet, of all clients together; auto is 256 MiB, or an eighth of what `client.memory_budget` comes to if that is less, 0 is no limit"},
		is(func(s *settings) *int64 { return &s.node.InputBudget }, budget)},
	{Key{"client.queue_max_size", "", "1MiB", live, "queue-max-size", "most that may wait for one client"},
		is(func(s *settings) *int { return &s.node.QueueLimit }, buffer)},
	{Key{"client.queue_memory_limit", "", "auto", restart, "", "most that may wait for all clients together; auto is 512 MiB, or an eighth of what `client.memory_budget` comes to if that is less, 0 is no limit"},
		is(func(s *settings) *int64 { return &s.node.QueueBudget }, budget)},
	{Key{"client.room_limit", "", "128", live, "", "rooms that a client may be in"},
		is(func(s *settings) *int { return &s.node.RoomLimit }, count)},
	{Key{"client.ping_interval", "", "25s", restart, "ping-interval", "time between pings, in whole seconds; 0s for none"},
		is(func(s *settings) *time.Duration { return &s.node.PingInterval }, ping)},
	{Key{"client.pong_timeout", "", "8s", restart, "", "time that a client has to answer a ping, at most two thirds of the interval"},
		is(func(s *settings) *time.Duration { return &s.node.PongTimeout }, limit)},
	{Key{"client.head_timeout", "", "5s", restart, "", "time from accepting a connection to its whole request head"},
		is(func(s *settings) *time.Duration { return &s.node.HeadTimeout }, limit)},
	{Key{"client.keep_alive_timeout", "", "1m5s", restart, "", "how long a connection may wait for its next request after the answer to the one before"},
		is(func(s *settings) *time.Duration { return &s.node.KeepAliveTimeout }, limit)},
	{Key{"client.stale_close_delay", "", "10s", restart, "", "time from there to a connect command"},
		is(func(s *settings) *time.Duration { return &s.node.StaleTimeout }, limit)},
	{Key{"client.write_stall_limit", "", "10s", restart, "", "how long a client's socket may take nothing of what waits for it"},
		is(func(s *settings) *time.Duration { return &s.node.StallLimit }, limit)},

	{Key{"client.expired_close_delay", "", "25s", restart, "", "how long a client may stay without a new token when its own has expired"},
		is(func(s *settings) *time.Duration { return &s.node.ExpiredCloseDelay }, patience)},
	{Key{"client.expired_sub_close_delay", "", "25s", restart, "", "the same for a subscription"},
		is(func(s *settings) *time.Duration { return &s.node.ExpiredSubCloseDelay }, patience)},
	{Key{"client.max_connection_age", "", "0s", restart, "", "age at which a client is told to come back, give or take a tenth; 0s is never"},
		is(func(s *settings) *time.Duration { return &s.node.MaxConnectionAge }, duration(0, forever, 1, "a time such as 12h, or 0s"))},

	{Key{"room.namespaces", "", "", live, "", "a list of entries, each with a `name` and the options of the rooms whose names begin with it and a colon"},
		namespacesField{}},

	{Key{"history.memory_limit", "", "auto", restart, "", "memory for all histories together; auto is 256 MiB, or an eighth of what `client.memory_budget` comes to if that is less, 0 is no limit"},
		is(func(s *settings) *int64 { return &s.node.HistoryMemoryLimit }, budget)},
	{Key{"history.store.enabled", "", "false", restart, "", "keeps the histories of rooms with `store` on disk"},
		is(func(s *settings) *bool { return &s.storeEnabled }, boolean)},
	{Key{"history.store.path", "", "", restart, "", "file of the store"},
		is(func(s *settings) *string { return &s.store.Path }, path)},
	{Key{"history.store.sync", "", "always", restart, "", "when publications reach the disk: always, before they are acknowledged, or interval"},
		is(func(s *settings) *string { return &s.store.Sync }, choice("always", "interval"))},
	{Key{"history.store.sync_interval", "", "1s", restart, "", "time between two syncs under interval"},
		is(func(s *settings) *time.Duration { return &s.store.SyncInterval }, duration(time.Millisecond, day, 1, "a time from 1ms to 24h, as 1s"))},

	{Key{"sse.enabled", "", "false", restart, "", "serves `/connection/sse`, server-sent events for SDKs and for plain EventSource; development mode has it on"},
		is(func(s *settings) *bool { return &s.node.SSE }, boolean)},
	{Key{"http_stream.enabled", "", "false", restart, "", "serves `/connection/http_stream`, for SDKs that no proxy lets have anything else; development mode has it on"},
		is(func(s *settings) *bool { return &s.node.HTTPStream }, boolean)},

	{Key{"api.insecure", "", "false", restart, "", "lets everybody use the HTTP API who reaches the internal address; in development mode and on the loopback only"},
		is(func(s *settings) *bool { return &s.node.API.Insecure }, boolean)},
	{Key{"api.error_mode", "", "reply", restart, "", "how the HTTP API tells errors: reply, in answers with status 200, or transport, by the status"},
		is(func(s *settings) *bool { return &s.node.API.Transport }, errorMode)},
	{Key{"api.body_limit", "", "4MiB", restart, "", "largest request to the HTTP API"},
		is(func(s *settings) *int { return &s.node.API.BodyLimit }, buffer)},

	{Key{"log.level", "", "info", live, "log-level", "least level that is logged: debug, info, warn or error"},
		is(func(s *settings) *string { return &s.logLevel }, choice("debug", "info", "warn", "error"))},
	{Key{"log.format", "", "auto", restart, "log-format", "text, json, or auto: text on a terminal, JSON elsewhere"},
		is(func(s *settings) *string { return &s.logFormat }, choice("auto", "text", "json"))},

	{Key{"shutdown.delay", "", "0s", restart, "", "time for which a node that drains says that it is not ready before it closes its listeners"},
		is(func(s *settings) *time.Duration { return &s.node.DrainDelay }, duration(0, day, 1, "a time such as 5s, or 0s"))},
	{Key{"shutdown.window", "", "30s", restart, "shutdown-window", "time over which a drain closes connections"},
		is(func(s *settings) *time.Duration { return &s.node.ShutdownWindow }, duration(0, day, 1, "a time such as 30s, or 0s"))},
}

const (
	withoutNamespace = "room.without_namespace"
	namespaces       = "room.namespaces"
	ofConnections    = "client.token"
	ofSubscriptions  = "client.subscription_token"
)

// nodeKeys are all keys, save those of rooms without a namespace and of hooks.
var nodeKeys = func() []key[settings] {
	all := slices.Clone(generalKeys)
	before := func(path string, more []key[settings]) {
		all = slices.Insert(all, slices.Index(paths(all), path), more...)
	}
	before("listen.proxy_protocol.enabled", under("listen.tls", func(s *settings) *tlsSettings { return &s.tls }, tlsKeys))
	before("client.disallow_anonymous_connection_tokens", under(ofConnections, func(s *settings) *tokens { return &s.tokens }, tokenKeys))
	before("client.disallow_anonymous_connection_tokens", []key[settings]{{
		Key{ofSubscriptions + ".enabled", "", "false", live, "", "subscriptions have tokens of their own, by keys under `" + ofSubscriptions + "` that are called as those under `" + ofConnections + "`"},
		is(func(s *settings) *bool { return &s.separate }, boolean)}})
	before("log.level", under(ofSockets, func(s *settings) *sockets { return &s.sockets }, socketKeys))
	before("api.insecure", secretKeys(Key{"api.key", "", "", live, "", "what users of the HTTP API show; without one nobody may use it"},
		func(s *settings) *secret { return &s.apiKey }, "letters and digits, as edge genconfig makes them", wrongAPIKey))
	return all
}()

// keys are all keys, section by section, and keyAt the same by path.
var (
	keys = func() []key[settings] {
		all := slices.Clone(nodeKeys)
		before := func(path string, more []key[settings]) {
			all = slices.Insert(all, slices.Index(paths(all), path), more...)
		}
		before("client.disallow_anonymous_connection_tokens", under(ofSubscriptions, func(s *settings) *tokens { return &s.subTokens }, tokenKeys))
		before(namespaces, under(withoutNamespace, func(s *settings) *server.RoomOptions { return &s.node.Rooms.WithoutNamespace }, roomKeys))
		before("log.level", under("hooks", func(s *settings) *hooks { return &s.hooks }, hookKeys))
		return all
	}()
	keyAt    = byPath(keys)
	sections = sectionsOf(keys)
)

// sectionsOf returns the sections that keys stand in.
func sectionsOf[T any](all []key[T]) map[string]bool {
	m := make(map[string]bool)
	for _, k := range all {
		for i, c := range k.Path {
			if c == '.' {
				m[k.Path[:i]] = true
			}
		}
	}
	return m
}

// defaults returns what holds where nothing is said.
func defaults() settings {
	var s settings
	setDefaults(&s, keys)
	return s
}

// wrongAddress returns what is wrong with a public address. Whether the host has it shows when it is bound.
func wrongAddress(a string) string {
	if path, ok := strings.CutPrefix(a, "unix:"); ok {
		if path == "" {
			return "names no path"
		}
		return ""
	}
	_, ports, err := net.SplitHostPort(a)
	first, end, ranged := strings.Cut(ports, "-")
	if !ranged {
		end = first
	}
	low, errLow := strconv.ParseUint(first, 10, 16)
	high, errHigh := strconv.ParseUint(end, 10, 16)
	if err != nil || errLow != nil || errHigh != nil || high < low {
		return "is not an address"
	}
	return ""
}

// wrongInternalAddress returns what is wrong with an address of net.Listen.
func wrongInternalAddress(a string) string {
	_, port, err := net.SplitHostPort(a)
	if _, errPort := strconv.ParseUint(port, 10, 16); err != nil || errPort != nil {
		return "is not an address"
	}
	return ""
}

func parseWhole(raw any) (float64, string) {
	n, wrong := countOrNone.parse(raw)
	return float64(n), wrong
}

func writeWhole(v float64) string { return strconv.Itoa(int(v)) }

// budget is a size, auto, which the node takes as 0, or 0 for none, which it takes as less.
var budget = codec[int64]{
	kind: "size",
	hint: "auto, a size as 4GiB, or 0 for no limit",
	parse: func(raw any) (int64, string) {
		if s, ok := asString(raw); ok && s == "auto" {
			return 0, ""
		}
		n, wrong := sizeOrNone.parse(raw)
		unlimited(&n)
		return n, wrong
	},
	write: func(n int64) string {
		if n == 0 {
			return "auto"
		}
		return formatSize(max(n, 0))
	},
}

// errorMode is whether errors are statuses.
var errorMode = func() codec[bool] {
	modes := choice("reply", "transport")
	return codec[bool]{
		kind: modes.kind,
		hint: modes.hint,
		parse: func(raw any) (bool, string) {
			mode, wrong := modes.parse(raw)
			return mode == "transport", wrong
		},
		write: func(transport bool) string {
			if transport {
				return "transport"
			}
			return "reply"
		},
	}
}()

// wrongNetwork returns what is wrong with the address of a proxy, or of several.
func wrongNetwork(s string) string {
	if _, err := proxyproto.ParseTrusted([]string{s}); err != nil {
		return "is not a network"
	}
	return ""
}

func wrongOrigin(s string) string {
	if _, err := auth.ParseOrigins([]string{s}); err != nil {
		return "is not an origin"
	}
	return ""
}

// wrongAPIKey returns what keeps a key from being sent in a header.
func wrongAPIKey(s string) string {
	if strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return "has a character that no header has, or a space"
	}
	return ""
}
