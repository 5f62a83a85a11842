package config

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"
	"time"

	"github.com/seed4ac54ce5/edge/server"
)

type roomOptions = server.RoomOptions

var (
	amount = integer(0, maxCount, "0 or more")
	span   = duration(0, forever, 1, "a time such as 10m, or 0s")
	wait   = duration(moment, forever, 1, "a time from 100ms on, as 30s")
)

// roomKeys are the options of rooms. Their paths begin in the section or the entry that they stand in.
var roomKeys = []key[roomOptions]{
	{Key{"kind", "", "stream", live, "", "what is promised: stream, ephemeral, latest or durable"},
		is(func(o *roomOptions) *string { return &o.Kind }, choice("stream", "ephemeral", "latest", "durable"))},
	{Key{"history_size", "", "0", live, "", "publications that are kept; with `history_ttl` only"},
		is(func(o *roomOptions) *int { return &o.HistorySize }, amount)},
	{Key{"history_ttl", "", "0s", live, "", "how long they are kept, from the newest on; with `history_size` only"},
		is(func(o *roomOptions) *time.Duration { return &o.HistoryTTL }, span)},
	{Key{"history_meta_ttl", "", "720h", live, "", "how long epoch and offset are kept after the last use"},
		is(func(o *roomOptions) *time.Duration { return &o.HistoryMetaTTL }, duration(time.Second, forever, 1, "a time from 1s on, as 720h"))},
	{Key{"store", "", "false", live, "", "keeps history on disk; needs `history.store.enabled`"},
		is(func(o *roomOptions) *bool { return &o.Store }, boolean)},

	{Key{"presence", "", "false", live, "", "who is in a room can be asked"},
		is(func(o *roomOptions) *bool { return &o.Presence }, boolean)},
	{Key{"join_leave", "", "false", live, "", "who asks for it is told who comes and goes; needs `presence`"},
		is(func(o *roomOptions) *bool { return &o.JoinLeave }, boolean)},
	{Key{"force_push_join_leave", "", "false", live, "", "who does not ask for it is told too; needs `join_leave`"},
		is(func(o *roomOptions) *bool { return &o.ForcePushJoinLeave }, boolean)},
	{Key{"presence_grace", "", "0s", live, "", "how soon a user must be back so that nobody is told; needs `presence`"},
		is(func(o *roomOptions) *time.Duration { return &o.PresenceGrace }, span)},

	{Key{"force_positioning", "", "false", live, "", "positions for every subscriber, so that a gap is noticed"},
		is(func(o *roomOptions) *bool { return &o.ForcePositioning }, boolean)},
	{Key{"allow_positioning", "", "false", live, "", "positions for those who ask"},
		is(func(o *roomOptions) *bool { return &o.AllowPositioning }, boolean)},
	{Key{"force_recovery", "", "false", live, "", "every subscriber recovers what it missed; needs history"},
		is(func(o *roomOptions) *bool { return &o.ForceRecovery }, boolean)},
	{Key{"allow_recovery", "", "false", live, "", "those who ask do; needs history"},
		is(func(o *roomOptions) *bool { return &o.AllowRecovery }, boolean)},
	{Key{"force_recovery_mode", "", "stream", live, "", "what is recovered: stream, all that was missed, or cache, the newest"},
		is(func(o *roomOptions) *string { return &o.ForceRecoveryMode }, choice("stream", "cache"))},
	{Key{"auto_cache_recover", "", "false", live, "", "under cache, a first subscribe gets the newest too; needs history"},
		is(func(o *roomOptions) *bool { return &o.AutoCacheRecover }, boolean)},

	{Key{"allow_subscribe_for_client", "", "false", live, "", "clients may subscribe"},
		is(func(o *roomOptions) *bool { return &o.AllowSubscribeForClient }, boolean)},
	{Key{"allow_subscribe_for_anonymous", "", "false", live, "", "those without a user too"},
		is(func(o *roomOptions) *bool { return &o.AllowSubscribeForAnonymous }, boolean)},
	{Key{"allow_publish_for_client", "", "false", live, "", "clients may publish"},
		is(func(o *roomOptions) *bool { return &o.AllowPublishForClient }, boolean)},
	{Key{"allow_publish_for_subscriber", "", "false", live, "", "subscribers may publish"},
		is(func(o *roomOptions) *bool { return &o.AllowPublishForSubscriber }, boolean)},
	{Key{"allow_publish_for_anonymous", "", "false", live, "", "those without a user too"},
		is(func(o *roomOptions) *bool { return &o.AllowPublishForAnonymous }, boolean)},
	{Key{"allow_presence_for_client", "", "false", live, "", "clients may ask who is there"},
		is(func(o *roomOptions) *bool { return &o.AllowPresenceForClient }, boolean)},
	{Key{"allow_presence_for_subscriber", "", "false", live, "", "subscribers may ask who is there"},
		is(func(o *roomOptions) *bool { return &o.AllowPresenceForSubscriber }, boolean)},
	{Key{"allow_presence_for_anonymous", "", "false", live, "", "those without a user too"},
		is(func(o *roomOptions) *bool { return &o.AllowPresenceForAnonymous }, boolean)},
	{Key{"allow_history_for_client", "", "false", live, "", "clients may ask for history"},
		is(func(o *roomOptions) *bool { return &o.AllowHistoryForClient }, boolean)},
	{Key{"allow_history_for_subscriber", "", "false", live, "", "subscribers may ask for history"},
		is(func(o *roomOptions) *bool { return &o.AllowHistoryForSubscriber }, boolean)},
	{Key{"allow_history_for_anonymous", "", "false", live, "", "those without a user too"},
		is(func(o *roomOptions) *bool { return &o.AllowHistoryForAnonymous }, boolean)},
	{Key{"allow_user_limited_channels", "", "false", live, "", "the users that a name lists behind `#` may subscribe, nobody else"},
		is(func(o *roomOptions) *bool { return &o.AllowUserLimitedChannels }, boolean)},
	{Key{"channel_regex", "", "", live, "", "what follows the namespace in a name must match it"},
		is(func(o *roomOptions) *string { return &o.ChannelRegex }, words("a regular expression in the syntax of RE2", wrongRegexp))},
	{Key{"publication_data_format", "", "", live, "", "what publications must be: json, json_object, binary, or anything if empty"},
		is(func(o *roomOptions) *string { return &o.PublicationDataFormat }, choice("", "json", "json_object", "binary"))},

	{Key{"slow_consumer", "", "close", live, "", "what happens to a subscriber whose queue is full: close, drop_oldest or latest"},
		is(func(o *roomOptions) *string { return &o.SlowConsumer }, choice("close", "drop_oldest", "latest"))},
	{Key{"ack_timeout", "", "30s", live, "", "in durable rooms, what is not acknowledged within it comes again"},
		is(func(o *roomOptions) *time.Duration { return &o.AckTimeout }, wait)},
	{Key{"typing_ttl", "", "5s", live, "", "how long a client counts as typing"},
		is(func(o *roomOptions) *time.Duration { return &o.TypingTTL }, wait)},
	{Key{"batch_delay", "", "0s", live, "", "least time between two writes of a room to its subscribers, so that more publications share one; where clients are in many rooms, rooms write at its multiples, so that they share one too"},
		is(func(o *roomOptions) *time.Duration { return &o.BatchDelay }, span)},
}

var roomKeyAt = byPath(roomKeys)

func wrongRegexp(s string) string {
	_, err := syntax.Parse(s, syntax.Perl)
	if bad := (*syntax.Error)(nil); errors.As(err, &bad) {
		return "is not a regular expression: " + bad.Code.String()
	}
	return ""
}

// namespacesField is the list of namespaces. The keys in an entry are called room.namespaces[NAME].KEY.
type namespacesField struct{}

func (namespacesField) kind() string          { return entriesKind }
func (namespacesField) fetch(*settings) error { return nil }

// at returns where in s the namespaces are.
func (namespacesField) at(s *settings) *[]server.Namespace { return &s.node.Rooms.Namespaces }

func (f namespacesField) copy(to, from *settings) { *f.at(to) = *f.at(from) }

func (f namespacesField) shown(s *settings) string { return f.text(s) }
func (f namespacesField) same(a, b *settings) bool { return f.text(a) == f.text(b) }

// text returns the entries, each with what is not a default.
func (f namespacesField) text(s *settings) string {
	var entries []string
	for i := range *f.at(s) {
		entries = append(entries, "{"+strings.Join(given(&(*f.at(s))[i]), ", ")+"}")
	}
	return "[" + strings.Join(entries, ", ") + "]"
}

// given returns name and options of a namespace, without those that are as by default.
func given(n *server.Namespace) []string {
	all := []string{"name: " + quote(n.Name)}
	plain := newNamespace("")
	for _, k := range roomKeys {
		if v := k.text(&n.RoomOptions); v != k.text(&plain.RoomOptions) {
			all = append(all, k.Path+": "+v)
		}
	}
	return all
}

// newNamespace returns a namespace with the default options.
func newNamespace(name string) server.Namespace {
	n := server.Namespace{Name: name}
	setDefaults(&n.RoomOptions, roomKeys)
	return n
}

// set reads a list of entries, of which each is a section. Its errors are Problems.
func (f namespacesField) set(s *settings, raw any) error {
	all, problems := readNamespaces(raw)
	*f.at(s) = all
	return problems.orNil()
}

func readNamespaces(raw any) (all []server.Namespace, problems Problems) {
	entries, ok := raw.([]any)
	if !ok && raw != nil && raw != text("") {
		return nil, Problems{{namespaces, "", show(raw) + " is not a list; write entries, each with a name"}}
	}
	seen := make(map[string]bool)
	for i, entry := range entries {
		n, wrong := readNamespace(fmt.Sprintf("%s[%d]", namespaces, i), entry)
		if n.Name != "" && seen[n.Name] {
			wrong = append(wrong, Problem{entryPath(n.Name), "", "a second namespace of this name; write each once"})
		}
		seen[n.Name] = true
		all = append(all, n)
		problems = append(problems, wrong...)
	}
	return all, problems
}

// readNamespace reads one entry. Until it has a name, it is called by its place in the list.
func readNamespace(place string, entry any) (n server.Namespace, problems Problems) {
	options, ok := entry.(map[string]any)
	if !ok {
		return n, Problems{{place, "", show(entry) + " is not a section; write a name and options"}}
	}
	name, err := readName(options)
	if err != nil {
		problems = append(problems, Problem{join(place, "name"), "", err.Error()})
	} else {
		place = entryPath(name)
	}
	n = newNamespace(name)
	for _, option := range slices.Sorted(maps.Keys(options)) {
		if option == "name" {
			continue
		}
		if err := setOption(&n.RoomOptions, option, options[option]); err != nil {
			problems = append(problems, Problem{join(place, option), "", err.Error()})
		}
	}
	return n, problems
}

// entryPath returns what the keys of a namespace are called by.
func entryPath(name string) string { return namespaces + "[" + name + "]" }

var nameForm = regexp.MustCompile(`^[-a-zA-Z0-9_]{2,}$`)

// readName returns the name in an entry.
func readName(options map[string]any) (string, error) {
	raw, ok := options["name"]
	if !ok {
		return "", errors.New("missing; write how the names of its rooms begin")
	}
	if name, ok := raw.(string); ok && nameForm.MatchString(name) {
		return name, nil
	}
	return "", fmt.Errorf("%s is not a name; write two or more letters, digits, hyphens or underscores", show(raw))
}

// setOption sets one option of a namespace.
func setOption(o *roomOptions, option string, raw any) error {
	k, ok := roomKeyAt[option]
	if !ok {
		return errors.New("unknown key" + suggest(option, append(paths(roomKeys), "name")))
	}
	return k.set(o, raw)
}
