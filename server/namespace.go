package server

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math"
	"regexp"
	"slices"
	"time"

	"github.com/seed4ac54ce5/edge/auth"
	"github.com/seed4ac54ce5/edge/hub"
)

// Rooms says what rooms do, by the namespace that their names begin with.
type Rooms struct {
	WithoutNamespace RoomOptions // for names without a colon
	Namespaces       []Namespace
}

// Namespace is the options of the rooms whose names begin with Name and a colon.
type Namespace struct {
	Name string
	RoomOptions
}

// RoomOptions says what the rooms of a namespace do. The zero value is a plain room, closed to clients without a token.
type RoomOptions struct {
	Kind           string        // stream (the default), ephemeral, latest or durable
	HistorySize    int           // publications kept
	HistoryTTL     time.Duration // how long, from the newest on
	HistoryMetaTTL time.Duration // how long epoch and offset are kept after the last use; 720 h
	Store          bool          // history on disk

	Presence           bool
	JoinLeave          bool
	ForcePushJoinLeave bool          // to those who did not ask too
	PresenceGrace      time.Duration // how soon a user must be back so that nothing is said

	ForcePositioning  bool
	AllowPositioning  bool
	ForceRecovery     bool
	AllowRecovery     bool
	ForceRecoveryMode string // stream (the default) or cache
	AutoCacheRecover  bool

	AllowSubscribeForClient    bool
	AllowSubscribeForAnonymous bool
	AllowPublishForClient      bool
	AllowPublishForSubscriber  bool
	AllowPublishForAnonymous   bool
	AllowPresenceForClient     bool
	AllowPresenceForSubscriber bool
	AllowPresenceForAnonymous  bool
	AllowHistoryForClient      bool
	AllowHistoryForSubscriber  bool
	AllowHistoryForAnonymous   bool
	AllowUserLimitedChannels   bool
	ChannelRegex               string // what follows the namespace must match it
	PublicationDataFormat      string // "" for any, json, json_object or binary

	SlowConsumer string        // close (the default), drop_oldest or latest
	AckTimeout   time.Duration // durable: after it what is not acknowledged comes again; 30 s
	TypingTTL    time.Duration // how long a client counts as typing; 5 s
	BatchDelay   time.Duration // least time between two writes of a room to its members, so that more share one
}

// StoreConfig says where histories are kept on disk.
type StoreConfig struct {
	Path         string
	Sync         string        // always (the default) or interval
	SyncInterval time.Duration // 1 s
}

// namespace is a Namespace ready for use. It never changes: a reload makes new ones.
type namespace struct {
	RoomOptions
	id      hub.Namespace
	pattern *regexp.Regexp // nil for any name
	behind  policy
	durable bool
}

// namespaces is all of them, by what room names begin with.
type namespaces struct {
	without *namespace
	byName  map[string]*namespace
	byID    []*namespace
	open    bool // development: unknown namespaces are as none, and everybody may do everything
}

const (
	defaultAckTimeout = 30 * time.Second
	defaultTypingTTL  = 5 * time.Second
)

// newNamespaces checks r. ids are the hub's indices by name, to which new names are added: an index is for life.
func newNamespaces(r *Rooms, ids map[string]hub.Namespace, open bool) (*namespaces, error) {
	all := &namespaces{byName: make(map[string]*namespace), open: open}
	without, err := newNamespace("", &r.WithoutNamespace, ids)
	if err != nil {
		return nil, fmt.Errorf("%w: rooms without a namespace: %w", ErrConfig, err)
	}
	all.without = without
	for i := range r.Namespaces {
		n := &r.Namespaces[i]
		if !validNamespace.MatchString(n.Name) {
			return nil, fmt.Errorf("%w: namespace %q: a name is two or more letters, digits, - and _", ErrConfig, n.Name)
		}
		if n.Name == socketNamespace {
			return nil, fmt.Errorf("%w: namespace %q is what the rooms of Socket.IO have: choose another name", ErrConfig, n.Name)
		}
		if all.byName[n.Name] != nil {
			return nil, fmt.Errorf("%w: namespace %q stands twice", ErrConfig, n.Name)
		}
		if all.byName[n.Name], err = newNamespace(n.Name, &n.RoomOptions, ids); err != nil {
			return nil, fmt.Errorf("%w: namespace %q: %w", ErrConfig, n.Name, err)
		}
	}
	all.byID = make([]*namespace, len(ids))
	for _, n := range all.byName {
		all.byID[n.id] = n
	}
	all.byID[without.id] = without
	return all, nil
}

var validNamespace = regexp.MustCompile(`^[-a-zA-Z0-9_]{2,}$`)

func newNamespace(name string, o *RoomOptions, ids map[string]hub.Namespace) (*namespace, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	id, ok := ids[name]
	if !ok {
		if len(ids) > math.MaxUint16 {
			return nil, errors.New("too many different namespaces since the node began: restart it")
		}
		id = hub.Namespace(len(ids))
		ids[name] = id
	}
	n := &namespace{RoomOptions: *o, id: id}
	orElse(&n.Kind, "stream")
	orElse(&n.SlowConsumer, "close")
	orElse(&n.AckTimeout, defaultAckTimeout)
	orElse(&n.TypingTTL, defaultTypingTTL)
	n.behind, n.durable = n.policy(), n.Kind == "durable"
	if o.ChannelRegex != "" {
		pattern, err := regexp.Compile(o.ChannelRegex)
		if err != nil {
			return nil, fmt.Errorf("channel_regex: %w", err)
		}
		n.pattern = pattern
	}
	return n, nil
}

var kinds = map[string]hub.Kind{"stream": hub.Stream, "ephemeral": hub.Ephemeral, "latest": hub.Latest, "durable": hub.Durable}

// check returns what is wrong with o.
func (o *RoomOptions) check() error {
	history := o.HistorySize > 0 && o.HistoryTTL > 0
	_, kind := kinds[o.Kind]
	switch {
	case o.HistorySize < 0 || o.HistoryTTL < 0 || o.HistoryMetaTTL < 0 || o.PresenceGrace < 0 || o.AckTimeout < 0 || o.TypingTTL < 0 || o.BatchDelay < 0:
		return errors.New("a size or a time is negative")
	case (o.HistorySize > 0) != (o.HistoryTTL > 0):
		return errors.New("history_size and history_ttl belong together: set both")
	case o.Kind != "" && !kind:
		return fmt.Errorf("kind %q: write stream, ephemeral, latest or durable", o.Kind)
	case !slices.Contains([]string{"", "close", "drop_oldest", "latest"}, o.SlowConsumer):
		return fmt.Errorf("slow_consumer %q: write close, drop_oldest or latest", o.SlowConsumer)
	case !slices.Contains([]string{"", "stream", "cache"}, o.ForceRecoveryMode):
		return fmt.Errorf("force_recovery_mode %q: write stream or cache", o.ForceRecoveryMode)
	case !slices.Contains([]string{"", "json", "json_object", "binary"}, o.PublicationDataFormat):
		return fmt.Errorf("publication_data_format %q: write json, json_object or binary", o.PublicationDataFormat)
	case (o.Kind == "latest" || o.Kind == "durable") && !history:
		return fmt.Errorf("kind %s needs a history: set history_size and history_ttl", o.Kind)
	case o.Kind == "ephemeral" && history:
		return errors.New("kind ephemeral has no history: leave out history_size and history_ttl")
	case (o.ForceRecovery || o.AllowRecovery || o.AutoCacheRecover || o.Store) && !history:
		return errors.New("recovery and store need a history: set history_size and history_ttl")
	case o.Kind == "durable" && o.SlowConsumer != "" && o.SlowConsumer != "close":
		return errors.New("kind durable loses nothing: leave out slow_consumer")
	case (o.JoinLeave || o.ForcePushJoinLeave) && !o.Presence:
		return errors.New("join_leave needs presence")
	}
	return nil
}

// hubOptions is what of n the hub must know.
func (n *namespace) hubOptions() hub.Options {
	return hub.Options{
		Kind:          kinds[n.Kind],
		HistorySize:   n.HistorySize,
		HistoryTTL:    n.HistoryTTL,
		MetaTTL:       n.HistoryMetaTTL,
		Stored:        n.Store,
		Presence:      n.Presence,
		JoinLeave:     n.JoinLeave,
		PresenceGrace: n.PresenceGrace,
		BatchDelay:    n.BatchDelay,
	}
}

// with returns n as a token has it for one subscription.
func (n *namespace) with(o auth.Override) *namespace {
	if o == (auth.Override{}) {
		return n
	}
	changed := *n
	changed.Presence = o.Presence.Or(n.Presence)
	changed.JoinLeave = o.JoinLeave.Or(n.JoinLeave)
	changed.ForcePushJoinLeave = o.ForcePushJoinLeave.Or(n.ForcePushJoinLeave)
	changed.ForcePositioning = o.ForcePositioning.Or(n.ForcePositioning)
	changed.ForceRecovery = o.ForceRecovery.Or(n.ForceRecovery)
	return &changed
}

// history reports whether rooms of n remember anything.
func (n *namespace) history() bool { return n.HistorySize > 0 }

// of returns the namespace of a room, nil for one that is not configured. A $ before the namespace makes the room
// private.
func (all *namespaces) of(room []byte) *namespace {
	name, _, found := bytes.Cut(bytes.TrimPrefix(room, []byte{'$'}), []byte{':'})
	if !found {
		return all.without
	}
	if n := all.byName[string(name)]; n != nil {
		return n
	}
	if all.open && string(name) != socketNamespace {
		return all.without
	}
	return nil
}

// SetRooms changes what rooms do, from their next use on. Rooms of a namespace that is not in r any more take nothing
// new. An error wraps [ErrConfig], and then nothing has changed. Any goroutine.
func (s *Server) SetRooms(r Rooms) error {
	s.reload.Lock()
	defer s.reload.Unlock()
	ids := maps.Clone(s.namespaceIDs)
	all, err := newNamespaces(&r, ids, s.config.Development)
	if err != nil {
		return err
	}
	s.namespaceIDs = ids
	ordered := s.channelsOfSockets(all)
	for _, n := range all.byID {
		if n != nil {
			o := n.hubOptions()
			o.Ordered = ordered[n] && o.BatchDelay == 0
			s.hub.SetOptions(n.id, o)
		}
	}
	s.spaces.Store(all)
	return nil
}

// at returns the namespace of the hub's index, nil for one that is no more.
func (all *namespaces) at(id hub.Namespace) *namespace {
	if int(id) < len(all.byID) {
		return all.byID[id]
	}
	return nil
}
