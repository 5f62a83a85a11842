package config

import (
	"math"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/seed4ac54ce5/edge/server"
)

// settings is what the keys set.
type settings struct {
	node         server.Config
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
	path        = words("the path of a file", func(string) string { return "" })
)

// nodeKeys are the keys of a node, save those of rooms without a namespace.
var nodeKeys = []key[settings]{
	{Key{"development", "", "false", restart, "development", "lets every client in, into every room, and serves `/echo` and the playground; true if there is no configuration file"},
		is(func(s *settings) *bool { return &s.node.Development }, boolean)},

	{Key{"listen.address", "", "127.0.0.1:8000", restart, "address", "where clients connect: `host:port`, `host:first-last`, `:port` for every address of the host, `unix:path`"},
		is(func(s *settings) *[]string { return &s.node.Addresses }, list("host:port, host:first-last or unix:path", wrongAddress))},
	{Key{"internal.address", "", "127.0.0.1:9000", restart, "internal-address", "`host:port` of health, metrics, profiles and playground"},
		is(func(s *settings) *string { return &s.node.InternalAddress }, words("host:port", wrongInternalAddress))},

	{Key{"reactor.loops", "", "0", restart, "loops", "reactor threads; 0 is one for each CPU"},
		is(func(s *settings) *int { return &s.node.Loops }, integer(0, server.MaxLoops, "0 for one for each CPU, or 1 to "+strconv.Itoa(server.MaxLoops)))},
	{Key{"reactor.private_fd_tables", "", "auto", restart, "private-fd-tables", "a descriptor table for each loop: auto, on or off"},
		is(func(s *settings) *string { return &s.node.PrivateTables }, choice("auto", "on", "off"))},

	{Key{"client.anonymous.enabled", "", "false", restart, "", "lets clients without a token in outside development mode too; the options of rooms say what they may do"},
		is(func(s *settings) *bool { return &s.node.Access.Anonymous }, boolean)},
	{Key{"client.message_size_limit", "", "64KiB", restart, "message-size-limit", "largest message from a client, after inflation"},
		is(func(s *settings) *int { return &s.node.MessageLimit }, buffer)},
	{Key{"client.fragment_limit", "", "1024", restart, "fragment-limit", "most frames that a message may have"},
		is(func(s *settings) *int { return &s.node.FragmentLimit }, count)},
	{Key{"client.message_timeout", "", "1m", restart, "", "time from the first byte of a message to its last"},
		is(func(s *settings) *time.Duration { return &s.node.MessageTimeout }, limit)},
	{Key{"client.command_rate_limit", "", "1000", restart, "", "commands and control frames that a client may send a second, a burst aside; 0 is no limit, and so is the default in development mode"},
		is(func(s *settings) *int { return &s.node.CommandRate }, countOrNone)},
	{Key{"client.byte_rate_limit", "", "1MiB", restart, "", "bytes that a client may send a second, a burst aside; 0 is no limit, and so is the default in development mode"},
		is(func(s *settings) *int { return &s.node.ByteRate }, size(0, maxBytes, "a size as 1MiB, or 0 for no limit"))},
	{Key{"client.rate_burst", "", "5s", restart, "", "how far ahead of these rates a client may be before it is not read for a while; one that stays there for twice as long is closed (3013)"},
		is(func(s *settings) *time.Duration { return &s.node.RateBurst }, limit)},
	{Key{"client.input_memory_limit", "", "256MiB", restart, "", "memory for messages that are not whole yet, of all clients together; 0 is no limit"},
		is(func(s *settings) *int64 { return &s.node.InputBudget }, sizeOrNone)},
	{Key{"client.queue_max_size", "", "1MiB", restart, "queue-max-size", "most that may wait for one client"},
		is(func(s *settings) *int { return &s.node.QueueLimit }, buffer)},
	{Key{"client.queue_memory_limit", "", "512MiB", restart, "", "most that may wait for all clients together; 0 is no limit"},
		is(func(s *settings) *int64 { return &s.node.QueueBudget }, sizeOrNone)},
	{Key{"client.room_limit", "", "128", restart, "", "rooms that a client may be in"},
		is(func(s *settings) *int { return &s.node.RoomLimit }, count)},
	{Key{"client.ping_interval", "", "25s", restart, "ping-interval", "time between pings, in whole seconds; 0s for none"},
		is(func(s *settings) *time.Duration { return &s.node.PingInterval }, ping)},
	{Key{"client.pong_timeout", "", "8s", restart, "", "time that a client has to answer a ping, at most two thirds of the interval"},
		is(func(s *settings) *time.Duration { return &s.node.PongTimeout }, limit)},
	{Key{"client.head_timeout", "", "5s", restart, "", "time from accepting a connection to its whole request head"},
		is(func(s *settings) *time.Duration { return &s.node.HeadTimeout }, limit)},
	{Key{"client.stale_close_delay", "", "10s", restart, "", "time from there to a connect command"},
		is(func(s *settings) *time.Duration { return &s.node.StaleTimeout }, limit)},
	{Key{"client.write_stall_limit", "", "10s", restart, "", "how long a client's socket may take nothing of what waits for it"},
		is(func(s *settings) *time.Duration { return &s.node.StallLimit }, limit)},

	{Key{"room.namespaces", "", "", live, "", "a list of entries, each with a `name` and the options of the rooms whose names begin with it and a colon"},
		namespacesField{}},

	{Key{"history.memory_limit", "", "256MiB", restart, "", "memory for all histories together; 0 is no limit"},
		is(func(s *settings) *int64 { return &s.node.HistoryMemoryLimit }, sizeOrNone)},
	{Key{"history.store.enabled", "", "false", restart, "", "keeps the histories of rooms with `store` on disk"},
		is(func(s *settings) *bool { return &s.storeEnabled }, boolean)},
	{Key{"history.store.path", "", "", restart, "", "file of the store"},
		is(func(s *settings) *string { return &s.store.Path }, path)},
	{Key{"history.store.sync", "", "always", restart, "", "when publications reach the disk: always, before they are acknowledged, or interval"},
		is(func(s *settings) *string { return &s.store.Sync }, choice("always", "interval"))},
	{Key{"history.store.sync_interval", "", "1s", restart, "", "time between two syncs under interval"},
		is(func(s *settings) *time.Duration { return &s.store.SyncInterval }, duration(time.Millisecond, day, 1, "a time from 1ms to 24h, as 1s"))},

	{Key{"log.level", "", "info", live, "log-level", "least level that is logged: debug, info, warn or error"},
		is(func(s *settings) *string { return &s.logLevel }, choice("debug", "info", "warn", "error"))},
	{Key{"log.format", "", "auto", restart, "log-format", "text, json, or auto: text on a terminal, JSON elsewhere"},
		is(func(s *settings) *string { return &s.logFormat }, choice("auto", "text", "json"))},

	{Key{"shutdown.window", "", "30s", restart, "shutdown-window", "time over which a drain closes connections"},
		is(func(s *settings) *time.Duration { return &s.node.ShutdownWindow }, duration(0, day, 1, "a time such as 30s, or 0s"))},
}

const (
	withoutNamespace = "room.without_namespace"
	namespaces       = "room.namespaces"
)

// keys are all keys, section by section, and keyAt the same by path.
var (
	keys = slices.Insert(slices.Clone(nodeKeys), slices.Index(paths(nodeKeys), namespaces),
		under(withoutNamespace, func(s *settings) *server.RoomOptions { return &s.node.Rooms.WithoutNamespace }, roomKeys)...)
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
