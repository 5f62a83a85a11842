package api

import (
	"context"
	"encoding/json"
	"time"

	"github.com/seed4ac54ce5/edge/protocol"
)

// Node is what the API does its work on. Any goroutine may call it. An error that is a [*protocol.Error] is the
// request's answer: 102 for a room of an unknown namespace, 107 for a bad name, 108 for what the room does not have.
// Any other is logged and answered with error 100. Orders to clients who are not there are no errors.
//
// The values of applications (data, info) are any bytes. Those in a call belong to the node.
type Node interface {
	// Publish returns where the publication stands, or stood when it came first; zero in a room without a history.
	Publish(ctx context.Context, room string, data []byte, o PublishOptions) (Position, error)

	// Subscribe puts the clients of t into a room, whatever they may do there themselves.
	Subscribe(ctx context.Context, t Target, s Subscription) error
	// Unsubscribe takes them out of it, for good.
	Unsubscribe(ctx context.Context, t Target, room string) error
	// Disconnect ends their conns, but for those whose client ids are in except.
	Disconnect(ctx context.Context, t Target, except []string, why protocol.Disconnect) error
	// Refresh changes how long they may stay.
	Refresh(ctx context.Context, t Target, r Refresh) error
	// Revoke makes tokens void, and ends the conns that they have opened.
	Revoke(ctx context.Context, r Revocation) error

	// Presence returns who is in a room; for a large one it may be a part.
	Presence(ctx context.Context, room string) ([]ClientInfo, error)
	// PresenceStats returns how many clients, and how many different users, are in it.
	PresenceStats(ctx context.Context, room string) (clients, users int, err error)
	// History returns the publications that a room remembers, as o asks. Error 112 is a position of another epoch.
	History(ctx context.Context, room string, o HistoryOptions) (History, error)
	// RemoveHistory forgets them; epoch and offset go on.
	RemoveHistory(ctx context.Context, room string) error
	// Rooms returns how many clients are in each room with any whose name matches.
	Rooms(ctx context.Context, match func(room string) bool) (map[string]int, error)
	// Info returns the nodes of the cluster, in an order that does not change.
	Info(ctx context.Context) ([]NodeInfo, error)
}

// Target is the clients that an order is for: all of a user's, or of them the one with the id Client, or with the
// session Session. The user "" is the anonymous clients.
type Target struct {
	User    string `json:"user"`
	Client  string `json:"client,omitempty"`
	Session string `json:"session,omitempty"`
}

// Position is a place in a room's order. It is zero for a room without a history.
type Position struct {
	Offset uint64 `json:"offset,omitempty"`
	Epoch  string `json:"epoch,omitempty"`
}

// PublishOptions says how to publish. The zero value is an ordinary publication.
type PublishOptions struct {
	SkipHistory    bool              `json:"skip_history,omitempty"` // not remembered, no offset
	Tags           map[string]string `json:"tags,omitempty"`
	IdempotencyKey string            `json:"idempotency_key,omitempty"` // a repetition within 5 minutes reaches nobody
	Delta          bool              `json:"delta,omitempty"`           // may go out as a difference to the one before
	Version        uint64            `json:"version,omitempty"`         // if not 0: dropped unless above the room's last one
	VersionEpoch   string            `json:"version_epoch,omitempty"`   // versions of another one do not compare
}

// Subscription is a room that clients are put into.
type Subscription struct {
	Room         string
	Info         []byte    // shown to others as chan_info
	Data         []byte    // for the client
	ExpireAt     time.Time // zero for never
	RecoverSince *Position // what came later is due to the client; nil for nothing
	Override     Override
}

// Override takes the place of a room's options for one subscription; nil leaves what the room has.
type Override struct {
	Presence           *bool
	JoinLeave          *bool
	ForcePushJoinLeave *bool
	ForcePositioning   *bool
	ForceRecovery      *bool
}

// Refresh is how long conns may stay.
type Refresh struct {
	Expired  bool      // they end now, with 3005
	ExpireAt time.Time // zero for no end any more
	Info     []byte    // their new conn_info; nil leaves the old one
}

// Revocation names tokens that are void: all of a user's issued before a time, or the one with an id (the claim jti),
// or both.
type Revocation struct {
	User         string // "" for no user's
	IssuedBefore time.Time
	TokenID      string    // "" for none
	ExpireAt     time.Time // when those tokens expire anyway; zero if that is not known
}

// HistoryOptions says which part of a history is wanted.
type HistoryOptions struct {
	Limit   int       `json:"limit,omitempty"` // 0 for the position alone, -1 for all
	Since   *Position `json:"since,omitempty"` // nil for one end
	Reverse bool      `json:"reverse,omitempty"`
}

// History is what a room remembers, and its position.
type History struct {
	Publications []Publication
	Position
}

// Publication is one message to a room. In answers what is no JSON stands in the field B64Data; a [Node] need not care.
type Publication struct {
	Data    json.RawMessage   `json:"data,omitempty"`
	B64Data []byte            `json:"b64data,omitempty"`
	Info    *ClientInfo       `json:"info,omitempty"` // nil unless a client has published it
	Offset  uint64            `json:"offset,omitempty"`
	Tags    map[string]string `json:"tags,omitempty"`
}

// ClientInfo is what rooms know of a client. The fields B64… are as in [Publication].
type ClientInfo struct {
	User        string          `json:"user"`
	Client      string          `json:"client"`
	ConnInfo    json.RawMessage `json:"conn_info,omitempty"`
	ChanInfo    json.RawMessage `json:"chan_info,omitempty"`
	B64ConnInfo []byte          `json:"b64conn_info,omitempty"`
	B64ChanInfo []byte          `json:"b64chan_info,omitempty"`
}

// NodeInfo is a node's figures.
type NodeInfo struct {
	UID         string `json:"uid"` // another one each time the node starts
	Name        string `json:"name"`
	Version     string `json:"version"`
	NumClients  int    `json:"num_clients"`
	NumUsers    int    `json:"num_users"`
	NumChannels int    `json:"num_channels"` // rooms with clients in them
	NumSubs     int    `json:"num_subs"`
	Uptime      int64  `json:"uptime"` // seconds
}
