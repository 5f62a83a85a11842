package protocol

import "strconv"

// A Disconnect says why the server closes a conn. It travels as the code and the reason of the WebSocket close frame, so
// Reason has 1 to 123 bytes, and it must not look like JSON: SDKs decide whether to come back only by a reason that does not.
type Disconnect struct {
	Code   uint16
	Reason string
}

// After these, clients reconnect.
var (
	DisconnectConnectionClosed    = Disconnect{3000, "connection closed"} // the client left by itself; never sent
	DisconnectShutdown            = Disconnect{3001, "shutdown"}
	DisconnectInternalError       = Disconnect{3004, "internal server error"}
	DisconnectExpired             = Disconnect{3005, "connection expired"}
	DisconnectSubscriptionExpired = Disconnect{3006, "subscription expired"}
	DisconnectSlow                = Disconnect{3008, "slow"}
	DisconnectWriteError          = Disconnect{3009, "write error"}
	DisconnectInsufficientState   = Disconnect{3010, "insufficient state"}
	DisconnectForceReconnect      = Disconnect{3011, "force reconnect"}
	DisconnectNoPong              = Disconnect{3012, "no pong"}
	DisconnectTooManyRequests     = Disconnect{3013, "too many requests"}
	DisconnectStateInvalidated    = Disconnect{3014, "state invalidated"} // the client drops its token and all its positions
)

// After these, clients stay away.
var (
	DisconnectInvalidToken          = Disconnect{3500, "invalid token"}
	DisconnectBadRequest            = Disconnect{3501, "bad request"}
	DisconnectStale                 = Disconnect{3502, "stale"}
	DisconnectForceDisconnect       = Disconnect{3503, "force disconnect"}
	DisconnectConnectionLimit       = Disconnect{3504, "connection limit"}
	DisconnectChannelLimit          = Disconnect{3505, "channel limit"}
	DisconnectInappropriateProtocol = Disconnect{3506, "inappropriate protocol"}
	DisconnectPermissionDenied      = Disconnect{3507, "permission denied"}
	DisconnectNotAvailable          = Disconnect{3508, "not available"}
	DisconnectTooManyErrors         = Disconnect{3509, "too many errors"}
)

// Reconnect reports whether clients come back after d. 4000 to 4999 are the application's, and split the same way.
func (d Disconnect) Reconnect() bool {
	return d.Code < 3500 || d.Code >= 4000 && d.Code < 4500 || d.Code >= 5000
}

// Error returns the code and the reason: a function that decides about a conn returns a Disconnect to end it.
func (d Disconnect) Error() string {
	return "protocol: disconnect " + strconv.Itoa(int(d.Code)) + ": " + d.Reason
}

// An Unsubscribed says why the server ends a subscription.
type Unsubscribed struct {
	Code   uint32
	Reason string
}

// The protocol's own reasons; 2100 to 2499 and 2600 to 2999 are the application's.
var (
	UnsubscribedByServer          = Unsubscribed{2000, "server unsubscribe"}
	UnsubscribedInsufficientState = Unsubscribed{2500, "insufficient state"}
	UnsubscribedExpired           = Unsubscribed{2501, "subscription expired"}
	UnsubscribedStateInvalidated  = Unsubscribed{2502, "state invalidated"} // the client drops its token and its position
)

// Resubscribe reports whether clients subscribe again, at once, after u.
func (u Unsubscribed) Resubscribe() bool { return u.Code >= 2500 }
