package config

import (
	"slices"

	"github.com/seed4ac54ce5/edge/server"
)

// rule is how options of a room depend on each other.
type rule struct {
	broken func(o *server.RoomOptions) bool
	key    string // that is wrong
	say    string
	also   []string // the other keys that it looks at
}

// history is the two keys that make one.
var history = []string{"history_size", "history_ttl"}

func hasHistory(o *server.RoomOptions) bool { return o.HistorySize > 0 || o.HistoryTTL > 0 } // both, or a rule is broken already

var rules = []rule{
	{func(o *server.RoomOptions) bool { return o.HistorySize > 0 && o.HistoryTTL == 0 },
		"history_ttl", "0s beside a history_size keeps nothing; write a time such as 10m", history},
	{func(o *server.RoomOptions) bool { return o.HistorySize == 0 && o.HistoryTTL > 0 },
		"history_size", "0 beside a history_ttl keeps nothing; write a number such as 100", history},
	{func(o *server.RoomOptions) bool { return o.Kind == "latest" && !hasHistory(o) },
		"kind", "latest rooms keep their newest publication; write history_size: 1 and a history_ttl such as 24h", history},
	{func(o *server.RoomOptions) bool { return o.Kind == "durable" && !hasHistory(o) },
		"kind", "durable rooms need history; write history_size and history_ttl, such as 1000 and 24h", history},
	{func(o *server.RoomOptions) bool { return o.Kind == "ephemeral" && hasHistory(o) },
		"kind", "ephemeral rooms have no history; write kind: stream, or leave history_size and history_ttl out", history},
	{func(o *server.RoomOptions) bool { return o.ForceRecovery && !hasHistory(o) },
		"force_recovery", needsHistory, history},
	{func(o *server.RoomOptions) bool { return o.AllowRecovery && !hasHistory(o) },
		"allow_recovery", needsHistory, history},
	{func(o *server.RoomOptions) bool { return o.AutoCacheRecover && !hasHistory(o) },
		"auto_cache_recover", needsHistory, history},
	{func(o *server.RoomOptions) bool { return o.Store && !hasHistory(o) },
		"store", needsHistory, history},
	{func(o *server.RoomOptions) bool { return o.JoinLeave && !o.Presence },
		"join_leave", "needs presence; write presence: true", []string{"presence"}},
	{func(o *server.RoomOptions) bool { return o.ForcePushJoinLeave && !o.JoinLeave },
		"force_push_join_leave", "needs join_leave; write join_leave: true", []string{"join_leave"}},
	{func(o *server.RoomOptions) bool { return o.PresenceGrace > 0 && !o.Presence },
		"presence_grace", "needs presence; write presence: true", []string{"presence"}},
}

const needsHistory = "needs history; write history_size and history_ttl, such as 100 and 10m"

// check returns where keys of s contradict each other. Of keys with a problem already it says no more.
func check(s *settings, known Problems) (found Problems) {
	complain := func(say, key string, also ...string) {
		if !known.about(append(also, key)...) {
			found = append(found, Problem{Key: key, What: say})
		}
	}
	if s.storeEnabled && s.store.Path == "" {
		complain("missing; write the path of a file", "history.store.path", "history.store.enabled")
	}
	eachRooms(s, func(section string, o *server.RoomOptions) {
		in := func(key string) string { return join(section, key) }
		for _, r := range rules {
			if r.broken(o) {
				complain(r.say, in(r.key), mapped(r.also, in)...)
			}
		}
		if o.Store && !s.storeEnabled {
			complain("needs a store; write history.store.enabled: true, which takes a restart", in("store"), "history.store.enabled")
		}
	})
	return found
}

// eachRooms calls f for all options of rooms in s and what their keys stand under.
func eachRooms(s *settings, f func(section string, o *server.RoomOptions)) {
	f(withoutNamespace, &s.node.Rooms.WithoutNamespace)
	for i := range s.node.Rooms.Namespaces {
		n := &s.node.Rooms.Namespaces[i]
		f(entryPath(n.Name), &n.RoomOptions)
	}
}

// mapped returns f of each of all.
func mapped(all []string, f func(string) string) []string {
	out := slices.Clone(all)
	for i := range out {
		out[i] = f(out[i])
	}
	return out
}
