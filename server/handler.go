package server

import (
	"net/http"
	"net/netip"
	"time"

	"github.com/seed4ac54ce5/edge/auth"
	"github.com/seed4ac54ce5/edge/protocol"
)

// Handler is an application inside the node: what it decides about its clients. A field that is nil leaves the
// decision to the node, as the comment at each says. Functions run on the worker pool, so they may take their time;
// those of one conn run one after the other in the order of what it sent, and nothing more is read from the conn
// meanwhile. Calls beyond what the pool's queue holds are answered with error 111 (too many requests).
//
// An error that is an [*Error] is the command's answer, one that is a [Disconnect] ends the conn with its code,
// and any other is logged and answered with error 100 (internal server error).
//
// Slices in a request are the function's own. Those that it returns must not change afterwards.
type Handler struct {
	// Start is given the node before it serves anybody, for the other functions to use.
	Start func(*Server)
	// Connect decides who may connect, and as whom. Without it: the clients that the configuration lets in,
	// anonymous.
	Connect func(*ConnectRequest) (ConnectReply, error)
	// Refresh decides whether a session whose ConnectReply had an ExpireAt may go on, once that has come. Without it such a
	// session ends (3005). A [Disconnect] ends it too; after any other error it is asked again, for as long as
	// Config.ExpiredCloseDelay.
	Refresh func(Client) (RefreshReply, error)
	// Subscribe decides about the rooms that a client asks for. Without it: what the room's options allow.
	Subscribe func(Client, *SubscribeRequest) (SubscribeReply, error)
	// SubRefresh decides whether a subscription that had an ExpireAt, and came by no token, may go on. Without it such a
	// subscription ends. Otherwise it is as Refresh, with Config.ExpiredSubCloseDelay.
	SubRefresh func(Client, *SubRefreshRequest) (SubRefreshReply, error)
	// Publish decides about a client's publications, and may change their data. Without it: what the room's
	// options allow.
	Publish func(Client, *PublishRequest) (PublishReply, error)
	// RPC answers calls. Without it they are not available (error 108).
	RPC func(Client, *RPCRequest) (data []byte, err error)
	// Message takes messages that expect no answer. Without it a client that sends one is closed (3508).
	Message func(c Client, data []byte) error
	// Disconnect is told of the end of each conn that had connected, exactly once, after all its other calls.
	Disconnect func(Client, Disconnect)

	// Headers names the fields of a client's handshake request that Connect is given; all others are forgotten at once. With
	// cookies among them a program, which sends no origin, cannot connect without a token (3507): whose cookies they are is
	// not to be known.
	Headers []string
	// KeepHeaders gives them to the other functions too, which takes memory for as long as a client is connected.
	KeepHeaders bool

	// NonBlocking declares that no function ever waits: they then run on the conn's loop, which saves the way
	// to the pool and back. A function that waits all the same holds up every conn of its loop.
	NonBlocking bool
}

// meets reports whether any function of h is given a [Client].
func (h *Handler) meets() bool {
	return h.Refresh != nil || h.Subscribe != nil || h.SubRefresh != nil || h.Publish != nil ||
		h.RPC != nil || h.Message != nil || h.Disconnect != nil
}

// Error is a negative answer to a command. Codes of an application are 400 to 1999.
type Error = protocol.Error

// The protocol's own answers that applications give too.
var (
	ErrUnauthorized     = protocol.ErrUnauthorized     // 101
	ErrPermissionDenied = protocol.ErrPermissionDenied // 103
	ErrMethodNotFound   = protocol.ErrMethodNotFound   // 104
	ErrBadRequest       = protocol.ErrBadRequest       // 107
)

// Disconnect is why a conn ends. Codes of an application are 4000 to 4999: up to 4499 the client comes back.
type Disconnect = protocol.Disconnect

// Client is who a request comes from.
type Client struct {
	ID   string // the session's, a UUID
	User string // empty for an anonymous one
	Info []byte // conn_info, any JSON value; nil if there is none

	// Not of those that [Server.Presence] lists.
	Protocol  string      // its encoding: json or protobuf
	Transport string      // how it is connected: websocket, sse, http_stream or socketio
	Meta      []byte      // what ConnectReply, RefreshReply or its token has attached to it; nil for nothing
	Header    http.Header // of its handshake request, with Handler.KeepHeaders
}

// ConnectRequest is a client at the door.
type ConnectRequest struct {
	Client    string         // the id it will have
	Protocol  string         // its encoding: json or protobuf
	Transport string         // how it is connected: websocket, sse, http_stream or socketio
	Address   netip.AddrPort // where it comes from; the zero value on a Unix socket
	Header    http.Header    // of its handshake request, what Handler.Headers names; nil for nothing
	Token     []byte
	Data      []byte   // any value of the application's; nil if absent
	Name      string   // which SDK
	Version   string   // of the SDK
	Rooms     []string // that it wishes to begin with, as it has written them
}

// ConnectReply lets a client in.
type ConnectReply struct {
	User string
	Info []byte         // any JSON value, shown to others as conn_info
	Data []byte         // for the client
	Subs []Subscription // server-side subscriptions that it begins with

	// ExpireAt is when the session ends; the zero time is never. The application is asked by Refresh then.
	ExpireAt time.Time

	Meta         []byte            // for the application's own use: Client.Meta in all that it is asked later
	Capabilities auth.Capabilities // what it may do beyond the rooms' options

	token   string // id of the token that it came with
	granted uint64 // the rooms that this has put it into: see users.rooms

	byApplication bool // Handler.Connect has decided, where it was asked by [Server.Admit]
}

// RefreshReply lets a session go on, or does not.
type RefreshReply struct {
	Expired  bool      // it ends now
	ExpireAt time.Time // when to ask again; the zero time is never

	Info         []byte             // the new conn_info; nil leaves it
	Meta         []byte             // nil leaves it
	Capabilities *auth.Capabilities // nil leaves them
}

// Subscription is a room that a client is put into by the server.
type Subscription struct {
	Room string
	Info []byte // any JSON value, shown to others as chan_info
	Data []byte // for the client

	ExpireAt time.Time     // when it ends; the zero time is never. The application is asked by SubRefresh then.
	Override auth.Override // in place of the room's options

	// RecoverSince is a position of the room: what came later is due to the client, unless that knows better. Nil is for nothing.
	RecoverSince *Position
}

// SubscribeRequest is a client that wants to enter a room.
type SubscribeRequest struct {
	Room  string
	Token []byte // nil for none. Where the node has keys for subscriptions, it checks tokens itself and does not ask.
	Data  []byte // any value of the application's; nil if absent
}

// SubscribeReply lets it in.
type SubscribeReply struct {
	Info []byte // any JSON value, shown to others as chan_info
	Data []byte // for the client

	ExpireAt time.Time     // when it ends; the zero time is never. The application is asked by SubRefresh then.
	Override auth.Override // in place of the room's options
}

// SubRefreshRequest is a subscription whose time has come.
type SubRefreshRequest struct {
	Room string
}

// SubRefreshReply lets it go on, or does not.
type SubRefreshReply struct {
	Expired  bool      // it ends now
	ExpireAt time.Time // when to ask again; the zero time is never
	Info     []byte    // the new chan_info; nil leaves it
}

// PublishRequest is a client's publication.
type PublishRequest struct {
	Room string
	Data []byte
}

// PublishReply takes it.
type PublishReply struct {
	Data []byte // published in place of what the client sent; nil leaves that
	PublishOptions
}

// RPCRequest is a client's call.
type RPCRequest struct {
	Method string
	Data   []byte
}
