package config

import (
	"fmt"
	"net"
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

// complaint is how a check says what is wrong with a key, and which others it has looked at.
type complaint func(say, key string, also ...string)

// in returns a complaint about the keys of a section.
func (c complaint) in(section string) complaint {
	return func(say, key string, also ...string) {
		c(say, join(section, key), mapped(also, func(key string) string { return join(section, key) })...)
	}
}

// check returns where keys of s contradict each other. Of keys with a problem already it says no more.
func check(s *settings, known Problems) (found Problems) {
	var complain complaint = func(say, key string, also ...string) {
		if !known.about(append(also, key)...) {
			found = append(found, Problem{Key: key, What: say})
		}
	}
	s.tls.check(complain.in("listen.tls"))
	s.tokens.check(complain.in(ofConnections))
	s.subTokens.check(complain.in(ofSubscriptions))
	for i, event := range events {
		s.hooks.Events[i].check(complain.in("hooks." + event.String()))
	}
	s.checkAccess(complain)
	s.checkAPI(complain)
	if s.storeEnabled && s.store.Path == "" {
		complain("missing; write the path of a file", "history.store.path", "history.store.enabled")
	}
	s.checkRooms(complain)
	s.sockets.check(complain, func(name string) bool { return s.node.Development || indexOf(s.node.Rooms.Namespaces, name) >= 0 })
	return found
}

// checkAccess is about who may connect, and from where.
func (s *settings) checkAccess(complain complaint) {
	if p := &s.node.ProxyProtocol; p.Enabled && len(p.Trusted) == 0 {
		complain("missing; write the networks of the proxies, as 10.0.0.0/28", "listen.proxy_protocol.trusted", "listen.proxy_protocol.enabled")
	}
	if s.separate && !s.subTokens.hasKeys() {
		complain("but no key under "+ofSubscriptions+" could check a token; write one, as hmac_secret_key", ofSubscriptions+".enabled")
	}
	personal := s.node.Access.Personal
	if personal.Namespace != "" && indexOf(s.node.Rooms.Namespaces, personal.Namespace) < 0 {
		complain(fmt.Sprintf("%q is no namespace; write the name of one under %s", personal.Namespace, namespaces),
			"client.subscribe_to_user_personal_channel.personal_channel_namespace", namespaces)
	}
}

// checkAPI is about who may use the HTTP API: it must not be everybody in a network.
func (s *settings) checkAPI(complain complaint) {
	const insecure, internal, secret, file = "api.insecure", "internal.address", "api.key", "api.key_file"
	switch {
	case s.node.API.Insecure && !s.node.Development:
		complain("only for development: true; write false, and an api.key", insecure, "development")
	case s.node.API.Insecure && !onLoopback(s.node.InternalAddress):
		complain("only while internal.address is on the loopback; write false, and an api.key", insecure, internal)
	case !s.apiKey.isSet() && !onLoopback(s.node.InternalAddress):
		complain("beyond the loopback the HTTP API needs a key; write api.key, or an address as 127.0.0.1:9000", internal, secret, file)
	}
}

// onLoopback reports whether only this host reaches an address.
func onLoopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	ip := net.ParseIP(host)
	return err == nil && (host == "localhost" || ip != nil && ip.IsLoopback())
}

// checkRooms is about the options of rooms.
func (s *settings) checkRooms(complain complaint) {
	eachRooms(s, func(section string, o *server.RoomOptions) {
		for _, r := range rules {
			if r.broken(o) {
				complain.in(section)(r.say, r.key, r.also...)
			}
		}
		if o.Store && !s.storeEnabled {
			complain("needs a store; write history.store.enabled: true, which takes a restart", join(section, "store"), "history.store.enabled")
		}
	})
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
