package protocol

import "math/bits"

// A Method says what a Command asks for. From MethodConnect to MethodPing the order is that of precedence: of several
// commands in one message the first of these counts.
type Method uint8

const (
	MethodNone Method = iota // an id and nothing known besides: breaks the protocol
	MethodConnect
	MethodSubscribe
	MethodUnsubscribe
	MethodPublish
	MethodPresence
	MethodPresenceStats
	MethodHistory
	MethodRPC
	MethodSend
	MethodRefresh
	MethodSubRefresh
	MethodPing // the field exists, but no client may send it
	MethodPong // neither id nor command: the answer to the server's ping
)

var methodNames = [...]string{"none", "connect", "subscribe", "unsubscribe", "publish", "presence", "presence_stats", "history",
	"rpc", "send", "refresh", "sub_refresh", "ping", "pong"}

// String returns m's name on the wire.
func (m Method) String() string {
	if int(m) < len(methodNames) {
		return methodNames[m]
	}
	return "unknown"
}

// A Command is one message from a client. Method says which of the requests is set; the others hold what they held before.
// Every slice points into the message that was decoded or into the Decoder: copy what must live longer than both.
// What is raw is the application's: any JSON value, or in protobuf any bytes.
type Command struct {
	ID     uint32 // chosen by the client and repeated in the reply; 0 in a pong, and in a send
	Method Method

	Connect       ConnectRequest
	Subscribe     SubscribeRequest
	Unsubscribe   UnsubscribeRequest
	Publish       PublishRequest
	Presence      PresenceRequest
	PresenceStats PresenceRequest
	History       HistoryRequest
	RPC           RPCRequest
	Send          SendRequest
	Refresh       RefreshRequest
	SubRefresh    SubRefreshRequest

	seen uint16 // bit m: there is a request for Method m
}

// Check returns a Fault if no client may send c: it has no known command or a ping, or it has no id though a reply is due.
// The answer is DisconnectBadRequest.
func (c *Command) Check() error {
	switch {
	case c.Method == MethodNone || c.Method == MethodPing:
		return FaultMethod
	case c.ID == 0 && c.Method != MethodPong && c.Method != MethodSend:
		return FaultID
	}
	return nil
}

// settle sets Method once the whole message has been seen.
func (c *Command) settle() {
	switch {
	case c.seen != 0:
		c.Method = Method(bits.TrailingZeros16(c.seen))
	case c.ID == 0:
		c.Method = MethodPong
	default:
		c.Method = MethodNone
	}
}

// A ConnectRequest opens the session; it is the first command on every connection.
type ConnectRequest struct {
	Token   []byte // JWT; empty for an anonymous client
	Data    []byte // raw, for the application; nil if absent
	Subs    []byte // what Encoding.Subs reads the channels and their requests from, or nil
	Name    []byte // which SDK
	Version []byte // of the SDK
	Flag    int64
}

// A SubscribeRequest asks for a channel. In ConnectRequest.Subs, where the channel is the entry's key, Channel is not used.
type SubscribeRequest struct {
	Channel     []byte
	Token       []byte
	Epoch       []byte // with Offset: the position to recover from
	Offset      uint64
	Data        []byte // raw, for the application; nil if absent
	Delta       []byte // kind of delta compression wished for, or empty
	TagsFilter  []byte // object or message, as it is; nil if absent
	Flag        int64
	Type        int32 // kind of subscription; 0 is a stream
	Recover     bool
	Positioned  bool
	Recoverable bool
	JoinLeave   bool
}

// An UnsubscribeRequest gives up a channel.
type UnsubscribeRequest struct {
	Channel []byte
}

// A PublishRequest offers a publication to a channel.
type PublishRequest struct {
	Channel []byte
	Data    []byte // raw; nil if absent, which is not the same as null and is answered with ErrBadRequest
	Key     []byte
	Type    int32
	Removed bool
}

// A PresenceRequest asks who is in a channel, or only how many.
type PresenceRequest struct {
	Channel []byte
}

// A HistoryRequest asks for a channel's position and past publications.
type HistoryRequest struct {
	Channel  []byte
	Since    Position // where to start; set if HasSince
	HasSince bool
	Limit    int32 // 0: the position only; negative: all that the server is willing to give
	Reverse  bool  // newest first
}

// A Position is a place in a channel's stream.
type Position struct {
	Offset uint64
	Epoch  []byte
}

// An RPCRequest calls a method of the application and wants its result.
type RPCRequest struct {
	Method []byte
	Data   []byte // raw; nil if absent
}

// A SendRequest hands a message to the application, which does not answer.
type SendRequest struct {
	Data []byte // raw; nil if absent
}

// A RefreshRequest prolongs the session with a new token.
type RefreshRequest struct {
	Token []byte
}

// A SubRefreshRequest prolongs a subscription with a new token.
type SubRefreshRequest struct {
	Channel []byte
	Token   []byte
	Type    int32
}
