package server

import "time"

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
}

// StoreConfig says where histories are kept on disk.
type StoreConfig struct {
	Path         string
	Sync         string        // always (the default) or interval
	SyncInterval time.Duration // 1 s
}
