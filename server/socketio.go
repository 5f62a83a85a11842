package server

import (
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/seed4ac54ce5/edge/netpoll"
)

// SocketIO is how a node serves Engine.IO version 4 and Socket.IO version 5. What is 0 has its default.
type SocketIO struct {
	Path           string        // of requests; /socket.io/
	PingInterval   time.Duration // from a pong, or from the open packet, to the next ping; 25 s
	PingTimeout    time.Duration // from a ping to its pong; 20 s
	UpgradeTimeout time.Duration // from the probe to the upgrade packet; 10 s
	ConnectTimeout time.Duration // from the open packet to the first namespace; 45 s
	MaxPayload     int           // bytes of a message or of a polling body; 1,000,000
	NoPolling      bool          // WebSocket alone
	NoWebSocket    bool          // polling alone
	NoUpgrades     bool          // a session keeps the transport that it began with
	MessagePack    bool          // packets are those of socket.io-msgpack-parser, for all clients
	EchoPath       string        // a path that serves bare Engine.IO and sends messages back, for conformance tests; empty for none

	// KeepHandshakes gives SocketConnect.Handshake to all namespaces that a client ever asks for, which takes memory for as long as
	// it is connected. Otherwise those that it asks for when it has been in one for more than 5 s are given its address alone.
	KeepHandshakes bool
	// NoHandshakes gives all namespaces its address alone, and keeps nothing.
	NoHandshakes bool

	Limits SocketIOLimits

	// RoomsAsChannels names the namespaces whose rooms are those that clients of the other protocol subscribe to: room
	// "lobby" of "/" is the room "lobby", room "lobby" of "/game" is "game:lobby".
	RoomsAsChannels []string

	// RecordTTL is how long events stay that the application keeps with [Server.KeepRecord], from the newest of their log on; 1 h.
	RecordTTL time.Duration

	// App is the application. It is asked on the worker pool, save for what is said to be otherwise.
	App SocketApp
}

// SocketIOLimits bound what one client may make the node keep. What is 0 has its default.
type SocketIOLimits struct {
	Attachments       int           // of a packet; 10
	AttachmentTimeout time.Duration // from such a packet to its last attachment; 10 s
	Namespaces        int           // that a session is in; 16
	Rooms             int           // that a session is in, in all its namespaces; 128
	Depth             int           // of nested JSON; 64
	Sessions          int           // polling sessions of a loop; 100,000
}

// Socket names a client in one namespace: one membership of one session, for ever. Its zero value names nobody.
type Socket struct {
	Conn   netpoll.ConnID // of its session
	Serial uint32         // of its session's sockets
}

// SocketApp is an application for Socket.IO's clients. Package socketio is one.
//
// Connect, Connected, Event and Disconnect of one session are called one at a time, in the order of what the client did, and
// may block: the session's later packets wait meanwhile, up to a bound beyond which it is not read. Ack is called as soon as an
// acknowledgement comes, so that Event can wait for one.
type SocketApp interface {
	// Start is given the node before it serves anybody, for the other methods to use.
	Start(*Server)
	// Connect lets a client into a namespace, or returns why not: a *[SocketRefusal], or another error, which is logged and of
	// which the client hears nothing but "internal error".
	Connect(r *SocketConnect) (SocketWelcome, error)
	// Connected follows when the client's CONNECT has been answered.
	Connected(s Socket, namespace string)
	// Event is a client's event.
	Event(s Socket, e *SocketEvent)
	// Ack is a client's answer to packet id, as [Server.EmitSocket] has sent it with SocketPacket.Ack.
	Ack(s Socket, id uint64, p SocketPacket)
	// Disconnect is told of the end of each socket that Connect has let in, exactly once and last, also if the node is closing: the
	// store, if there is one, is still open then. reason is one of Socket.IO's, such as "transport close"; rooms are those that the
	// socket was in, without that of its id.
	Disconnect(s Socket, namespace, reason string, rooms []string)
}

// SocketConnect is a client at the door of a namespace.
type SocketConnect struct {
	Socket    Socket // what it will be
	ID        string // its id, unless SocketWelcome has another
	Namespace string
	Auth      []byte // the CONNECT packet's JSON object; nil for none
	Handshake *SocketHandshake
}

// SocketHandshake is the request that a session began with.
type SocketHandshake struct {
	Header  http.Header
	URL     string // its target as it came
	Address netip.AddrPort
	Secure  bool
	Issued  time.Time
}

// SocketWelcome lets a client in.
type SocketWelcome struct {
	ID  string // the id that the client gets; empty for SocketConnect.ID. A socket that is recovered has the one it had.
	PID string // its private id, for recovery; empty for none

	// Grant is what [Server.Admit] has let the client in with, or another that says whose connection it is: of user, info, meta,
	// capabilities and end it is the session's first that counts, and the others must be of the same user. Its Data and Subs are
	// for the application. Nil is nobody's.
	Grant *ConnectReply

	Rooms  []string       // that it is in from the beginning
	Missed []SocketPacket // sent before the answer
	// Joined is called when it is in its rooms: what is broadcast from then on reaches it. It is called exactly once, also if the client
	// has gone meanwhile. It may be nil; it runs on the loop and must not block.
	Joined func()
}

// joined calls Joined.
func (w *SocketWelcome) joined() {
	if w.Joined != nil {
		w.Joined()
	}
}

// SocketRefusal is the CONNECT_ERROR that answers a client.
type SocketRefusal struct {
	Message string
	Data    []byte // any JSON value; nil for none
}

func (e *SocketRefusal) Error() string { return e.Message }

// SocketPacket is what an event or an acknowledgement carries: a JSON array whose binary values are placeholders
// {"_placeholder":true,"num":i} for Attachments[i]. Whoever hands one over must not change it any more.
type SocketPacket struct {
	Data        []byte
	Attachments [][]byte
}

// SocketEvent is an event of a client's.
type SocketEvent struct {
	Namespace string
	SocketPacket
	AckID  uint64 // for Server.AckSocket
	HasAck bool   // the client asks for an acknowledgement
}

// EmitOptions say how an event is sent.
type EmitOptions struct {
	Volatile bool   // dropped for whom it would have to wait
	AckID    uint64 // of the acknowledgement that is asked for
	WantsAck bool
}

// SocketTarget is some of the sockets of a namespace: those in any of Rooms, in all of the namespace if there are none, but not
// those in any room of Except. The id of a socket counts as a room that it is in alone.
type SocketTarget struct {
	Namespace string
	Rooms     []string
	Except    []string
}

// SocketInfo is one of the sockets that [Server.Sockets] lists.
type SocketInfo struct {
	Socket Socket
	ID     string   // what Server.SocketID makes of Socket, also if SocketWelcome had another
	Rooms  []string // without that of its id
}

// The methods of [Server] for sockets, all for any goroutine but a loop's:
//
//	EmitSocket(s Socket, p SocketPacket, o EmitOptions)             sends an event to one socket; never blocks
//	AckSocket(s Socket, id uint64, p SocketPacket)                  answers an event; never blocks
//	Broadcast(t SocketTarget, p SocketPacket, o EmitOptions) error  never blocks; in the order of the calls of one goroutine for each receiver
//	BroadcastTo(ctx, t SocketTarget, p SocketPacket, o EmitOptions) ([]Socket, error)  as Broadcast, and says to whom; for acknowledgements
//	SocketID(s Socket) string                                       the id that SocketConnect.ID was
//	CountSockets(ctx, t SocketTarget) (int, error)
//	JoinSockets(ctx, t SocketTarget, rooms ...string) error         returns when they are in: what is broadcast then reaches them
//	LeaveSockets(ctx, t SocketTarget, rooms ...string) error
//	JoinSocket(ctx, s Socket, rooms ...string) error
//	LeaveSocket(ctx, s Socket, rooms ...string) error
//	SocketRooms(ctx, s Socket) ([]string, error)                    without that of its id
//	Sockets(ctx, t SocketTarget) ([]SocketInfo, error)
//	DisconnectSocket(s Socket, all bool)                            from its namespace, or its whole session; never blocks
//	DisconnectSockets(t SocketTarget, all bool)                     never blocks

const defaultMaxPayload = 1_000_000

// withDefaults returns a copy of c in which what is zero is filled in; nil for nil.
func (c *SocketIO) withDefaults() *SocketIO {
	if c == nil {
		return nil
	}
	d := *c
	orElse(&d.Path, "/socket.io/")
	d.Path = withSlash(d.Path)
	if d.EchoPath != "" {
		d.EchoPath = withSlash(d.EchoPath)
	}
	orElse(&d.PingInterval, 25*time.Second)
	orElse(&d.PingTimeout, 20*time.Second)
	orElse(&d.UpgradeTimeout, 10*time.Second)
	orElse(&d.ConnectTimeout, 45*time.Second)
	orElse(&d.MaxPayload, defaultMaxPayload)
	orElse(&d.Limits.Attachments, 10)
	orElse(&d.Limits.AttachmentTimeout, 10*time.Second)
	orElse(&d.Limits.Namespaces, 16)
	orElse(&d.Limits.Rooms, 128)
	orElse(&d.Limits.Depth, 64)
	orElse(&d.Limits.Sessions, 100_000)
	return &d
}

// withSlash returns a path with the slash that the paths of requests go on behind.
func withSlash(path string) string {
	if strings.HasSuffix(path, "/") {
		return path
	}
	return path + "/"
}

// check returns what is wrong with a filled-in c.
func (c *SocketIO) check() error {
	if c == nil {
		return nil
	}
	for _, d := range []struct {
		what  string
		value time.Duration
	}{
		{"ping interval", c.PingInterval}, {"ping timeout", c.PingTimeout}, {"upgrade timeout", c.UpgradeTimeout},
		{"connect timeout", c.ConnectTimeout}, {"attachment timeout", c.Limits.AttachmentTimeout},
	} {
		if d.value < time.Millisecond {
			return fmt.Errorf("%w: socket.io %s of %v; it must be 1ms or more", ErrConfig, d.what, d.value)
		}
	}
	for _, n := range []struct {
		what  string
		value int
	}{
		{"attachments", c.Limits.Attachments}, {"namespaces", c.Limits.Namespaces}, {"rooms", c.Limits.Rooms},
		{"depth", c.Limits.Depth}, {"sessions", c.Limits.Sessions},
	} {
		if n.value < 0 {
			return fmt.Errorf("%w: socket.io limit of %d %s; it must be positive", ErrConfig, n.value, n.what)
		}
	}
	switch {
	case c.MaxPayload < 1 || c.MaxPayload > maxMessageLimit:
		return fmt.Errorf("%w: socket.io payload of %d bytes; it may be 1 to %d", ErrConfig, c.MaxPayload, maxMessageLimit)
	case c.NoPolling && c.NoWebSocket:
		return fmt.Errorf("%w: socket.io without any transport", ErrConfig)
	case c.Path[0] != '/' || c.EchoPath != "" && c.EchoPath[0] != '/':
		return fmt.Errorf("%w: socket.io paths %q and %q; they begin with a slash", ErrConfig, c.Path, c.EchoPath)
	case c.EchoPath != "" && (strings.HasPrefix(c.EchoPath, c.Path) || strings.HasPrefix(c.Path, c.EchoPath)):
		return fmt.Errorf("%w: socket.io paths %q and %q; neither may be below the other", ErrConfig, c.Path, c.EchoPath)
	}
	return c.checkChannels()
}
