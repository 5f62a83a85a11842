package api

import "encoding/json"

// The requests and results of the methods, as they stand on the wire. Where a value comes as b64…, in base64, it
// wins over the one in JSON. Times are Unix seconds.

// PublishRequest is that of publish, whose result is a [Position].
type PublishRequest struct {
	Channel string          `json:"channel"`
	Data    json.RawMessage `json:"data,omitempty"`
	B64Data string          `json:"b64data,omitempty"`
	PublishOptions
}

// BroadcastRequest is that of broadcast: one publication in many rooms.
type BroadcastRequest struct {
	Channels []string        `json:"channels"`
	Data     json.RawMessage `json:"data,omitempty"`
	B64Data  string          `json:"b64data,omitempty"`
	PublishOptions
}

// BroadcastResult has an answer for each room, in the order of the request.
type BroadcastResult struct {
	Responses []PublishResponse `json:"responses"`
}

// PublishResponse is a result or an error; the other is nil.
type PublishResponse struct {
	Result *Position `json:"result,omitempty"`
	Error  *Error    `json:"error,omitempty"`
}

// SubscribeRequest is that of subscribe, whose result is empty.
type SubscribeRequest struct {
	Target
	Channel      string          `json:"channel"`
	Info         json.RawMessage `json:"info,omitempty"`
	B64Info      string          `json:"b64info,omitempty"`
	Data         json.RawMessage `json:"data,omitempty"`
	B64Data      string          `json:"b64data,omitempty"`
	ExpireAt     int64           `json:"expire_at,omitempty"` // 0 for never
	RecoverSince *Position       `json:"recover_since,omitempty"`
	Override     *OptionOverride `json:"override,omitempty"`
}

// OptionOverride is an [Override]; options that it does not have stay as they are.
type OptionOverride struct {
	Presence           *BoolValue `json:"presence,omitempty"`
	JoinLeave          *BoolValue `json:"join_leave,omitempty"`
	ForcePushJoinLeave *BoolValue `json:"force_push_join_leave,omitempty"`
	ForcePositioning   *BoolValue `json:"force_positioning,omitempty"`
	ForceRecovery      *BoolValue `json:"force_recovery,omitempty"`
}

// BoolValue is a switch that may also be absent.
type BoolValue struct {
	Value bool `json:"value"`
}

// UnsubscribeRequest is that of unsubscribe, whose result is empty.
type UnsubscribeRequest struct {
	Target
	Channel string `json:"channel"`
}

// DisconnectRequest is that of disconnect, whose result is empty.
type DisconnectRequest struct {
	Target
	Whitelist  []string    `json:"whitelist,omitempty"`  // ids of clients that stay
	Disconnect *Disconnect `json:"disconnect,omitempty"` // nil for 3503, for good
}

// Disconnect is why conns end. The application's codes are 4000 to 4999: up to 4499 the client comes back. The reason
// has at most 123 bytes and is not JSON.
type Disconnect struct {
	Code   uint32 `json:"code"`
	Reason string `json:"reason"`
}

// RefreshRequest is that of refresh, whose result is empty.
type RefreshRequest struct {
	Target
	Expired  bool            `json:"expired,omitempty"`
	ExpireAt int64           `json:"expire_at,omitempty"` // 0 for no end any more
	Info     json.RawMessage `json:"info,omitempty"`
}

// RevokeRequest is that of revoke, whose result is empty. It names a user or a token, or both.
type RevokeRequest struct {
	User         string `json:"user,omitempty"`
	IssuedBefore int64  `json:"issued_before,omitempty"` // 0 for now
	JTI          string `json:"jti,omitempty"`
	ExpireAt     int64  `json:"expire_at,omitempty"` // when those tokens expire anyway
}

// ChannelRequest is that of presence, presence_stats and history_remove.
type ChannelRequest struct {
	Channel string `json:"channel"`
}

// PresenceResult is who is in a room, by client id.
type PresenceResult struct {
	Presence map[string]ClientInfo `json:"presence"`
}

// PresenceStatsResult is how many.
type PresenceStatsResult struct {
	NumClients int `json:"num_clients"`
	NumUsers   int `json:"num_users"`
}

// HistoryRequest is that of history.
type HistoryRequest struct {
	Channel string `json:"channel"`
	HistoryOptions
}

// HistoryResult is a part of a room's past, and its position.
type HistoryResult struct {
	Publications []Publication `json:"publications"`
	Epoch        string        `json:"epoch"`
	Offset       uint64        `json:"offset"`
}

// ChannelsRequest is that of channels.
type ChannelsRequest struct {
	Pattern string `json:"pattern,omitempty"` // "" for all
}

// ChannelsResult is the rooms with clients in them.
type ChannelsResult struct {
	Channels map[string]ChannelInfo `json:"channels"`
}

// ChannelInfo is a room's figures.
type ChannelInfo struct {
	NumClients int `json:"num_clients"`
}

// InfoResult is the nodes of the cluster.
type InfoResult struct {
	Nodes []NodeInfo `json:"nodes"`
}

// RPCRequest is that of rpc.
type RPCRequest struct {
	Method string          `json:"method"`
	Params json.RawMessage `json:"params,omitempty"`
}

// RPCResult is what the application's function has returned.
type RPCResult struct {
	Data json.RawMessage `json:"data,omitempty"`
}

// BatchRequest is several requests in one, each an object with one field: a method's name with its request.
type BatchRequest struct {
	Commands []map[string]json.RawMessage `json:"commands"`
	Parallel bool                         `json:"parallel,omitempty"` // in no order
}
