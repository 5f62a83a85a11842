package protocol

// A ConnectResult answers a connect.
type ConnectResult struct {
	Client  []byte // the session's id, a UUID
	Version string // of the server
	Expires bool   // the token expires in TTL, and the client is to refresh it
	TTL     uint32 // seconds
	Data    []byte // raw
	Subs    []ConnectSub
	Ping    uint32 // seconds between the server's pings; 0 for none
	Pong    bool   // the client is to answer pings
	Session []byte // secret of the emulated transports
	Node    []byte // node that holds the session, for the same
	Time    int64  // the server's clock, Unix milliseconds
}

// A ConnectSub is a subscription that the server made at connect.
type ConnectSub struct {
	Channel []byte
	SubscribeResult
}

// A SubscribeResult answers a subscribe.
type SubscribeResult struct {
	Expires       bool
	TTL           uint32 // seconds
	Recoverable   bool
	Epoch         []byte
	Publications  []Publication // missed ones, oldest first
	Recovered     bool          // nothing is missing between the position asked for and what follows
	Offset        uint64
	Positioned    bool
	Data          []byte // raw
	WasRecovering bool   // the request asked for recovery
	Delta         bool   // publications come as deltas
}

// A PresenceStatsResult answers presence_stats.
type PresenceStatsResult struct {
	Clients uint32
	Users   uint32
}

// A HistoryResult answers a history.
type HistoryResult struct {
	Publications []Publication
	Position     Position // top of the stream
}

// A RefreshResult answers a refresh.
type RefreshResult struct {
	Client  []byte
	Version string
	Expires bool
	TTL     uint32 // seconds
}

// A SubRefreshResult answers a sub_refresh.
type SubRefreshResult struct {
	Expires bool
	TTL     uint32 // seconds
}

// A Publication is one message of a channel.
type Publication struct {
	Data   []byte      // raw
	Info   *ClientInfo // who published it, if a client did
	Offset uint64      // place in the stream, from 1; 0 where there is no history
	Tags   []Tag
	Delta  bool   // Data is a patch against the publication before
	Epoch  []byte // of the stream; only on the publication that opens it
}

// A Tag is a label of a publication.
type Tag struct {
	Key   []byte
	Value []byte
}

// A ClientInfo says who a client is.
type ClientInfo struct {
	User     []byte
	Client   []byte
	ConnInfo []byte // raw; nil if there is none
	ChanInfo []byte // raw; nil if there is none
}

// A ReplyKind tells the messages of the server apart.
type ReplyKind uint8

const (
	ReplyPing        ReplyKind = iota // to be answered by a pong
	ReplyResult                       // command ID succeeded
	ReplyError                        // command ID failed with Code
	ReplyPublication                  // push of Data to Channel
	ReplyPush                         // any other push
)

// A Reply is what a client needs to know of a message from the server. Its slices live as those of a Command.
type Reply struct {
	Kind    ReplyKind
	ID      uint32
	Code    uint32 // of an error
	Message []byte // of an error
	Channel []byte // of a push
	Data    []byte // of a publication
	Offset  uint64 // of a publication, or the position that a subscribe starts from
	Epoch   []byte // of that position
	Ping    uint32 // of a connect result: seconds between pings
	Pong    bool   // of a connect result: pings are to be answered

	Recoverable bool // of a subscribe result: Epoch and Offset may be asked for later
	Recovered   bool // of a subscribe result: nothing is missing since the position asked for
}
